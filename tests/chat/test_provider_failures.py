"""What the candidate is told when the model fails, is away, or says nothing: 502, 503 and 504. Nothing is lost."""

import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from tests.answers import calls, hands_to, technique_output
from tests.chat.client import STREAM, check_problem, events_of, latest_conversation, only_conversation, problem_of, said
from tests.conftest import MakeSettings, Serve
from tests.model_server import (
    ContentFilter,
    CutStream,
    Empty,
    Fail,
    LengthStop,
    Malformed,
    ModelServer,
    Say,
    Silence,
    Step,
)

TO_TECHNIQUE = (hands_to("technical"), calls("technical-few_shot"))
HALF_A_SET = technique_output(2)[:400]
MESSAGE = "I have a backend interview"


@dataclass(frozen=True)
class Failure:
    """Steps that make a turn fail, and how the service must say so."""

    steps: Sequence[Step]
    status: int
    code: str
    settings: dict[str, Any] = field(default_factory=dict)


def upstream(status: int, code: str | None = None, retry_after: float | None = None) -> Fail:
    """A failure whose text must not reach the candidate."""
    return Fail(status, code, "upstream failed for key sk-test-key", retry_after)


def bad(*steps: Step, code: str = "provider_error", **settings: Any) -> Failure:
    return Failure(steps, 502, code, settings)


def away(*steps: Step, **settings: Any) -> Failure:
    return Failure(steps, 503, "provider_unavailable", settings)


def slow(*steps: Step, **settings: Any) -> Failure:
    return Failure(steps, 504, "turn_timeout", {"turn_timeout_seconds": 1.5} | settings)


NO_SECOND_TRY = {"provider_max_retries": 0, "max_restarts_per_turn": 0}
NO_QUESTIONS = Say('{"summary": "None.", "questions": []}')

FAILURES = {
    "500 after retries": bad(*[upstream(500)] * 2, provider_max_retries=1),
    "500 after a handoff": bad(hands_to("technical"), upstream(500)),
    "500 in the technique": bad(*TO_TECHNIQUE, upstream(500)),
    "a bad key": bad(upstream(401, "invalid_api_key")),
    "an unknown model": bad(upstream(404, "model_not_found")),
    "a rejected request": bad(upstream(400, "context_length_exceeded")),
    "refused by the provider's filter": bad(upstream(400, "content_filter"), code="content_filtered"),
    "malformed JSON": bad(Malformed()),
    "malformed JSON after a handoff": bad(hands_to("technical"), Malformed()),
    "malformed JSON in the technique": bad(*TO_TECHNIQUE, Malformed()),
    "a cut stream": bad(CutStream(2), code="answer_broken_off"),
    "a cut stream after a handoff": bad(hands_to("technical"), CutStream(2), code="answer_broken_off"),
    "a technique cut before its first question": bad(
        *TO_TECHNIQUE, CutStream(3, HALF_A_SET[:200]), code="answer_broken_off"
    ),
    "a technique cut after a question": bad(
        *TO_TECHNIQUE, CutStream(3, technique_output(1)[:-3]), code="answer_broken_off"
    ),
    "an unreadable technique": bad(*TO_TECHNIQUE, Say("I would rather talk about the weather."), NO_QUESTIONS),
    "a technique without questions": bad(*TO_TECHNIQUE, NO_QUESTIONS, NO_QUESTIONS),
    "a technique whose repair fails": bad(*TO_TECHNIQUE, Say("1. Never mind"), upstream(500)),
    "a technique stopped by length before its first question": bad(
        *TO_TECHNIQUE, LengthStop(HALF_A_SET[:200]), NO_QUESTIONS, code="answer_too_long"
    ),
    "an empty answer": bad(Empty(), code="empty_answer"),
    "a blank answer": bad(Say("  \n "), code="empty_answer"),
    "an empty answer after a handoff": bad(hands_to("technical"), Empty(), code="empty_answer"),
    "an empty technique": bad(*TO_TECHNIQUE, Empty(), code="empty_answer"),
    "stopped by the content filter": bad(ContentFilter("half a sent"), code="content_filtered"),
    "a technique stopped by the content filter": bad(*TO_TECHNIQUE, ContentFilter(HALF_A_SET), code="content_filtered"),
    "a limit that stays": away(*[upstream(429, "rate_limit_exceeded", 0.05)] * 2, provider_max_retries=1),
    "a limit after a handoff": away(hands_to("technical"), upstream(429, "rate_limit_exceeded")),
    "a limit that lasts longer than the turn": away(upstream(429, "rate_limit_exceeded", 90), provider_max_retries=2),
    "overloaded": away(upstream(503)),
    "a connection that ends at once": away(CutStream(0)),
    "silence before the first byte": slow(Silence()),
    "silence in the middle": slow(Silence(1)),
    "silence after a handoff": slow(hands_to("technical"), Silence()),
    "silence in the technique": slow(*TO_TECHNIQUE, Silence(2, HALF_A_SET)),
    "never silent, never done": slow(
        Say("and so on " * 400, pieces=400, delay_seconds_per_piece=0.02),
        turn_deadline_seconds=4.0,
        turn_timeout_seconds=3.0,
    ),
}


