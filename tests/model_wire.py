"""What travels between a client and the scripted provider of ``model_server``: requests, steps and their bytes.

Values and pure functions only; the sockets are in ``model_server``.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_ROUTE = re.compile(r"^(?:/v1|/openai/deployments/(?P<deployment>[^/]+))/chat/completions$")
_TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_CREATED_AT = 1_760_000_000


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One chat-completions request as it arrived on the wire; header names are lower case."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    received_at_seconds: float
    """The server's monotonic clock; only differences mean something."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        return list(self.body.get("messages", ()))

    @property
    def tool_names(self) -> tuple[str, ...]:
        """What the model may call, in the order offered, e.g. ``Handoff-complete_task``."""
        return tuple(tool["function"]["name"] for tool in self.body.get("tools") or ())

    @property
    def system_text(self) -> str:
        """All instructions, under either of the two roles that carry them."""
        return "\n".join(_text_of(m) for m in self.messages if m.get("role") in {"system", "developer"})

    @property
    def last_user_text(self) -> str:
        return next((_text_of(m) for m in reversed(self.messages) if m.get("role") == "user"), "")

    @property
    def model(self) -> str:
        """The requested model; on the Azure route the deployment named by the path."""
        route = _ROUTE.match(self.path)
        return (route and route["deployment"]) or str(self.body.get("model", ""))

    @property
    def is_stream(self) -> bool:
        return self.body.get("stream") is True

    @property
    def is_technique(self) -> bool:
        """A prompt technique is called without tools; an agent always has at least its handoffs."""
        return not self.tool_names


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts; ``cached_input`` is part of ``input``, ``reasoning`` is part of ``output``, as on the wire."""

    input: int = 10
    cached_input: int = 0
    output: int = 5
    reasoning: int = 0

    def to_wire(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.input,
            "completion_tokens": self.output,
            "total_tokens": self.input + self.output,
            "prompt_tokens_details": {"cached_tokens": self.cached_input, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning, "audio_tokens": 0},
        }


DEFAULT_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call in an answer; ``arguments`` given as a string go out verbatim, even when they are not JSON."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None

    @property
    def arguments_json(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(dict(self.arguments))


@dataclass(frozen=True, kw_only=True)
class _Step:
    expect: Callable[[RecordedRequest], bool] | None = None
    """Checked against the request that takes the step; a miss is answered all the same and reported by ``verify``."""


@dataclass(frozen=True, kw_only=True)
class Answer(_Step):
    """What all steps have in common that say something."""

    usage: Usage | None = DEFAULT_USAGE
    """None: the provider reports no usage, even when the client asks for it."""
    delay_seconds_per_piece: float = 0.0
    """An answer that does not stream waits for one piece."""


@dataclass(frozen=True)
class Say(Answer):
    """Text that ends with ``stop``, streamed in about equal pieces."""

    text: str
    pieces: int = 4


@dataclass(frozen=True)
class CallTools(Answer):
    """Tool calls, each streamed as the name first and then its arguments in fragments."""

    calls: tuple[ToolCall, ...]
    preamble: str = ""
    pieces: int = 3


@dataclass(frozen=True)
class LengthStop(Answer):
    """Text, and tool calls after it, broken off by the output limit (``finish_reason`` is ``length``)."""

    text: str
    pieces: int = 4
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True)
class ContentFilter(Answer):
    """An answer stopped by the provider's filter (``finish_reason`` is ``content_filter``)."""

    text: str = ""
    pieces: int = 1


@dataclass(frozen=True)
class Empty(Answer):
    """``stop`` without any content."""


@dataclass(frozen=True)
class CutStream(Answer):
    """The connection ends after ``text`` went out in ``after_pieces`` pieces; 0 ends it before the status line."""

    after_pieces: int = 1
    text: str = "half an ans"
    calls: tuple[ToolCall, ...] = ()
    """Begun after the text; their arguments are what arrives of them."""


@dataclass(frozen=True)
class Silence(Answer):
    """As ``CutStream``, but the connection stays open and nothing follows until the client or the server goes away."""

    after_pieces: int = 0
    text: str = "let me think"
    calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True)
class Fail(_Step):
    """An error answer in OpenAI's JSON shape; ``retry_after`` is in seconds."""

    status: int
    code: str | None = None
    message: str = "scripted failure"
    retry_after: float | None = None


@dataclass(frozen=True)
class Malformed(_Step):
    """Status 200 and a body that is not JSON: one bad data line in a stream, a web page otherwise."""


