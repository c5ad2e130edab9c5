"""All SQL of conversations. Every function works inside the caller's transaction and commits nothing."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, tuple_, update
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.bank.questions import ExperienceLevel
from app.conversations.models import (
    Conversation,
    Message,
    MessageRole,
    QuestionRow,
    QuestionSetRow,
    Turn,
    TurnEvent,
    TurnStatus,
)
from app.core.clock import utc_now
from app.core.database import UtcDateTime
from app.orchestration.events import QuestionReady, TextDelta, UsageUpdated
from app.orchestration.questions import Question, QuestionSet

FOREVER = datetime.max.replace(tzinfo=UTC)
REPEATED_KINDS = (QuestionReady.kind, TextDelta.kind, UsageUpdated.kind)
"""Of lines whose content the last line of a completed turn holds, too."""

Owned = TypeVar("Owned", Conversation, Turn)


async def owned(
    session: AsyncSession, kind: type[Owned], row_id: UUID, *, owner_id: UUID, is_locked: bool = False
) -> Owned | None:
    """The row if it is the owner's, else None: the one way by which an id from outside becomes a row.

    A locked one is changed and deleted by nobody else before this transaction ends; on SQLite the transaction itself
    is the lock, as it is the only one that writes.
    """
    row = await session.get(kind, row_id, with_for_update=is_locked)
    return row if row is not None and row.owner_id == owner_id else None


async def list_conversations(
    session: AsyncSession, owner_id: UUID, *, limit: int, before: tuple[datetime, UUID] | None
) -> Sequence[Conversation]:
    """The owner's latest conversations first; `before` is the last row of the page before."""
    newest_first = (col(Conversation.updated_at).desc(), col(Conversation.id).desc())
    query = select(Conversation).where(Conversation.owner_id == owner_id).order_by(*newest_first).limit(limit)
    if before is not None:
        query = query.where(tuple_(col(Conversation.updated_at), col(Conversation.id)) < before)
    return (await session.exec(query)).all()


async def delete_conversation(session: AsyncSession, conversation_id: UUID) -> None:
    """Delete the conversation and, by the database's cascade, all that hangs on it."""
    await session.exec(delete(Conversation).where(col(Conversation.id) == conversation_id))


async def get_conversation(session: AsyncSession, conversation_id: UUID) -> Conversation | None:
    """The conversation, whoever owns it, or None; for whoever runs a turn of it."""
    return await session.get(Conversation, conversation_id)


async def get_turn(session: AsyncSession, turn_id: UUID) -> Turn | None:
    """The turn, whoever owns it, or None; for whoever runs it."""
    return await session.get(Turn, turn_id)


async def is_held(session: AsyncSession, turn_id: UUID, *, attempt: int) -> bool:
    """Whether the turn runs as this attempt, and will until this transaction ends."""
    query = select(Turn.id).where(Turn.id == turn_id, *_is_attempt(attempt)).with_for_update(read=True)
    return (await session.exec(query)).first() is not None


async def find_turn_by_key(session: AsyncSession, owner_id: UUID, idempotency_key: str) -> Turn | None:
    """The turn that the owner started under this idempotency key, or None."""
    query = select(Turn).where(Turn.owner_id == owner_id, Turn.idempotency_key == idempotency_key)
    return (await session.exec(query)).first()


async def turns(session: AsyncSession, conversation_id: UUID) -> Sequence[Turn]:
    """Every turn of the conversation, oldest first."""
    query = select(Turn).where(Turn.conversation_id == conversation_id).order_by(col(Turn.started_at))
    return (await session.exec(query)).all()


async def running_turns(session: AsyncSession, owner_id: UUID) -> Sequence[UUID]:
    """The turns that run for the owner."""
    query = select(Turn.id).where(Turn.status == TurnStatus.RUNNING, Turn.owner_id == owner_id)
    return (await session.exec(query)).all()


async def has_running_turn(session: AsyncSession, conversation_id: UUID) -> bool:
    """Whether a turn runs in the conversation."""
    query = select(Turn.id).where(Turn.status == TurnStatus.RUNNING, Turn.conversation_id == conversation_id)
    return (await session.exec(query)).first() is not None


