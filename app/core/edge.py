"""The edge of the service: what every request passes before the application sees it, and every answer after.

`add_edge` puts the layers around an application, from the outermost:

SecurityHeaders   on every answer, a crash's included; what an endpoint sets itself stays
CORSMiddleware    only with `CORS_ORIGINS`; outside the rest, so that pages can read problems too
RequestContext    the request id, the log line, the answer to a crash
HostCheck         421 for a host that is not ours (DNS rebinding)
OriginCheck       403 for a change that another site's page asks for
PlainRequest      422 or 404 for NUL characters in the address
BodyLimit         413 and 408
HeadAsGet         HEAD answers as GET does, without the body

All are pure ASGI: a wrapper around `send` streams, and none holds an answer back.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from functools import partial
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.config import AuthMode, Settings
from app.core.errors import (
    FIELD_CHARACTERS,
    GreenroomError,
    InvalidRequest,
    MisdirectedRequest,
    NotFound,
    OriginRefused,
)
from app.core.hosts import host_name, is_listed, is_loopback, origin
from app.core.middleware import REQUEST_ID_HEADER, BodyLimit, RequestContext, problem_response
from app.core.telemetry import QUIET_PATHS, Telemetry

SECURITY_HEADERS = {
    # The API answers data, which nothing may load, run, frame or submit. Pages bring a policy of their own.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        f"{feature}=()"
        for feature in (
            *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture"),
            *("encrypted-media", "fullscreen", "geolocation", "gyroscope", "hid", "magnetometer", "microphone", "midi"),
            *("payment", "publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking"),
        )
    ),
    # Nearly every answer is somebody's conversation; the few that are not say so themselves.
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"
"""A year, and this host alone: what its neighbours speak is not ours to say."""

CORS_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
CORS_REQUEST_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "traceparent")
CORS_RESPONSE_HEADERS = (REQUEST_ID_HEADER, "Retry-After", "RateLimit", "RateLimit-Policy")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OTHER_SITES = frozenset({"cross-site", "same-site"})


def add_edge(app: Starlette, settings: Settings, telemetry: Telemetry) -> None:
    """Put the layers of this module around the application, as the settings say."""
    # The last one added is the outermost.
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    app.add_middleware(PlainRequest)
    app.add_middleware(OriginCheck, allowed=settings.cors_origins)
    if settings.auth_mode is AuthMode.LOCAL:
        app.add_middleware(HostCheck, names=())
    elif settings.allowed_hosts:
        # Probes and scrapers ask by address.
        app.add_middleware(HostCheck, names=settings.allowed_hosts, but_for=QUIET_PATHS)
    app.add_middleware(RequestContext, telemetry=telemetry)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_RESPONSE_HEADERS,
        )
    app.add_middleware(SecurityHeaders)


class SecurityHeaders:
    """Adds `SECURITY_HEADERS` to every answer that has not set them itself, and `HSTS` to those over TLS."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                # Behind a proxy that speaks TLS, uvicorn takes the scheme from the proxy's headers.
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", HSTS)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class _Gate(ABC):
    """Lets a request through, or answers it with the problem that `refusal` returns."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        problem = self.refusal(scope) if scope["type"] == "http" else None
        await (problem_response(problem) if problem else self.app)(scope, receive, send)

    @abstractmethod
    def refusal(self, scope: Scope) -> GreenroomError | None:
        """What is wrong with the request, judged by everything but its body."""


class HostCheck(_Gate):
    """Refuses requests to a host that is neither this machine nor one of `names`.

    A page of another site can make its own name lead to 127.0.0.1, and is then of one origin with the service that
    listens there. Its requests still carry that name.
    """

    def __init__(self, app: ASGIApp, names: Collection[str], *, but_for: Collection[str] = ()) -> None:
        super().__init__(app)
        self.names = names
        self.but_for = but_for
        """Paths that answer to any name."""

    def refusal(self, scope: Scope) -> GreenroomError | None:
        """A `MisdirectedRequest` unless the host is known; a request without one is none of a browser's."""
        host = host_name(Headers(scope=scope).get("host", ""))
        if is_loopback(host) or is_listed(host, self.names) or scope["path"] in self.but_for:
            return None
        return MisdirectedRequest(
            "The service answers to other host names than this one; with accounts, ALLOWED_HOSTS lists them."
            if self.names
            else "Without sign-in the service answers to localhost, 127.0.0.1 and ::1 only."
        )


class OriginCheck(_Gate):
    """Refuses changes that a page of another site asks for, unless its origin is in `CORS_ORIGINS`.

    Browsers name the origin with everything but GET and HEAD; what sends none, such as curl, is no browser. Without
    sign-in this is what keeps other sites out. With accounts it is a second lock: a page would need a token as well.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        super().__init__(app)
        self.allowed = allowed

    def refusal(self, scope: Scope) -> GreenroomError | None:
        """An `OriginRefused` for a change from elsewhere."""
        headers = Headers(scope=scope)
        if scope["method"] in SAFE_METHODS:
            return None
        own, asking = _own_origin(scope), headers.get("origin")
        if asking in self.allowed:
            return None
        is_foreign = asking is not None and asking != own
        if is_foreign or headers.get("sec-fetch-site", "").lower() in OTHER_SITES:
            return OriginRefused(
                f"Web pages may change something here from {own or 'the same origin'} only; "
                "the operator can add others to CORS_ORIGINS."
            )
        return None


def _own_origin(scope: Scope) -> str | None:
    """The origin of a page that was loaded from the address that this request came to."""
    try:
        return origin(f"{scope['scheme']}://{Headers(scope=scope).get('host', '')}")
    except ValueError:
        return None


class PlainRequest(_Gate):
    """Refuses NUL characters in an address: neither PostgreSQL nor a file system can look for one."""

    def refusal(self, scope: Scope) -> GreenroomError | None:
        """A `NotFound` for one in the path, an `InvalidRequest` that names the parameter for one in the query."""
        if "\x00" in scope["path"]:
            return NotFound("There is nothing at this address; see /docs.")
        if b"%00" not in scope["query_string"] and b"\x00" not in scope["query_string"]:
            return None
        pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        names = [name for name, value in pairs if "\x00" in name + value]
        fields = [name[:FIELD_CHARACTERS] if name.isprintable() else "query" for name in names]
        errors = [{"field": field, "message": "must not contain the NUL character"} for field in fields]
        return InvalidRequest("Send the query without NUL characters.", errors=errors) if errors else None


class HeadAsGet:
    """Answers HEAD on every GET route: the same status and headers, and no body.

    The answer ends with its headers. A stream is told that its client has left, as otherwise it would run to its end
    for nobody.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        answered = asyncio.Event()
        await self.app(
            {**scope, "method": "GET"},
            _receive_until(answered, receive),
            partial(_send_headers, send=send, answered=answered.set),
        )


def _receive_until(answered: asyncio.Event, receive: Receive) -> Receive:
    more = True

    async def receiving() -> Message:
        nonlocal more
        if more:
            message = await receive()
            more = message["type"] == "http.request" and message.get("more_body", False)
            return message
        await answered.wait()
        return {"type": "http.disconnect"}

    return receiving


async def _send_headers(message: Message, *, send: Send, answered: Callable[[], None]) -> None:
    if message["type"] == "http.response.start":
        await send(message)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        answered()
