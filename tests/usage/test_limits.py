"""What refuses a turn before money is spent."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.accounts.models import LOCAL_USER_ID
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import BudgetExhausted, RateLimited
from app.usage.ledger import LedgerService
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer, Say
from tests.usage.rows import book


async def refusal(database: Database, make_settings: MakeSettings, provider: str = "openai", **values: Any) -> Any:
    """The error that a new turn would get, or None."""
    ledger = LedgerService(database, make_settings(**values))
    try:
        await ledger.check(owner_id=LOCAL_USER_ID, provider=provider, model="gpt-4o")
    except (RateLimited, BudgetExhausted) as error:
        return error
    return None


def minutes(*ages: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=age) for age in ages)


async def test_there_is_room_until_the_last_call_of_the_hour(database: Database, make_settings: MakeSettings) -> None:
    await book(database, *minutes(1, 2, 3, 61, 600))
    assert await refusal(database, make_settings, rate_limit_calls_per_hour=4) is None
    assert isinstance(await refusal(database, make_settings, rate_limit_calls_per_hour=3), RateLimited)


@pytest.mark.parametrize(
    ("ages", "limit", "wait_minutes"),
    [
        ((10, 20, 30), 3, 30),
        ((10, 20, 30, 40, 50), 3, 30),
        ((10, 20, 30, 40, 50), 1, 50),
        ((59,), 1, 1),
    ],
)
async def test_retry_after_is_when_enough_calls_are_an_hour_old(
    database: Database, make_settings: MakeSettings, *, ages: tuple[float, ...], limit: int, wait_minutes: int
) -> None:
    await book(database, *minutes(*ages))
    error = await refusal(database, make_settings, rate_limit_calls_per_hour=limit)
    assert isinstance(error, RateLimited)
    # The clock goes on between booking and asking.
    assert wait_minutes * 60 - 30 <= (error.retry_after_seconds or 0) <= wait_minutes * 60


async def test_the_hour_ends_to_the_second(database: Database, make_settings: MakeSettings) -> None:
    await book(database, timedelta(hours=1))
    assert await refusal(database, make_settings, rate_limit_calls_per_hour=1) is None
    await book(database, timedelta(hours=1) - timedelta(seconds=20))
    error = await refusal(database, make_settings, rate_limit_calls_per_hour=1)
    assert 1 <= error.retry_after_seconds <= 20


async def test_the_budget_counts_the_known_costs_of_the_utc_day(
    database: Database, make_settings: MakeSettings
) -> None:
    now = utc_now()
    since_midnight = now - now.replace(hour=0, minute=0, second=0, microsecond=0)
    await book(database, since_midnight + timedelta(seconds=30), cost_usd=Decimal(1000))
    await book(database, timedelta(0), cost_usd=None)
    await book(database, timedelta(0), cost_usd=Decimal("0.3"))
    await book(database, timedelta(0), cost_usd=Decimal("0.199999999"))
    assert await refusal(database, make_settings) is None
    assert await refusal(database, make_settings, budget_usd_per_day=Decimal("0.5")) is None
    await book(database, timedelta(0), cost_usd=Decimal("0.000000001"))
    error = await refusal(database, make_settings, budget_usd_per_day=Decimal("0.5"))
    assert isinstance(error, BudgetExhausted)
    assert 1 <= (error.retry_after_seconds or 0) <= 86_400


async def test_the_offline_engine_has_no_limits_and_counts_for_none(
    database: Database, make_settings: MakeSettings
) -> None:
    limits: dict[str, Any] = {"rate_limit_calls_per_hour": 1, "budget_usd_per_day": Decimal("0.01")}
    await book(database, *minutes(1, 2, 3), provider="offline", cost_usd=Decimal(1))
    assert await refusal(database, make_settings, **limits) is None
    assert await refusal(database, make_settings, provider="offline", **limits) is None


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"rate_limit_calls_per_hour": 1}, "rate_limited"),
        ({"budget_usd_per_day": Decimal("0.00005")}, "budget_exhausted"),
    ],
)
async def test_a_turn_without_room_is_429_with_retry_after_and_keeps_the_message(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, *, values: dict[str, Any], code: str
) -> None:
    model_server.script(Say("hello"))
    async with serve(openai_settings(**values)) as client:
        first = await client.post("/api/v1/chat", json={"message": "hi"})
        refused = await client.post("/api/v1/chat", json={"message": "once more"})
        page = (await client.get("/api/v1/conversations")).json()
        kept = (await client.get(f"/api/v1/conversations/{page['items'][0]['id']}")).json()

    assert (first.status_code, refused.status_code, refused.json()["code"]) == (200, 429, code)
    assert int(refused.headers["Retry-After"]) == refused.json()["retry_after_seconds"] >= 1
    assert [message["text"] for message in kept["messages"]] == ["once more"]
    assert kept["usage"]["model_calls"] == 0
