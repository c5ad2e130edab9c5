"""The circuit breaker with real turns: a model that keeps failing is left alone, and one turn finds out if it is back.

With a rest of no seconds a circuit is half open as soon as it has opened.
"""

import asyncio
from typing import Any

import httpx2
import pytest

from app.core.database import Database
from tests.chat.client import STREAM, chat, events_of, log_of, problem_of
from tests.conftest import MakeSettings, Serve
from tests.model_server import CutStream, Fail, ModelServer, Say, Silence, Step
from tests.usage.rows import ledger_of

HELLO = {"message": "Hello"}
FINE = Say("Which interview is it?")
ONCE = {"provider_max_retries": 0, "circuit_failures": 3}


async def circuits(client: httpx2.AsyncClient) -> dict[str, str]:
    """As the readiness tells them; it is ready whatever they are."""
    response = await client.get("/readyz")
    assert response.status_code == 200
    states: dict[str, str] = response.json()["circuits"]
    return states


async def fails(client: httpx2.AsyncClient, **body: Any) -> int:
    """Send a message that the provider does not answer; what its sender is told to wait, in seconds."""
    response = await client.post("/api/v1/chat", json=HELLO | body)
    problem_of(response, status=503, code="provider_unavailable")
    return int(response.headers["retry-after"])


@pytest.mark.parametrize("failure", [Fail(503), CutStream(0)], ids=["overloaded", "reset"])
async def test_after_failures_in_a_row_turns_fail_at_once_and_say_how_long(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, failure: Step
) -> None:
    model_server.script(*[failure] * 3)
    async with serve(openai_settings(**ONCE, circuit_rest_seconds=600)) as client:
        assert await circuits(client) == {}
        for _ in range(2):
            await fails(client)
        assert await circuits(client) == {"gpt-4o": "closed"}
        await fails(client)
        assert await circuits(client) == {"gpt-4o": "open"}
        waits = [await fails(client) for _ in range(3)]

    assert all(500 < wait <= 600 for wait in waits)
    assert len(model_server.requests) == 3, "the model is left alone"


async def test_it_opens_between_the_attempts_of_one_turn_which_makes_no_more(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.script(*[Fail(503)] * 3)
    url = database.url.render_as_string(hide_password=False)
    settings = openai_settings(
        database_url=url,
        provider_max_retries=5,
        provider_retry_seconds=0.01,
        circuit_failures=3,
        circuit_rest_seconds=600,
    )
    async with serve(settings) as client:
        assert await fails(client) > 500

    assert len(await ledger_of(database)) == len(model_server.requests) == 3


async def test_of_many_turns_at_once_one_finds_out_and_the_others_are_refused(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*[Fail(503)] * 3, Silence())
    async with serve(openai_settings(**ONCE, circuit_rest_seconds=0)) as client:
        for _ in range(3):
            await fails(client)
        assert await circuits(client) == {"gpt-4o": "half_open"}
        async with client.stream("POST", "/api/v1/chat", json=HELLO, headers=STREAM) as response:
            turn_id = (await anext(events_of(response))).data["turn_id"]
            await model_server.until(lambda: len(model_server.requests) == 4)
            waits = await asyncio.gather(*(fails(client) for _ in range(6)))
            assert set(waits) == {5}
            assert len(model_server.requests) == 4, "while the probe runs"

            # Cancelled, it has found out nothing, and the next one is sent.
            await client.post(f"/api/v1/turns/{turn_id}/cancel")
        assert await circuits(client) == {"gpt-4o": "half_open"}
        model_server.respond_with(lambda _: FINE)
        await chat(client, **HELLO)
        assert await circuits(client) == {"gpt-4o": "closed"}
        replies = await asyncio.gather(*(chat(client, **HELLO) for _ in range(6)))

    assert {reply["reply"] for reply in replies} == {FINE.text}


async def test_a_probe_that_fails_opens_it_again(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*[Fail(503)] * 5, FINE, Fail(503), FINE)
    async with serve(openai_settings(**ONCE, circuit_rest_seconds=0)) as client:
        for _ in range(5):
            await fails(client)
            assert (await circuits(client))["gpt-4o"] in {"closed", "half_open"}
        assert await circuits(client) == {"gpt-4o": "half_open"}
        await chat(client, **HELLO)
        await fails(client)
        assert await circuits(client) == {"gpt-4o": "closed"}, "the count began anew"
        await chat(client, **HELLO)


async def test_turns_that_fail_together_open_it_once(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.respond_with(lambda _: Fail(503))
    async with serve(openai_settings(**ONCE, circuit_rest_seconds=600)) as client:
        await asyncio.gather(*(fails(client) for _ in range(10)))
        assert await circuits(client) == {"gpt-4o": "open"}
        asked = len(model_server.requests)
        await asyncio.gather(*(fails(client) for _ in range(10)))

    assert 3 <= len(model_server.requests) == asked <= 10


async def test_a_model_that_is_silent_is_away_too(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Silence(), Silence())
    settings = openai_settings(circuit_failures=2, circuit_rest_seconds=600, turn_timeout_seconds=1)
    async with serve(settings) as client:
        for _ in range(2):
            problem_of(await client.post("/api/v1/chat", json=HELLO), status=504, code="turn_timeout")
        assert await circuits(client) == {"gpt-4o": "open"}
        assert await fails(client) > 500


@pytest.mark.parametrize(
    "failure", [Fail(400), Fail(401), CutStream(2), Silence(1)], ids=["refused", "bad key", "cut", "silent later"]
)
async def test_a_model_that_answers_badly_is_there(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, failure: Step
) -> None:
    model_server.script(failure, failure)
    settings = openai_settings(
        provider_max_retries=0, max_restarts_per_turn=0, circuit_failures=1, turn_timeout_seconds=3
    )
    async with serve(settings) as client:
        for _ in range(2):
            assert (await client.post("/api/v1/chat", json=HELLO)).status_code >= 500
        assert await circuits(client) == {"gpt-4o": "closed"}


async def test_behind_an_open_circuit_the_next_model_answers_at_once(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database: Database
) -> None:
    model_server.respond_with(lambda request: FINE if request.model == "gpt-5-mini" else Fail(500))
    url = database.url.render_as_string(hide_password=False)
    chain = {"allowed_models": "gpt-5-mini", "fallback_models": "gpt-5-mini"}
    settings = openai_settings(**ONCE | {"circuit_failures": 1}, **chain, database_url=url, circuit_rest_seconds=600)
    async with serve(settings) as client:
        first, second = await chat(client, **HELLO), await chat(client, **HELLO)
        kinds = [event.kind for event in await log_of(client, second["turn_id"])]
        assert await circuits(client) == {"gpt-4o": "open", "gpt-5-mini": "closed"}

    assert [request.model for request in model_server.requests] == ["gpt-4o", "gpt-5-mini", "gpt-5-mini"]
    assert (first["usage"]["model_calls"], second["usage"]["model_calls"]) == (2, 1)
    assert first["reply"] == second["reply"]
    assert second["usage"]["instead_of"] == "gpt-4o"
    assert kinds[:2] == ["turn.started", "turn.restarted"]
    assert [row.model for row in await ledger_of(database)] == ["gpt-4o", "gpt-5-mini", "gpt-5-mini"]
