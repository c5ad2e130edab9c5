"""The start of the application: what it warns of, and what it leaves behind when it fails."""

import asyncio
from typing import Any, cast

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from structlog.testing import capture_logs

from app.core.config import AuthMode, Settings
from app.core.database import Database
from app.core.errors import NotReady
from app.main import create_app, lifespan
from app.providers.base import Provider
from app.providers.registry import active_provider
from app.usage.prices import price_overrides, warn_of_uncounted
from tests.accounts.people import SECRET_KEY
from tests.conftest import MakeSettings, shipped_plugins


class Closing:
    """A provider that remembers whether it was closed."""

    def __init__(self, provider: Provider) -> None:
        self.is_closed = False
        self._provider = provider

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    async def close(self) -> None:
        self.is_closed = True
        await self._provider.close()


async def fails_to_start(app: FastAPI) -> None:
    """The application does not start, and nothing that it opened is left."""
    provider = app.state.provider = Closing(app.state.provider)
    before = asyncio.all_tasks()
    with pytest.raises(DBAPIError):
        async with lifespan(app):
            pytest.fail("it started")
    assert provider.is_closed
    assert asyncio.all_tasks() == before
    # One that is disposed of has a new pool, without connections.
    assert cast("QueuePool", app.state.database.engine.pool).checkedin() == 0


async def carry_out(settings: Settings, statement: str) -> None:
    database = Database(settings.async_database_url)
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(statement)
    await database.dispose()


async def test_a_start_whose_migration_fails_closes_what_was_opened(
    make_settings: MakeSettings, empty_database_url: str
) -> None:
    settings = make_settings(database_url=empty_database_url)
    await carry_out(settings, "CREATE TABLE alembic_version (nonsense INTEGER)")
    await fails_to_start(create_app(settings, plugins=shipped_plugins()))


async def test_a_start_that_fails_after_the_migration_closes_what_was_opened(
    make_settings: MakeSettings, empty_database_url: str
) -> None:
    settings = make_settings(database_url=empty_database_url, auth_mode=AuthMode.ACCOUNTS, secret_key=SECRET_KEY)
    app = create_app(settings, plugins=shipped_plugins())
    async with lifespan(app):
        pass
    # Calls that a dead server left are looked for in it.
    await carry_out(settings, "DROP TABLE model_call")
    await fails_to_start(create_app(settings, plugins=shipped_plugins()))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_server_that_refuses_the_connection_is_a_database_that_is_not_ready(
    make_settings: MakeSettings, database_url: str
) -> None:
    database = Database(make_settings(database_url=database_url).async_database_url.set(database="missing"))
    with pytest.raises(NotReady):
        await database.ping()
    assert "missing" not in database.place
    await database.dispose()


PRICED = {"house-model-1": {"input_usd_per_million": "1", "output_usd_per_million": "2"}}


@pytest.mark.parametrize(
    ("values", "models"),
    [
        ({"budget_usd_per_day": "5"}, ["house-model-1"]),
        ({"budget_usd_per_turn": "0", "default_model": "gpt-4o", "allowed_models": "house-1,gpt-4o"}, ["house-1"]),
        ({"budget_usd_per_day": "5", "price_overrides": PRICED}, []),
        ({"budget_usd_per_day": "5", "default_model": "gpt-4o"}, []),
        ({"budget_usd_per_day": "5", "openai_base_url": None}, []),
        ({}, []),
    ],
    ids=["unpriced", "one of two", "priced by the operator", "priced", "offline", "no budget"],
)
def test_a_budget_that_cannot_count_a_model_is_said(
    make_settings: MakeSettings, values: dict[str, Any], models: list[str]
) -> None:
    base = {"openai_base_url": "http://127.0.0.1:9/v1", "default_model": "house-model-1"}
    settings = make_settings(**base | values)
    with capture_logs() as lines:
        warn_of_uncounted(settings, active_provider(settings, shipped_plugins().offline), price_overrides(settings))

    assert [line["models"] for line in lines] == ([models] if models else [])
    for line in lines:
        assert (line["event"], line["log_level"]) == ("budget_cannot_count", "warning")
        assert "PRICE_OVERRIDES" in line["advice"]
        assert line["budgets"] == [name.upper() for name in values if name.startswith("budget")]
