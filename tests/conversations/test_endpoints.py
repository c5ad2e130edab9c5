"""Conversations and turns over HTTP, from a served application with a scripted model."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx2

from app.main import create_app
from tests.answers import JOB_DESCRIPTION, calls, hands_to, says_questions
from tests.conftest import MakeSettings, Serve
from tests.model_server import Fail, ModelServer, Say, Silence

SENIOR = {
    "message": "I have a senior backend interview",
    "job_description": JOB_DESCRIPTION,
    "experience_level": "senior",
    "question_count": 2,
    "interviewer": {"style": "strict", "company_type": "fintech"},
}


async def start(client: httpx2.AsyncClient, message: str = "hello", **body: Any) -> tuple[str, str]:
    """Start a turn and leave its stream after the first event; return the ids of conversation and turn."""
    stream = client.stream(
        "POST", "/api/v1/chat", json={"message": message, **body}, headers={"Accept": "text/event-stream"}
    )
    async with stream as response:
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                ids = httpx2.Response(200, content=line.removeprefix("data: ")).json()
                return ids["conversation_id"], ids["turn_id"]
    raise AssertionError("the stream had no event")


async def ended(client: httpx2.AsyncClient, turn_id: str) -> dict[str, Any]:
    """The turn, once its log has come to an end."""
    assert (await client.get(f"/api/v1/turns/{turn_id}/events")).status_code == 200
    turn: dict[str, Any] = (await client.get(f"/api/v1/turns/{turn_id}")).json()
    return turn


async def test_a_conversation_reads_back_whole(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(hands_to("technical"), calls("technical-few_shot"), says_questions(2))
    async with serve(openai_settings(database_url=database_url)) as client:
        reply = (await client.post("/api/v1/chat", json=SENIOR)).json()
        detail = (await client.get(f"/api/v1/conversations/{reply['conversation_id']}")).json()
        page = (await client.get("/api/v1/conversations")).json()
        turn = (await client.get(f"/api/v1/turns/{reply['turn_id']}")).json()

    told = {name: detail[name] for name in SENIOR if name != "message"}
    assert told == {name: SENIOR[name] for name in told}
    assert [(message["role"], message["text"]) for message in detail["messages"]] == [
        ("user", SENIOR["message"]),
        ("assistant", reply["reply"]),
    ]
    assert detail["question_sets"] == [reply["question_set"]]
    assert detail["usage"] == reply["usage"] | {"model": None}
    assert detail["usage"]["cost_usd"] == reply["conversation_cost_usd"]
    assert page["next_cursor"] is None
    assert page["items"] == [{name: detail[name] for name in page["items"][0]}]
    assert (turn["status"], turn["reply"], turn["problem"]) == ("completed", reply, None)


async def test_every_status_of_a_turn_can_be_read(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(Say("Hello."), Fail(500, "server_error"), Silence())
    async with serve(openai_settings(database_url=database_url, provider_max_retries=0)) as client:
        _, turn_id = await start(client)
        completed = await ended(client, turn_id)
        _, turn_id = await start(client)
        failed = await ended(client, turn_id)

        _, turn_id = await start(client)
        await model_server.until(lambda: model_server.answers_in_flight == 1)
        running = (await client.get(f"/api/v1/turns/{turn_id}")).json()
        assert (await client.post(f"/api/v1/turns/{turn_id}/cancel")).status_code == 204
        cancelled = await ended(client, turn_id)

    def shape(turn: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(turn[name] is not None for name in ("finished_at", "reply", "problem"))

    assert [turn["status"] for turn in (running, completed, failed, cancelled)] == [
        "running",
        "completed",
        "failed",
        "cancelled",
    ]
    assert [shape(turn) for turn in (running, completed, failed, cancelled)] == [
        (False, False, False),
        (True, True, False),
        (True, False, True),
        (True, False, False),
    ]
    assert completed["reply"]["reply"] == "Hello."
    assert failed["problem"]["code"] == "provider_error"
    assert failed["problem"]["request_id"]


async def test_a_conversation_is_deleted_once_and_not_while_a_turn_runs(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Silence())
    async with serve(openai_settings()) as client:
        conversation_id, turn_id = await start(client)
        await model_server.until(lambda: model_server.answers_in_flight == 1)
        address = f"/api/v1/conversations/{conversation_id}"
        refused = await client.delete(address)
        await client.post(f"/api/v1/turns/{turn_id}/cancel")
        deleted = await client.delete(address)
        gone = [
            await client.delete(address),
            await client.get(address),
            await client.get(f"/api/v1/turns/{turn_id}"),
            await client.get(f"/api/v1/turns/{turn_id}/events"),
            await client.post("/api/v1/chat", json={"message": "hello", "conversation_id": conversation_id}),
        ]
        listed = (await client.get("/api/v1/conversations")).json()

    assert (refused.status_code, refused.json()["code"]) == (409, "turn_in_progress")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert [(response.status_code, response.json()["code"]) for response in gone] == [(404, "not_found")] * 5
    assert listed == {"items": [], "next_cursor": None}


async def test_what_cannot_be_read_is_refused_by_name(serve: Serve, openai_settings: MakeSettings) -> None:
    refusals = {
        "/conversations?limit=0": "limit",
        "/conversations?limit=101": "limit",
        "/conversations?limit=many": "limit",
        "/conversations?cursor=forged": "cursor",
        f"/conversations?cursor={'a' * 201}": "cursor",
        "/conversations/1": "conversation_id",
        "/turns/1": "turn_id",
    }
    async with serve(openai_settings()) as client:
        for address, field in refusals.items():
            response = await client.get(f"/api/v1{address}")
            assert (response.status_code, response.json()["code"]) == (422, "validation_error"), address
            assert [found["field"] for found in response.json()["errors"]] == [field], address


async def test_an_unknown_conversation_is_not_found(serve: Serve, openai_settings: MakeSettings) -> None:
    async with serve(openai_settings()) as client:
        response = await client.get(f"/api/v1/conversations/{uuid4()}")
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_pages_are_walked_by_their_cursors(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.respond_with(lambda _: Say("Hello."))
    async with serve(openai_settings(database_url=database_url)) as client:
        made = [(await client.post("/api/v1/chat", json={"message": "hi"})).json() for _ in range(5)]
        seen: list[str] = []
        cursor = None
        for _ in range(3):
            parameters = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/api/v1/conversations", params=parameters)).json()
            seen += [item["id"] for item in page["items"]]
            cursor = page["next_cursor"]
    assert cursor is None
    assert seen == [reply["conversation_id"] for reply in reversed(made)]


async def test_thirty_turns_at_once_share_one_database_file(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.respond_with(lambda _: Say("One piece after the other. " * 10, pieces=20))
    body = {"message": "a word please"}
    async with serve(openai_settings()) as client:
        responses = await asyncio.gather(*(client.post("/api/v1/chat", json=body) for _ in range(30)))
        ids = {response.json().get("conversation_id") for response in responses}
        details = [(await client.get(f"/api/v1/conversations/{found}")).json() for found in ids]

    assert [response.status_code for response in responses] == [200] * 30
    assert len(ids) == 30
    assert {(len(detail["messages"]), detail["usage"]["model_calls"]) for detail in details} == {(2, 1)}


def test_openapi_lists_the_roles_and_the_statuses(make_settings: MakeSettings) -> None:
    schemas = create_app(make_settings()).openapi()["components"]["schemas"]
    assert schemas["MessageRole"]["enum"] == ["user", "assistant"]
    assert schemas["TurnStatus"]["enum"] == ["running", "completed", "failed", "cancelled"]
