"""A model call that fails is made again while nothing of its answer was passed on; each attempt is a call by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from app.core.database import Database
from app.usage.models import ModelCallRow
from tests.answers import calls, hands_to, says_questions
from tests.chat.client import FIRST, STREAM, chat, events_of, log_of, only_conversation, problem_of, said
from tests.conftest import MakeSettings, Serve
from tests.model_server import CutStream, Fail, ModelServer, Say, Step, ToolCall, Usage
from tests.usage.rows import ledger_of

QUICK = {"provider_max_retries": 2, "provider_retry_seconds": 0.01}
HELLO = {"message": "Hello"}
FINE = Say("Which interview is it?")
MID_CALL = CutStream(1, "", calls=(ToolCall("Handoff-transfer_to_technical", '{"reas'),))

PASSING: dict[str, Sequence[Step]] = {
    "500": [Fail(500)],
    "502 and 504": [Fail(502), Fail(504)],
    "overloaded": [Fail(503), Fail(529)],
    "too many requests": [Fail(429, "rate_limit_exceeded")],
    "timed out and locked": [Fail(408), Fail(409)],
    "reset before the first byte": [CutStream(0)],
    "cut before the first word": [CutStream(1, "")],
    "cut within a tool call": [MID_CALL],
}


@pytest.mark.parametrize("failures", PASSING.values(), ids=PASSING.keys())
async def test_a_failure_that_passes_is_not_shown_and_each_attempt_is_a_row(
    *,
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    database: Database,
    failures: Sequence[Step],
) -> None:
    model_server.script(*failures, FINE)
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(**QUICK, database_url=url)) as client:
        reply = await chat(client, **HELLO)
        kinds = [event.kind for event in await log_of(client, reply["turn_id"])]

    attempts = len(failures) + 1
    assert reply["reply"] == FINE.text
    assert kinds.count("turn.restarted") == 0
    assert kinds.count("agent.active") == 1
    assert kinds.count("usage.updated") == reply["usage"]["model_calls"] == attempts
    rows = await ledger_of(database)
    assert [row.is_complete for row in rows] == [False] * len(failures) + [True]
    assert_sums(reply, rows)


def assert_sums(reply: dict[str, Any], rows: Sequence[ModelCallRow]) -> None:
    """The reply's figures are those of the ledger, every row of which has ended."""
    usage = reply["usage"]
    assert all(row.ended_at for row in rows)
    assert usage["model_calls"] == len(rows)
    assert usage["input_tokens"] == sum(row.input_tokens for row in rows)
    assert usage["output_tokens"] == sum(row.output_tokens for row in rows)
    cost = sum((row.cost_usd or Decimal(0) for row in rows), Decimal(0))
    assert abs(Decimal(usage["cost_usd"]) - cost) < Decimal("0.000001")
    assert usage["cost_usd"] == reply["conversation_cost_usd"]


async def test_a_refused_attempt_costs_nothing_and_one_that_was_cut_is_estimated(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.script(Fail(500), CutStream(0), Say("Which?", usage=Usage(input=100, output=10)))
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(**QUICK, database_url=url)) as client:
        reply = await chat(client, **HELLO)

    refused, cut, answered = await ledger_of(database)
    assert (refused.input_tokens, refused.cost_usd, refused.is_estimated) == (0, Decimal(0), False)
    assert cut.is_estimated
    assert cut.cost_usd
    assert (answered.input_tokens, answered.output_tokens, answered.is_estimated) == (100, 10, False)
    assert_sums(reply, [refused, cut, answered])


