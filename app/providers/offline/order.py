"""What a technique's prompt asks for, read from its fenced blocks."""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.bank.questions import ExperienceLevel
from app.core.fences import read_fence
from app.providers.offline.conversation import level_or_none
from app.providers.offline.likeness import Examples

NO_POSTING = "None given."
"""How the prompt says that there is no job description."""


class Kind(StrEnum):
    """What a technique call does to the set."""

    NEW = "new"
    ADD = "add"
    REPLACE = "replace"
    REWORD = "reword"


@dataclass(frozen=True)
class Order:
    """One technique call. `positions` are those to replace or to reword; empty for new and for further questions."""

    interview_type: str
    technique: str
    level: ExperienceLevel | None
    question_count: int
    kind: Kind
    positions: tuple[int, ...]
    interviewer: tuple[str, ...]
    """What was said about the interviewer: style, kind of company, personality."""
    request: str
    posting: str
    seen: tuple[str, ...]
    current: tuple[dict[str, Any], ...]
    wishes: tuple[str, ...] = ()
    """What the candidate wants for good, oldest first."""
    examples: Examples = field(default_factory=lambda: Examples(""))

    @property
    def seed(self) -> str:
        """What the order of equals depends on: the same job and wish give the same questions, another gives others."""
        return "\n".join((self.interview_type, self.posting, self.request, str(self.level), self.technique))

    def current_at(self, position: int) -> dict[str, Any]:
        """The question that stands at a position now; empty if there is none."""
        return next((question for question in self.current if question.get("position") == position), {})


def is_repair(rendered: str) -> bool:
    """Whether a prompt asks to mend an answer of an earlier call."""
    return read_fence("needs", rendered) is not None


def read_order(rendered: str, rules: str = "") -> Order:
    """Read the user part of a rendered technique prompt; what is missing counts as not given.

    `rules` is its system part, which may show worked examples.
    """
    settings = _json(rendered, "settings", {})
    posting = (read_fence("job_description", rendered) or "").strip()
    interviewer = settings.get("interviewer") or {}
    positions = tuple(settings.get("positions") or ())
    return Order(
        interview_type=str(settings.get("interview_type") or ""),
        technique=str(settings.get("technique") or ""),
        level=level_or_none(settings.get("experience_level")),
        question_count=int(settings.get("question_count") or 5),
        kind=_kind(settings.get("change"), positions),
        positions=positions,
        interviewer=tuple(str(value) for value in interviewer.values() if value),
        request=_said_once(read_fence("request", rendered) or ""),
        posting="" if posting.startswith(NO_POSTING) else posting,
        seen=tuple(_json(rendered, "seen_questions", [])),
        current=tuple(_json(rendered, "current_questions", [])),
        wishes=tuple(settings.get("wishes") or ()),
        examples=Examples(rules),
    )


def _kind(value: Any, positions: tuple[int, ...]) -> Kind:
    if value in set(Kind):
        return Kind(value)
    return Kind.REPLACE if positions else Kind.NEW


def _said_once(request: str) -> str:
    """The request without the agent's focus where that only repeats the message."""
    message, _, focus = request.strip().rpartition("\n")
    is_repeated = bool(message) and " ".join(message.split()).startswith(" ".join(focus.split()))
    return message.strip() if is_repeated else request.strip()


def _json(rendered: str, name: str, default: Any) -> Any:
    try:
        value = json.loads(read_fence(name, rendered) or "null")
    except ValueError:
        return default
    return value if isinstance(value, type(default)) else default
