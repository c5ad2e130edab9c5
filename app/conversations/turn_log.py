"""A turn's log: its lines, and following it.

The database holds the truth, the signal only says that looking again is worth it.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.conversations import repository
from app.conversations.models import TurnEvent
from app.core.database import Database
from app.core.errors import GreenroomError, TurnInterrupted
from app.core.signals import Signals, Topic
from app.orchestration.events import (
    TERMINAL_KINDS,
    AgentActive,
    QuestionReady,
    TextDelta,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnRestarted,
    TurnStarted,
)

ReaderCheck = Callable[[], Awaitable[None]]
"""Raises Unauthorized when whoever reads may not go on."""

LogLine = tuple[str, dict[str, Any]]
"""Kind and data of an event, as the log stores and the stream sends it."""


@dataclass(frozen=True)
class LoggedEvent:
    """One line of a turn's log."""

    seq: int
    kind: str
    data: dict[str, Any]

    @property
    def is_last(self) -> bool:
        """Whether nothing can follow it."""
        return self.kind in TERMINAL_KINDS


def log_line(
    event: TurnStarted
    | AgentActive
    | TurnRestarted
    | QuestionReady
    | TextDelta
    | TurnCompleted
    | TurnFailed
    | TurnCancelled,
) -> LogLine:
    """The event as a line of the log. A `UsageUpdated` has none of its own: its line is the sum so far."""
    data: dict[str, Any]
    match event:
        case TurnStarted(conversation_id=conversation_id, turn_id=turn_id):
            data = {"conversation_id": str(conversation_id), "turn_id": str(turn_id)}
        case AgentActive(agent=agent, source=source):
            data = {"agent": agent, "from": source}
        case TurnRestarted(reason=reason, model=model, attempt=attempt):
            data = {"reason": reason.value, "model": model, **({} if attempt is None else {"attempt": attempt})}
        case QuestionReady(question=question):
            data = {"question": question.model_dump(mode="json")}
        case TextDelta(text=text):
            data = {"text": text}
        case TurnCompleted(reply=reply):
            data = dict(reply)
        case TurnFailed(error=error, request_id=request_id):
            data = error.problem(request_id)
        case TurnCancelled(turn_id=turn_id):
            data = {"turn_id": str(turn_id)}
    return event.kind, data


def failed_line(error: GreenroomError, *, conversation_id: UUID, turn_id: UUID, request_id: str | None) -> LogLine:
    """The last line of the log of a turn that failed."""
    error.kept = {"conversation_id": str(conversation_id), "turn_id": str(turn_id)}
    return log_line(TurnFailed(error, request_id))


class TurnLogSignal:
    """Wakes the readers of a turn in this process, whichever server writes its log."""

    def __init__(self, signals: Signals) -> None:
        self._readers: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)
        self.is_closed = False
        signals.subscribe(Topic.LOG, self._written)

    def close(self) -> None:
        """The server stops: readers are to go on elsewhere."""
        self.is_closed = True
        self._written(None)

    def _written(self, turn_id: UUID | None) -> None:
        turns = list(self._readers) if turn_id is None else [turn_id]
        for turn in turns:
            for reader in self._readers.get(turn, ()):
                reader.set()

    @contextmanager
    def reading(self, turn_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever the turn's log grows."""
        event = asyncio.Event()
        self._readers[turn_id].add(event)
        try:
            yield event
        finally:
            self._readers[turn_id].discard(event)
            if not self._readers[turn_id]:
                del self._readers[turn_id]


@dataclass(frozen=True)
class Pace:
    """How a reader waits, in seconds."""

    poll_seconds: float = 1.0
    """When nothing signals: a signal may have been lost."""
    heartbeat_seconds: float = 15.0
    check_seconds: float = 1.0
    """How long a reader goes on who may not any more."""


async def follow(
    database: Database,
    signal: TurnLogSignal,
    turn_id: UUID,
    *,
    after: int = 0,
    check: ReaderCheck | None = None,
    pace: Pace = Pace(),
) -> AsyncGenerator[LoggedEvent | None, None]:
    """Yield the log after line `after`, then live to the last event, then end. None is a heartbeat in a quiet time.

    A reader that already has the last event, or whose turn is deleted meanwhile, gets no more and does not wait.

    Raises:
        Unauthorized: `check` did, which is asked again and again.
        TurnInterrupted: this server stops; the log goes on.
    """
    quiet_seconds = 0.0
    clock = asyncio.get_running_loop().time
    checked_at = clock()
    with signal.reading(turn_id) as written:
        while True:
            written.clear()
            # Shielded: a reader that leaves in the middle of a query would leave its connection half closed.
            is_running, rows = await asyncio.shield(_read(database, turn_id, after))
            if check is not None and clock() - checked_at >= pace.check_seconds:
                await asyncio.shield(check())
                checked_at = clock()
            for row in rows:
                event = LoggedEvent(row.seq, row.kind, row.data)
                yield event
                if event.is_last:
                    return
                after = row.seq
            if not is_running:
                return
            if signal.is_closed:
                raise TurnInterrupted("This server stops; the turn does not. Ask for it at GET /api/v1/turns/{id}.")
            quiet_seconds = 0.0 if rows else quiet_seconds
            try:
                async with asyncio.timeout(pace.poll_seconds):
                    await written.wait()
            except TimeoutError:
                quiet_seconds += pace.poll_seconds
            if quiet_seconds >= pace.heartbeat_seconds:
                quiet_seconds = 0.0
                yield None


async def _read(database: Database, turn_id: UUID, after: int) -> tuple[bool, Sequence[TurnEvent]]:
    async with database.reading() as session:
        # In this order: a turn that ends in between has its last event in the rows.
        is_running = await repository.is_running(session, turn_id)
        return is_running, await repository.events_after(session, turn_id, after)
