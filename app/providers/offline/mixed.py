"""Several types in one wish: "3 technical, 2 behavioral". One agent makes one part; "go on" leads to the next."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from app.providers.offline.conversation import Conversation
from app.providers.offline.routing import named_types
from app.providers.offline.wishes import count_asked, number_in

_PART = re.compile(r"[,;+&/]|\band\b|\bplus\b|\bund\b|\bthen\b", re.IGNORECASE)
_GO_ON = re.compile(
    r"^\W*(?:(?:ok(?:ay)?|yes|great|thanks?|good|fine|now|and|please)\W+)*"
    r"(?:go on|continue|carry on|go ahead|next(?: part| ones?| please)?|(?:and )?the (?:rest|others?"
    r"|other part)|weiter)"
    r"(?: (?:please|with the (?:rest|others?)|now))?\W*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Part:
    """How many questions of one type are wanted."""

    interview_type: str
    count: int


def parts_in(message: str, types: Iterable[str]) -> list[Part]:
    """The parts of a wish for several types, in its order; a type without a number is no part."""
    known = list(types)
    found: dict[str, Part] = {}
    for piece in _PART.split(message):
        named = named_types(piece, known)
        count = number_in(piece)
        if len(named) == 1 and count:
            found.setdefault(named[0], Part(named[0], count))
    return list(found.values())


def wants_the_rest(message: str) -> bool:
    """Whether a message asks to go on with what was left open."""
    return _GO_ON.search(message) is not None and count_asked(message) is None


def open_part(conversation: Conversation) -> Part | None:
    """The first part of the latest mixed wish that has no set yet; None where nothing is open."""
    types = [*filter(None, (conversation.interview_type,)), *conversation.tools.transfers]
    said = [*conversation.earlier_requests, *(text for is_candidate, text in conversation.past if is_candidate)]
    parts = next((parts for text in reversed(said) if len(parts := parts_in(text, types)) > 1), [])
    made = {conversation.current.interview_type} if conversation.current else set()
    made |= conversation.other_sets.keys()
    return next((part for part in parts if part.interview_type not in made), None)
