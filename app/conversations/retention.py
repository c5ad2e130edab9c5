"""How long conversations, and the whole logs of their turns, are kept.

A compacted log keeps its numbers, its first and its last line and what became of the turn in between. It loses the
pieces of the answer: the last line of a completed turn holds the whole, so that a reader who comes back after any line
gets all that is left to know. Logs of turns without an answer are kept: nothing else holds what they had produced.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from app.conversations import repository
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.database import Database

AT_ONCE = 100
"""In one transaction, so that nobody waits for long: on SQLite all that write wait for it."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Tidied:
    """How many."""

    conversations: int = 0
    """Deleted, with all that hangs on them."""
    logs: int = 0
    """Compacted."""


class Retention:
    """Deletes conversations that nobody has used for `conversation_age`, if given, and compacts logs of `log_age`.

    Any number of processes may do it at the same time.
    """

    def __init__(
        self,
        database: Database,
        *,
        log_age: timedelta,
        conversation_age: timedelta | None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._log_age = log_age
        self._conversation_age = conversation_age
        self._now = now

    @classmethod
    def of(cls, database: Database, settings: Settings, *, conversation_days: int | None = None) -> "Retention":
        """As set, or with so many days instead."""
        days = conversation_days or settings.conversation_retention_days
        return cls(
            database,
            log_age=timedelta(hours=settings.turn_log_compact_after_hours),
            conversation_age=None if days is None else timedelta(days=days),
        )

    async def tidy(self) -> Tidied:
        """Do it, a batch at a time: broken off, it has done what it has done.

        Raises:
            NotReady: the database does not answer.
        """
        now = self._now()
        conversations = 0
        if self._conversation_age is not None:
            idle_since = now - self._conversation_age
            conversations = await self._batches(
                lambda session: repository.delete_idle(session, since=idle_since, limit=AT_ONCE)
            )
        finished_before = now - self._log_age
        logs = await self._batches(
            lambda session: repository.compact_logs(session, finished_before=finished_before, limit=AT_ONCE)
        )
        if conversations or logs:
            logger.info("tidied", conversations=conversations, logs=logs)
        return Tidied(conversations, logs)

    async def preview(self) -> Tidied:
        """What `tidy` would do now. Logs of conversations that it would delete are counted as well.

        Raises:
            NotReady: the database does not answer.
        """
        now = self._now()
        async with self._database.reading() as session:
            conversations = 0
            if self._conversation_age is not None:
                conversations = await repository.count_idle(session, since=now - self._conversation_age)
            logs = await repository.count_long_logs(session, finished_before=now - self._log_age)
        return Tidied(conversations, logs)

    async def _batches(self, step: Callable[[AsyncSession], Awaitable[int]]) -> int:
        done = 0
        while True:
            async with self._database.transaction() as session:
                count = await step(session)
            done += count
            if count < AT_ONCE:
                return done
