"""What one server tells the others on its database: that looking again is worth it. The database holds the truth.

On PostgreSQL a signal is a NOTIFY of the transaction that made it true, so it comes with the commit or not at all. It
can be lost while a connection is down; whoever listens must also look by themselves from time to time. On SQLite there
is one server, which signals itself.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.database import Database, after_commit

CHANNEL = "greenroom"
NOTIFY = text("SELECT pg_notify(:channel, payload) FROM unnest(CAST(:payloads AS text[])) AS payload")
RECONNECT_SECONDS = 0.5
PROBE_SECONDS = 5.0
"""A connection whose other end is gone without a word is noticed after this time, and as much again."""

logger = structlog.get_logger(__name__)


class Topic(StrEnum):
    """What a signal is about; its subject is an id."""

    LOG = "log"
    """A turn's log has grown."""
    WORK = "work"
    """A turn waits for a worker."""
    CANCEL = "cancel"
    """Somebody wants a turn to stop."""
    OWNER = "owner"
    """Everything that runs for a user is to stop."""


Listener = Callable[[UUID | None], None]
"""Gets the subject; None when signals may have been lost, so that anything may have happened. Must not wait."""


class Signals:
    """Sends signals with transactions, and passes on those of every server on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: defaultdict[Topic, list[Listener]] = defaultdict(list)
        self._server_id = uuid4().hex
        """Our own signals come back to us, when they have been delivered already."""
        self._listening: asyncio.Task[None] | None = None
        self._is_connected = False

    def subscribe(self, topic: Topic, listener: Listener) -> None:
        """Let the listener hear every signal of the topic."""
        self._listeners[topic].append(listener)

    async def send(self, session: AsyncSession, topic: Topic, *subjects: UUID) -> None:
        """Signal it of each subject when the session's transaction is committed."""
        if not self._database.is_embedded:
            connection = await session.connection()
            payloads = [f"{self._server_id} {topic} {subject}" for subject in subjects]
            await connection.execute(NOTIFY, {"channel": CHANNEL, "payloads": payloads})

        def deliver() -> None:
            for subject in subjects:
                self._deliver(topic, subject)

        after_commit(session, deliver)

    @property
    def are_heard(self) -> bool:
        """Whether there is a connection that others' signals come by; on SQLite there are no others."""
        return self._database.is_embedded or self._is_connected

    async def start(self) -> None:
        """Listen to the other servers; connected when this returns."""
        if not self._database.is_embedded:
            connected = asyncio.Event()
            self._listening = asyncio.create_task(self._listen(connected), name="signals")
            await connected.wait()

    async def stop(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})

    def _deliver(self, topic: Topic, subject: UUID | None) -> None:
        for listener in self._listeners[topic]:
            listener(subject)

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: str) -> None:
        server_id, topic, subject = payload.split()
        # A newer server may know topics that this one does not.
        if server_id != self._server_id and topic in set(Topic):
            self._deliver(Topic(topic), UUID(subject))

    async def _listen(self, connected: asyncio.Event) -> None:
        # Beside the pool: it is held for as long as the server runs.
        engine = create_async_engine(self._database.url, poolclass=NullPool, hide_parameters=True)
        while True:
            try:
                async with engine.connect() as connection:
                    driver: Any = (await connection.get_raw_connection()).driver_connection
                    await driver.add_listener(CHANNEL, self._hear)
                    connected.set()
                    self._is_connected = True
                    for topic in Topic:
                        self._deliver(topic, None)
                    await _until_broken(driver)
            except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                logger.warning("signals_lost", error=type(error).__name__)
            finally:
                self._is_connected = False
            await asyncio.sleep(RECONNECT_SECONDS)


async def _until_broken(driver: Any) -> None:
    """Return or raise when the connection no longer hears anything."""
    ended = asyncio.Event()
    driver.add_termination_listener(lambda _: ended.set())
    while not driver.is_closed():
        with suppress(TimeoutError):
            # Not `wait_for`: on Python 3.11 it drops a cancellation that comes with the event, and would go on.
            async with asyncio.timeout(PROBE_SECONDS):
                await ended.wait()
            return
        await driver.execute("SELECT 1", timeout=PROBE_SECONDS)
