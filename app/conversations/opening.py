"""What a request brings to a conversation, and what its turn starts from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.bank.questions import ExperienceLevel
from app.conversations.models import Message
from app.orchestration.questions import QuestionSet


@dataclass(frozen=True)
class TurnOpening:
    """What a request brings to a conversation; None leaves what the conversation has."""

    owner_id: UUID
    message: str
    model: str
    request_hash: str
    conversation_id: UUID | None = None
    idempotency_key: str | None = None
    job_description: str | None = None
    resume: str | None = None
    experience_level: ExperienceLevel | None = None
    question_count: int | None = None
    interviewer: Mapping[str, str] | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    """What it asks of this turn alone, ready for JSON."""
    request_id: str | None = None


@dataclass(frozen=True)
class OpenedTurn:
    """A turn that exists."""

    turn_id: UUID
    conversation_id: UUID
    is_replay: bool = False
    """The idempotency key was known: the turn of then, running or ended, and nothing new was stored."""


@dataclass(frozen=True)
class TurnInput:
    """Everything a turn starts from, as it is stored: the request, and the conversation as it was at its start.

    The conversation does not change while the turn runs, so every attempt starts from the same.
    """

    turn_id: UUID
    conversation_id: UUID
    owner_id: UUID
    model: str
    message: str
    request: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    active_agent: str | None = None
    job_description: str | None = None
    resume: str | None = None
    experience_level: ExperienceLevel | None = None
    question_count: int = 5
    interviewer: Mapping[str, str] | None = None
    wishes: Sequence[str] = ()
    history: Sequence[Message] = ()
    earlier_requests: Sequence[str] = ()
    question_sets: Sequence[QuestionSet] = ()
    seen_questions: Sequence[str] = ()
