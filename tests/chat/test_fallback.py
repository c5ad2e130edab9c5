"""`FALLBACK_MODELS`: where a model stays away, the next one answers; the reply, the usage and the ledger say so."""

from collections.abc import Sequence
from decimal import Decimal

import pytest

from app.core.database import Database
from tests.answers import calls, hands_to, says_questions
from tests.chat.client import COMPARISON, FIRST, STREAM, chat, events_of, log_of, problem_of
from tests.chat.test_retries import assert_sums
from tests.conftest import MakeSettings, Serve
from tests.model_server import CutStream, Fail, ModelServer, RecordedRequest, Say, Silence, Step, ToolCall
from tests.usage.rows import ledger_of

CHAIN = {
    "default_model": "gpt-4o",
    "allowed_models": "gpt-5-mini,gpt-4o-mini",
    "fallback_models": "gpt-5-mini,gpt-4o-mini",
    "provider_max_retries": 1,
    "provider_retry_seconds": 0.01,
}
HELLO = {"message": "Hello"}
TO_TECHNIQUE = (hands_to("technical"), calls("technical-few_shot"))
NOTICE = "*`gpt-4o` is not available at the moment, so `gpt-5-mini` answers.*\n\n"

AWAY: dict[str, Sequence[Step]] = {
    "broken": [Fail(500)] * 2,
    "overloaded": [Fail(503)] * 2,
    "limited": [Fail(429, "rate_limit_exceeded")] * 2,
    "limited for longer than the turn": [Fail(429, "rate_limit_exceeded", retry_after=900)],
    "unreachable": [CutStream(0)] * 2,
    "cut before the first word": [CutStream(1, "")] * 2,
    "unknown": [Fail(404, "model_not_found")],
}


@pytest.mark.parametrize("failures", AWAY.values(), ids=AWAY.keys())
async def test_the_next_model_answers_and_says_so(
    *,
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    database: Database,
    failures: Sequence[Step],
) -> None:
    model_server.script(*failures, Say("Which interview?"))
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(**CHAIN, database_url=url)) as client:
        reply = await chat(client, **HELLO)
        events = await log_of(client, reply["turn_id"])

    assert reply["reply"] == f"{NOTICE}Which interview?"
    assert (reply["usage"]["model"], reply["usage"]["instead_of"]) == ("gpt-5-mini", "gpt-4o")
    (restart,) = [event.data for event in events if event.kind == "turn.restarted"]
    assert restart == {"reason": "model_unavailable", "model": "gpt-5-mini"}
    assert [event.data["model"] for event in events if event.kind == "usage.updated"][-1] == "gpt-5-mini"
    rows = await ledger_of(database)
    assert [row.model for row in rows] == ["gpt-4o"] * len(failures) + ["gpt-5-mini"]
    assert_sums(reply, rows)


async def test_it_is_asked_by_its_own_rules_and_at_its_own_price(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.script(Fail(500), Fail(500), *TO_TECHNIQUE, says_questions(2))
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(**CHAIN, database_url=url)) as client:
        reply = await chat(client, **FIRST, question_count=2, temperature=0.4)

    assert [request.model for request in model_server.requests] == ["gpt-4o"] * 2 + ["gpt-5-mini"] * 3
    asked, technique = model_server.requests[0], model_server.requests[-1]
    assert "temperature" not in technique.body, "a reasoning model refuses it"
    assert technique.body["reasoning_effort"] == "low"
    assert "reasoning_effort" not in asked.body
    # 30 input tokens at $0.25 and 15 output tokens at $2 per million; refusals cost nothing.
    assert reply["usage"]["cost_usd"] == "0.000038"
    assert_sums(reply, await ledger_of(database))


async def test_a_model_lost_on_the_way_starts_the_turn_over_with_the_next(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*TO_TECHNIQUE, Fail(503), Fail(503), *TO_TECHNIQUE, says_questions(2))
    async with serve(openai_settings(**CHAIN)) as client:
        reply = await chat(client, **FIRST, question_count=2)

    assert reply["reply"].startswith(NOTICE)
    assert reply["handoffs"] == [{"from": "triage", "to": "technical"}]
    assert reply["usage"]["model_calls"] == 7


