"""What the engine may decide for an agent: a text, or one tool call."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Say:
    """Text for the candidate, or a technique's output."""

    text: str


@dataclass(frozen=True)
class Call:
    """One tool call, with no text beside it."""

    name: str
    arguments: dict[str, str] = field(default_factory=dict)


Decision = Say | Call
