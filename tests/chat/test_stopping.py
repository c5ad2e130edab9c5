"""What ends a turn and what does not: cancel and a stopping server do, a client that goes away does not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from tests.answers import calls, hands_to, says_questions, technique_output
from tests.chat.client import (
    FIRST,
    STREAM,
    Event,
    chat,
    conversations,
    events_of,
    log_of,
    only_conversation,
    problem_of,
    said,
    still_running,
)
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer, Say, Silence, Step

HALF_A_SET = technique_output(3)[:1_500]

MOMENTS: dict[str, tuple[tuple[Step, ...], str]] = {
    "triage, before the first byte": ((Silence(),), "turn.started"),
    "triage, in the middle": ((Silence(1),), "agent.active"),
    "a specialist": ((hands_to("technical"), Silence(3, "so " * 100)), "text.delta"),
    "a technique": ((hands_to("technical"), calls("technical-few_shot"), Silence(9, HALF_A_SET)), "question.ready"),
}
"""Where the model falls silent for good, and the last event that a reader sees before."""


@asynccontextmanager
async def started(client: httpx2.AsyncClient, until: str, **body: Any) -> AsyncIterator[str]:
    """A streamed turn that has come as far as the event `until`; its id."""
    async with client.stream("POST", "/api/v1/chat", json=FIRST | body, headers=STREAM) as response:
        turn_id = ""
        async for event in events_of(response):
            turn_id = turn_id or event.data["turn_id"]
            if event.kind == until:
                break
        yield turn_id


def silent_at(model_server: ModelServer, steps: tuple[Step, ...]) -> Callable[[], bool]:
    """The claim that the model has reached the last of these steps and answers it."""
    return lambda: len(model_server.requests) == len(steps) and model_server.answers_in_flight == 1


@pytest.mark.parametrize("moment", MOMENTS)
async def test_cancel_drops_the_model_call_leaves_no_task_and_the_next_turn_works(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, moment: str
) -> None:
    steps, last_event = MOMENTS[moment]
    model_server.script(*steps)
    async with serve(openai_settings()) as client:
        before = asyncio.all_tasks()
        async with started(client, last_event) as turn_id:
            await model_server.until(silent_at(model_server, steps))
            cancelled = await client.post(f"/api/v1/turns/{turn_id}/cancel")
            assert cancelled.status_code == 204
            await model_server.until(lambda: model_server.aborted_by_client == 1)
        assert model_server.answers_in_flight == 0
        assert await still_running(asyncio.all_tasks() - before) == set()

        log = await log_of(client, turn_id)
        assert log[-1].kind == "turn.cancelled"
        assert (await client.get(f"/api/v1/turns/{turn_id}")).json()["status"] == "cancelled"
        stored = await only_conversation(client)
        assert said(stored) == [("user", FIRST["message"])]
        assert stored["usage"]["model_calls"] == len(steps)

        model_server.script(Say("Where were we?"))
        again = await chat(client, message="Go on", conversation_id=stored["id"])
    assert again["reply"] == "Where were we?"


async def test_whoever_waits_for_the_reply_of_a_cancelled_turn_is_told(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Silence())
    async with serve(openai_settings()) as client:
        waiting = asyncio.create_task(client.post("/api/v1/chat", json=FIRST))
        await model_server.until(lambda: model_server.answers_in_flight == 1)
        stored = await only_conversation(client)
        turn_id = stored["messages"][0]["turn_id"]
        # An impatient person clicks more than once; the turn must end once and stay ended.
        clicks = await asyncio.gather(*(client.post(f"/api/v1/turns/{turn_id}/cancel") for _ in range(3)))
        problem_of(await waiting, status=409, code="turn_cancelled")
        problem_of(await client.post(f"/api/v1/turns/{turn_id}/cancel"), status=409, code="turn_not_running")
        log = await log_of(client, turn_id)

    assert {click.status_code for click in clicks} <= {204, 409}
    assert [event.kind for event in log].count("turn.cancelled") == 1
    assert log[-1].kind == "turn.cancelled"


async def test_a_completed_turn_cannot_be_cancelled(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say("Which interview?"))
    async with serve(openai_settings()) as client:
        reply = await chat(client, message="Hello")
        problem_of(await client.post(f"/api/v1/turns/{reply['turn_id']}/cancel"), status=409, code="turn_not_running")
        turn = (await client.get(f"/api/v1/turns/{reply['turn_id']}")).json()

    assert (turn["status"], turn["reply"]) == ("completed", reply)


async def test_a_client_that_goes_away_changes_nothing_and_can_replay_exactly_the_rest(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(hands_to("technical"), calls("technical-few_shot"), says_questions(4, pieces=60, delay=0.005))
    seen: list[Event] = []
    async with serve(openai_settings(database_url=database_url)) as client:
        async with client.stream(
            "POST", "/api/v1/chat", json=FIRST | {"question_count": 4}, headers=STREAM
        ) as response:
            async for event in events_of(response):
                seen.append(event)
                if event.kind == "question.ready":
                    break
        turn_id = seen[0].data["turn_id"]
        rest = await log_of(client, turn_id, after=seen[-1].seq)
        whole = await log_of(client, turn_id)
        stored = await only_conversation(client)

    assert model_server.aborted_by_client == 0
    assert seen + rest == whole
    assert [event.seq for event in whole] == list(range(1, len(whole) + 1))
    assert whole[-1].kind == "turn.completed"
    assert [role for role, _ in said(stored)] == ["user", "assistant"]
    assert stored["question_sets"] == [whole[-1].data["question_set"]]


async def test_readers_of_one_turn_see_the_same_log(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(hands_to("technical"), calls("technical-few_shot"), says_questions(5, pieces=60, delay=0.005))
    async with serve(openai_settings()) as client:
        async with client.stream("POST", "/api/v1/chat", json=FIRST, headers=STREAM) as response:
            events = aiter(events_of(response))
            first = await anext(events)
            others = [asyncio.create_task(log_of(client, first.data["turn_id"])) for _ in range(2)]
            seen = [first] + [event async for event in events]
        logs = [await other for other in others]

    assert logs == [seen, seen]
    assert seen[-1].kind == "turn.completed"


async def test_readers_that_leave_at_once_leave_no_task_and_no_connection(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Silence())
    async with serve(openai_settings()) as client:
        before = asyncio.all_tasks()
        async with started(client, "agent.active") as turn_id:
            for _ in range(10):
                _, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
                writer.write(f"GET /api/v1/turns/{turn_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                await writer.drain()
                writer.close()
                await writer.wait_closed()
            assert (await client.post(f"/api/v1/turns/{turn_id}/cancel")).status_code == 204
        assert await still_running(asyncio.all_tasks() - before) == set()


async def test_a_reader_that_has_the_last_event_already_is_not_kept_waiting(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say("Which interview?"))
    async with serve(openai_settings()) as client:
        turn_id = (await chat(client, message="Hello"))["turn_id"]
        whole = await log_of(client, turn_id)
        async with asyncio.timeout(2):
            rest = await log_of(client, turn_id, after=whole[-1].seq)

    assert rest == []


async def test_a_turn_that_a_stopping_server_leaves_is_begun_again_after_the_restart(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    steps = MOMENTS["a technique"][0]
    model_server.script(*steps)
    settings = openai_settings(database_url=database_url)
    before = asyncio.all_tasks()
    async with serve(settings) as client, started(client, "question.ready") as turn_id:
        await model_server.until(silent_at(model_server, steps))
    await model_server.until(lambda: model_server.answers_in_flight == 0 and model_server.open_connections == 0)
    assert await still_running(asyncio.all_tasks() - before) == set()

    model_server.script(hands_to("technical"), Say("Where were we?"))
    async with serve(settings) as client:
        log = await log_of(client, turn_id)
        turn = (await client.get(f"/api/v1/turns/{turn_id}")).json()
        (stored,) = await conversations(client)

    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    kinds = [event.kind for event in log]
    restart = kinds.index("turn.restarted")
    assert log[restart].data["reason"] == "server_lost"
    assert log[restart].data["attempt"] == 2
    assert "question.ready" in kinds[:restart]
    assert kinds[restart + 1 :] == [
        "agent.active",
        "usage.updated",
        "agent.active",
        "usage.updated",
        "text.delta",
        "turn.completed",
    ]
    assert (turn["status"], turn["reply"]) == ("completed", log[-1].data)
    assert said(stored) == [("user", FIRST["message"]), ("assistant", "Where were we?")]
    assert stored["question_sets"] == []
    assert stored["usage"]["model_calls"] == len(steps) + 2
