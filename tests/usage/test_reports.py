"""`GET /usage`: sums that are the ledger's, to the last nano-dollar, and what is left of the limits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import delete
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.models import LOCAL_USER_ID
from app.conversations.models import Conversation
from app.core.clock import utc_now
from app.core.database import NANO, Database
from app.usage.ledger import LedgerService
from app.usage.models import ModelCallRow
from app.usage.schemas import GroupBy, UsagePublic
from app.usage.service import UsageService
from tests.answers import hands_to
from tests.chat.client import chat, problem_of
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer, Say
from tests.usage.rows import another_user, ledger_of, open_row, row, store

USAGE = "/api/v1/usage"
DAY = datetime(2026, 3, 1, tzinfo=UTC)
SUMMED = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens")

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "cost_usd": st.one_of(st.none(), st.integers(0, 10**12).map(lambda nanos: nanos * NANO)),
            "created_at": st.integers(0, 3 * 86_400 * 10**6 - 1).map(
                lambda micros: DAY + timedelta(microseconds=micros)
            ),
            "agent": st.sampled_from(["triage", "technical"]),
            "model": st.sampled_from(["gpt-4o", "gpt-5"]),
            "input_tokens": st.integers(0, 10**6),
            "is_estimated": st.booleans(),
            "is_open": st.sampled_from([False, False, False, True]),
            "is_mine": st.sampled_from([True, True, False]),
        }
    ),
    max_size=30,
)


def key_of(line: ModelCallRow, by: GroupBy) -> str | None:
    match by:
        case GroupBy.DAY:
            return line.created_at.date().isoformat()
        case GroupBy.CONVERSATION:
            return str(line.conversation_id) if line.conversation_id else None
        case GroupBy.AGENT:
            return line.agent
        case GroupBy.MODEL:
            return line.model


async def report(database: Database, make_settings: MakeSettings, **changes: Any) -> UsagePublic:
    fields = {"owner_id": LOCAL_USER_ID, "by": GroupBy.DAY, "since": DAY.date(), "until": DAY.date() + timedelta(2)}
    service = UsageService(database, make_settings(), provider="openai")
    return await service.report(**fields | changes)  # type: ignore[arg-type]  # of several types


@pytest.fixture
async def stranger(database: Database) -> UUID:
    return await another_user(database)


@given(lines=ROWS, by=st.sampled_from(GroupBy))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_sum_is_that_of_the_rows(
    database: Database, make_settings: MakeSettings, stranger: UUID, *, lines: list[dict[str, Any]], by: GroupBy
) -> None:
    rows = []
    for line in lines:
        owner_id = LOCAL_USER_ID if line.pop("is_mine") else stranger
        is_open = line.pop("is_open")
        made = line | {"owner_id": owner_id}
        rows.append(open_row("1", **made | {"cost_usd": None}) if is_open else row(**made))
    async with database.transaction() as session:
        await session.exec(delete(ModelCallRow))
    await store(database, *rows)

    found = await report(database, make_settings, by=by)

    mine = [line for line in await ledger_of(database) if line.owner_id == LOCAL_USER_ID and line.ended_at]
    groups: dict[str | None, list[ModelCallRow]] = {}
    for booked in mine:
        groups.setdefault(key_of(booked, by), []).append(booked)
    assert {item.key for item in found.items} == set(groups)
    for sums, summed in [(found.total, mine), *((item.usage, groups[item.key]) for item in found.items)]:
        costs = [line.cost_usd for line in summed]
        known = sum((cost for cost in costs if cost is not None), Decimal(0))
        assert sums.known_cost_usd == known
        assert sums.cost_usd == (None if None in costs else known)
        assert (sums.model_calls, sums.unpriced_calls) == (len(summed), costs.count(None))
        assert sums.estimated_calls == sum(line.is_estimated for line in summed)
        for name in SUMMED:
            assert getattr(sums, name) == sum(getattr(line, name) for line in summed)


class Interrupting(Database):
    """A database in which another call ends after each statement that a reader makes."""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        async with super().reading() as session:
            yield _Interrupted(session, self)  # type: ignore[misc]  # all that is used of a session


class _Interrupted:
    def __init__(self, session: AsyncSession, database: Database) -> None:
        self._session = session
        self._database = database

    def get_bind(self) -> Any:
        return self._session.get_bind()

    async def exec(self, statement: Any) -> Any:
        result = (await self._session.exec(statement)).freeze()
        # On SQLite a reader has the picture of its first statement until its transaction ends.
        await self._session.rollback()
        await store(self._database, row(created_at=DAY))
        return result()


@pytest.mark.parametrize("by", GroupBy)
async def test_the_total_is_that_of_the_groups_also_when_calls_end_meanwhile(
    database: Database, make_settings: MakeSettings, by: GroupBy
) -> None:
    await store(database, row(created_at=DAY))
    busy = Interrupting(database.url)
    try:
        found = await report(busy, make_settings, by=by)
    finally:
        await busy.dispose()

    assert len(await ledger_of(database)) > 2, "calls ended while the report was made"
    assert found.total.model_calls == sum(item.usage.model_calls for item in found.items) == 1


async def test_days_are_those_of_utc_and_both_ends_belong_to_it(
    database: Database, make_settings: MakeSettings
) -> None:
    instant = timedelta(microseconds=1)
    moments = [DAY - instant, DAY, DAY + timedelta(days=1) - instant, DAY + timedelta(days=1), DAY + timedelta(days=2)]
    await store(database, *(row(created_at=moment) for moment in moments))

    found = await report(database, make_settings, until=DAY.date() + timedelta(days=1))
    assert [(item.key, item.usage.model_calls) for item in found.items] == [("2026-03-01", 2), ("2026-03-02", 1)]


async def test_a_lost_call_is_reserved_until_it_is_settled_and_then_in_every_sum(
    database: Database, make_settings: MakeSettings
) -> None:
    now = utc_now()
    if now.hour == 0:
        pytest.skip("an hour ago was yesterday")
    await store(
        database,
        open_row("0.25", created_at=now - timedelta(hours=1)),
        open_row("0.01", created_at=now - timedelta(seconds=5)),
        row(cost_usd=Decimal("0.5")),
    )
    budget = make_settings(budget_usd_per_user_day="2")

    async def figures() -> tuple[Decimal, ...]:
        found = await UsageService(database, budget, provider="openai").report(owner_id=LOCAL_USER_ID, by=GroupBy.DAY)
        day = found.limits.user_day
        assert day is not None
        return found.total.known_cost_usd, day.spent_usd, day.reserved_usd, day.left_usd

    before = await figures()
    await LedgerService(database, budget).settle_lost_calls()

    assert before == (Decimal("0.5"), Decimal("0.5"), Decimal("0.26"), Decimal("1.5"))
    # The young call runs on, also on SQLite: this is not the start of the server.
    assert await figures() == (Decimal("0.75"), Decimal("0.75"), Decimal("0.01"), Decimal("1.25"))


async def test_a_deleted_conversation_stays_in_the_sums_under_no_name(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.script(Say("Which interview?"), Say("And yours?"))
    async with serve(openai_settings(database_url=database.url.render_as_string(hide_password=False))) as client:
        gone = await chat(client, message="Hello")
        kept = await chat(client, message="Hello")
        await client.delete(f"/api/v1/conversations/{gone['conversation_id']}")
        found = await usage_of(client, by="conversation")
        only = await usage_of(client, conversation_id=kept["conversation_id"])
        nothing = await usage_of(client, conversation_id=gone["conversation_id"])

    assert [(item["key"], item["usage"]["cost_usd"]) for item in found["items"]] == [
        (kept["conversation_id"], "0.000075"),
        (None, "0.000075"),
    ]
    assert found["total"]["cost_usd"] == "0.000150"
    assert (only["total"]["model_calls"], nothing["total"]["model_calls"], nothing["items"]) == (1, 0, [])


async def test_somebody_elses_conversation_looks_like_one_without_calls(
    database: Database, make_settings: MakeSettings, stranger: UUID
) -> None:
    theirs = uuid4()
    now = utc_now()
    async with database.transaction() as session:
        session.add(Conversation(id=theirs, owner_id=stranger, title="private", created_at=now, updated_at=now))
    await store(database, row(owner_id=stranger, conversation_id=theirs, created_at=DAY))

    found = await report(database, make_settings, conversation_id=theirs)
    unknown = await report(database, make_settings, conversation_id=uuid4())
    assert found == unknown
    assert (await report(database, make_settings, conversation_id=theirs, owner_id=stranger)).total.model_calls == 1


async def usage_of(client: httpx2.AsyncClient, **parameters: str) -> dict[str, Any]:
    response = await client.get(USAGE, params=parameters)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_the_answer_shows_sums_and_what_is_left(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(hands_to("technical"), Say("Which interview?"))
    settings = openai_settings(budget_usd_per_user_day="0.5", budget_usd_per_day="7", rate_limit_calls_per_hour=10)
    async with serve(settings) as client:
        await chat(client, message="Hello")
        by_agent = await usage_of(client, by="agent")
        by_model = await usage_of(client, by="model")

    sums = {
        "model_calls": 1,
        "input_tokens": 10,
        "cached_input_tokens": 0,
        "output_tokens": 5,
        "reasoning_tokens": 0,
        "cost_usd": "0.000075",
        "known_cost_usd": "0.000075",
        "unpriced_calls": 0,
        "estimated_calls": 0,
    }
    assert by_agent["items"] == [{"key": "technical", "usage": sums}, {"key": "triage", "usage": sums}]
    assert [(item["key"], item["usage"]["cost_usd"]) for item in by_model["items"]] == [("gpt-4o", "0.000150")]
    limits = by_agent["limits"]
    assert (limits["calls_per_hour"]["limit"], limits["calls_per_hour"]["left"]) == (10, 8)
    assert 3_500 < limits["calls_per_hour"]["seconds_to_next"] <= 3_600
    day = limits["user_day"]
    assert [day[name] for name in ("budget_usd", "spent_usd", "left_usd", "reserved_usd")] == [
        "0.500000",
        "0.000150",
        "0.499850",
        "0.000000",
    ]
    assert "service" not in str(limits), "what others have spent is nobody's business"


@pytest.mark.parametrize(
    "parameters",
    [
        {"by": "hour"},
        {"since": "yesterday"},
        {"since": "2026-05-02", "until": "2026-05-01"},
        {"since": "2024-01-01", "until": "2026-05-01"},
        {"conversation_id": "mine"},
    ],
)
async def test_a_wrong_question_names_its_field(
    serve: Serve, make_settings: MakeSettings, parameters: dict[str, str]
) -> None:
    async with serve(make_settings()) as client:
        problem = problem_of(await client.get(USAGE, params=parameters), status=422, code="validation_error")
    assert problem["errors"][0]["field"] == next(iter(parameters))


@pytest.mark.parametrize("edge", [{"since": date.max}, {"until": date.min}, {"since": date.max, "until": date.max}])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_first_and_the_last_day_there_are_break_nothing(
    database: Database, make_settings: MakeSettings, edge: dict[str, date]
) -> None:
    found = await report(database, make_settings, **{"since": None, "until": None} | edge)
    assert found.items == []


async def test_offline_there_are_no_limits_to_show(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        found = await usage_of(client)
    assert found["limits"] == {"calls_per_hour": None, "user_day": None}
    assert (date.fromisoformat(found["until"]) - date.fromisoformat(found["since"])).days == 29
