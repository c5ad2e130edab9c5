"""A turn's log: its lines, writing them, and following it.

The database holds the truth; a signal says that looking again is worth it, and readers in the process that wrote the
lines are handed them when they are committed.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from app.conversations import repository
from app.core.clock import utc_now
from app.core.database import Database, after_commit
from app.core.errors import GreenroomError, NotReady, TurnInterrupted
from app.core.finishing import finished
from app.core.signals import Signals, Topic
from app.core.telemetry import trace_id_of
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

MOST_HANDED = 64
"""Lines that wait for a reader in memory; one that is further behind finds them in the database."""

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
        case TurnStarted(conversation_id=conversation_id, turn_id=turn_id, trace_id=trace_id):
            data = {"conversation_id": str(conversation_id), "turn_id": str(turn_id), "trace_id": trace_id}
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
        case TurnFailed(error=error, request_id=request_id, trace_id=trace_id):
            data = error.problem(request_id, trace_id)
        case TurnCancelled(turn_id=turn_id):
            data = {"turn_id": str(turn_id)}
    return event.kind, data


def failed_line(
    error: GreenroomError, *, conversation_id: UUID, turn_id: UUID, request_id: str | None, trace_parent: str | None
) -> LogLine:
    """The last line of the log of a turn that failed."""
    error.kept = {"conversation_id": str(conversation_id), "turn_id": str(turn_id)}
    return log_line(TurnFailed(error, request_id, trace_id_of(trace_parent)))


@dataclass(frozen=True)
class Pace:
    """How a reader waits, in seconds."""

    poll_seconds: float = 5.0
    """When nothing signals: a signal may have been lost."""
    heartbeat_seconds: float = 15.0
    check_seconds: float = 5.0
    """How long a reader who is told something goes on who may not any more; of one who is not, each poll tells."""


class TurnLog:
    """The logs of all turns, as this process writes and reads them."""

    def __init__(self, database: Database, signals: Signals) -> None:
        self._database = database
        self._signals = signals
        self._readers: defaultdict[UUID, set[_Reader]] = defaultdict(set)
        self._waiting: list[_Entry] = []
        """Entries for the next transaction."""
        self._writing = asyncio.Lock()
        self._is_closed = False
        signals.subscribe(Topic.LOG, self._wake)

    @property
    def readers(self) -> int:
        """How many there are, here."""
        return sum(map(len, self._readers.values()))

    def close(self) -> None:
        """The server stops: readers are to go on elsewhere."""
        self._is_closed = True
        self._wake(None)

    # Writing.

    async def append(self, turn_id: UUID, lines: Sequence[LogLine], *, attempt: int) -> bool:
        """Write the next lines of the turn's log. False, and nothing, unless the turn runs as this attempt.

        What comes while a transaction is written goes into the next one together: many turns share its cost, and none
        waits longer than another.
        """
        entry = _Entry((turn_id, attempt), lines)
        self._waiting.append(entry)
        async with self._writing:
            if entry.outcome is None:
                entries, self._waiting = self._waiting, []
                # To the end, also when this caller is cancelled: the others wait for it.
                await finished(self._write(entries))
        if isinstance(entry.outcome, Exception):
            raise entry.outcome
        return bool(entry.outcome)

    async def add(self, session: AsyncSession, turn_id: UUID, line: LogLine) -> None:
        """Write the last line in the transaction of whoever holds the turn's row, so that nobody else writes."""
        seq = await repository.last_seq(session, turn_id) + 1
        await self._add(session, {turn_id: [LoggedEvent(seq, *line)]})

    async def _write(self, entries: Sequence["_Entry"]) -> None:
        """Write the entries together; where that fails, each by itself, as only one may be at fault."""
        try:
            async with self._database.transaction() as session:
                held = await repository.hold_turns(session, {entry.attempt for entry in entries})
                lines = defaultdict[UUID, list[LoggedEvent]](list)
                for entry in entries:
                    if entry.attempt in held:
                        added = lines[entry.attempt[0]]
                        seq = held[entry.attempt] + len(added)
                        added += [LoggedEvent(seq + number, *line) for number, line in enumerate(entry.lines, start=1)]
                await self._add(session, lines)
        except Exception as error:  # noqa: BLE001 - each caller is given its own
            if len(entries) > 1 and not isinstance(error, NotReady):
                for entry in entries:
                    await self._write([entry])
            else:
                for entry in entries:
                    entry.outcome = error
        else:
            for entry in entries:
                entry.outcome = entry.attempt in held

    async def _add(self, session: AsyncSession, lines: Mapping[UUID, Sequence[LoggedEvent]]) -> None:
        """Store the lines; once they are committed, tell the readers of every server."""
        rows = [(turn_id, line.seq, line.kind, line.data) for turn_id, added in lines.items() for line in added]
        if not rows:
            return
        await repository.add_events(session, rows, at=utc_now())
        # Before the signal is registered: whoever it wakes finds the lines.
        after_commit(session, partial(self._hand, lines))
        await self._signals.send(session, Topic.LOG, *lines)

    # Reading.

    async def follow(
        self, turn_id: UUID, *, after: int = 0, check: ReaderCheck | None = None, pace: Pace = Pace()
    ) -> AsyncGenerator[LoggedEvent | None, None]:
        """Yield the log after line `after`, then live to the last event, then end. None is a heartbeat in a quiet time.

        A reader that already has the last event, or whose turn is deleted meanwhile, gets no more and does not wait.

        Raises:
            Unauthorized: `check` did, which is asked again and again.
            TurnInterrupted: this server stops; the log goes on.
        """
        clock = asyncio.get_running_loop().time
        heard_at = checked_at = clock()
        with self._reading(turn_id) as reader:
            while True:
                reader.news.clear()
                lines: Sequence[LoggedEvent] | None = reader.take_after(after)
                if not lines:
                    # Shielded: a reader that leaves in the middle of a query would leave its connection half closed.
                    lines = await asyncio.shield(self._read(turn_id, after))
                if check is not None and clock() - checked_at >= pace.check_seconds:
                    await asyncio.shield(check())
                    checked_at = clock()
                for line in lines or ():
                    yield line
                    if line.is_last:
                        return
                    after, heard_at = line.seq, clock()
                if lines is None:
                    return
                if self._is_closed:
                    raise TurnInterrupted("This server stops; the turn does not. Ask for it at GET /api/v1/turns/{id}.")
                with suppress(TimeoutError):
                    async with asyncio.timeout(pace.poll_seconds):
                        await reader.news.wait()
                if clock() - heard_at >= pace.heartbeat_seconds:
                    heard_at = clock()
                    yield None

    async def _read(self, turn_id: UUID, after: int) -> Sequence[LoggedEvent] | None:
        """The lines after one; None when there are none and none can come."""
        async with self._database.reading() as session:
            rows = await repository.events_after(session, turn_id, after)
            if not rows and not await repository.is_running(session, turn_id):
                # It may have ended between the two looks.
                rows = await repository.events_after(session, turn_id, after)
                if not rows:
                    return None
        return [LoggedEvent(row.seq, row.kind, row.data) for row in rows]

    @contextmanager
    def _reading(self, turn_id: UUID) -> Iterator["_Reader"]:
        reader = _Reader()
        self._readers[turn_id].add(reader)
        try:
            yield reader
        finally:
            self._readers[turn_id].discard(reader)
            if not self._readers[turn_id]:
                del self._readers[turn_id]

    def _hand(self, lines: Mapping[UUID, Sequence[LoggedEvent]]) -> None:
        for turn_id, added in lines.items():
            for reader in self._readers.get(turn_id, ()):
                reader.hand(added)

    def _wake(self, turn_id: UUID | None) -> None:
        turns = list(self._readers) if turn_id is None else [turn_id]
        for turn in turns:
            for reader in self._readers.get(turn, ()):
                reader.wake()


@dataclass
class _Entry:
    """Lines that an attempt wants to write, and what came of it: whether they were written, or why they could not."""

    attempt: tuple[UUID, int]
    """Of which turn, and the how manieth."""
    lines: Sequence[LogLine]
    outcome: bool | Exception | None = None


class _Reader:
    """Somebody who follows a turn's log in this process."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        """Set whenever the log has grown, here or elsewhere."""
        self._handed = deque[LoggedEvent](maxlen=MOST_HANDED)
        self._wakes_without_lines = 0

    def hand(self, lines: Sequence[LoggedEvent]) -> None:
        """Give what was written here, in order; a wake follows."""
        self._handed.extend(lines)
        self._wakes_without_lines -= 1

    def wake(self) -> None:
        """The log has grown, or may have."""
        self._wakes_without_lines += 1
        self.news.set()

    def take_after(self, seq: int) -> Sequence[LoggedEvent]:
        """The lines that were handed after this one; none if they are not, or may not be, all up to the last."""
        lines = [line for line in self._handed if line.seq > seq]
        is_all = self._wakes_without_lines == 0 and bool(lines) and lines[-1].seq == seq + len(lines)
        self._handed.clear()
        self._wakes_without_lines = 0
        return lines if is_all else []
