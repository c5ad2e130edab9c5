"""Following a turn's log: the database holds the truth, the signal only says that looking again is worth it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.conversations import repository
from app.core.database import Database
from app.orchestration.events import TERMINAL_KINDS

POLL_SECONDS = 1.0
"""How long a reader waits when nothing signals: another replica may be writing."""

HEARTBEAT_SECONDS = 15.0


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


class TurnLogSignal:
    """Wakes the readers of a turn in this process."""

    def __init__(self) -> None:
        self._readers: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)

    def written(self, turn_id: UUID) -> None:
        """New lines are committed."""
        for reader in self._readers.get(turn_id, ()):
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


async def follow(
    database: Database, signal: TurnLogSignal, turn_id: UUID, *, after: int = 0
) -> AsyncIterator[LoggedEvent | None]:
    """Yield the log after line `after`, then live to the last event. None is a heartbeat after 15 quiet seconds."""
    quiet_seconds = 0.0
    with signal.reading(turn_id) as written:
        while True:
            written.clear()
            async with database.reading() as session:
                rows = await repository.events_after(session, turn_id, after)
            for row in rows:
                event = LoggedEvent(row.seq, row.kind, row.data)
                yield event
                if event.is_last:
                    return
                after = row.seq
            quiet_seconds = 0.0 if rows else quiet_seconds
            try:
                await asyncio.wait_for(written.wait(), POLL_SECONDS)
            except TimeoutError:
                quiet_seconds += POLL_SECONDS
            if quiet_seconds >= HEARTBEAT_SECONDS:
                quiet_seconds = 0.0
                yield None
