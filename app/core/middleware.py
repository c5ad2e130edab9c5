"""Pure ASGI middleware: the request id and its log line, and the limits on the body."""

import asyncio
import time
from http import HTTPStatus
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import PROBLEM_MEDIA_TYPE, BodyTooLarge, GreenroomError, InternalError, RequestTimeout
from app.core.telemetry import QUIET_PATHS, Telemetry, trace_id

REQUEST_ID_HEADER = "X-Request-ID"
REQUEST_ID_CHARACTERS = 64

BODY_SECONDS = 30.0
"""For the whole body, however it arrives. The server below sets no limit, and a waiting request holds its memory."""

LENGTH_DIGITS = 18
"""Of a `Content-Length` that is worth reading as a number."""

logger = structlog.get_logger(__name__)


def problem_response(error: GreenroomError) -> JSONResponse:
    """The problem document as a response, with the headers of its kind and `Retry-After` where it has one."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    wait = error.retry_after_seconds
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return JSONResponse(
        error.problem(request_id, trace_id()),
        status_code=error.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=headers | error.headers,
    )


class RequestContext:
    """Gives every request an id and a span, binds both to the log, and writes one line when the request is over."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self.app = app
        self.telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _request_id(headers.get(REQUEST_ID_HEADER))
        started = time.monotonic()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered(status)
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            self.telemetry.request(scope, headers.get("traceparent")) as answered,
        ):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception as error:
                logger.exception("request_crashed", error=type(error).__name__)
                if status == 0:
                    detail = "This is our fault; the server's log has the cause under the request id."
                    await problem_response(InternalError(detail))(scope, receive, send_with_id)
            finally:
                # Probes and scrapers come every few seconds, and would fill the log.
                is_quiet = scope["path"] in QUIET_PATHS and status == HTTPStatus.OK
                (logger.debug if is_quiet else logger.info)(
                    "request",
                    method=scope["method"],
                    path=_printable(scope["path"]),
                    status=status,
                    duration_ms=round((time.monotonic() - started) * 1000),
                )


class BodyLimit:
    """Answers 413 as soon as a body is over the limit, announced or not, and 408 when it is not there in time."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.max_seconds = max_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # A body is small enough to hold, so it is read here: an error from inside `receive` would not reach the client.
        try:
            self._check_announced(Headers(scope=scope).get("content-length", ""))
            messages = await self._body(receive)
        except (BodyTooLarge, RequestTimeout) as error:
            await _closing(error)(scope, receive, send)
            return

        async def replayed_receive() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, replayed_receive, send)

    def _check_announced(self, length: str) -> None:
        if length.isascii() and length.isdigit() and (len(length) > LENGTH_DIGITS or int(length) > self.max_bytes):
            raise self._too_large()

    async def _body(self, receive: Receive) -> list[Message]:
        messages: list[Message] = []
        received, more = 0, True
        try:
            async with asyncio.timeout(self.max_seconds):
                while more:
                    message = await receive()
                    messages.append(message)
                    received += len(message.get("body", b""))
                    more = message["type"] == "http.request" and message.get("more_body", False)
                    if received > self.max_bytes:
                        raise self._too_large()
        except TimeoutError as error:
            raise RequestTimeout(f"Send the whole body within {self.max_seconds:g} seconds.") from error
        return messages

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"Send at most {self.max_bytes} bytes.")


def _closing(error: GreenroomError) -> JSONResponse:
    """The problem, after which a late body is not waited for: the server would keep the connection open for it."""
    response = problem_response(error)
    if isinstance(error, RequestTimeout):
        response.headers["Connection"] = "close"
    return response


def _printable(path: str) -> str:
    """The path without what a terminal would act on, if somebody reads the log there."""
    return path if path.isprintable() else ascii(path)


def _request_id(given: str | None) -> str:
    """The caller's id if it is a plain one, so that logs of several services meet; else a new one."""
    if (
        given
        and len(given) <= REQUEST_ID_CHARACTERS
        and given.replace("-", "").replace("_", "").isalnum()
        and given.isascii()
    ):
        return given
    return uuid4().hex
