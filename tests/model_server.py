"""A scripted model provider that speaks OpenAI's chat-completions protocol over loopback.

The real ``openai`` client and the real Semantic Kernel talk to it over TCP; nothing is patched. A test queues *steps*,
one per request, and the server plays them in the order in which requests arrive::

    with ModelServer() as server:
        server.script(CallTools((ToolCall("Handoff-transfer_to_technical"),)), Say("Five questions …"))
        ...  # point a client at server.base_url or server.azure_endpoint
        server.verify()

Like the real provider it refuses conversations that break the protocol (a tool call without its result, a result
without its call, a bad tool name). The server lives in its own thread with its own event loop, so the test's loop may
be blocked. It holds no sockets, tasks or threads after the ``with`` block.
"""

import asyncio
import contextlib
import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from tests import model_wire as wire
from tests.model_wire import (
    DEFAULT_USAGE,
    CallTools,
    ContentFilter,
    CutStream,
    Empty,
    Fail,
    LengthStop,
    Malformed,
    RecordedRequest,
    Say,
    Silence,
    Step,
    ToolCall,
    Usage,
)

__all__ = [
    "DEFAULT_USAGE",
    "CallTools",
    "ContentFilter",
    "CutStream",
    "Empty",
    "Fail",
    "LengthStop",
    "Malformed",
    "ModelServer",
    "RecordedRequest",
    "Say",
    "Silence",
    "Step",
    "ToolCall",
    "Usage",
]

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_RECORDED_REQUESTS = 10_000
START_AND_STOP_TIMEOUT_SECONDS = 5.0


