"""Requests that meet another one, or a limit: 409 and 429."""

import asyncio
from datetime import UTC, datetime

import httpx2
import pytest

from tests.answers import calls, hands_to, says_questions
from tests.chat.client import FIRST, STREAM, chat, conversations, events_of, only_conversation, problem_of, said
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer, Say, Silence

KEY = {"Idempotency-Key": "one-and-the-same"}


async def test_a_conversation_takes_one_turn_at_a_time(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(Say("Which interview?"), Silence())
    async with serve(openai_settings(database_url=database_url)) as client:
        conversation_id = (await chat(client, message="Hello"))["conversation_id"]
        body = {"message": "A backend one", "conversation_id": conversation_id}
        async with client.stream("POST", "/api/v1/chat", json=body, headers=STREAM) as running:
            turn_id = (await anext(aiter(events_of(running)))).data["turn_id"]
            await model_server.until(lambda: model_server.answers_in_flight == 1)
            second = await client.post("/api/v1/chat", json=body | {"message": "Are you there?"})
            problem_of(second, status=409, code="turn_in_progress")
            deletion = await client.delete(f"/api/v1/conversations/{conversation_id}")
            problem_of(deletion, status=409, code="turn_in_progress")
            assert (await client.post(f"/api/v1/turns/{turn_id}/cancel")).status_code == 204
        stored = await only_conversation(client)

    assert [text for _, text in said(stored)] == ["Hello", "Which interview?", "A backend one"]


async def test_of_simultaneous_turns_in_a_conversation_one_runs(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(Say("Which interview?"), Silence())
    async with serve(openai_settings(database_url=database_url)) as client:
        conversation_id = (await chat(client, message="Hello"))["conversation_id"]
        body = {"message": "A backend one", "conversation_id": conversation_id}
        requests = {asyncio.create_task(client.post("/api/v1/chat", json=body)) for _ in range(3)}
        for _ in range(2):
            answered, requests = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
            for request in answered:
                problem_of(request.result(), status=409, code="turn_in_progress")
            if len(requests) == 1:
                break
        await model_server.until(lambda: model_server.answers_in_flight == 1)
        stored = await only_conversation(client)
        await client.post(f"/api/v1/turns/{stored['messages'][-1]['turn_id']}/cancel")
        problem_of(await requests.pop(), status=409, code="turn_cancelled")

    assert [text for _, text in said(stored)] == ["Hello", "Which interview?", "A backend one"]


async def test_a_retry_under_the_same_key_is_the_same_turn(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(hands_to("technical"), calls("technical-few_shot"), says_questions(2))
    settings = openai_settings()
    body = FIRST | {"question_count": 2}
    async with serve(settings) as client:
        first = await client.post("/api/v1/chat", json=body, headers=KEY)
        again = await client.post("/api/v1/chat", json=body, headers=KEY)
    # The key outlives the process.
    async with serve(settings) as client:
        later = await client.post("/api/v1/chat", json=body, headers=KEY)
        async with client.stream("POST", "/api/v1/chat", json=body, headers=KEY | STREAM) as response:
            events = [event async for event in events_of(response)]
        stored = await only_conversation(client)

    assert first.status_code == 200
    assert first.json() == again.json() == later.json() == events[-1].data
    assert len(stored["messages"]) == 2


async def test_concurrent_requests_under_the_same_key_start_one_turn(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(Say("Which interview is it?", delay_seconds_per_piece=0.02))
    async with serve(openai_settings(database_url=database_url)) as client:
        answers = await asyncio.gather(
            *(client.post("/api/v1/chat", json={"message": "Hello"}, headers=KEY) for _ in range(4))
        )
        stored = await only_conversation(client)

    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.json()["turn_id"] for answer in answers}) == 1
    assert len(stored["messages"]) == 2


async def test_another_request_under_a_used_key_is_a_conflict(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say("Which interview is it?"))
    async with serve(openai_settings()) as client:
        assert (await client.post("/api/v1/chat", json={"message": "Hello"}, headers=KEY)).status_code == 200
        for body in ({"message": "Hello!"}, {"message": "Hello", "question_count": 4}):
            other = await client.post("/api/v1/chat", json=body, headers=KEY)
            problem_of(other, status=409, code="idempotency_conflict")
        assert len((await only_conversation(client))["messages"]) == 2


async def test_a_key_without_content_is_refused(serve: Serve, openai_settings: MakeSettings) -> None:
    async with serve(openai_settings()) as client:
        for key in ("", "k" * 201):
            response = await client.post("/api/v1/chat", json={"message": "Hi"}, headers={"Idempotency-Key": key})
            problem_of(response, status=422, code="validation_error")


async def _refused(client: httpx2.AsyncClient, conversation_id: str, code: str) -> int:
    """Ask under a key, be refused for `code`, and return the seconds to wait."""
    body = {"message": "And what else?", "conversation_id": conversation_id}
    response = await client.post("/api/v1/chat", json=body, headers=KEY)
    problem = problem_of(response, status=429, code=code)
    assert response.headers["retry-after"] == str(problem["retry_after_seconds"])
    stored = await only_conversation(client)
    assert said(stored)[-1] == ("user", "And what else?")
    turn = (await client.get(f"/api/v1/turns/{stored['messages'][-1]['turn_id']}")).json()
    assert (turn["status"], turn["problem"]) == ("failed", problem)
    return int(problem["retry_after_seconds"])


async def test_the_hourly_limit_refuses_before_any_model_call_and_keeps_the_message(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(Say("Which interview?"), Say("Tell me more."))
    async with serve(openai_settings(database_url=database_url, rate_limit_calls_per_hour=2)) as client:
        conversation_id = (await chat(client, message="Hello"))["conversation_id"]
        await chat(client, message="Hello again", conversation_id=conversation_id)
        assert 3_500 < await _refused(client, conversation_id, "rate_limited") <= 3_600

    assert len(model_server.requests) == 2


async def test_a_refused_request_may_be_sent_again_under_its_key_when_there_is_room(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say("Which interview?"), Say("There is room again."))
    async with serve(openai_settings(rate_limit_calls_per_hour=1)) as client:
        conversation_id = (await chat(client, message="Hello"))["conversation_id"]
        await _refused(client, conversation_id, "rate_limited")
    async with serve(openai_settings(rate_limit_calls_per_hour=2)) as client:
        body = {"message": "And what else?", "conversation_id": conversation_id}
        again = await client.post("/api/v1/chat", json=body, headers=KEY)

    assert again.json()["reply"] == "There is room again."


@pytest.mark.parametrize("budget_usd", ["0", "0.00007"])
async def test_the_budget_of_the_day_refuses_before_any_model_call_and_keeps_the_message(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, budget_usd: str
) -> None:
    model_server.script(Say("Which interview?"))
    async with serve(openai_settings()) as client:
        first = await chat(client, message="Hello")
    assert first["usage"]["cost_usd"] == "0.000075"
    async with serve(openai_settings(budget_usd_per_day=budget_usd)) as client:
        wait = await _refused(client, first["conversation_id"], "budget_exhausted")

    now = datetime.now(UTC)
    until_midnight = 86_400 - (now.hour * 3_600 + now.minute * 60 + now.second)
    assert 0 < wait <= until_midnight + 60
    assert len(model_server.requests) == 1


async def test_limits_do_not_apply_to_the_offline_engine(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings(rate_limit_calls_per_hour=1, budget_usd_per_day="0")) as client:
        first = await chat(client, **FIRST)
        second = await chat(client, message="make question 3 harder", conversation_id=first["conversation_id"])
        assert len(await conversations(client)) == 1

    assert second["usage"]["cost_usd"] == "0.000000"
    assert second["question_set"]["revision"] == 2
