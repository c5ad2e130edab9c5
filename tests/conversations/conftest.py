"""A migrated database, twice: once through this process's service, once as another replica would see it."""

from collections.abc import AsyncIterator

import pytest

from app.conversations.service import ConversationService
from app.conversations.turn_log import TurnLogSignal
from app.core.config import async_database_url
from app.core.database import Database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database without rows."""
    opened = Database(async_database_url(database_url))
    try:
        yield opened
    finally:
        await opened.dispose()


@pytest.fixture
def signal() -> TurnLogSignal:
    return TurnLogSignal()


@pytest.fixture
def conversations(database: Database, signal: TurnLogSignal) -> ConversationService:
    return ConversationService(database, signal, deadline_seconds=180)


@pytest.fixture
def impatient(database: Database, signal: TurnLogSignal) -> ConversationService:
    """The same service long after every deadline: each running turn is stale to it."""
    return ConversationService(database, signal, deadline_seconds=-3600)


@pytest.fixture
async def replica(database: Database) -> AsyncIterator[ConversationService]:
    """Another server on the same database: connections, locks and signals of its own."""
    opened = Database(database.url)
    try:
        yield ConversationService(opened, TurnLogSignal(), deadline_seconds=180)
    finally:
        await opened.dispose()
