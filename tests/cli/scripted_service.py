"""A service that answers as a test says: Greenroom in trouble, or somebody else at its address."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from typing_extensions import override

TURN, CONVERSATION = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What is answered to one request."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    before_end: Callable[[], object] = lambda: None
    """Waited for before the connection is closed, which is the body's end."""
    is_cut: bool = False
    """The body has no end: the connection breaks after it, or, without a body, before the answer."""


class ScriptedService(ThreadingHTTPServer):
    """Plays its answers in the order in which requests arrive, and keeps the requests."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = deque(answers)
        self.received: list[Received] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedService

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.command, self.path, headers, body))
        answer = self.server.answers.popleft()
        self.close_connection = True
        if answer.is_cut and not answer.body:
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.is_cut:
            # More than comes.
            self.send_header("Content-Length", str(len(answer.body) + 1))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()
        answer.before_end()

    do_GET = do_POST = _answer  # noqa: N815 - the names that `http.server` looks for


@contextmanager
def scripted(*answers: Answer) -> Iterator[ScriptedService]:
    """Serve these answers; the test fails if one was not asked for."""
    with ScriptedService(*answers) as service:
        thread = Thread(target=service.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield service
        finally:
            service.shutdown()
            thread.join()
    assert not service.answers, f"not asked for: {list(service.answers)}"


def stream(*events: bytes, is_cut: bool = False, before_end: Callable[[], object] = lambda: None) -> Answer:
    """An answer of these server-sent events."""
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return Answer(b"".join(events), headers=headers, is_cut=is_cut, before_end=before_end)


def event(seq: int, kind: str, **fields: object) -> bytes:
    """As the service writes it."""
    data = json.dumps({"turn_id": TURN, **fields}, ensure_ascii=False, separators=(",", ":"))
    return f"event: {kind}\ndata: {data}\nid: {seq}\n\n".encode()


STARTED = event(1, "turn.started", conversation_id=CONVERSATION)


def says(seq: int, text: str) -> bytes:
    """A piece of the answer."""
    return event(seq, "text.delta", text=text)


def completed(seq: int) -> bytes:
    """The end of an answer without questions."""
    usage = {"model": "gpt-4o", "cost_usd": None}
    about = {"conversation_id": CONVERSATION, "agent": "technical", "usage": usage, "duration_ms": 100}
    return event(seq, "turn.completed", **about, question_set=None)


def conversation(*texts: str) -> Answer:
    """A whole turn that says these texts."""
    return stream(STARTED, *(says(seq, text) for seq, text in enumerate(texts, 2)), completed(len(texts) + 2))


def file(content: bytes) -> Answer:
    """An export."""
    headers = {"Content-Type": "text/markdown; charset=utf-8", "Content-Disposition": "attachment"}
    return Answer(content, headers=headers)
