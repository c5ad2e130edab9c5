"""Which earlier version "undo", "redo" and "version 2" mean. A version brought back is a new one with old questions.

Only the replies say which version is a copy of which: they are read back here.
"""

import re

from app.providers.offline.conversation import Conversation

_BROUGHT_BACK = re.compile(
    r"Back to (?:the first version|version (\d+)) of the ([\w ]+?) set\. Version (\d+) is kept", re.IGNORECASE
)
_SPOKE_OF_VERSIONS = re.compile(r"\b(?:undo|revert|restore|version|back to)\b", re.IGNORECASE)
REDO = re.compile(
    r"^\W*(?:please\W+)?(?:redo|wiederherstellen)(?: (?:it|that|this|the last change))?(?: please)?\W*$", re.IGNORECASE
)


def kind_of(conversation: Conversation) -> str:
    """The name of the speaking agent's type."""
    return (conversation.interview_type or "").replace("_", " ")


def before(conversation: Conversation, revision: int) -> int | None:
    """The version that "undo" leads to: 0 where there is none, None where it cannot be known."""
    copies = _copies(conversation)
    if revision not in copies and any(_SPOKE_OF_VERSIONS.search(line) for line in conversation.earlier_requests):
        return None
    return _origin(copies, revision) - 1


def again(conversation: Conversation, revision: int) -> int | None:
    """The version that "redo" leads to: only where an "undo" came last."""
    copies = _copies(conversation)
    is_undone = revision in copies and _origin(copies, revision) < _origin(copies, revision - 1)
    return revision - 1 if is_undone else None


def _copies(conversation: Conversation) -> dict[int, int]:
    """The version that each version brought back has the questions of."""
    return {
        int(kept) + 1: int(wanted or 1)
        for is_candidate, text in conversation.past
        if not is_candidate
        for wanted, kind, kept in _BROUGHT_BACK.findall(text)
        if kind == kind_of(conversation)
    }


def _origin(copies: dict[int, int], revision: int) -> int:
    while revision in copies and copies[revision] < revision:
        revision = copies[revision]
    return revision