class ModelServer:
    """The provider. All public attributes may be read from any thread while requests are being answered."""

    def __init__(self) -> None:
        self.unexpected: list[RecordedRequest] = []
        """Requests that no step was left for, that broke the protocol or asked for another route."""
        self.failed_expectations: list[str] = []
        self.aborted_by_client = 0
        """Answers whose client went away before the end."""
        self.answers_in_flight = 0
        self._requests: deque[RecordedRequest] = deque(maxlen=MAX_RECORDED_REQUESTS)
        self._steps: deque[Step] = deque()
        self._responder: Callable[[RecordedRequest], Step] | None = None
        self._lock = threading.Lock()
        self._changed = threading.Condition()
        self._ids = itertools.count(1)
        self._connections: set[_Connection] = set()
        self._started: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._port, self._loop, self._closing = self._started.result(START_AND_STOP_TIMEOUT_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop every connection and stop; a second call does nothing."""
        with contextlib.suppress(RuntimeError):  # The loop is closed already.
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(START_AND_STOP_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError("the model server did not stop")

    @property
    def base_url(self) -> str:
        """For ``AsyncOpenAI(base_url=…)``."""
        return f"{self.azure_endpoint}/v1"

    @property
    def azure_endpoint(self) -> str:
        """For ``AsyncAzureOpenAI(azure_endpoint=…)``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def requests(self) -> list[RecordedRequest]:
        """Valid chat-completions requests so far, oldest first."""
        with self._lock:
            return list(self._requests)

    @property
    def open_connections(self) -> int:
        return len(self._connections)

    async def until(self, holds: Callable[[], bool], timeout_seconds: float = 20.0) -> None:
        """Return as soon as a claim about this server's counters holds; TimeoutError if it never does.

        The claim is looked at again whenever a connection or an answer begins or ends.
        """

        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(holds, timeout_seconds)

        if not await asyncio.to_thread(wait):
            raise TimeoutError

    def script(self, *steps: Step) -> None:
        """Queue steps behind those that wait already."""
        with self._lock:
            self._steps.extend(steps)

    def respond_with(self, responder: Callable[[RecordedRequest], Step]) -> None:
        """Let a function, called in the server's thread, answer whatever the script does not."""
        self._responder = responder

    def verify(self) -> None:
        """Raise AssertionError unless every request was scripted and met its expectation, and every step was used."""
        with self._lock:
            problems = [f"unexpected request: {r.path} {wire.summary(r)}" for r in self.unexpected]
            problems += self.failed_expectations
            problems += [f"unconsumed step: {step}" for step in self._steps]
        if problems:
            raise AssertionError("\n".join(problems))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve_until_closed())
        except OSError as error:
            self._started.set_exception(error)

    async def _serve_until_closed(self) -> None:
        loop, closing = asyncio.get_running_loop(), asyncio.Event()
        listener = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self._started.set_result((listener.sockets[0].getsockname()[1], loop, closing))
        await closing.wait()
        listener.close()
        for connection in tuple(self._connections):
            connection.transport.abort()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)

    async def handle(self, connection: "_Connection") -> None:
        """Answer the requests of one connection until either side ends it."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not connection.gone.is_set():
                request = await _read_request(connection.reader)
                step = self._next_step(request)
                self._count(answers=1)
                try:
                    completed = await _while_client_stays(connection, self._answer(step, request, connection))
                finally:
                    self._count(answers=-1)
                if not completed and not self._closing.is_set():
                    self._count(aborted=1)

    def connected(self, connection: "_Connection") -> None:
        self._connections.add(connection)
        self._count()

    def disconnected(self, connection: "_Connection") -> None:
        self._connections.discard(connection)
        self._count()

    def _count(self, *, answers: int = 0, aborted: int = 0) -> None:
        with self._changed:
            self.answers_in_flight += answers
            self.aborted_by_client += aborted
            self._changed.notify_all()

    def _next_step(self, request: RecordedRequest) -> Step:
        with self._lock:
            if problem := wire.protocol_problem(request):
                self.unexpected.append(request)
                return problem
            self._requests.append(request)
            step = self._steps.popleft() if self._steps else None
        try:
            step = step or (self._responder and self._responder(request))
            if step is None:
                self.unexpected.append(request)
                return Fail(500, "unexpected_request", "the script has no step left for this request")
            met = step.expect is None or step.expect(request)
        except Exception as error:  # noqa: BLE001 - a test's own callable failed: verify() reports it
            self.failed_expectations.append(f"{error!r} on {wire.summary(request)}")
            return step or Fail(500, "responder_failed", repr(error))
        if not met:
            self.failed_expectations.append(f"{step} did not expect {wire.summary(request)}")
        return step

    async def _answer(self, step: Step, request: RecordedRequest, connection: "_Connection") -> None:
        match step:
            case Fail():
                await connection.send(wire.error_answer(step))
            case Malformed():
                await connection.send(wire.malformed_answer(request))
            case CutStream(after_pieces=0):
                connection.transport.abort()
            case Silence() if step.after_pieces == 0 or not request.is_stream:
                await _for_ever()
            case _ if request.is_stream:
                await self._send_stream(step, request, connection)
            case CutStream():
                await connection.send(wire.whole_answer(step, request, self._ids)[:-20])
                connection.transport.abort()
            case _:
                await asyncio.sleep(step.delay_seconds_per_piece)
                await connection.send(wire.whole_answer(step, request, self._ids))

    async def _send_stream(self, step: wire.Answer, request: RecordedRequest, connection: "_Connection") -> None:
        stream = wire.AnswerStream(step, request, self._ids)
        await connection.send(stream.opening())
        for piece in stream.pieces():
            await connection.send(piece)
            await asyncio.sleep(step.delay_seconds_per_piece)
        match step:
            case Silence():
                await _for_ever()
            case CutStream():
                connection.transport.abort()
            case _:
                await connection.send(stream.ending())


class _Connection(asyncio.StreamReaderProtocol):
    """One client's connection, which knows at once when the client has gone, even while nothing is being written."""

    transport: asyncio.Transport

    def __init__(self, server: ModelServer) -> None:
        self.reader = asyncio.StreamReader(limit=MAX_HEADER_BYTES)
        self.gone = asyncio.Event()
        self._server = server
        super().__init__(self.reader, self._serve)

    async def _serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._drain = writer.drain
        try:
            await self._server.handle(self)
        finally:
            writer.close()

    async def send(self, data: bytes) -> None:
        self.transport.write(data)
        await self._drain()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._server.connected(self)
        super().connection_made(transport)

    def eof_received(self) -> bool:
        self.gone.set()
        return bool(super().eof_received())

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self._server.disconnected(self)
        super().connection_lost(exc)


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def _while_client_stays(connection: _Connection, answer: Coroutine[Any, Any, None]) -> bool:
    """Run the answer until it ends or the client leaves; True when it ended first."""
    writing = asyncio.ensure_future(answer)
    leaving = asyncio.ensure_future(connection.gone.wait())
    try:
        await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not writing.done():
            return False
        try:
            writing.result()
        except ConnectionError:
            return False
        return True
    finally:
        for task in (writing, leaving):
            task.cancel()
        await asyncio.gather(writing, leaving, return_exceptions=True)


async def _read_request(reader: asyncio.StreamReader) -> RecordedRequest:
    """Read one request; IncompleteReadError at the end of the connection, ConnectionError when it is too large."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError as error:
        raise ConnectionError("request head too large") from error
    request_line, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", 0))
    if length > MAX_BODY_BYTES:
        raise ConnectionError("request body too large")
    content = await reader.readexactly(length)
    target = urlsplit(request_line.split(" ")[1])
    return RecordedRequest(
        path=unquote(target.path),
        query=dict(parse_qsl(target.query)),
        headers=headers,
        body=json.loads(content or b"{}"),
        received_at_seconds=time.monotonic(),
    )