async def test_a_technique_is_tried_again_by_itself(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(hands_to("technical"), calls("technical-few_shot"), Fail(500), says_questions(2))
    async with serve(openai_settings(**QUICK)) as client:
        reply = await chat(client, **FIRST, question_count=2)

    assert len(reply["question_set"]["questions"]) == 2
    assert reply["usage"]["model_calls"] == 4
    second, third = model_server.requests[2:]
    assert second.body == third.body


async def test_retries_do_not_use_up_the_calls_of_a_turn(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    failing = [Fail(500), Fail(500)]
    model_server.script(*failing, hands_to("technical"), *failing, calls("technical-few_shot"), *failing)
    model_server.script(says_questions(2))
    async with serve(openai_settings(**QUICK, max_model_calls_per_turn=3)) as client:
        reply = await chat(client, **FIRST, question_count=2)

    assert reply["usage"]["model_calls"] == 9


async def test_retry_after_is_waited_for(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Fail(429, "rate_limit_exceeded", retry_after=0.4), FINE)
    async with serve(openai_settings(**QUICK)) as client:
        await chat(client, **HELLO)

    first, second = model_server.requests
    assert second.received_at_seconds - first.received_at_seconds >= 0.4


@pytest.mark.parametrize(
    "limits",
    [
        {"turn_timeout_seconds": 20, "turn_deadline_seconds": 600},
        {"turn_timeout_seconds": 600, "turn_deadline_seconds": 20},
    ],
    ids=["silence", "deadline"],
)
async def test_a_wait_that_the_turn_does_not_have_is_passed_on_instead(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, limits: dict[str, Any]
) -> None:
    model_server.script(Fail(429, "rate_limit_exceeded", retry_after=30))
    started = time.monotonic()
    async with serve(openai_settings(**QUICK | limits)) as client:
        response = await client.post("/api/v1/chat", json=HELLO)

    problem_of(response, status=503, code="provider_unavailable")
    assert response.headers["retry-after"] == "30"
    assert time.monotonic() - started < 15
    assert len(model_server.requests) == 1


@pytest.mark.parametrize(
    "failure", [Fail(400), Fail(401), Fail(403), Fail(404), Fail(422)], ids=lambda step: step.status
)
async def test_a_refusal_is_not_repeated(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, failure: Fail
) -> None:
    model_server.script(failure)
    async with serve(openai_settings(**QUICK)) as client:
        problem_of(await client.post("/api/v1/chat", json=HELLO), status=502, code="provider_error")

    assert len(model_server.requests) == 1


async def test_a_budget_that_a_failed_attempt_used_up_ends_the_turn_between_attempts(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    # Cut, so that the attempt is charged as an estimate, which is more than there was.
    model_server.script(CutStream(0))
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(**QUICK, database_url=url, budget_usd_per_turn="0.00007")) as client:
        problem_of(await client.post("/api/v1/chat", json=HELLO), status=429, code="budget_exhausted")

    (row,) = await ledger_of(database)
    assert row.ended_at
    assert row.cost_usd


async def test_attempts_count_in_the_hourly_limit(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Fail(500), Fail(500))
    async with serve(openai_settings(**QUICK, rate_limit_calls_per_hour=2)) as client:
        problem_of(await client.post("/api/v1/chat", json=HELLO), status=429, code="rate_limited")


@asynccontextmanager
async def backing_off(client: httpx2.AsyncClient) -> AsyncIterator[str]:
    """A streamed turn that waits for its second attempt; its id."""
    async with client.stream("POST", "/api/v1/chat", json=HELLO, headers=STREAM) as response:
        turn_id = ""
        async for event in events_of(response):
            turn_id = turn_id or event.data["turn_id"]
            if event.kind == "usage.updated":
                break
        yield turn_id


async def test_cancel_ends_the_wait_at_once(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Fail(500))
    async with serve(openai_settings(provider_retry_seconds=20)) as client, backing_off(client) as turn_id:
        started = time.monotonic()
        assert (await client.post(f"/api/v1/turns/{turn_id}/cancel")).status_code == 204
        took_seconds = time.monotonic() - started
        last = (await log_of(client, turn_id))[-1]
        stored = await only_conversation(client)

    # The aim is a tenth of a second; the bound allows for a machine that is busy with other tests.
    assert took_seconds < 2
    assert last.kind == "turn.cancelled"
    assert said(stored) == [("user", "Hello")]
    assert stored["usage"]["model_calls"] == 1


async def test_many_turns_meet_a_provider_that_stumbles_and_none_is_lost(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    turns = iter(range(10_000))
    model_server.respond_with(lambda _: Fail(503) if next(turns) % 3 == 0 else FINE)
    url = database.url.render_as_string(hide_password=False)
    settings = openai_settings(
        database_url=url, provider_max_retries=5, provider_retry_seconds=0.02, circuit_failures=100
    )
    async with serve(settings) as client:
        replies = await asyncio.gather(*(chat(client, **HELLO) for _ in range(12)))

    assert {reply["reply"] for reply in replies} == {FINE.text}
    rows = await ledger_of(database)
    assert sum(reply["usage"]["model_calls"] for reply in replies) == len(rows) == len(model_server.requests)
    assert sum(row.is_complete for row in rows) == 12
