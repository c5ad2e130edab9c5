"""A model's answer on its way to the turn: what is held back, and tool calls made whole."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from semantic_kernel.contents import (
    AuthorRole,
    ChatHistory,
    ChatMessageContent,
    FunctionCallContent,
    StreamingChatMessageContent,
    StreamingTextContent,
)
from semantic_kernel.exceptions import FunctionCallInvalidArgumentsException

from app.core.canary import Canary, CanaryWatch

Messages = list[StreamingChatMessageContent]

COLLIDING_ARGUMENTS = frozenset({"settings", "self"})
"""Parameters of `KernelArguments` itself: a model that names an argument so would set Semantic Kernel's own."""

MALFORMED = '"malformed"'
"""JSON that holds no arguments. Semantic Kernel tells the model so, and lets it try again."""


class CanaryFound(Exception):
    """The answer holds the canary, in the form that the message names."""


def contents(message: StreamingChatMessageContent) -> tuple[str, list[FunctionCallContent]]:
    """The text of a piece, and its parts of tool calls."""
    text = "".join(item.text or "" for item in message.items if isinstance(item, StreamingTextContent))
    return text, [item for item in message.items if isinstance(item, FunctionCallContent)]


def with_instruction(history: ChatHistory, instruction: str) -> ChatHistory:
    """A copy of the history whose first system message ends in the instruction; it gets one if it has none.

    At the end, so that the text before it, which all conversations share, stays in the providers' prompt caches.
    """
    messages = list(history.messages)
    roles = {AuthorRole.SYSTEM, AuthorRole.DEVELOPER}
    place = next((place for place, message in enumerate(messages) if message.role in roles), None)
    if place is None:
        messages.insert(0, ChatMessageContent(role=AuthorRole.SYSTEM, content=instruction))
    else:
        text = f"{messages[place].content.rstrip()}\n\n{instruction}"
        messages[place] = ChatMessageContent(role=messages[place].role, content=text)
    return ChatHistory(messages=messages)


class OutputGuard:
    """Lets the pieces of one answer pass as soon as none can be part of the canary any more.

    Whole pieces wait, so that they arrive as they were sent. Text and each tool call are streams of their own.
    """

    def __init__(self, canary: Canary) -> None:
        self._canary = canary
        self._watches: dict[int | str, CanaryWatch] = {}
        self._suspicious: set[int | str] = set()
        self._waiting: list[Messages] = []

    def take(self, messages: Messages) -> Sequence[Messages]:
        """The next pieces; returns those that may go on, in order.

        Raises:
            CanaryFound: nothing more may go on.
        """
        self._waiting.append(messages)
        for message in messages:
            for item in message.items:
                if isinstance(item, StreamingTextContent):
                    self._follow("text", item.text or "")
                elif isinstance(item, FunctionCallContent):
                    self._follow(item.index or 0, f"{item.name or ''}{_written(item.arguments)}")
        return () if self._suspicious else self.rest()

    def _follow(self, stream: int | str, text: str) -> None:
        watch = self._watches.get(stream) or self._watches.setdefault(stream, CanaryWatch(self._canary))
        if form := watch.read(text):
            raise CanaryFound(form)
        if watch.is_suspect:
            self._suspicious.add(stream)
        elif self._suspicious:
            self._suspicious.discard(stream)

    def rest(self) -> Sequence[Messages]:
        """What still waits, when nothing follows."""
        waiting, self._waiting = self._waiting, []
        return waiting


class WholeCalls:
    """Takes the parts of tool calls out of the pieces, to hand them on whole and with arguments that can be read.

    Semantic Kernel acts on them when the answer has ended, and does not survive every argument that a model may write.
    """

    def __init__(self) -> None:
        self._first: StreamingChatMessageContent | None = None
        self._calls: dict[int, FunctionCallContent] = {}

    def without(self, messages: Messages) -> Messages:
        """The pieces without their parts of tool calls, which are kept."""
        has_calls = any(isinstance(item, FunctionCallContent) for message in messages for item in message.items)
        return [self._without(message) for message in messages] if has_calls else messages

    def _without(self, message: StreamingChatMessageContent) -> StreamingChatMessageContent:
        _, calls = contents(message)
        if not calls:
            return message
        self._first = self._first or message
        for call in calls:
            known = self._calls.get(call.index or 0)
            self._calls[call.index or 0] = known + call if known else call
        others = [item for item in message.items if not isinstance(item, FunctionCallContent)]
        return message.model_copy(update={"items": others})

    def messages(self) -> Messages:
        """The calls in one piece; empty where there are none."""
        if self._first is None:
            return []
        calls = [readable(call) for call in self._calls.values()]
        return [self._first.model_copy(update={"items": calls, "metadata": {}, "finish_reason": None})]


def readable(call: FunctionCallContent) -> FunctionCallContent:
    """The call with arguments that Semantic Kernel takes; those whose names collide with its own are left out."""
    try:
        arguments = call.parse_arguments()
    except (FunctionCallInvalidArgumentsException, ValueError, RecursionError):
        # Beside what is no JSON: a number of thousands of digits, brackets without end.
        return call.model_copy(update={"arguments": MALFORMED})
    if not isinstance(arguments, Mapping) or not COLLIDING_ARGUMENTS & arguments.keys():
        return call
    kept = {name: value for name, value in arguments.items() if name not in COLLIDING_ARGUMENTS}
    return call.model_copy(update={"arguments": json.dumps(kept)})


def _written(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments else ""
