"""A migrated database, twice: once through this process's service, once as another replica would see it."""

from collections.abc import AsyncIterator

import pytest

from app.conversations.service import ConversationService
from app.conversations.turn_log import TurnLog
from app.core.config import async_database_url
from app.core.database import Database
from app.core.signals import Signals


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database without rows."""
    opened = Database(async_database_url(database_url))
    try:
        yield opened
    finally:
        await opened.dispose()


@pytest.fixture
async def signals(database: Database) -> AsyncIterator[Signals]:
    started = Signals(database)
    await started.start()
    try:
        yield started
    finally:
        await started.stop()


@pytest.fixture
def log(database: Database, signals: Signals) -> TurnLog:
    """Whose readers are signalled what the service writes, and find it in the database."""
    return TurnLog(database, signals)


@pytest.fixture
def conversations(database: Database, signals: Signals) -> ConversationService:
    return ConversationService(database, signals)


@pytest.fixture
async def replica(database: Database) -> AsyncIterator[ConversationService]:
    """Another server on the same database: connections, locks and signals of its own."""
    opened = Database(database.url)
    try:
        yield ConversationService(opened, Signals(opened))
    finally:
        await opened.dispose()
