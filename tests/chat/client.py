"""The service as a client sees it: replies, problems, server-sent events, and what a conversation keeps."""

import asyncio
import json
from collections.abc import AsyncIterator, Set
from dataclasses import dataclass
from typing import Any

import httpx2

from tests.answers import JOB_DESCRIPTION

FIRST = {"message": "I have a senior backend interview next week", "job_description": JOB_DESCRIPTION}
COMPARISON = {
    "message": "Prepare me for the technical round",
    "job_description": JOB_DESCRIPTION,
    "interview_type": "technical",
    "techniques": ["zero_shot", "few_shot"],
    "question_count": 2,
}
STREAM = {"Accept": "text/event-stream"}

PROBLEM_FIELDS = {"type", "title", "status", "detail", "code", "request_id", "trace_id"}
NO_IDS = {"request_id": "", "trace_id": ""}
"""Of two problems that are to be the same but for where the log has them."""

INTERNALS = (
    "sk-test",
    "Traceback",
    'File "',
    "openai.",
    "semantic_kernel",
    "Error(",
    "127.0.0.1",
    "sqlite",
    "upstream",
)
"""What no answer may show. `upstream` stands in the texts of the scripted provider's failures."""


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    seq: int
    kind: str
    data: dict[str, Any]


async def chat(client: httpx2.AsyncClient, **body: Any) -> dict[str, Any]:
    """Send a message and return the reply, which must be a success."""
    response = await client.post("/api/v1/chat", json=body)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def problem_of(response: httpx2.Response, *, status: int, code: str) -> dict[str, Any]:
    """The problem document of the answer, which must be complete and show nothing internal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    check_problem(problem, status=status, code=code)
    assert problem["request_id"] == response.headers["x-request-id"]
    return problem


def check_problem(problem: dict[str, Any], *, status: int, code: str) -> None:
    """The same for a problem that did not come as an answer of its own."""
    assert problem.keys() >= PROBLEM_FIELDS
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["type"].endswith(code)
    assert problem["title"]
    assert problem["detail"]
    assert not [word for word in INTERNALS if word in json.dumps(problem)]


def named_fields(problem: dict[str, Any]) -> set[str]:
    """The fields that the problem says are wrong."""
    return {error["field"] for error in problem["errors"]}


async def events_of(response: httpx2.Response) -> AsyncIterator[Event]:
    """The server-sent events of a response, as they arrive."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, separator, value = line.partition(": ")
        if separator and name:
            fields[name] = value
        elif not line and "event" in fields:
            yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


async def log_of(client: httpx2.AsyncClient, turn_id: str, *, after: int = 0) -> list[Event]:
    """The turn's log from the line after `after` to its last event."""
    headers = {"Last-Event-ID": str(after)} if after else {}
    async with client.stream("GET", f"/api/v1/turns/{turn_id}/events", headers=headers) as response:
        assert response.status_code == 200
        return [event async for event in events_of(response)]


async def conversations(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    """Every conversation, with everything in it."""
    page = (await client.get("/api/v1/conversations", params={"limit": 100})).json()
    return [(await client.get(f"/api/v1/conversations/{item['id']}")).json() for item in page["items"]]


async def only_conversation(client: httpx2.AsyncClient) -> dict[str, Any]:
    """The one conversation there is."""
    (conversation,) = await conversations(client)
    return conversation


async def latest_conversation(client: httpx2.AsyncClient) -> dict[str, Any]:
    """The conversation that changed last."""
    page = (await client.get("/api/v1/conversations", params={"limit": 1})).json()
    conversation: dict[str, Any] = (await client.get(f"/api/v1/conversations/{page['items'][0]['id']}")).json()
    return conversation


def said(conversation: dict[str, Any]) -> list[tuple[str, str]]:
    """Who said what."""
    return [(message["role"], message["text"]) for message in conversation["messages"]]


async def still_running(tasks: Set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Give these tasks two seconds to end, and return those that did not."""
    if not tasks:
        return set()
    _, pending = await asyncio.wait(tasks, timeout=2)
    return pending
