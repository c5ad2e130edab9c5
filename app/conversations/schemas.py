"""What the API shows of conversations, turns and question sets."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from app.bank.questions import ExperienceLevel
from app.conversations.models import MessageRole, Turn, TurnStatus
from app.core.schemas import Shown
from app.core.telemetry import trace_id_of
from app.orchestration.questions import Question
from app.usage.schemas import Usage


class QuestionSetPublic(Shown):
    """One revision of a question set."""

    id: UUID
    revision: Annotated[int, Field(ge=1, description="Raised by every change; earlier revisions stay readable")]
    interview_type: Annotated[str, Field(examples=["technical"])]
    technique: Annotated[str, Field(examples=["few_shot"])]
    experience_level: ExperienceLevel | None
    questions: list[Question]
    recommendations: list[str]


class MessagePublic(Shown):
    """A message as the conversation shows it."""

    id: UUID
    turn_id: UUID
    role: MessageRole
    agent: str | None
    text: str
    created_at: datetime


class ConversationSummary(Shown):
    """A line of the list of conversations."""

    id: UUID
    title: Annotated[str, Field(description="The beginning of the first message")]
    active_agent: str | None
    experience_level: ExperienceLevel | None
    created_at: datetime
    updated_at: datetime


class ConversationPage(BaseModel):
    """Conversations, the last changed first."""

    items: list[ConversationSummary]
    next_cursor: Annotated[str | None, Field(description="Pass it as `cursor` for the next page; null on the last one")]


class ConversationDetail(ConversationSummary):
    """A conversation with everything in it."""

    job_description: str | None
    resume: str | None
    question_count: int
    interviewer: dict[str, str] | None
    wishes: Annotated[list[str], Field(description="Lasting wishes, such as a language, oldest first")]
    messages: list[MessagePublic]
    question_sets: Annotated[list[QuestionSetPublic], Field(description="Every revision, oldest first")]
    usage: Usage


class TurnPublic(BaseModel):
    """A turn and how it ended."""

    id: UUID
    conversation_id: UUID
    status: TurnStatus
    agent: str | None
    model: str
    started_at: datetime
    finished_at: datetime | None
    trace_id: Annotated[str | None, Field(description="Logs and traces of the turn have it")] = None
    reply: Annotated[dict[str, Any] | None, Field(description="The reply of `POST /chat`, once completed")] = None
    problem: Annotated[dict[str, Any] | None, Field(description="The problem document, if it failed")] = None

    @classmethod
    def of(cls, row: Turn, *, reply: dict[str, Any] | None, problem: dict[str, Any] | None) -> Self:
        """The turn as the API shows it."""
        made = {"trace_id": trace_id_of(row.trace_parent), "reply": reply, "problem": problem}
        return cls(**{name: getattr(row, name) for name in cls.model_fields if name not in made}, **made)


class TurnRecord(Shown):
    """A turn without its reply, which stands among the messages."""

    id: UUID
    status: TurnStatus
    agent: str | None
    model: str
    started_at: datetime
    finished_at: datetime | None


class ConversationRecord(ConversationDetail):
    """A conversation with everything in it, and what became of each request."""

    turns: list[TurnRecord]
