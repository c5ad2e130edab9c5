"""Several server processes on one PostgreSQL, or one on SQLite, killed, paused, stopped: no turn is lost or doubled."""

import asyncio
import signal
import statistics
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlmodel import select

from app.conversations.leases import MAX_LOSSES
from app.conversations.models import TurnEvent
from app.core.config import async_database_url
from app.core.database import Database
from tests.accounts.people import SECRET_KEY
from tests.chat.client import STREAM, Event, events_of, log_of, only_conversation, said
from tests.e2e.server_process import ServerProcess, forked
from tests.model_server import ModelServer, Say, Silence

ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HELLO = {"message": "hello there", "interview_type": "technical"}
PATIENCE_SECONDS = 30


@dataclass
class Replica:
    """A server process and a client of it."""

    server: ServerProcess
    client: httpx2.AsyncClient

    def send(self, number: signal.Signals) -> None:
        self.server.process.send_signal(number)


@dataclass
class Fleet:
    """Starts server processes that share a database and the scripted model."""

    folder: Path
    opened: AsyncExitStack
    settings: dict[str, str]
    count: int = field(default=0)

    async def start(self, **settings: str) -> Replica:
        self.count += 1
        folder = self.folder / f"replica-{self.count}"
        server = self.opened.enter_context(forked(folder, **self.settings | settings))
        await asyncio.to_thread(server.wait_until_ready)
        client = httpx2.AsyncClient(base_url=server.address, timeout=PATIENCE_SECONDS)
        return Replica(server, await self.opened.enter_async_context(client))


@pytest.fixture
async def fleet(tmp_path: Path, model_server: ModelServer, database_url: str) -> AsyncIterator[Fleet]:
    settings = {
        "DATABASE_URL": database_url,
        "OPENAI_BASE_URL": model_server.base_url,
        "DEFAULT_MODEL": "gpt-4o",
        "TURN_LEASE_SECONDS": "1",
        "TURN_TIMEOUT_SECONDS": "120",
        "DRAIN_SECONDS": "0.2",
        "LOG_FORMAT": "json",
    }
    async with AsyncExitStack() as opened:
        yield Fleet(tmp_path, opened, settings)


@asynccontextmanager
async def following(replica: Replica, turn_id: str) -> AsyncIterator[AsyncIterator[Event]]:
    """The turn's events as this server's readers get them."""
    async with replica.client.stream("GET", f"/api/v1/turns/{turn_id}/events") as response:
        yield events_of(response)


async def open_turn(replica: Replica, **body: Any) -> str:
    """Start a turn without waiting for it; its id."""
    response = await replica.client.post("/api/v1/chat", json=HELLO | body, headers={"Prefer": "respond-async"})
    assert response.status_code == 202, response.text
    assert response.headers["preference-applied"] == "respond-async"
    turn: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/api/v1/turns/{turn['id']}"
    return str(turn["id"])


def check_one_answer(log: list[Event], conversation: dict[str, Any], reply: str, *, attempts: int) -> None:
    """The log has no gap, as many attempts as it should and one end; what was said was said once."""
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    kinds = [event.kind for event in log]
    assert kinds.count("turn.restarted") == attempts - 1
    assert kinds[-1] == "turn.completed"
    assert sum(kind in {"turn.completed", "turn.failed", "turn.cancelled"} for kind in kinds) == 1
    assert said(conversation) == [("user", HELLO["message"]), ("assistant", reply)]


