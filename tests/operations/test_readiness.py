"""Alive, and ready part by part, with a reason and what to do for each part that is not well."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import text, update
from sqlmodel import col

from app.conversations.models import Turn
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import NotReady
from app.main import create_app
from app.operations.readiness import Health, ReadinessChecks
from tests.chat.client import problem_of
from tests.conftest import MakeSettings, Serve, served, shipped_plugins
from tests.model_server import Fail, ModelServer

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
SECONDS = 10


async def checks_of(client: httpx2.AsyncClient) -> dict[str, dict[str, str | None]]:
    """What each part is said to be, by a server that is ready."""
    response = await client.get("/readyz")
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "ready"
    found: dict[str, dict[str, str | None]] = response.json()["checks"]
    return found


async def execute(database_url: str, statement: Any) -> None:
    from app.core.config import async_database_url  # noqa: PLC0415 - a test's own connection

    database = Database(async_database_url(database_url))
    try:
        async with database.engine.begin() as connection:
            await connection.execute(statement)
    finally:
        await database.dispose()


async def test_all_is_well(serve: Serve, make_settings: MakeSettings, database_url: str) -> None:
    async with serve(make_settings(database_url=database_url)) as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        checks = await checks_of(client)

    assert checks == {name: {"status": "ok", "reason": None} for name in ("database", "migrations", "queue", "models")}


async def test_a_database_that_is_behind_is_named_with_the_command_that_helps(
    serve: Serve, make_settings: MakeSettings, database_url: str
) -> None:
    async with serve(make_settings(database_url=database_url)) as client:
        await execute(database_url, text("UPDATE alembic_version SET version_num = '0001'"))
        problem = problem_of(await client.get("/readyz"), status=503, code="not_ready")
        assert (await client.get("/healthz")).status_code == 200, "restarting would not help"

    (error,) = problem["errors"]
    assert error["field"] == "migrations"
    assert "at revision 0001" in error["message"]
    assert "run `greenroom migrate`" in error["message"]


async def test_a_server_that_is_older_than_the_database_goes_on(
    serve: Serve, make_settings: MakeSettings, database_url: str
) -> None:
    async with serve(make_settings(database_url=database_url)) as client:
        await execute(database_url, text("UPDATE alembic_version SET version_num = '9999'"))
        checks = await checks_of(client)

    assert checks["migrations"]["status"] == "degraded"
    assert "9999, which is newer than this server" in str(checks["migrations"]["reason"])


@ON_POSTGRESQL
async def test_turns_that_nobody_takes_are_counted(
    serve: Serve, make_settings: MakeSettings, database_url: str
) -> None:
    async with serve(make_settings(database_url=database_url, role="api")) as client:
        for _ in range(2):
            await client.post("/api/v1/chat", json={"message": "hello"}, headers={"Prefer": "respond-async"})
        assert (await checks_of(client))["queue"]["status"] == "ok", "they have just come"
        await execute(
            database_url, update(Turn).where(col(Turn.attempt) == 0).values(started_at=utc_now() - timedelta(minutes=5))
        )
        queue = (await checks_of(client))["queue"]

    assert queue["status"] == "degraded"
    assert str(queue["reason"]).startswith("2 turns wait for a worker, the oldest for 300 s")


@ON_POSTGRESQL
async def test_a_lost_connection_for_signals_is_said_while_it_lasts(
    serve: Serve, make_settings: MakeSettings, database_url: str
) -> None:
    async with serve(make_settings(database_url=database_url)) as client:
        listeners = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        here = " AND datname = current_database()"
        await execute(database_url, text(listeners + here))
        await _until(client, lambda check: "signal is not heard" in str(check["reason"]))
        await _until(client, lambda check: check["status"] == "ok")


async def _until(client: httpx2.AsyncClient, wanted: Callable[[dict[str, str | None]], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not wanted((await checks_of(client))["queue"]):  # noqa: ASYNC110 - another task's doing
            await asyncio.sleep(0.01)


async def test_a_model_that_is_left_alone_is_named_and_the_server_is_ready(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Fail(503))
    async with serve(openai_settings(provider_max_retries=0, circuit_failures=1)) as client:
        await client.post("/api/v1/chat", json={"message": "hello"})
        checks = await checks_of(client)

    assert checks["models"]["status"] == "degraded"
    assert "gpt-4o" in str(checks["models"]["reason"])


async def test_a_worker_that_looks_no_more_is_a_failure(make_settings: MakeSettings) -> None:
    app = create_app(make_settings(), plugins=shipped_plugins())
    async with served(app):
        state = app.state
        parts = {
            "database": state.database,
            "conversations": state.conversations,
            "signals": state.signals,
            "provider": state.provider,
            "worker": state.worker,
        }
        assert (await ReadinessChecks(**parts).look()).checks["queue"].status is Health.OK
        # Not even a moment is allowed it.
        with pytest.raises(NotReady, match="The worker has not looked for turns") as refusal:
            await ReadinessChecks(**parts, quiet_seconds=-1).look()

    assert [error["field"] for error in refusal.value.errors or ()] == ["queue"]