async def is_running(session: AsyncSession, turn_id: UUID) -> bool:
    """Whether the turn exists and has not ended."""
    query = select(Turn.id).where(Turn.id == turn_id, Turn.status == TurnStatus.RUNNING)
    return (await session.exec(query)).first() is not None


async def end_turn(
    session: AsyncSession,
    turn_id: UUID,
    *,
    attempt: int | None,
    status: TurnStatus,
    agent: str | None,
    finished_at: datetime,
) -> bool:
    """Move a turn that runs as this attempt, or as any, to its last status, which nothing may undo. False if not."""
    statement = (
        update(Turn)
        .where(col(Turn.id) == turn_id, *_is_attempt(attempt))
        .values(status=status, agent=agent, finished_at=finished_at, worker_id=None, leased_until=None)
        .execution_options(synchronize_session=False)
    )
    result = await session.exec(statement)
    return result.rowcount == 1


def _is_attempt(attempt: int | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [col(Turn.status) == TurnStatus.RUNNING]
    return conditions if attempt is None else [*conditions, col(Turn.attempt) == attempt]


# Leases. Their time is the database's, as servers may disagree about it.


def _now(session: AsyncSession) -> Any:
    return utc_now() if is_embedded(session) else func.now()


def is_embedded(session: AsyncSession) -> bool:
    """Whether this is SQLite."""
    return session.get_bind().dialect.name == "sqlite"


def _is_waiting(session: AsyncSession) -> ColumnElement[bool]:
    is_free = or_(col(Turn.leased_until).is_(None), col(Turn.leased_until) <= _now(session))
    return and_(col(Turn.status) == TurnStatus.RUNNING, is_free)


async def is_any_waiting(session: AsyncSession) -> bool:
    """Whether a turn waits for a worker, or has a dead one."""
    return (await session.exec(select(Turn.id).where(_is_waiting(session)).limit(1))).first() is not None


async def count_waiting(session: AsyncSession) -> int:
    """How many turns wait for somebody to run them."""
    return (await session.exec(select(func.count()).select_from(Turn).where(_is_waiting(session)))).one()


async def waiting_since(session: AsyncSession) -> datetime | None:
    """Since when the turn has waited that waits longest: since its start, or since the lease of its worker ran out."""
    since = func.coalesce(col(Turn.leased_until), col(Turn.started_at), type_=UtcDateTime)
    return (await session.exec(select(func.min(since, type_=UtcDateTime)).where(_is_waiting(session)))).one()


async def lock_waiting(session: AsyncSession, *, limit: int) -> Sequence[Turn]:
    """Turns that wait for a worker, or have a dead one, the oldest first; each for one transaction at a time."""
    query = select(Turn).where(_is_waiting(session)).order_by(col(Turn.started_at)).limit(limit)
    return (await session.exec(query.with_for_update(skip_locked=True))).all()


async def lease(session: AsyncSession, turn: Turn, *, seconds: float) -> None:
    """Give the turn's worker so much time."""
    turn.leased_until = _lease_end(session, seconds)
    await session.flush()


def _lease_end(session: AsyncSession, seconds: float) -> Any:
    """On SQLite a worker has all the time, as there is nobody else."""
    return FOREVER if is_embedded(session) else func.now() + timedelta(seconds=seconds)


async def renew_leases(session: AsyncSession, worker_id: UUID, *, seconds: float) -> Sequence[Turn]:
    """Give the worker so much time for every turn it runs, and return those."""
    held = select(Turn.id).where(Turn.status == TurnStatus.RUNNING, Turn.worker_id == worker_id)
    statement: Any = (
        update(Turn)
        # In the order of `hold_turns`, so that neither waits for the other in a circle.
        .where(col(Turn.id).in_(held.order_by(col(Turn.id)).with_for_update(key_share=True)))
        .values(leased_until=_lease_end(session, seconds))
        .returning(Turn)
        .execution_options(synchronize_session=False)
    )
    turns: Sequence[Turn] = (await session.exec(statement)).scalars().all()
    return turns


async def release_lease(session: AsyncSession, turn_id: UUID, *, attempt: int, losses: int) -> bool:
    """Let the turn wait for a worker, after so many losses more. False when it does not run as this attempt."""
    statement = (
        update(Turn)
        .where(col(Turn.id) == turn_id, *_is_attempt(attempt))
        .values(worker_id=None, leased_until=None, losses=Turn.losses + losses)
        .execution_options(synchronize_session=False)
    )
    return (await session.exec(statement)).rowcount == 1


async def expire_leases(session: AsyncSession) -> None:
    """Take every worker for dead."""
    statement = update(Turn).where(col(Turn.status) == TurnStatus.RUNNING, col(Turn.leased_until).is_not(None))
    await session.exec(statement.values(leased_until=utc_now()))


async def last_seq(session: AsyncSession, turn_id: UUID) -> int:
    """The highest `seq` of the turn's log; 0 when it is empty."""
    query = select(func.max(TurnEvent.seq)).where(TurnEvent.turn_id == turn_id)
    return (await session.exec(query)).one() or 0


async def append_event(session: AsyncSession, turn_id: UUID, kind: str, data: dict[str, Any], *, at: datetime) -> None:
    """Write the next line of the turn's log. The caller holds the turn's row, so that nobody else writes."""
    await add_events(session, [(turn_id, await last_seq(session, turn_id) + 1, kind, data)], at=at)


async def hold_turns(session: AsyncSession, attempts: Collection[tuple[UUID, int]]) -> Mapping[tuple[UUID, int], int]:
    """Of the turns that run as one of these attempts, and will until this transaction ends, the log's last number."""
    last = select(func.coalesce(func.max(TurnEvent.seq), 0)).where(TurnEvent.turn_id == Turn.id).scalar_subquery()
    query = (
        select(Turn.id, Turn.attempt, last)
        .where(tuple_(col(Turn.id), col(Turn.attempt)).in_(attempts), Turn.status == TurnStatus.RUNNING)
        # Everybody who holds several holds them in this order.
        .order_by(col(Turn.id))
        .with_for_update(read=True, of=Turn)
    )
    return {(turn_id, attempt): seq for turn_id, attempt, seq in await session.exec(query)}


async def add_events(
    session: AsyncSession, events: Sequence[tuple[UUID, int, str, dict[str, Any]]], *, at: datetime
) -> None:
    """Store lines of logs: turn, number, kind and data of each. The caller holds the rows of the turns."""
    rows = [
        {"turn_id": turn_id, "seq": seq, "kind": kind, "data": data, "created_at": at}
        for turn_id, seq, kind, data in events
    ]
    await session.exec(insert(TurnEvent), params=rows)


async def last_event(session: AsyncSession, turn_id: UUID) -> TurnEvent | None:
    """The newest line of the turn's log."""
    query = select(TurnEvent).where(TurnEvent.turn_id == turn_id).order_by(col(TurnEvent.seq).desc()).limit(1)
    return (await session.exec(query)).first()


async def events_after(session: AsyncSession, turn_id: UUID, seq: int) -> Sequence[TurnEvent]:
    """The log from the line after `seq`, in order."""
    query = select(TurnEvent).where(TurnEvent.turn_id == turn_id, TurnEvent.seq > seq).order_by(col(TurnEvent.seq))
    return (await session.exec(query)).all()


# Retention. What somebody else works on is left for the next time.


def _is_idle(since: datetime) -> ColumnElement[bool]:
    is_running = exists().where(
        col(Turn.conversation_id) == col(Conversation.id), col(Turn.status) == TurnStatus.RUNNING
    )
    return and_(col(Conversation.updated_at) < since, ~is_running)


async def count_idle(session: AsyncSession, *, since: datetime) -> int:
    """How many conversations nobody has used since then."""
    return (await session.exec(select(func.count()).select_from(Conversation).where(_is_idle(since)))).one()


async def delete_idle(session: AsyncSession, *, since: datetime, limit: int) -> int:
    """Delete so many of the conversations that nobody has used since then; return how many they were."""
    query = select(Conversation.id).where(_is_idle(since)).limit(limit)
    found = (await session.exec(query.with_for_update(skip_locked=True))).all()
    await session.exec(delete(Conversation).where(col(Conversation.id).in_(found)))
    return len(found)


def _has_repeated_lines(finished_before: datetime) -> ColumnElement[bool]:
    has_lines = exists().where(col(TurnEvent.turn_id) == col(Turn.id), col(TurnEvent.kind).in_(REPEATED_KINDS))
    return and_(col(Turn.status) == TurnStatus.COMPLETED, col(Turn.finished_at) < finished_before, has_lines)


async def count_long_logs(session: AsyncSession, *, finished_before: datetime) -> int:
    """How many turns completed before then have lines in their log that the last line repeats."""
    query = select(func.count()).select_from(Turn).where(_has_repeated_lines(finished_before))
    return (await session.exec(query)).one()


async def compact_logs(session: AsyncSession, *, finished_before: datetime, limit: int) -> int:
    """Delete what the last line repeats from the logs of so many turns completed before then; return how many."""
    query = select(Turn.id).where(_has_repeated_lines(finished_before)).limit(limit)
    found = (await session.exec(query.with_for_update(skip_locked=True))).all()
    is_repeated = (col(TurnEvent.turn_id).in_(found), col(TurnEvent.kind).in_(REPEATED_KINDS))
    await session.exec(delete(TurnEvent).where(*is_repeated))
    return len(found)


async def request_text(session: AsyncSession, turn_id: UUID) -> str:
    """What the candidate wrote to start the turn."""
    query = select(Message.text).where(Message.turn_id == turn_id, Message.role == MessageRole.USER)
    return (await session.exec(query)).one()


async def messages(
    session: AsyncSession, conversation_id: UUID, *, last: int | None = None, but_of: UUID | None = None
) -> Sequence[Message]:
    """The messages in order, without those of the turn `but_of`; with `last`, only so many of the newest."""
    query = select(Message).where(Message.conversation_id == conversation_id)
    if but_of is not None:
        query = query.where(Message.turn_id != but_of)
    # An answer that is as old as its question, on a coarse clock, still comes after it.
    newest = query.order_by(col(Message.created_at).desc(), col(Message.role))
    rows = (await session.exec(newest if last is None else newest.limit(last))).all()
    return list(reversed(rows))


async def requests_before(
    session: AsyncSession, conversation_id: UUID, moment: datetime, *, last: int
) -> Sequence[tuple[str, QuestionSetRow | None]]:
    """The newest requests of the candidate before that moment, oldest first, each with the set it led to."""
    query = (
        select(Message.text, QuestionSetRow)
        .outerjoin(QuestionSetRow, col(QuestionSetRow.turn_id) == col(Message.turn_id))
        .where(
            Message.conversation_id == conversation_id,
            Message.role == MessageRole.USER,
            col(Message.created_at) < moment,
        )
        .order_by(col(Message.created_at).desc())
        .limit(last)
    )
    return list(reversed((await session.exec(query)).all()))


async def question_set_revision(
    session: AsyncSession, conversation_id: UUID, question_set_id: UUID, revision: int
) -> QuestionSet | None:
    """One revision of a set, or None where the conversation has none such."""
    row = await session.get(QuestionSetRow, (question_set_id, revision))
    if row is None or row.conversation_id != conversation_id:
        return None
    return (await _with_questions(session, [row]))[0]


async def question_sets(session: AsyncSession, conversation_id: UUID) -> Sequence[QuestionSet]:
    """Every revision of every set of the conversation, oldest first."""
    query = select(QuestionSetRow).where(QuestionSetRow.conversation_id == conversation_id)
    ordered = query.order_by(col(QuestionSetRow.created_at), col(QuestionSetRow.revision))
    return await _with_questions(session, (await session.exec(ordered)).all())


async def current_question_sets(
    session: AsyncSession, conversation_id: UUID, *, job_number: int
) -> Sequence[QuestionSet]:
    """The latest revision of each set made for this job, the one last worked on at the end."""
    latest = (
        select(QuestionSetRow.id, func.max(QuestionSetRow.revision))
        .where(QuestionSetRow.conversation_id == conversation_id, QuestionSetRow.job_number == job_number)
        .group_by(col(QuestionSetRow.id))
    )
    query = select(QuestionSetRow).where(tuple_(col(QuestionSetRow.id), col(QuestionSetRow.revision)).in_(latest))
    ordered = query.order_by(col(QuestionSetRow.created_at), col(QuestionSetRow.revision))
    return await _with_questions(session, (await session.exec(ordered)).all())


async def find_question_set(
    session: AsyncSession, conversation_id: UUID, *, interview_type: str | None, revision: int | None
) -> tuple[QuestionSet, int] | None:
    """The set last worked on, or the last of this type, in its latest or this revision, and the number of its job."""
    query = select(QuestionSetRow).where(QuestionSetRow.conversation_id == conversation_id)
    if interview_type is not None:
        query = query.where(QuestionSetRow.interview_type == interview_type)
    newest = query.order_by(col(QuestionSetRow.created_at).desc(), col(QuestionSetRow.revision).desc()).limit(1)
    row = (await session.exec(newest)).first()
    if row is not None and revision is not None:
        row = await session.get(QuestionSetRow, (row.id, revision))
    if row is None:
        return None
    (question_set,) = await _with_questions(session, [row])
    return question_set, row.job_number


async def question_texts(session: AsyncSession, conversation_id: UUID, *, last: int) -> Sequence[str]:
    """The texts of the newest questions of the conversation, each once, so that none is asked twice."""
    query = (
        select(QuestionRow.text)
        .join(
            QuestionSetRow,
            and_(
                col(QuestionRow.question_set_id) == col(QuestionSetRow.id),
                col(QuestionRow.revision) == col(QuestionSetRow.revision),
            ),
        )
        .where(QuestionSetRow.conversation_id == conversation_id)
        .group_by(col(QuestionRow.text))
        .order_by(func.max(QuestionSetRow.created_at).desc(), col(QuestionRow.text))
        .limit(last)
    )
    return (await session.exec(query)).all()


async def add_question_set(
    session: AsyncSession, question_set: QuestionSet, *, turn: Turn, job_number: int, at: datetime
) -> None:
    """Store one revision whole: kept questions are written again under their ids."""
    session.add(
        QuestionSetRow(
            id=question_set.id,
            revision=question_set.revision,
            conversation_id=turn.conversation_id,
            turn_id=turn.id,
            job_number=job_number,
            interview_type=question_set.interview_type,
            technique=question_set.technique,
            experience_level=question_set.experience_level,
            recommendations=list(question_set.recommendations),
            created_at=at,
        )
    )
    await session.flush()
    session.add_all(
        QuestionRow(
            question_set_id=question_set.id, revision=question_set.revision, **question.model_dump(mode="python")
        )
        for question in question_set.questions
    )


def add_message(session: AsyncSession, *, turn: Turn, role: str, text: str, agent: str | None, at: datetime) -> None:
    """Add a message of this turn."""
    session.add(
        Message(
            id=uuid4(),
            conversation_id=turn.conversation_id,
            turn_id=turn.id,
            role=role,
            agent=agent,
            text=text,
            created_at=at,
        )
    )


async def _with_questions(session: AsyncSession, rows: Sequence[QuestionSetRow]) -> Sequence[QuestionSet]:
    keys = tuple_(col(QuestionRow.question_set_id), col(QuestionRow.revision))
    query = select(QuestionRow).where(keys.in_([(row.id, row.revision) for row in rows]))
    questions = defaultdict(list)
    for question in (await session.exec(query.order_by(col(QuestionRow.position)))).all():
        questions[question.question_set_id, question.revision].append(question)
    return [_question_set(row, questions[row.id, row.revision]) for row in rows]


def _question_set(row: QuestionSetRow, questions: Sequence[QuestionRow]) -> QuestionSet:
    return QuestionSet(
        id=row.id,
        revision=row.revision,
        interview_type=row.interview_type,
        technique=row.technique,
        experience_level=ExperienceLevel(row.experience_level) if row.experience_level else None,
        questions=tuple(Question.model_validate(question, from_attributes=True) for question in questions),
        recommendations=tuple(row.recommendations),
    )
