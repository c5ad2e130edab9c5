"""Security headers, hosts, origins and CORS, over real connections."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.core.config import AuthMode
from app.core.edge import SECURITY_HEADERS, add_edge
from app.core.telemetry import Telemetry
from tests.accounts.people import SECRET_KEY
from tests.conftest import MakeSettings, Serve, served

ELSEWHERE = "https://evil.example"
APP = "https://app.example.com"


@pytest.fixture
async def local(serve: Serve, make_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve(make_settings()) as client:
        yield client


@pytest.fixture
async def shared(serve: Serve, make_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    """A service for others: it answers to its names, and one other site's pages may use it."""
    hosts = ("greenroom.example.com", "*.apps.example.com")
    async with serve(
        make_settings(
            auth_mode=AuthMode.ACCOUNTS,
            secret_key=SECRET_KEY,
            allowed_hosts=hosts,
            cors_origins=(APP,),
            max_body_bytes=2_000,
        )
    ) as client:
        yield client


def is_refused(response: httpx2.Response, status: int, code: str) -> bool:
    """Whether it is that problem, with everything that an answer has."""
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["X-Request-ID"]
    assert SECURITY_HEADERS.keys() <= {name.title().replace("-Id", "-ID") for name in response.headers}
    return (response.status_code, response.json()["code"]) == (status, code)


async def crash(_request: Request) -> Response:
    raise RuntimeError("as if by a defect")


async def page(_request: Request) -> Response:
    return PlainTextResponse(
        "a page", headers={"Content-Security-Policy": "default-src 'self'", "Cache-Control": "max-age=60"}
    )


async def test_every_answer_has_the_security_headers(local: httpx2.AsyncClient) -> None:
    answers = [
        await local.get("/healthz"),
        await local.get("/api/v1/catalog"),
        await local.get("/openapi.json"),
        await local.get("/nowhere"),
        await local.put("/api/v1/chat"),
        await local.post("/api/v1/chat", json={}),
        await local.post("/api/v1/chat", content=b"x" * 600_000),
        await local.post("/api/v1/chat", json={"message": "hello"}, headers={"Accept": "text/event-stream"}),
        await local.get("/healthz", headers={"Host": "evil.example"}),
        await local.post("/api/v1/chat", headers={"Origin": ELSEWHERE}),
        await local.request("OPTIONS", "/api/v1/chat"),
        await local.head("/healthz"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 405, 422, 413, 200, 421, 403, 405, 200]
    for answer in answers:
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS, answer.url
        assert "Strict-Transport-Security" not in answer.headers, "this came over http"
        assert "server" not in answer.headers


async def test_a_crash_has_them_too_and_what_an_endpoint_sets_stays(make_settings: MakeSettings) -> None:
    app = Starlette(routes=[Route("/crash", crash), Route("/page", page)])
    add_edge(app, make_settings(), Telemetry.from_environment())
    async with served(app) as client:
        crashed, shown = await client.get("/crash"), await client.get("/page")

    assert is_refused(crashed, 500, "internal_error")
    assert "defect" not in crashed.text
    assert shown.headers["Content-Security-Policy"] == "default-src 'self'"
    assert shown.headers["Cache-Control"] == "max-age=60"
    assert shown.headers["X-Frame-Options"] == "DENY"


async def test_tls_before_a_proxy_is_asked_for_again(local: httpx2.AsyncClient) -> None:
    for address in ("/healthz", "/nowhere"):
        answer = await local.get(address, headers={"X-Forwarded-Proto": "https"})
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "127.9.9.9", "localhost", "LOCALHOST:8000", "[::1]", "[::1]:8000"]
)
async def test_this_machine_answers_to_its_own_names(local: httpx2.AsyncClient, host: str) -> None:
    assert (await local.get("/api/v1/conversations", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "evil-localhost"),
        *("192.168.1.5:8000", "0.0.0.0", "[::]", "[fe80::1]", "2130706433", "0x7f.1", "user@127.0.0.1", "127.0.0.1/x"),  # noqa: S104 - refused
        *("localhost:80:80", "[::1", "", "evil.example\\127.0.0.1", "127.0.0.1#evil", "localhost."),
    ],
)
async def test_a_name_that_was_made_to_lead_here_is_refused(local: httpx2.AsyncClient, host: str) -> None:
    for method in ("GET", "POST", "HEAD", "OPTIONS"):
        answer = await local.request(method, "/api/v1/conversations", headers={"Host": host})
        assert answer.status_code == 421, method
    assert is_refused(await local.get("/docs", headers={"Host": host}), 421, "misdirected_request")


