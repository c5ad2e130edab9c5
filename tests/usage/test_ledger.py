"""The ledger: what is booked, exact sums, and the money that is unknown."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import astuple
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.clock import utc_now
from app.core.database import NANO, Database
from app.usage import repository
from app.usage.repository import RowFilter
from app.usage.schemas import Usage
from app.usage.service import turn_usage
from tests.answers import hands_to, says_questions
from tests.conftest import MakeSettings, Serve
from tests.conversations.stories import call
from tests.model_server import CallTools, CutStream, Fail, ModelServer, Say, Silence, ToolCall
from tests.model_server import Usage as Tokens
from tests.usage.rows import ledger_of, row

# Up to a thousand dollars a call, in nano-dollars.
COSTS = st.lists(st.integers(0, 10**12).map(lambda nanos: Decimal(nanos) * NANO), max_size=40)


@given(costs=COSTS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_sums_in_the_database_are_exact(database: Database, costs: list[Decimal]) -> None:
    start = utc_now()
    async with database.transaction() as session:
        session.add_all(row(cost_usd=cost) for cost in costs)
    async with database.reading() as session:
        totals = await repository.totals(session, RowFilter(since=start))
    assert isinstance(totals.known_cost_usd, Decimal)
    assert astuple(totals) == (
        len(costs),
        10 * len(costs),
        4 * len(costs),
        5 * len(costs),
        0,
        sum(costs, Decimal(0)),
        0,
        0,
    )


@pytest.mark.parametrize("cost", ["0.0000000005", "0.0000000015", "0.00000000049999", "123456789.123456789", "1E-30"])
async def test_a_cost_finer_than_the_column_is_rounded_the_same_way_everywhere(database: Database, cost: str) -> None:
    start = utc_now()
    async with database.transaction() as session:
        session.add(row(cost_usd=Decimal(cost)))
    async with database.reading() as session:
        totals = await repository.totals(session, RowFilter(since=start))
    assert totals.known_cost_usd == Decimal(cost).quantize(NANO)


@given(costs=st.lists(st.one_of(st.none(), st.decimals(0, 100, places=9)), max_size=30))
def test_a_turn_costs_the_sum_of_its_calls_or_is_unknown(costs: list[Decimal | None]) -> None:
    usage = turn_usage([call(cost_usd=cost) for cost in costs], model="gpt-4o")
    known = [cost for cost in costs if cost is not None]
    assert usage.cost_usd == (sum(known, Decimal(0)) if len(known) == len(costs) else None)
    assert (usage.model_calls, usage.input_tokens, usage.output_tokens) == (
        len(costs),
        10 * len(costs),
        5 * len(costs),
    )


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        ("0", "0.000000"),
        ("0.0000005", "0.000001"),
        ("0.00000049", "0.000000"),
        ("1E-7", "0.000000"),
        ("1E+3", "1000.000000"),
        ("0.1", "0.100000"),
        (None, None),
    ],
)
def test_money_is_a_string_of_six_decimals(cost: str | None, shown: str | None) -> None:
    assert Usage(cost_usd=None if cost is None else Decimal(cost)).model_dump(mode="json")["cost_usd"] == shown


async def test_every_call_of_a_turn_is_booked_with_what_made_it(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database, *, database_url: str
) -> None:
    model_server.script(
        hands_to("technical", usage=Tokens(1_000, 400, 20, 0)),
        CallTools((ToolCall("technical-few_shot"),), usage=Tokens(2_000, 0, 30, 0)),
        says_questions(1),
    )
    async with serve(openai_settings(database_url=database_url)) as client:
        reply = (await client.post("/api/v1/chat", json={"message": "hi", "question_count": 1})).json()

    booked = await ledger_of(database)
    assert [(line.agent, line.function, line.input_tokens, line.cached_input_tokens) for line in booked] == [
        ("triage", None, 1_000, 400),
        ("technical", None, 2_000, 0),
        ("technical", "few_shot", 10, 0),
    ]
    assert {str(line.turn_id) for line in booked} == {reply["turn_id"]}
    assert all(line.is_complete and not line.is_estimated for line in booked)
    total = sum((line.cost_usd for line in booked if line.cost_usd is not None), Decimal(0))
    assert Decimal(reply["usage"]["cost_usd"]) == total.quantize(Decimal("0.000001"))


async def test_the_calls_of_a_failed_turn_are_booked_too(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database, *, database_url: str
) -> None:
    model_server.script(hands_to("technical"), CutStream(), Say("hello"), Fail(500))
    settings = openai_settings(database_url=database_url, provider_max_retries=0, max_restarts_per_turn=0)
    async with serve(settings) as client:
        first = await client.post("/api/v1/chat", json={"message": "hi"})
        second = await client.post("/api/v1/chat", json={"message": "hi"})
        third = await client.post("/api/v1/chat", json={"message": "hi"})
        conversation = (await client.get("/api/v1/conversations")).json()["items"][-1]
        detail = (await client.get(f"/api/v1/conversations/{conversation['id']}")).json()

    assert [response.status_code for response in (first, second, third)] == [502, 200, 502]
    booked = await ledger_of(database)
    assert [(line.agent, line.is_complete) for line in booked] == [
        ("triage", True),
        ("technical", False),
        ("triage", True),
        ("triage", False),
    ]
    refused = booked[-1]
    assert (refused.input_tokens, refused.cost_usd, refused.is_estimated) == (0, Decimal(0), False), (
        "nothing was answered"
    )
    assert detail["usage"]["model_calls"] == 2


async def test_an_unknown_price_is_null_everywhere_and_never_zero(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database, *, database_url: str
) -> None:
    model_server.script(Say("hello"), Say("again"))
    settings = openai_settings(
        database_url=database_url, default_model="gpt-4o", allowed_models=("gpt-4o", "house-model-1")
    )
    async with serve(settings) as client:
        known = (await client.post("/api/v1/chat", json={"message": "hi"})).json()
        body = {"message": "hi", "model": "house-model-1", "conversation_id": known["conversation_id"]}
        unknown = (await client.post("/api/v1/chat", json=body)).json()
        detail = (await client.get(f"/api/v1/conversations/{known['conversation_id']}")).json()

    assert known["usage"]["cost_usd"] == "0.000075"
    assert unknown["usage"]["cost_usd"] is None
    # Part of the conversation's cost is known; the whole is not.
    assert unknown["conversation_cost_usd"] is None
    assert detail["usage"]["cost_usd"] is None
    assert (detail["usage"]["model_calls"], detail["usage"]["input_tokens"]) == (2, 20)
    assert [line.cost_usd for line in await ledger_of(database)] == [Decimal("0.000075"), None]


@pytest.mark.parametrize("ending", ["cancelled", "timed out", "server stopped"])
async def test_a_call_that_was_stopped_is_settled_as_far_as_it_came(
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    database: Database,
    *,
    database_url: str,
    ending: str,
) -> None:
    model_server.script(Silence(after_pieces=1, text="Let me think about it for a while."))
    settings = openai_settings(database_url=database_url, turn_timeout_seconds=1 if ending == "timed out" else 30)
    async with AsyncExitStack() as server:
        client = await server.enter_async_context(serve(settings))
        turn = asyncio.create_task(client.post("/api/v1/chat", json={"message": "hi"}))
        await model_server.until(lambda: model_server.answers_in_flight == 1, timeout_seconds=20)
        (reserved,) = await ledger_of(database)
        if ending == "cancelled":
            conversation = (await client.get("/api/v1/conversations")).json()["items"][0]
            detail = (await client.get(f"/api/v1/conversations/{conversation['id']}")).json()
            await client.post(f"/api/v1/turns/{detail['messages'][0]['turn_id']}/cancel")
        if ending == "server stopped":
            # The client leaves; the turn runs on until the server stops.
            turn.cancel()
        else:
            assert (await turn).status_code == {"cancelled": 409, "timed out": 504}[ending]

    assert (reserved.ended_at, reserved.cost_usd) == (None, None)
    assert reserved.reserved_usd
    (settled,) = await ledger_of(database)
    assert settled.ended_at is not None
    assert (settled.is_complete, settled.is_estimated) == (False, True)
    assert settled.cost_usd is not None
    assert 0 < settled.cost_usd <= reserved.reserved_usd
    assert settled.input_tokens <= reserved.input_tokens
