"""The database: one async engine for SQLite or PostgreSQL, and the column types that behave the same on both."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, BigInteger, Connection, DateTime, Dialect, Numeric, event, inspect, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel.ext.asyncio.session import AsyncSession
from typing_extensions import override

from alembic import command
from app.core.config import REPOSITORY_ROOT
from app.core.errors import NotReady

VERSION_TABLE = "alembic_version"
NANO = Decimal("0.000000001")
POSTGRESQL_PORT = 5432
CONNECTIONS, MORE_CONNECTIONS = 10, 10
"""Kept open, and opened beyond them while they are needed."""
WAIT_SECONDS = 5
"""For a free connection, and for a new one."""
LOCK_SECONDS = 2
"""For a SQLite file that another program writes to. Our own writers form a queue, and all behind the first wait on."""
ALL_IN_USE = "Every connection to the database is in use."
RETRY_SECONDS = 2
"""What a client is told to wait when the database does not answer."""
RETURN_SECONDS = 2
"""For connections that are in use when the database is closed."""
SERVER_ARGUMENTS = {
    "server_settings": {"idle_in_transaction_session_timeout": "5s"},
    "timeout": WAIT_SECONDS,
}
"""A server that is paused in the middle of a transaction would hold its locks, and with them a turn that another server
is to take over, for as long as it is paused."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite drops the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times are stored in UTC: pass an aware datetime")
        return value.astimezone(UTC)

    @override
    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Usd(TypeDecorator[Decimal]):
    """Exact dollars with nine decimals: `Numeric` on PostgreSQL, whole nano-dollars on SQLite, which has no decimals.

    Sums in SQL are exact on both and come back as `Decimal`.
    """

    impl = Numeric(18, 9)
    cache_ok = True

    @override
    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind: TypeEngine[Any] = BigInteger() if dialect.name == "sqlite" else Numeric(18, 9)
        return dialect.type_descriptor(kind)

    @override
    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | int | None:
        if value is None:
            return None
        # Rounded here, so that both databases round the same way.
        exact = value.quantize(NANO)
        return int(exact / NANO) if dialect.name == "sqlite" else exact

    @override
    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return (Decimal(value) * NANO) if dialect.name == "sqlite" else Decimal(value)


class Database:
    """Owns the engine. One instance per application, disposed at shutdown."""

    def __init__(self, url: URL) -> None:
        self.url = url
        # Parameters hold what people wrote, and an error would carry them into the log.
        self.engine: AsyncEngine = create_async_engine(
            url,
            # A file does not go away between two uses.
            pool_pre_ping=not self.is_embedded,
            pool_size=CONNECTIONS,
            max_overflow=MORE_CONNECTIONS,
            pool_timeout=WAIT_SECONDS,
            hide_parameters=True,
            connect_args={} if self.is_embedded else SERVER_ARGUMENTS,
        )
        self._writing = self.engine.execution_options(is_writing=True)
        # SQLite lets one transaction write at a time, and whoever waits for it asks again and again, with no queue:
        # under load somebody would wait too long. Here the first to come is the first to write.
        self._writer_queue = asyncio.Lock() if self.is_embedded else nullcontext()
        self._slots = asyncio.Semaphore(CONNECTIONS + MORE_CONNECTIONS)
        self._slots_freed = 0
        """How often."""
        self._returned = asyncio.Event()
        event.listen(self.engine.sync_engine, "checkin", lambda *_: self._returned.set())
        if self.is_embedded:
            event.listen(self.engine.sync_engine, "connect", _configure_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)

    @property
    def is_embedded(self) -> bool:
        """Whether this is SQLite, which only this one process uses."""
        return self.url.get_backend_name() == "sqlite"

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed when the block ends and rolled back when it raises.

        Raises:
            NotReady: the database does not answer, or cannot be written; nothing was stored, or, if it went away during
                the commit, perhaps all of it.
        """
        with _not_ready():
            async with (
                self._writer_queue,
                self._slot(),
                AsyncSession(self._writing, expire_on_commit=False) as session,
                session.begin(),
            ):
                yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session that only reads: on SQLite it neither waits for a writer nor makes one wait.

        Raises:
            NotReady: the database does not answer.
        """
        with _not_ready():
            async with self._slot(), AsyncSession(self.engine, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """One of as many slots as there are connections; the first to come is the first to have it.

        As long as slots are freed, however slowly, it is worth waiting: of many at once, some would be turned away.

        Raises:
            NotReady: none was freed for a while.
        """
        await self._take_slot()
        try:
            yield
        finally:
            self._slots_freed += 1
            self._slots.release()

    async def _take_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        taking, is_moving = asyncio.ensure_future(self._slots.acquire()), True
        try:
            while is_moving and not taking.done():
                freed = self._slots_freed
                await asyncio.wait({taking}, timeout=WAIT_SECONDS)
                is_moving = self._slots_freed != freed
        except asyncio.CancelledError:
            if not taking.cancel():
                self._slots.release()
            raise
        if not taking.done():
            taking.cancel()
            raise NotReady(f"{ALL_IN_USE} Try again.", retry_after_seconds=RETRY_SECONDS)

    @property
    def place(self) -> str:
        """Where it is, for an operator: a file, or host and port; never with a password."""
        if self.is_embedded:
            return str(self.url.database)
        return f"{self.url.host or 'localhost'}:{self.url.port or POSTGRESQL_PORT}"

    async def ping(self) -> None:
        """Ask the database for a sign of life: of a file, that it can be written.

        Raises:
            NotReady: it gave none.
        """
        if self.is_embedded:
            async with self.transaction() as session:
                # Ours is always 0; it is written all the same.
                await session.exec(text("PRAGMA user_version = 0"))  # type: ignore[call-overload]  # sqlmodel knows queries only
        else:
            async with self.reading() as session:
                await session.exec(text("SELECT 1"))  # type: ignore[call-overload]  # likewise

    async def revision(self) -> str | None:
        """The migration that the database is at; None for one that has never been migrated.

        Raises:
            NotReady: it does not answer.
        """
        with _not_ready():
            async with self._slot(), self.engine.connect() as connection:
                if not await connection.run_sync(lambda found: inspect(found).has_table(VERSION_TABLE)):
                    return None
                found = (await connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))).scalar()  # noqa: S608 - a constant
                return str(found) if found else None

    def known_revisions(self) -> Sequence[str]:
        """The migrations of this version of the service, the newest last."""
        script = ScriptDirectory.from_config(alembic_config(self.url))
        return [revision.revision for revision in script.walk_revisions()][::-1]

    async def migrate(self) -> None:
        """Bring the schema to the newest revision. Safe with several replicas: one migrates, the others wait."""
        await asyncio.to_thread(command.upgrade, alembic_config(self.url), "head")

    async def dispose(self) -> None:
        """Close every pooled connection.

        Those of work that was broken off may still be on their way back: a pool that is gone would not close them.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(RETURN_SECONDS):
                while self._pool.checkedout():
                    self._returned.clear()
                    await self._returned.wait()
        await self.engine.dispose()

    @property
    def _pool(self) -> QueuePool:
        pool = self.engine.pool
        assert isinstance(pool, QueuePool)  # noqa: S101 - of a file or a server; a database in memory has another
        return pool


def after_commit(session: AsyncSession, do: Callable[[], None]) -> None:
    """Do it when the session's transaction is committed, and not only a savepoint of it. It must not wait."""

    def committed(of: Session) -> None:
        if not of.in_nested_transaction():
            do()

    event.listen(session.sync_session, "after_commit", committed)