Step = Say | CallTools | LengthStop | ContentFilter | Empty | CutStream | Silence | Fail | Malformed


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What an answering step says, whichever way it is sent."""

    text: str = ""
    pieces: int = 1
    calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"


def _spoken(step: Answer) -> _Spoken:
    match step:
        case CallTools():
            return _Spoken(step.preamble, step.pieces, step.calls, "tool_calls")
        case LengthStop():
            return _Spoken(step.text, step.pieces, step.calls, "length")
        case ContentFilter():
            return _Spoken(step.text, step.pieces, finish_reason="content_filter")
        case Say():
            return _Spoken(step.text, step.pieces)
        case CutStream() | Silence():
            return _Spoken(step.text, step.after_pieces, step.calls)
    return _Spoken()


def _deltas(spoken: _Spoken, ids: Iterator[int]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": None if spoken.calls and not spoken.text else "", "refusal": None}
    for piece in _split(spoken.text, spoken.pieces):
        yield {"content": piece}
    for index, call in enumerate(spoken.calls):
        yield {"tool_calls": [{"index": index, **_wire_call(call, next(ids), "")}]}
        for fragment in _split(call.arguments_json, spoken.pieces):
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


def _wire_call(call: ToolCall, number: int, arguments: str) -> dict[str, Any]:
    return {
        "id": call.id or f"call_{number}",
        "type": "function",
        "function": {"name": call.name, "arguments": arguments},
    }


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _split(text: str, pieces: int) -> list[str]:
    size = max(1, -(-len(text) // max(pieces, 1)))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def summary(request: RecordedRequest) -> str:
    return f"model={request.model!r} tools={request.tool_names} last_user_text={request.last_user_text[:80]!r}"


def protocol_problem(request: RecordedRequest) -> Fail | None:
    """Say what the real provider would refuse with 400, as far as an agent framework can get it wrong."""
    if not _ROUTE.match(request.path):
        return Fail(404, "not_found", f"no such route: {request.path}")
    if not request.model or not request.messages:
        return Fail(400, "missing_required_parameter", "model and messages are required")
    for name in request.tool_names:
        if not _TOOL_NAME.match(name):
            return Fail(400, "invalid_value", f"bad tool name {name!r}")
    pending: set[str] = set()
    for message in [*request.messages, {"role": "end"}]:
        if message["role"] == "tool":
            if message.get("tool_call_id") not in pending:
                return Fail(400, "invalid_value", "a tool message must answer a preceding tool call")
            pending.discard(message["tool_call_id"])
            continue
        if pending:
            return Fail(400, "invalid_value", f"tool calls without a tool message: {sorted(pending)}")
        pending = {call["id"] for call in message.get("tool_calls") or ()}
    return None


class AnswerStream:
    """The HTTP answer to one streaming request: an opening, the pieces one by one, and an ending."""

    def __init__(self, step: Answer, request: RecordedRequest, ids: Iterator[int]) -> None:
        self._spoken = _spoken(step)
        self._ids = ids
        self._is_azure = request.path.startswith("/openai/")
        self._usage = step.usage if (request.body.get("stream_options") or {}).get("include_usage") else None
        self._base = _envelope("chat.completion.chunk", request, ids)
        if self._usage:
            self._base["usage"] = None

    def opening(self) -> bytes:
        """Return the head; Azure adds a first chunk without any choice."""
        return _STREAM_HEAD + (self._event(choices=[], id="", model="") if self._is_azure else b"")

    def pieces(self) -> Iterator[bytes]:
        for delta in _deltas(self._spoken, self._ids):
            yield self._event(choices=[_choice(delta, None)])

    def ending(self) -> bytes:
        """Return the finish reason, the usage if it was asked for, and the end marks."""
        end = self._event(choices=[_choice({}, self._spoken.finish_reason)])
        if self._usage:
            end += self._event(choices=[], usage=self._usage.to_wire())
        return end + _chunk(b"data: [DONE]\n\n") + _LAST_CHUNK

    def _event(self, **fields: object) -> bytes:
        return _chunk(f"data: {json.dumps({**self._base, **fields})}\n\n".encode())


def whole_answer(step: Answer, request: RecordedRequest, ids: Iterator[int]) -> bytes:
    """Return the HTTP answer to a request that does not stream."""
    spoken = _spoken(step)
    message: dict[str, Any] = {"role": "assistant", "content": spoken.text or None, "refusal": None}
    if spoken.calls:
        message["tool_calls"] = [_wire_call(call, next(ids), call.arguments_json) for call in spoken.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": spoken.finish_reason}
    body = {**_envelope("chat.completion", request, ids), "choices": [choice]}
    if step.usage:
        body["usage"] = step.usage.to_wire()
    return _http_answer(200, json.dumps(body).encode())


def error_answer(step: Fail) -> bytes:
    """Return an error in OpenAI's shape."""
    kind = "server_error" if step.status >= 500 else "invalid_request_error"
    body = {"error": {"message": step.message, "type": kind, "param": None, "code": step.code}}
    retry = () if step.retry_after is None else (f"Retry-After: {step.retry_after:g}",)
    return _http_answer(step.status, json.dumps(body).encode(), *retry)


def malformed_answer(request: RecordedRequest) -> bytes:
    """Return status 200 with a body that no JSON parser takes."""
    if request.is_stream:
        return _STREAM_HEAD + _chunk(b'data: {"id": "chatcmpl-\n\n') + _LAST_CHUNK
    return _http_answer(200, b"<html>")


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _http_answer(status: int, content: bytes, *headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Scripted",
        f"Content-Length: {len(content)}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def _envelope(kind: str, request: RecordedRequest, ids: Iterator[int]) -> dict[str, Any]:
    return {"id": f"chatcmpl-{next(ids)}", "object": kind, "created": _CREATED_AT, "model": request.model}
