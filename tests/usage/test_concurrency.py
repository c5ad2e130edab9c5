"""Many turns at once, over HTTP, against limits that are enough for a few: never more is spent than was allowed."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.core.database import Database
from tests.answers import calls, hands_to, says_questions
from tests.chat.client import problem_of
from tests.conftest import MakeSettings, Serve
from tests.e2e.server_process import forked
from tests.model_server import ModelServer, RecordedRequest, Say, Step
from tests.model_server import Usage as Tokens
from tests.usage.rows import ledger_of

TURNS = 50
PATIENT = {"turn_timeout_seconds": 120}
"""A machine that is busy with other things is no silent model."""

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

DEAR = Tokens(input=8_000, output=3_000)
CALL_USD = Decimal("0.05")
"""8,000 x 2.50 and 3,000 x 10.00 dollars per million: nearly what is reserved for such a call."""


def talks(_: RecordedRequest) -> Step:
    """A turn of one dear call."""
    return Say("Which interview is it?", usage=DEAR, delay_seconds_per_piece=0.02)


def makes_questions(request: RecordedRequest) -> Step:
    """A turn of three calls."""
    if request.is_technique:
        return says_questions(1, pieces=3)
    is_specialist = "technical-few_shot" in request.tool_names
    return calls("technical-few_shot") if is_specialist else hands_to("technical")


async def many_turns(clients: Sequence[httpx2.AsyncClient], count: int, **body: Any) -> list[httpx2.Response]:
    """So many turns at the same time, spread over the servers."""
    asking = (
        clients[number % len(clients)].post("/api/v1/chat", json={"message": f"Hello {number}"} | body, timeout=300)
        for number in range(count)
    )
    return list(await asyncio.gather(*asking))


def check_refusals(responses: Sequence[httpx2.Response], code: str) -> None:
    """Every turn that did not complete was refused for this, and told when to come back."""
    for response in responses:
        assert response.headers["RateLimit-Policy"].startswith('"calls";q=')
        assert response.headers["RateLimit"].startswith('"calls";r=')
        if response.status_code != 200:
            problem = problem_of(response, status=429, code=code)
            assert response.headers["Retry-After"] == str(problem["retry_after_seconds"])
            assert problem["conversation_id"], "the message is kept"


async def check_spent(database: Database, *, budget_usd: Decimal, completed: int) -> None:
    """What was booked keeps within the budget and one call, and nothing is open."""
    rows = await ledger_of(database)
    assert all(row.ended_at for row in rows)
    assert [row.cost_usd for row in rows] == [CALL_USD] * completed
    assert completed * CALL_USD <= budget_usd + CALL_USD


@ON_POSTGRESQL
@pytest.mark.parametrize("budget", ["budget_usd_per_day", "budget_usd_per_user_day"])
async def test_fifty_turns_on_a_budget_for_a_few(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database, *, budget: str
) -> None:
    model_server.respond_with(talks)
    settings = openai_settings(
        database_url=database.url.render_as_string(hide_password=False), **PATIENT, **{budget: "0.5"}
    )
    async with serve(settings) as client:
        responses = await many_turns([client], TURNS)

    check_refusals(responses, "budget_exhausted")
    completed = Counter(response.status_code for response in responses)[200]
    assert 4 <= completed <= 11
    assert len(model_server.requests) == completed, "a refused call never reached the provider"
    await check_spent(database, budget_usd=Decimal("0.5"), completed=completed)


@ON_POSTGRESQL
async def test_two_server_processes_share_one_budget(
    tmp_path: Path, model_server: ModelServer, database: Database
) -> None:
    model_server.respond_with(talks)
    settings = {
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "OPENAI_BASE_URL": model_server.base_url,
        "DEFAULT_MODEL": "gpt-4o",
        "BUDGET_USD_PER_DAY": "0.5",
        "TURN_TIMEOUT_SECONDS": "120",
    }
    async with AsyncExitStack() as opened:
        servers = [opened.enter_context(forked(tmp_path / name, **settings)) for name in ("one", "other")]
        for server in servers:
            server.wait_until_ready()
        clients = [await opened.enter_async_context(httpx2.AsyncClient(base_url=server.address)) for server in servers]
        # Each on a budget of its own would complete at least ten.
        responses = await many_turns(clients, 24)

    check_refusals(responses, "budget_exhausted")
    completed = Counter(response.status_code for response in responses)[200]
    assert 4 <= completed <= 11
    await check_spent(database, budget_usd=Decimal("0.5"), completed=completed)


@ON_POSTGRESQL
async def test_fifty_turns_make_exactly_the_calls_of_the_hour(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.respond_with(makes_questions)
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(database_url=url, **PATIENT)) as client:
        responses = await many_turns([client], TURNS, question_count=1)

    check_refusals(responses, "rate_limited")
    rows = await ledger_of(database)
    assert len(model_server.requests) == len(rows) == 100
    assert all(row.ended_at for row in rows)
    completed = Counter(response.status_code for response in responses)[200]
    # Three calls each; whoever was refused in the middle had made one or two.
    assert completed == sum(row.function == "few_shot" for row in rows) <= 33


@ON_SQLITE
@pytest.mark.parametrize(
    ("limit", "code"),
    [({"budget_usd_per_day": "0.2"}, "budget_exhausted"), ({"rate_limit_calls_per_hour": 4}, "rate_limited")],
)
async def test_twelve_turns_on_the_embedded_database(
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    database: Database,
    *,
    limit: dict[str, Any],
    code: str,
) -> None:
    model_server.respond_with(talks)
    settings = openai_settings(database_url=database.url.render_as_string(hide_password=False), **PATIENT, **limit)
    async with serve(settings) as client:
        responses = await many_turns([client], 12)

    check_refusals(responses, code)
    completed = Counter(response.status_code for response in responses)[200]
    assert completed == 4 if code == "rate_limited" else 1 <= completed <= 5
    await check_spent(database, budget_usd=Decimal("0.2"), completed=completed)
