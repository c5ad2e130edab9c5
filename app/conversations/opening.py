"""What a request brings to a conversation, how it is stored, and what its turn starts from.

The functions run inside the caller's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlmodel.ext.asyncio.session import AsyncSession

from app.bank.questions import ExperienceLevel
from app.conversations import repository
from app.conversations.models import Conversation, Message, MessageRole, Turn, TurnStatus
from app.conversations.turn_log import failed_line, log_line
from app.core.clock import utc_now
from app.core.errors import GreenroomError, IdempotencyConflict
from app.core.telemetry import trace_id_of
from app.orchestration.events import TurnStarted
from app.orchestration.questions import QuestionSet

TITLE_CHARACTERS = 80


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
    trace_parent: str | None = None


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


async def known_turn(session: AsyncSession, opening: TurnOpening) -> OpenedTurn | None:
    """The turn that was started under the opening's idempotency key, or None.

    Raises:
        IdempotencyConflict: the key was used with another request.
    """
    if opening.idempotency_key is None:
        return None
    turn = await repository.find_turn_by_key(session, opening.owner_id, opening.idempotency_key)
    if turn is None:
        return None
    if turn.request_hash != opening.request_hash:
        raise IdempotencyConflict("Use a new Idempotency-Key for a new request.")
    return OpenedTurn(turn_id=turn.id, conversation_id=turn.conversation_id, is_replay=True)


async def tell(session: AsyncSession, conversation: Conversation | None, opening: TurnOpening) -> Conversation:
    """The conversation, or a new one, after it has heard what the request tells it."""
    now = utc_now()
    if conversation is None:
        title = " ".join(opening.message.split())[:TITLE_CHARACTERS]
        conversation = Conversation(id=uuid4(), owner_id=opening.owner_id, title=title, created_at=now, updated_at=now)
        session.add(conversation)
    if opening.job_description and opening.job_description != conversation.job_description:
        conversation.job_description = opening.job_description
        conversation.job_number += 1
    conversation.experience_level = opening.experience_level or conversation.experience_level
    conversation.resume = opening.resume or conversation.resume
    conversation.question_count = opening.question_count or conversation.question_count
    conversation.interviewer = dict(opening.interviewer) if opening.interviewer else conversation.interviewer
    conversation.updated_at = now
    # Written at once: the rows of the turn refer to it.
    await session.flush()
    return conversation


async def store_turn(
    session: AsyncSession, conversation: Conversation, opening: TurnOpening, refusal: GreenroomError | None
) -> Turn:
    """The turn with its message and the first line of its log, and with the last, if it is refused."""
    now = utc_now()
    turn = Turn(
        id=uuid4(),
        owner_id=conversation.owner_id,
        conversation_id=conversation.id,
        status=TurnStatus.FAILED if refusal else TurnStatus.RUNNING,
        model=opening.model,
        idempotency_key=opening.idempotency_key,
        request_hash=opening.request_hash,
        request=dict(opening.request),
        request_id=opening.request_id,
        trace_parent=opening.trace_parent,
        started_at=now,
        finished_at=now if refusal else None,
    )
    session.add(turn)
    await session.flush()
    repository.add_message(session, turn=turn, role=MessageRole.USER, text=opening.message, agent=None, at=now)
    lines = [log_line(TurnStarted(conversation.id, turn.id, trace_id_of(opening.trace_parent)))]
    if refusal is not None:
        ids = {"conversation_id": conversation.id, "turn_id": turn.id}
        parent = opening.trace_parent
        lines.append(failed_line(refusal, **ids, request_id=opening.request_id, trace_parent=parent))
    rows = [(turn.id, seq, *line) for seq, line in enumerate(lines, start=1)]
    await repository.add_events(session, rows, at=now)
    return turn