async def test_with_accounts_the_listed_names_and_this_machine_s_are_answered(shared: httpx2.AsyncClient) -> None:
    known = ("greenroom.example.com", "Greenroom.Example.com:443", "a.apps.example.com", "a.b.apps.example.com:8000")
    for host in (*known, "127.0.0.1:8000"):
        assert (await shared.get("/openapi.json", headers={"Host": host})).status_code == 200, host
    for host in ("example.com", "apps.example.com", "evilapps.example.com", "x.greenroom.example.com", "10.0.0.1"):
        assert is_refused(await shared.get("/openapi.json", headers={"Host": host}), 421, "misdirected_request"), host
        # Probes and scrapers ask by address.
        assert (await shared.get("/readyz", headers={"Host": host})).status_code == 200, host


async def test_with_accounts_and_no_names_any_is_answered(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings(auth_mode=AuthMode.ACCOUNTS, secret_key=SECRET_KEY)) as client:
        assert (await client.get("/readyz", headers={"Host": "anything.example"})).status_code == 200


FOREIGN: list[dict[str, str]] = [
    {"Origin": ELSEWHERE},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1"},  # another port of this machine is another program
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "Cross-Site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_page_of_another_site_changes_nothing(local: httpx2.AsyncClient, headers: dict[str, str]) -> None:
    chat: dict[str, Any] = {"json": {"message": "I have a senior backend interview"}}
    assert is_refused(await local.post("/api/v1/chat", **chat, headers=headers), 403, "origin_refused")
    for method in ("PUT", "PATCH", "DELETE", "BREW"):
        answer = await local.request(method, "/api/v1/conversations/1", headers=headers)
        assert is_refused(answer, 403, "origin_refused"), method
    page = await local.get("/api/v1/conversations", headers=headers)
    assert page.json()["items"] == [], "nothing was stored; and reading is not refused, but never readable elsewhere"
    assert "Access-Control-Allow-Origin" not in page.headers


async def test_its_own_page_and_what_is_no_browser_may_change_something(local: httpx2.AsyncClient) -> None:
    host = f"{local.base_url.host}:{local.base_url.port}"
    for headers in (
        {},
        {"Origin": f"http://{host}"},
        {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost", "Host": "localhost:80"},
        {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
        {"Origin": "https://localhost", "Host": "localhost", "X-Forwarded-Proto": "https"},
    ):
        answer = await local.post("/api/v1/chat", json={"message": "hello"}, headers=headers)
        assert answer.status_code == 200, (headers, answer.text)


async def test_without_cors_origins_no_page_elsewhere_reads_anything(local: httpx2.AsyncClient) -> None:
    asked = {"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"}
    for answer in (
        await local.request("OPTIONS", "/api/v1/chat", headers=asked),
        await local.get("/api/v1/catalog", headers={"Origin": ELSEWHERE}),
    ):
        assert [name for name in answer.headers if name.startswith("access-control-")] == []


async def test_the_pages_of_a_named_origin_may_use_the_api(shared: httpx2.AsyncClient) -> None:
    asked = {"Origin": APP, "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,content-type,idempotency-key,last-event-id"
    preflight = await shared.request("OPTIONS", "/api/v1/chat", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == APP
    assert "Access-Control-Allow-Credentials" not in preflight.headers, "tokens, not cookies"

    headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
    reply = await shared.post("/api/v1/chat", json={"message": "hello"}, headers=headers)
    too_large = await shared.post("/api/v1/chat", content=b"x" * 3_000, headers=headers)
    assert (reply.status_code, too_large.status_code) == (401, 413)
    for answer in (reply, too_large):
        assert answer.headers["Access-Control-Allow-Origin"] == APP, "a problem can be read as well"
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert exposed == ["X-Request-ID", "Retry-After", "RateLimit", "RateLimit-Policy"]


async def test_the_pages_of_any_other_origin_may_not(shared: httpx2.AsyncClient) -> None:
    for other in (ELSEWHERE, "https://app.example.com.evil.example", "http://app.example.com", f"{APP}:8443", "null"):
        asked = {"Origin": other, "Access-Control-Request-Method": "POST"}
        preflight = await shared.request("OPTIONS", "/api/v1/chat", headers=asked)
        assert preflight.status_code == 400
        refused = await shared.post("/api/v1/chat", json={"message": "hello"}, headers={"Origin": other})
        assert is_refused(refused, 403, "origin_refused")
        for answer in (preflight, refused):
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_headers_say_what_keeps_pages_out(local: httpx2.AsyncClient) -> None:
    headers = (await local.get("/healthz")).headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