def _by_settings() -> dict[str, dict[str, Failure]]:
    """The failures that one server can show one after the other, under the settings they share."""
    groups: dict[str, dict[str, Failure]] = {}
    for name, failure in FAILURES.items():
        settings = ", ".join(f"{key}={value}" for key, value in sorted(failure.settings.items()))
        groups.setdefault(settings or "as it comes", {})[name] = failure
    return groups


@pytest.mark.parametrize("failures", _by_settings().values(), ids=_by_settings().keys())
async def test_a_failing_model_is_a_plain_problem_and_the_next_turn_works(
    *,
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    failures: dict[str, Failure],
    subtests: pytest.Subtests,
) -> None:
    shared = next(iter(failures.values())).settings
    async with serve(openai_settings(**NO_SECOND_TRY | shared)) as client:
        for name, failure in failures.items():
            with subtests.test(name):
                model_server.script(*failure.steps)
                await _fails_and_recovers(client, failure, model_server)
                model_server.verify()


async def _fails_and_recovers(client: httpx2.AsyncClient, failure: Failure, model_server: ModelServer) -> None:
    response = await client.post("/api/v1/chat", json={"message": MESSAGE})
    problem = problem_of(response, status=failure.status, code=failure.code)
    assert response.headers.get("retry-after") == _retry_after(problem)
    await model_server.until(lambda: model_server.answers_in_flight == 0)
    stored = await latest_conversation(client)
    assert said(stored) == [("user", MESSAGE)]
    assert problem["conversation_id"] == stored["id"], "whoever tries again must know where"
    assert (stored["question_sets"], stored["active_agent"]) == ([], None)
    turn = (await client.get(f"/api/v1/turns/{stored['messages'][0]['turn_id']}")).json()
    assert (turn["status"], turn["problem"]) == ("failed", problem)
    model_server.script(Say("Here I am again."))
    again = await client.post("/api/v1/chat", json={"message": "Hello?", "conversation_id": stored["id"]})
    assert again.json()["reply"] == "Here I am again."


def _retry_after(problem: dict[str, Any]) -> str | None:
    seconds = problem.get("retry_after_seconds")
    return None if seconds is None else str(seconds)


async def test_a_provider_that_cannot_be_reached_is_unavailable(serve: Serve, openai_settings: MakeSettings) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        settings = openai_settings(openai_base_url=address, provider_max_retries=0)
        async with serve(settings) as client:
            response = await client.post("/api/v1/chat", json={"message": MESSAGE})
            problem_of(response, status=503, code="provider_unavailable")
            assert int(response.headers["retry-after"]) > 0
            assert said(await only_conversation(client)) == [("user", MESSAGE)]


async def test_the_wait_that_the_provider_asks_for_is_passed_on(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(upstream(429, retry_after=89.5))
    async with serve(openai_settings()) as client:
        response = await client.post("/api/v1/chat", json={"message": MESSAGE})

    assert response.headers["retry-after"] == "90"


async def test_a_failure_that_passes_is_not_noticed(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(upstream(500), upstream(429, retry_after=0.05), Say("Which interview is it?"))
    async with serve(openai_settings(provider_max_retries=2)) as client:
        response = await client.post("/api/v1/chat", json={"message": MESSAGE})

    assert response.json()["reply"] == "Which interview is it?"
    assert response.json()["usage"]["model_calls"] == 3, "each attempt is a call"


@pytest.mark.parametrize("name", ["500 in the technique", "a limit after a handoff", "silence before the first byte"])
async def test_a_stream_ends_with_the_problem_that_the_turn_keeps(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, name: str
) -> None:
    failure = FAILURES[name]
    model_server.script(*failure.steps)
    async with serve(openai_settings(**NO_SECOND_TRY | failure.settings)) as client:
        async with client.stream("POST", "/api/v1/chat", json={"message": MESSAGE}, headers=STREAM) as response:
            assert response.status_code == 200
            events = [event async for event in events_of(response)]
        turn_id = events[0].data["turn_id"]
        turn = (await client.get(f"/api/v1/turns/{turn_id}")).json()

    assert events[-1].kind == "turn.failed"
    check_problem(events[-1].data, status=failure.status, code=failure.code)
    assert turn["problem"] == events[-1].data


async def test_calls_of_a_failed_turn_are_booked(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*TO_TECHNIQUE, CutStream(2, HALF_A_SET))
    async with serve(openai_settings(**NO_SECOND_TRY)) as client:
        await client.post("/api/v1/chat", json={"message": MESSAGE})
        usage = (await only_conversation(client))["usage"]

    assert usage["model_calls"] == 3
    assert usage["input_tokens"] > 20, "the call that broke off has cost something, too"
    assert float(usage["cost_usd"]) > 0
