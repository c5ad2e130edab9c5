"""Accounts over a migrated database, with a clock of the test's own; and the served application in accounts mode."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2
import pytest

from app.accounts.assembly import Accounts, open_accounts
from app.core.database import Database
from tests.accounts.people import SECRET_KEY, Clock, cheap_passwords
from tests.conftest import MakeSettings, Serve
from tests.conversations.conftest import conversations, database, signals
from tests.core.conftest import start_log

__all__ = ["conversations", "database", "signals", "start_log"]

ServeAccounts = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def account_settings(make_settings: MakeSettings) -> MakeSettings:
    """Settings of accounts mode, with the offline engine."""

    def make(**values: Any) -> Any:
        return make_settings(**{"auth_mode": "accounts", "secret_key": SECRET_KEY} | values)

    return make


@pytest.fixture
def serve_accounts(serve: Serve, account_settings: MakeSettings) -> ServeAccounts:
    """The application in accounts mode, with cheap password hashes."""

    @asynccontextmanager
    async def serving(**values: Any) -> AsyncIterator[httpx2.AsyncClient]:
        async with serve(account_settings(**values), passwords=cheap_passwords()) as client:
            yield client

    return serving


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def accounts(database: Database, account_settings: MakeSettings, clock: Clock) -> AsyncIterator[Accounts]:
    """Accounts on either database, at the test's time."""
    opened = open_accounts(account_settings(), database, cancel_work=(), passwords=cheap_passwords(), now=clock)
    try:
        yield opened
    finally:
        await opened.stop()
