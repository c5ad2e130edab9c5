"""Budgets and limits as a client meets them: refusals, the fields in the answer's head, and what is told in words."""

import re
from typing import Any

import pytest

from app.core.database import Database
from tests.answers import calls, hands_to, says_questions
from tests.chat.client import COMPARISON, FIRST, STREAM, chat, events_of, problem_of
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer, RecordedRequest, Say, Step
from tests.usage.rows import ledger_of

PLENTY = {"rate_limit_calls_per_hour": 100, "budget_usd_per_user_day": "2"}


async def test_a_turns_budget_refuses_its_second_call_after_a_handoff(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(hands_to("technical"), hands_to("technical"))
    async with serve(openai_settings(budget_usd_per_turn="0.00007")) as client:
        refused = await client.post("/api/v1/chat", json=FIRST)
        async with client.stream("POST", "/api/v1/chat", json=FIRST, headers=STREAM) as response:
            events = [event async for event in events_of(response)]

    problem = problem_of(refused, status=429, code="budget_exhausted")
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit"].startswith('"calls";r=99;t=')
    assert "BUDGET_USD_PER_TURN" in problem["detail"]
    # A stream has begun before the call is refused.
    assert response.status_code == 200
    assert (events[-1].kind, events[-1].data["code"]) == ("turn.failed", "budget_exhausted")
    assert len(model_server.requests) == 2


async def test_a_conversations_budget_is_its_own(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.script(Say("Which interview?"), Say("Tell me more."))
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(database_url=url, budget_usd_per_conversation="0.00007")) as client:
        first = await chat(client, message="Hello")
        body = {"message": "A backend one", "conversation_id": first["conversation_id"]}
        refused = await client.post("/api/v1/chat", json=body, headers=STREAM)
        await chat(client, message="Hello again")

    problem = problem_of(refused, status=429, code="budget_exhausted")
    assert refused.headers["Retry-After"] == "86400"
    assert problem["detail"].startswith("This conversation's budget, $0.00007, is used up. Start a new conversation")
    assert all(row.ended_at for row in await ledger_of(database))


async def test_whoever_sees_the_usage_finds_the_row(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.script(hands_to("technical"), calls("technical-few_shot"), says_questions(2, pieces=10, delay=0.01))
    settings = openai_settings(database_url=database.url.render_as_string(hide_password=False))
    seen = 0
    async with (
        serve(settings) as client,
        client.stream("POST", "/api/v1/chat", json=FIRST | {"question_count": 2}, headers=STREAM) as response,
    ):
        async for event in events_of(response):
            if event.kind == "usage.updated":
                seen += 1
                ended = [row for row in await ledger_of(database) if row.ended_at]
                assert len(ended) >= event.data["model_calls"] == seen
    assert seen == 3


async def test_a_comparison_is_held_to_the_budget_of_a_turn(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.script(says_questions(2, pieces=20, delay=0.02))
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(database_url=url, budget_usd_per_turn="0.01")) as client:
        response = await client.post("/api/v1/compare", json=COMPARISON)

    assert response.status_code == 200, response.text
    made, refused = sorted(response.json()["results"], key=lambda result: result["problem"] is not None)
    assert made["question_set"]
    assert (refused["problem"]["code"], refused["problem"]["retry_after_seconds"]) == ("budget_exhausted", 5)
    assert response.headers["RateLimit"].startswith('"calls";r=99;t=')
    (row,) = await ledger_of(database)
    assert (row.ended_at is not None, row.turn_id, row.comparison_id is not None) == (True, None, True)


@pytest.mark.parametrize("headers", [{}, STREAM], ids=["json", "stream"])
async def test_every_answer_tells_what_is_left(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, headers: dict[str, str]
) -> None:
    model_server.script(Say("Which interview?"), Say("And yours?"))
    async with serve(openai_settings(**PLENTY)) as client:
        await chat(client, message="Hello")
        answer = await client.post("/api/v1/chat", json={"message": "Hello"}, headers=headers)

    assert answer.headers["RateLimit-Policy"] == (
        '"calls";q=100;w=3600, "user-day";q=2000000;w=86400;qu="microdollars"'
    )
    shown = re.fullmatch(r'"calls";r=(\d+);t=(\d+), "user-day";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    assert shown
    calls_left, seconds, micros, day_seconds = map(int, shown.groups())
    # Of a stream, the head is sent when the second call may not have been reserved yet.
    assert calls_left in ({98, 99} if headers else {98})
    assert 3_500 < seconds <= 3_600
    assert micros in ({1_999_850, 1_999_925} if headers else {1_999_850})
    assert 0 < day_seconds <= 86_400


async def test_the_offline_engine_has_no_limits_to_tell(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings(**PLENTY)) as client:
        answers = [
            await client.post("/api/v1/chat", json=FIRST),
            await client.post("/api/v1/compare", json=COMPARISON),
        ]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("RateLimit" in answer.headers for answer in answers)


async def test_a_price_from_the_settings_is_booked_shown_and_told(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    price = {"input_usd_per_million": "100", "output_usd_per_million": "200"}
    told: list[str] = []

    def answers(request: RecordedRequest) -> Step:
        results = [message["content"] for message in request.messages if message["role"] == "tool"]
        told.extend(results)
        return Say("There.") if results else calls("cost-estimate", question_count="1")

    model_server.respond_with(answers)
    settings = openai_settings(default_model="house-model-1", price_overrides={"house-model-1": price})
    async with serve(settings) as client:
        reply = await chat(client, message="What does one cost?", interview_type="technical")
        (model,) = (await client.get("/api/v1/catalog")).json()["models"]

    assert (model["input_usd_per_million"], model["output_usd_per_million"]) == ("100.000000", "200.000000")
    # Two calls of 10 and 5 tokens.
    assert reply["usage"]["cost_usd"] == "0.004000"
    assert told[0].startswith("One question with house-model-1 would cost about $0.350000")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("what have I spent?", "This conversation has cost $0, because the offline engine is free"),
        ("what would 20 questions cost with gpt-4o?", "20 questions with gpt-4o would cost about $0.057500"),
    ],
)
async def test_questions_about_money_are_answered_offline_too(
    serve: Serve, make_settings: MakeSettings, message: str, told: str
) -> None:
    async with serve(make_settings()) as client:
        at_once: dict[str, Any] = await chat(client, message=message)
        first = await chat(client, **FIRST)
        later = await chat(client, message=message, conversation_id=first["conversation_id"])
    assert at_once["reply"].startswith(told)
    assert later["reply"].startswith(told)
