"""Request ids, the limit on bodies, and answers to what goes wrong, over real connections."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from sqlalchemy import text

from app.core.database import Database
from tests.conftest import MakeSettings, Serve
from tests.core.conftest import StartLog


@pytest.fixture
async def client(serve: Serve, openai_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve(openai_settings(max_body_bytes=2_000)) as served:
        yield served


async def test_a_plain_request_id_is_echoed_and_a_hostile_one_replaced(client: httpx2.AsyncClient) -> None:
    for given in ("trace-1", "A_b-9", "x" * 64, "0"):
        assert (await client.get("/healthz", headers={"X-Request-ID": given})).headers["X-Request-ID"] == given
    hostile = [b"x" * 65, b"a b", b"a\tb", b"<script>", b"a;b", b'"', b"---", b"", "é".encode(), b"\xff", b"${jndi:x}"]
    made = []
    for unwanted in hostile:
        response = await client.get("/healthz", headers=[(b"X-Request-ID", unwanted)])
        made.append(response.headers["X-Request-ID"])
    assert all(len(found) == 32 and found.isalnum() for found in made)
    assert len(set(made)) == len(hostile)


async def test_an_error_carries_the_id_of_its_request(client: httpx2.AsyncClient) -> None:
    for address in ("/nowhere", "/api/v1/turns/1"):
        response = await client.get(address, headers={"X-Request-ID": "trace-1"})
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["request_id"] == response.headers["X-Request-ID"] == "trace-1"


async def test_a_body_over_the_limit_is_413_announced_or_not(client: httpx2.AsyncClient) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 100):
            yield b"x" * 100

    bodies = {2_100: 413, 20_000: 413, 2_000: 422}
    for size, status in bodies.items():
        for content in (b"x" * size, chunks(size)):
            response = await client.post("/api/v1/chat", content=content, headers={"Content-Type": "application/json"})
            assert response.status_code == status, (size, content)
    too_large = await client.post("/api/v1/chat", content=b"x" * 3_000)
    assert (too_large.json()["code"], "2000" in too_large.json()["detail"]) == ("body_too_large", True)
    assert too_large.headers["content-type"] == "application/problem+json"
    assert (await client.get("/healthz")).status_code == 200


async def test_a_body_in_pieces_arrives_whole(client: httpx2.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'{"mess', b"", b'age": "', b'", "question_count": 0}'):
            yield piece

    response = await client.post("/api/v1/chat", content=pieces(), headers={"Content-Type": "application/json"})
    assert [found["field"] for found in response.json()["errors"]] == ["question_count"]


async def test_what_is_no_request_is_refused_by_name(client: httpx2.AsyncClient) -> None:
    broken = {b"{": "body", b"\xff\xfe": "body", b"[" * 1_900: "body", b"[]": "body", b"": "body", b"null": "body"}
    broken |= {b"{}": "message", b'{"message": "hi", "x": 1}': "x", b'{"message": 1}': "message"}
    broken |= {b'{"message": "hi", "interviewer": {"mood": "x"}}': "interviewer.mood"}
    for body, field in broken.items():
        response = await client.post("/api/v1/chat", content=body, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["code"]) == (422, "validation_error"), body[:40]
        assert [found["field"] for found in response.json()["errors"]] == [field], body[:40]


async def test_a_path_or_method_that_is_not_there_says_so(client: httpx2.AsyncClient) -> None:
    nowhere = await client.get("/api/v1/nowhere")
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")
    wrong = await client.put("/api/v1/chat", json={})
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["Allow"]) == (405, "method_not_allowed", "POST")


async def test_a_failure_of_ours_is_500_without_internals(
    serve: Serve, openai_settings: MakeSettings, start_log: StartLog, database_url: str
) -> None:
    log = start_log()
    settings = openai_settings(database_url=database_url)
    async with serve(settings) as client:
        database = Database(settings.async_database_url)
        async with database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE conversation RENAME TO elsewhere"))
        await database.dispose()
        response = await client.get("/api/v1/conversations", headers={"X-Request-ID": "trace-1"})
        healthy = await client.get("/healthz")

    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert response.json()["request_id"] == response.headers["X-Request-ID"] == "trace-1"
    internals = ("conversation", "SELECT", "Traceback", "sqlalchemy", "/app/")
    assert not [word for word in internals if word in response.text]
    (crash,) = [line for line in log.getvalue().splitlines() if "request_crashed" in line]
    assert "trace-1" in crash
    assert healthy.status_code == 200


async def test_ready_needs_the_database_and_healthy_does_not(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    assert (await client.get("/readyz")).json()["status"] == "ready"


async def test_a_path_says_nothing_to_the_terminal_of_whoever_reads_the_log(
    serve: Serve, openai_settings: MakeSettings, start_log: StartLog
) -> None:
    log = start_log(log_format="console")
    async with serve(openai_settings()) as served:
        await served.get("/%1b%5b2J%e2%80%ae%c2%9b")
    assert all(sign in log.getvalue() for sign in ("x1b[2J", "u202e", "x9b"))
    assert not set("\x1b\u202e\x9b") & set(log.getvalue())