@ON_POSTGRESQL
async def test_one_server_answers_another_works_and_a_third_is_read_from(
    fleet: Fleet, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(Say("word " * 400, pieces=400, delay_seconds_per_piece=0.005))
    answering, reading, _ = (
        await fleet.start(ROLE="api"),
        await fleet.start(ROLE="api"),
        await fleet.start(ROLE="worker"),
    )
    turn_id = await open_turn(answering)
    arrivals: dict[int, datetime] = {}
    async with following(reading, turn_id) as events:
        log = []
        async for event in events:
            arrivals[event.seq] = datetime.now(UTC)
            log.append(event)
    check_one_answer(log, await only_conversation(answering.client), "word " * 400, attempts=1)
    assert await log_of(answering.client, turn_id) == log

    database = Database(async_database_url(database_url))
    async with database.reading() as session:
        rows = (await session.exec(select(TurnEvent).order_by(TurnEvent.seq))).all()  # type: ignore[arg-type]  # sqlmodel types columns as their values
    await database.dispose()
    delays = [(arrivals[row.seq] - row.created_at).total_seconds() for row in rows[2:]]
    print(f"from one server to a reader of another: {statistics.median(delays) * 1000:.1f} ms (median)")  # noqa: T201 - a figure
    assert statistics.median(delays) < 0.5, "a fifth of what polling alone would take, on average"


@ON_POSTGRESQL
async def test_another_server_takes_over_from_one_that_was_killed(fleet: Fleet, model_server: ModelServer) -> None:
    model_server.script(Silence(2, "I was going to"))
    killed = await fleet.start()
    turn_id = await open_turn(killed)
    await model_server.until(lambda: model_server.answers_in_flight == 1)
    other = await fleet.start()
    model_server.script(Say("Hello yourself."))
    async with following(other, turn_id) as events:
        first = await anext(events)
        killed.send(signal.SIGKILL)
        log = [first] + [event async for event in events]

    check_one_answer(log, await only_conversation(other.client), "Hello yourself.", attempts=2)
    assert (await only_conversation(other.client))["usage"]["model_calls"] == 2, "what the dead one began may cost"


@ON_POSTGRESQL
async def test_a_server_that_was_paused_and_replaced_can_write_no_more(fleet: Fleet, model_server: ModelServer) -> None:
    model_server.script(Say("Too late. " * 40, pieces=40, delay_seconds_per_piece=0.1))
    paused = await fleet.start()
    turn_id = await open_turn(paused)
    await model_server.until(lambda: model_server.answers_in_flight == 1)
    paused.send(signal.SIGSTOP)
    other = await fleet.start()
    model_server.script(Say("Hello yourself."))
    log = await log_of(other.client, turn_id)
    paused.send(signal.SIGCONT)
    await model_server.until(lambda: model_server.answers_in_flight == 0)
    assert await log_of(paused.client, turn_id) == log == await log_of(other.client, turn_id)

    check_one_answer(log, await only_conversation(other.client), "Hello yourself.", attempts=2)


@ON_POSTGRESQL
async def test_turns_are_cancelled_from_another_server(fleet: Fleet, model_server: ModelServer) -> None:
    model_server.respond_with(lambda _: Silence(2, "let me think"))
    working, other = await fleet.start(), await fleet.start(ROLE="api")
    clock = asyncio.get_running_loop().time
    delays = []
    for number in range(1, 6):
        turn_id = await open_turn(working)
        await model_server.until(lambda: model_server.answers_in_flight == 1)
        started = clock()
        cancelling = asyncio.create_task(other.client.post(f"/api/v1/turns/{turn_id}/cancel"))
        await model_server.until(lambda expected=number: model_server.aborted_by_client == expected)  # type: ignore[misc]  # of a lambda's default mypy knows nothing
        delays.append(clock() - started)
        assert (await cancelling).status_code == 204
        log = await log_of(other.client, turn_id)
        assert [event.kind for event in log][-2:] == ["usage.updated", "turn.cancelled"], "the worker itself ended it"
    print(f"from a cancel to the end of the model call: {statistics.median(delays) * 1000:.0f} ms (median)")  # noqa: T201 - a figure
    assert statistics.median(delays) < 0.5, "before anybody would have looked without being told"


@ON_POSTGRESQL
async def test_a_deleted_account_ends_what_runs_for_it_on_every_server(fleet: Fleet, model_server: ModelServer) -> None:
    model_server.script(Silence())
    accounts = {"AUTH_MODE": "accounts", "SECRET_KEY": SECRET_KEY}
    working, other = await fleet.start(**accounts), await fleet.start(**accounts, ROLE="api")
    person = {"email": "ann@example.com", "password": "nine quiet owls sing"}
    assert (await working.client.post("/api/v1/auth/register", json=person)).status_code == 201
    form = {"username": person["email"], "password": person["password"]}
    token = (await working.client.post("/api/v1/auth/token", data=form)).json()["access_token"]
    for replica in (working, other):
        replica.client.headers["Authorization"] = f"Bearer {token}"
    await open_turn(working)
    await model_server.until(lambda: model_server.answers_in_flight == 1)
    deleted = await other.client.request("DELETE", "/api/v1/me", json={"password": person["password"]})
    assert deleted.status_code == 204, deleted.text
    await model_server.until(lambda: model_server.aborted_by_client == 1)


@ON_POSTGRESQL
async def test_a_server_that_is_told_to_stop_hands_its_turns_over(fleet: Fleet, model_server: ModelServer) -> None:
    model_server.script(Silence(2, "I was going to"))
    stopping = await fleet.start()
    async with stopping.client.stream("POST", "/api/v1/chat", json=HELLO, headers=STREAM) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "event: turn.started"
        await model_server.until(lambda: model_server.answers_in_flight == 1)
        other = await fleet.start(TURN_LEASE_SECONDS="600")
        model_server.script(Say("Hello yourself."))
        stopping.send(signal.SIGTERM)
        rest = [line async for line in lines if line]
    assert rest[-1] == "retry: 1000"
    assert await asyncio.to_thread(stopping.server.process.wait, PATIENCE_SECONDS) == 0
    conversation = await only_conversation(other.client)
    log = await log_of(other.client, conversation["messages"][0]["turn_id"])

    # At once, and not when a lease of ten minutes has run out.
    check_one_answer(log, await only_conversation(other.client), "Hello yourself.", attempts=2)


@ON_SQLITE
async def test_the_only_server_goes_on_with_its_turn_after_it_was_killed(
    fleet: Fleet, model_server: ModelServer
) -> None:
    model_server.script(Silence(2, "I was going to"))
    killed = await fleet.start()
    turn_id = await open_turn(killed)
    await model_server.until(lambda: model_server.answers_in_flight == 1)
    killed.send(signal.SIGKILL)
    await asyncio.to_thread(killed.server.process.wait)
    model_server.script(Say("Hello yourself."))
    restarted = await fleet.start()
    log = await log_of(restarted.client, turn_id)

    check_one_answer(log, await only_conversation(restarted.client), "Hello yourself.", attempts=2)


@ON_SQLITE
async def test_a_turn_that_kills_its_server_is_given_up(fleet: Fleet, model_server: ModelServer) -> None:
    model_server.respond_with(lambda _: Silence())
    turn_id = ""
    for attempt in range(1, MAX_LOSSES + 1):
        replica = await fleet.start()
        turn_id = turn_id or await open_turn(replica)
        await model_server.until(lambda seen=attempt: len(model_server.requests) == seen)  # type: ignore[misc]  # of a lambda's default mypy knows nothing
        replica.send(signal.SIGKILL)
        await asyncio.to_thread(replica.server.process.wait)
    last = await fleet.start()
    log = await log_of(last.client, turn_id)

    assert [event.kind for event in log].count("turn.restarted") == MAX_LOSSES - 1
    assert (log[-1].kind, log[-1].data["code"]) == ("turn.failed", "turn_interrupted")
    assert said(await only_conversation(last.client)) == [("user", HELLO["message"])]
