"""The tables: a conversation has messages, turns with their log, and question sets whose revisions are all kept."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKeyConstraint, Index, String, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.core.database import UtcDateTime

NullableJson = JSON(none_as_null=True)


class TurnStatus(StrEnum):
    """Where a turn stands. Only a running turn changes."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class MessageRole(StrEnum):
    """Who wrote a message."""

    USER = "user"
    ASSISTANT = "assistant"


class Conversation(SQLModel, table=True):
    """A thread with one candidate, and the brief it keeps: what has been told once need not be told again."""

    __table_args__ = (Index("ix_conversation_owner_id_updated_at_id", "owner_id", "updated_at", "id"),)

    id: UUID = Field(primary_key=True)
    owner_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    title: str = Field(sa_type=String(120))
    active_agent: str | None = Field(default=None, sa_type=String(40))
    job_description: str | None = Field(default=None, sa_type=Text)
    resume: str | None = Field(default=None, sa_type=Text)
    job_number: int = 0
    """Counts the job descriptions so far: a question set belongs to the one it was made for."""
    experience_level: str | None = Field(default=None, sa_type=String(20))
    question_count: int = 5
    interviewer: dict[str, str] | None = Field(default=None, sa_type=NullableJson)
    wishes: list[str] = Field(default_factory=list, sa_type=JSON)
    """Lasting wishes of the candidate, oldest first."""
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class Turn(SQLModel, table=True):
    """One request of the candidate and everything done about it."""

    __table_args__ = (
        Index("ix_turn_conversation_id_started_at", "conversation_id", "started_at"),
        # One turn at a time: the database says so, not only the service.
        Index(
            "uq_turn_running_conversation_id",
            "conversation_id",
            unique=True,
            sqlite_where=text("status = 'running'"),
            postgresql_where=text("status = 'running'"),
        ),
        # Somebody else's key is no key of mine.
        UniqueConstraint("owner_id", "idempotency_key", name="uq_turn_owner_id_idempotency_key"),
    )

    id: UUID = Field(primary_key=True)
    owner_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE")
    """The conversation's owner."""
    conversation_id: UUID = Field(foreign_key="conversation.id", ondelete="CASCADE")
    status: str = Field(default=TurnStatus.RUNNING, sa_type=String(20))
    agent: str | None = Field(default=None, sa_type=String(40))
    model: str = Field(sa_type=String(120))
    idempotency_key: str | None = Field(default=None, sa_type=String(200))
    request_hash: str = Field(sa_type=String(64))
    """SHA-256 of the request, so that a reused key with another body is noticed."""
    request: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """What the request asked of this turn alone, such as a technique or a temperature; what the conversation keeps, and
    the message, stand there. With both, any process can run the turn."""
    request_id: str | None = Field(default=None, sa_type=String(64))
    """Of the request that started the turn, so that a problem can be found in the log."""
    trace_parent: str | None = Field(default=None, sa_type=String(55))
    """Of the same request (W3C Trace Context): every attempt, on whichever server, belongs to its trace."""
    worker_id: UUID | None = None
    """The worker that runs it; null while it waits for one."""
    leased_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """The worker is taken for dead from then on."""
    attempt: int = 0
    """Counts how often a worker has begun it. Only the latest attempt may write."""
    losses: int = 0
    """How many workers have died with it."""
    started_at: datetime = Field(sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class TurnEvent(SQLModel, table=True):
    """One line of a turn's log; `seq` counts from 1, without gaps until the log is compacted."""

    __tablename__ = "turn_event"

    turn_id: UUID = Field(primary_key=True, foreign_key="turn.id", ondelete="CASCADE")
    seq: int = Field(primary_key=True)
    kind: str = Field(sa_type=String(40))
    data: dict[str, Any] = Field(sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)


class Message(SQLModel, table=True):
    """What the candidate or an agent said."""

    __table_args__ = (Index("ix_message_conversation_id_created_at", "conversation_id", "created_at"),)

    id: UUID = Field(primary_key=True)
    conversation_id: UUID = Field(foreign_key="conversation.id", ondelete="CASCADE")
    turn_id: UUID = Field(foreign_key="turn.id", ondelete="CASCADE", index=True)
    role: str = Field(sa_type=String(20))
    agent: str | None = Field(default=None, sa_type=String(40))
    text: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=UtcDateTime)


class QuestionSetRow(SQLModel, table=True):
    """One revision of a question set. Every revision stays readable."""

    __tablename__ = "question_set"
    __table_args__ = (Index("ix_question_set_conversation_id_created_at", "conversation_id", "created_at"),)

    id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    conversation_id: UUID = Field(foreign_key="conversation.id", ondelete="CASCADE")
    turn_id: UUID = Field(foreign_key="turn.id", ondelete="CASCADE", index=True)
    job_number: int
    interview_type: str = Field(sa_type=String(40))
    technique: str = Field(sa_type=String(40))
    experience_level: str | None = Field(default=None, sa_type=String(20))
    recommendations: list[str] = Field(sa_type=JSON)
    created_at: datetime = Field(sa_type=UtcDateTime)


class QuestionRow(SQLModel, table=True):
    """A question as it stands in one revision; `id` is the same in every revision that kept it."""

    __tablename__ = "question"
    __table_args__ = (
        ForeignKeyConstraint(
            ["question_set_id", "revision"], ["question_set.id", "question_set.revision"], ondelete="CASCADE"
        ),
    )

    question_set_id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    position: int = Field(primary_key=True)
    id: UUID = Field(index=True)
    text: str = Field(sa_type=Text)
    difficulty: str = Field(sa_type=String(20))
    category: str = Field(sa_type=Text)
    time_minutes: int
    requirement: str | None = Field(default=None, sa_type=Text)
    level_signal: str = Field(sa_type=Text)
    evaluation_criteria: list[str] = Field(sa_type=JSON)
    follow_ups: list[str] = Field(sa_type=JSON)
    hints: list[str] = Field(sa_type=JSON)
    sample_framework: str = Field(sa_type=Text)
    case: dict[str, Any] | None = Field(default=None, sa_type=NullableJson)