def alembic_config(url: URL) -> Config:
    """Alembic's configuration for this database, without touching the process's logging."""
    config = Config(REPOSITORY_ROOT / "alembic.ini")
    config.attributes["url"] = url
    return config


def _configure_sqlite(connection: Any, _record: Any) -> None:
    # The driver would start transactions late and by its own rules: `_begin_sqlite` does it instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    # WAL lets readers follow a turn's log while it is written; a busy writer is waited for, not refused.
    busy_timeout = f"busy_timeout={LOCK_SECONDS * 1000}"
    for pragma in (busy_timeout, "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A reader that turns into a writer is refused at once when somebody else wrote meanwhile; a declared writer waits.
    is_writing = connection.get_execution_options().get("is_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


@contextmanager
def _not_ready() -> Iterator[None]:
    """Say in one way what drivers say in many: that the database is not there for us at the moment."""
    try:
        yield
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        # Of a connection that cannot be opened, SQLAlchemy passes on the driver's own errors.
        reason = _reason(error)
        if reason is None:
            raise
        raise NotReady(f"{reason} Try again.", retry_after_seconds=RETRY_SECONDS) from error


def _reason(error: Exception) -> str | None:
    """Why the database is not there; None if the error is about what was asked of it."""
    if isinstance(error, PoolTimeout):
        return ALL_IN_USE
    if isinstance(error, DBAPIError) and isinstance(error.orig, sqlite3.Error):
        return SQLITE_REASONS.get(_primary_code(error.orig))
    is_away = not isinstance(error, SQLAlchemyError) or (
        isinstance(error, DBAPIError)
        and (
            error.connection_invalidated
            or isinstance(error, OperationalError | InterfaceError)
            or getattr(error.orig, "sqlstate", None) in AWAY_STATES
        )
    )
    return "The database does not answer." if is_away else None


def _primary_code(error: sqlite3.Error) -> int:
    """Without what it says more exactly; 0 where the driver itself complains."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


SQLITE_REASONS = {
    sqlite3.SQLITE_BUSY: "The database file is locked by another program.",
    sqlite3.SQLITE_LOCKED: "The database file is locked by another program.",
    sqlite3.SQLITE_FULL: "The database cannot be written: the disk is full.",
    sqlite3.SQLITE_IOERR: "The database cannot be written or read: the disk is full or fails.",
    sqlite3.SQLITE_READONLY: "The database file may not be written.",
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened.",
}
AWAY_STATES = {
    "57P01",
    "57P02",
    "57P03",
    "53100",
    "53300",
    "25P03",
    "08000",
    "08003",
    "08006",
    "28000",
    "28P01",
    "3D000",
}
"""Of a server that stops, starts, has no room, has given a connection up, or does not let us into the database."""
