"""What no honest client sends: nothing of it is a 500, nothing holds the server up. Over real connections."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message

from app.core.middleware import BODY_SECONDS, BodyLimit
from tests.chat.client import STREAM, events_of
from tests.conftest import MakeSettings, Serve, served
from tests.model_server import ModelServer, Silence

JSON = {"Content-Type": "application/json"}
LONE = "\\ud800"
HELLO = b'{"message": "hello"}'


@pytest.fixture
async def client(serve: Serve, make_settings: MakeSettings, database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve(make_settings(database_url=database_url)) as served_client:
        yield served_client


async def exchange(client: httpx2.AsyncClient, *pieces: bytes) -> bytes:
    """What the server answers to these bytes, up to where it closes the connection."""
    reader, writer = await asyncio.open_connection(client.base_url.host, client.base_url.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def head(*lines: str) -> bytes:
    """The head of a POST to the chat that ends its connection."""
    fixed = ("POST /api/v1/chat HTTP/1.1", "Host: localhost", "Connection: close", "Content-Type: application/json")
    return "\r\n".join((*fixed, *lines, "", "")).encode("latin-1")


BODIES: dict[str, bytes | str] = {
    "lists in lists": "[" * 500_000,
    "objects in objects": '{"a":' * 80_000,
    "lists in a field, as deep as can be parsed": f'{{"message": {"[" * 900}{"]" * 900}}}',
    "an unknown field of them": f'{{"message": "hello", "x": {"[" * 900}{"]" * 900}}}',
    "half a pair in the message": f'{{"message": "a{LONE}"}}',
    "half a pair in a field's name": f'{{"message": "hello", "{LONE}": 1}}',
    "half a pair in a name below": f'{{"message": "hello", "interviewer": {{"{LONE}": 1}}}}',
    "half a pair in the type": f'{{"message": "hello", "interview_type": "{LONE}"}}',
    "half a pair in the model": f'{{"message": "hello", "model": "{LONE}"}}',
    "half a pair in a technique": f'{{"message": "hello", "interview_type": "technical", "technique": "{LONE}"}}',
    "half a pair in an id": f'{{"message": "hello", "conversation_id": "{LONE}"}}',
    "half a pair in the style": f'{{"message": "hello", "interviewer": {{"style": "{LONE}"}}}}',
    "half a pair as bytes": b'{"message": "\xed\xa0\x80"}',
    "NUL in the message": r'{"message": "a\u0000"}',
    "NUL in the advert": r'{"message": "hello", "job_description": "We seek an engineer.\u0000"}',
    "NUL in the type": r'{"message": "hello", "interview_type": "\u0000"}',
    "NUL in the model": r'{"message": "hello", "model": "\u0000"}',
    "NUL in the style": r'{"message": "hello", "interviewer": {"style": "a\u0000"}}',
    "NUL in a field's name": r'{"message": "hello", "\u0000": 1}',
    "NUL as a byte": b'{"message": "a\x00"}',
    "a long field name": f'{{"message": "hello", "{"k" * 300_000}": 1}}',
    "an integer that Python does not read": f'{{"message": "hello", "question_count": {"9" * 5_000}}}',
    "an integer that no column holds": f'{{"message": "hello", "max_output_tokens": {"9" * 400}}}',
    "a float beyond all": '{"message": "hello", "temperature": 1e999}',
    "no number": '{"message": "hello", "temperature": NaN}',
    "infinity": '{"message": "hello", "question_count": Infinity}',
    "no number for the text": '{"message": NaN}',
    "bytes that are no text": b"\xff\xfe\xfd",
}


async def test_a_body_that_cannot_be_meant_is_not_valid(client: httpx2.AsyncClient) -> None:
    for case, body in BODIES.items():
        content = body.encode() if isinstance(body, str) else body
        for address in ("/api/v1/chat", "/api/v1/compare"):
            answer = await client.post(address, content=content, headers=JSON)
            assert (answer.status_code, answer.json()["code"]) == (422, "validation_error"), (case, answer.text)
            assert len(answer.content) < 2_000, "what was sent is not sent back"
    assert (await client.get("/api/v1/conversations")).json()["items"] == []


async def test_only_json_is_a_body(client: httpx2.AsyncClient) -> None:
    """The first three are what browsers send across sites without asking."""
    kinds = ["text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    kinds += ["text/plain; application/json", "text/json", "application/octet-stream", ""]
    for address in ("/api/v1/chat", "/api/v1/compare"):
        for headers in ({}, *({"Content-Type": kind} for kind in kinds)):
            answer = await client.post(address, content=HELLO, headers=headers)
            assert answer.status_code == 422, headers
            assert [found["field"] for found in answer.json()["errors"]] == ["body"]
    assert (await client.get("/api/v1/conversations")).json()["items"] == []


QUERIES = {
    "/api/v1/conversations?cursor=%00": ["cursor"],
    "/api/v1/conversations?cursor=%ff": ["cursor"],
    "/api/v1/conversations?limit=" + "9" * 5_000: ["limit"],
    "/api/v1/conversations/{conversation}/export?format=json&interview_type=%00": ["interview_type"],
    "/api/v1/conversations/{conversation}/export?format=%00": ["format"],
    "/api/v1/conversations/{conversation}/export?format=json&revision=" + "9" * 30: ["revision"],
    "/api/v1/conversations/%ff": ["conversation_id"],
    "/api/v1/questions?q=%00&skill=a%00&limit=1": ["q", "skill"],
    "/api/v1/questions?%00=1": ["query"],
    "/api/v1/questions?type=%ed%a0%80": ["type"],
    "/api/v1/questions?" + "%00" * 500 + "=": ["query"],
}
NOWHERE = ["/%00", "/%ff", "//", "/api/v1/turns/%00", "/docs/swagger-ui/%00", "/docs/swagger-ui/" + "a" * 5_000]


async def test_an_address_that_cannot_be_meant_is_refused_by_the_name_of_its_parameter(
    client: httpx2.AsyncClient,
) -> None:
    body = {"message": "I have a senior backend interview", "interview_type": "technical"}
    conversation = (await client.post("/api/v1/chat", json=body)).json()["conversation_id"]
    for address, fields in QUERIES.items():
        answer = await client.get(address.format(conversation=conversation))
        assert answer.status_code == 422, address
        assert [found["field"] for found in answer.json()["errors"]] == fields
    for address in NOWHERE:
        assert (await client.get(address)).status_code == 404, address
    assert (await client.get("/api/v1/questions?q=%ff%fe")).json()["items"] == []
    unknown = f"/api/v1/conversations/{conversation}/export?format=json&interview_type=%ff"
    assert (await client.get(unknown)).status_code == 404


async def test_a_header_of_odd_bytes_is_a_text_or_not_valid(client: httpx2.AsyncClient) -> None:
    for key, status in {b"\xff": 200, b"\xed\xa0\x80": 200, b"a" * 201: 422, b"x" * 60_000: 422}.items():
        answer = await client.post(
            "/api/v1/chat", content=HELLO, headers={b"Idempotency-Key": key, b"Content-Type": b"application/json"}
        )
        assert answer.status_code == status, key[:5]
    turn = (await client.post("/api/v1/chat", json={"message": "hello"})).json()["turn_id"]
    for place in (b"-1", b"9" * 5_000, b"NaN", b"\xb2"):
        answer = await client.get(f"/api/v1/turns/{turn}/events", headers=[(b"Last-Event-ID", place)])
        assert answer.status_code == 422, place[:5]


async def test_what_is_no_http_ends_with_400_and_the_server_goes_on(client: httpx2.AsyncClient) -> None:
    """Here uvicorn answers, before anything of ours."""
    broken = [
        head(f"X-Long: {'x' * 1_000_000}"),
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz?q=\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        head("Idempotency-Key: a\x00b", "Content-Length: 0"),
        head("Content-Length: -5"),
        head("Content-Length: \xb2"),
        head("Content-Length: 5", "Content-Length: 6") + b"{}",
        head(f"Content-Length: {'9' * 5_000}"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"\r\n\r\n",
    ]
    for request in broken:
        answer = await exchange(client, request)
        # A client that is still sending when the connection closes may not see the answer.
        assert answer.startswith(b"HTTP/1.1 400 ") or (len(request) > 900_000 and not answer), request[:80]
        assert b"Traceback" not in answer
    assert (await client.get("/healthz")).status_code == 200


async def test_a_length_that_is_not_true_harms_nobody(client: httpx2.AsyncClient) -> None:
    too_long = await exchange(client, head(f"Content-Length: {10**17}"), b"{}")
    assert too_long.startswith(b"HTTP/1.1 413 ")
    # What is over the length would be a further request, and this connection was to end.
    surplus = await exchange(client, head(f"Content-Length: {len(HELLO)}"), HELLO + b"GET /docs HTTP/1.1\r\n\r\n")
    assert surplus.startswith(b"HTTP/1.1 200 ")
    assert surplus.count(b"HTTP/1.1") == 1
    both = await exchange(client, head("Content-Length: 3", "Transfer-Encoding: chunked"), b"2\r\n{}\r\n0\r\n\r\n")
    assert both[:13] in {b"HTTP/1.1 422 ", b"HTTP/1.1 400 "}
    assert (await client.get("/api/v1/conversations")).json()["items"][1:] == []


async def test_chunks_without_a_length_are_counted(client: httpx2.AsyncClient) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    answer = await exchange(client, head("Transfer-Encoding: chunked"), *[chunk] * 9)
    assert answer.startswith(b"HTTP/1.1 413 ") or answer == b"", "closed while the rest was on its way"
    small = await exchange(client, head("Transfer-Encoding: chunked"), b"14\r\n", HELLO, b"\r\n0\r\n\r\n")
    assert small.startswith(b"HTTP/1.1 200 ")


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


ECHO = Starlette(routes=[Route("/{path:path}", echo, methods=["POST"])])


async def test_a_body_that_does_not_arrive_in_time_is_408_and_its_connection_closed() -> None:
    assert BODY_SECONDS == 30
    slow: dict[str, tuple[bytes, ...]] = {
        "nothing": (head("Content-Length: 20"),),
        "the length promises more": (head("Content-Length: 21"), HELLO),
        "chunks without an end": (head("Transfer-Encoding: chunked"), b"14\r\n", HELLO, b"\r\n"),
    }
    async with served(BodyLimit(ECHO, max_bytes=1_000, max_seconds=0.1)) as client:
        for case, pieces in slow.items():
            # `exchange` reads to the end of the connection; without "close" of its own the client would keep it open.
            answer = await exchange(client, *(piece.replace(b"Connection: close\r\n", b"") for piece in pieces))
            assert answer.startswith(b"HTTP/1.1 408 "), case
            assert b'"code":"request_timeout"' in answer
            assert b"within 0.1 seconds" in answer
        assert (await client.post("/", content=HELLO)).content == HELLO


async def test_pieces_that_keep_coming_do_not_start_the_time_again() -> None:
    sent: list[Message] = []

    async def piece() -> Message:
        await asyncio.sleep(0)  # lets the clock be looked at
        return {"type": "http.request", "body": b"", "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    async with asyncio.timeout(5):
        await BodyLimit(ECHO, max_bytes=1_000, max_seconds=0.05)(scope, piece, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


async def test_head_answers_as_get_without_the_body(client: httpx2.AsyncClient) -> None:
    body = {"message": "I have a senior backend interview", "interview_type": "technical", "question_count": 1}
    reply = (await client.post("/api/v1/chat", json=body)).json()
    conversation, turn = (f"/api/v1/{name}s/{reply[f'{name}_id']}" for name in ("conversation", "turn"))
    addresses = ["/healthz", "/readyz", "/docs", "/docs/swagger-ui/swagger-ui.css", "/openapi.json", "/nowhere"]
    addresses += ["/api/v1/catalog", "/api/v1/questions", "/api/v1/conversations", conversation, turn, f"{turn}/events"]
    addresses += [f"{conversation}/export?format={name}" for name in ("json", "markdown", "csv", "pdf", "docx")]
    for address in addresses:
        whole, bare = await client.get(address), await client.head(address)
        changing = {"x-request-id", "date", "content-length"}
        expected, found = (
            {name: value for name, value in answer.headers.items() if name not in changing} for answer in (whole, bare)
        )
        found.setdefault("transfer-encoding", expected.get("transfer-encoding", ""))
        expected.setdefault("transfer-encoding", "")
        assert (bare.status_code, bare.content, found) == (whole.status_code, b"", expected), address
    assert (await client.head("/api/v1/chat")).status_code == 405


async def test_head_on_a_running_turn_s_events_does_not_wait_for_its_end(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Silence())
    async with serve(openai_settings()) as client:
        async with client.stream("POST", "/api/v1/chat", json={"message": "hello"}, headers=STREAM) as stream:
            turn = (await anext(events_of(stream))).data["turn_id"]
        async with asyncio.timeout(5):
            answer = await client.head(f"/api/v1/turns/{turn}/events")
        await model_server.until(lambda: model_server.answers_in_flight == 1)
        status = (await client.get(f"/api/v1/turns/{turn}")).json()["status"]
        await client.post(f"/api/v1/turns/{turn}/cancel")
    assert (answer.status_code, answer.content, status) == (200, b"", "running")
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_method_that_is_not_there_is_405(client: httpx2.AsyncClient) -> None:
    for method in ("BREW", "TRACE", "PROPFIND", "OPTIONS", "POST"):
        answer = await client.request(method, "/api/v1/conversations")
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), method
        assert answer.headers["Allow"] == "GET"