async def test_the_chain_is_followed_to_its_end_which_is_the_last_ones_failure(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    def all_away(request: RecordedRequest) -> Step:
        return Fail(503, retry_after=None if request.model == "gpt-4o-mini" else 900)

    model_server.respond_with(all_away)
    async with serve(openai_settings(**CHAIN)) as client:
        response = await client.post("/api/v1/chat", json=HELLO)
        problem = problem_of(response, status=503, code="provider_unavailable")
        kinds = [event.kind for event in await log_of(client, problem["turn_id"])]

    assert [request.model for request in model_server.requests] == ["gpt-4o", "gpt-5-mini", *["gpt-4o-mini"] * 2]
    assert kinds.count("turn.restarted") == 2
    assert response.headers["retry-after"] == "20"


async def test_the_third_says_whom_it_stands_in_for(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.respond_with(lambda request: Say("Hi.") if request.model == "gpt-4o-mini" else Fail(500))
    async with serve(openai_settings(**CHAIN)) as client:
        reply = await chat(client, **HELLO)

    assert reply["reply"] == "*`gpt-4o` is not available at the moment, so `gpt-4o-mini` answers.*\n\nHi."
    assert (reply["usage"]["model"], reply["usage"]["instead_of"]) == ("gpt-4o-mini", "gpt-4o")


async def test_a_model_that_a_request_names_has_the_others_behind_it(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.respond_with(lambda request: Say("Hi.") if request.model == "gpt-4o-mini" else Fail(500))
    async with serve(openai_settings(**CHAIN)) as client:
        reply = await chat(client, **HELLO, model="gpt-5-mini")

    assert {request.model for request in model_server.requests} == {"gpt-5-mini", "gpt-4o-mini"}
    assert reply["usage"]["instead_of"] == "gpt-5-mini"


REFUSED: dict[str, tuple[Step, int, str]] = {
    "a bad key": (Fail(401), 502, "provider_error"),
    "a bad request": (Fail(400), 502, "provider_error"),
    "a filter": (Fail(400, "content_filter"), 502, "content_filtered"),
    "silence": (Silence(), 504, "turn_timeout"),
}


@pytest.mark.parametrize(("step", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_another_model_would_not_help_ends_the_turn(
    *,
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    step: Step,
    status: int,
    code: str,
) -> None:
    model_server.script(step)
    async with serve(openai_settings(**CHAIN, turn_timeout_seconds=2)) as client:
        problem_of(await client.post("/api/v1/chat", json=HELLO), status=status, code=code)

    assert len(model_server.requests) == 1


async def test_an_answer_cut_in_the_middle_is_the_same_models_to_give_again(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(CutStream(2), Say("Which interview?"))
    async with serve(openai_settings(**CHAIN)) as client:
        reply = await chat(client, **HELLO)

    assert reply["reply"] == "Which interview?"
    assert reply["usage"]["instead_of"] is None


async def test_a_blank_answer_of_a_stand_in_is_empty_in_spite_of_the_notice(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Fail(500), Fail(500), Say(" \n "))
    async with serve(openai_settings(**CHAIN)) as client:
        problem_of(await client.post("/api/v1/chat", json=HELLO), status=502, code="empty_answer")


async def test_a_budget_holds_for_the_stand_in_too(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(CutStream(0))
    settings = openai_settings(**CHAIN | {"provider_max_retries": 0}, budget_usd_per_turn="0.00007")
    async with serve(settings) as client:
        problem_of(await client.post("/api/v1/chat", json=HELLO), status=429, code="budget_exhausted")

    assert len(model_server.requests) == 1


async def test_techniques_compared_fall_back_each_for_itself(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.respond_with(lambda request: says_questions(2) if request.model == "gpt-5-mini" else Fail(500))
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(**CHAIN, database_url=url)) as client:
        compared = (await client.post("/api/v1/compare", json=COMPARISON)).json()

    for result in compared["results"]:
        assert (result["usage"]["model"], result["usage"]["instead_of"]) == ("gpt-5-mini", "gpt-4o")
        assert result["reply"].startswith(NOTICE)
        assert result["usage"]["model_calls"] == 3
    rows = await ledger_of(database)
    assert all(row.ended_at for row in rows)
    assert compared["usage"]["model_calls"] == len(rows) == 6
    assert Decimal(compared["usage"]["cost_usd"]) == sum(row.cost_usd or Decimal(0) for row in rows)


async def test_a_stand_in_streams_its_notice_first(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Fail(500), Fail(500), hands_to("technical"), Say("You will do fine. " * 30, pieces=20))
    async with (
        serve(openai_settings(**CHAIN)) as client,
        client.stream("POST", "/api/v1/chat", json=FIRST, headers=STREAM) as response,
    ):
        events = [event async for event in events_of(response)]

    texts = [event.data["text"] for event in events if event.kind == "text.delta"]
    assert texts[0].startswith(NOTICE)
    assert "".join(texts) == events[-1].data["reply"]


async def test_a_tool_call_that_was_cut_is_not_acted_on_before_the_next_model(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    cut = CutStream(1, "", calls=(ToolCall("Handoff-transfer_to_behavioral"),))
    model_server.script(cut, cut, Say("Which interview?"))
    async with serve(openai_settings(**CHAIN)) as client:
        reply = await chat(client, **HELLO)

    assert (reply["agent"], reply["handoffs"]) == ("triage", [])
