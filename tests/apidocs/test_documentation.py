"""The documentation page: complete without any other host, and within its own policy, in a real browser."""

import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import httpx2
import pytest
from playwright.async_api import Page, Route, async_playwright

from tests.conftest import MakeSettings, Serve

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="this machine has no chromium to open /docs with")

NOTE_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`violation of ${event.violatedDirective}: ${event.blockedURI}`);
});
"""


@dataclass
class Visit:
    """A browser's page, and what it asked for and complained about."""

    page: Page
    address: str
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def requested_elsewhere(self) -> list[str]:
        return [url for url in self.requested if not url.startswith((f"{self.address}/", "data:"))]


@pytest.fixture
async def client(serve: Serve, make_settings: MakeSettings) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve(make_settings()) as served:
        yield served


@pytest.fixture
async def visit(client: httpx2.AsyncClient, tmp_path: Path) -> AsyncIterator[Visit]:
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=CHROMIUM, args=FLAGS
        ) as browser,
    ):
        page = await browser.new_page()
        visit = Visit(page, str(client.base_url).rstrip("/"))
        await page.add_init_script(NOTE_VIOLATIONS)
        page.on("request", lambda request: visit.requested.append(request.url))
        page.on("console", lambda said: visit.complaints.append(said.text))
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        yield visit


async def test_the_page_and_what_it_loads_come_from_here(client: httpx2.AsyncClient) -> None:
    page = await client.get("/docs")
    assert "http" not in page.text, "no other host is named"
    assert "<script>" not in page.text
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    for name, kind in {
        "start.js": "text/javascript",
        "swagger-ui/swagger-ui-bundle.js": "text/javascript",
        "swagger-ui/swagger-ui.css": "text/css",
        "swagger-ui/favicon-32x32.png": "image/png",
    }.items():
        file = await client.get(f"/docs/{name}")
        assert (file.status_code, file.headers["content-type"].split(";")[0]) == (200, kind)
        assert file.headers["Cache-Control"] == "no-cache"
        again = await client.get(f"/docs/{name}", headers={"If-None-Match": file.headers["etag"]})
        assert again.status_code in {200, 304}


async def test_there_is_nothing_else_below_it(client: httpx2.AsyncClient) -> None:
    for address in (
        "/redoc",
        "/docs/oauth2-redirect",
        "/docs/swagger-ui/../main.py",
        "/docs/swagger-ui/%2e%2e/main.py",
    ):
        assert (await client.get(address)).status_code == 404, address
    assert (await client.post("/docs/swagger-ui/swagger-ui.css")).status_code == 405


@needs_browser
async def test_it_lists_every_operation_without_a_violation_or_another_host(
    visit: Visit, client: httpx2.AsyncClient
) -> None:
    await visit.page.goto(f"{visit.address}/docs")
    await visit.page.wait_for_selector(".opblock")
    shown = await visit.page.locator(".opblock-summary-path").all_inner_texts()
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert sorted(path.replace("\u200b", "") for path in shown) == sorted(
        path for path, operations in paths.items() for _ in operations
    )
    assert visit.requested_elsewhere == []
    assert visit.complaints == []


@needs_browser
async def test_an_operation_can_be_tried_from_it(visit: Visit) -> None:
    """A POST, which the browser sends with the page's origin."""
    await visit.page.goto(f"{visit.address}/docs")
    await visit.page.click(".opblock-post:has-text('/api/v1/chat')")
    await visit.page.click("text=Try it out")
    await visit.page.fill(".body-param textarea", json.dumps({"message": "hello"}))
    await visit.page.click("button.execute")
    answer = await visit.page.inner_text(".live-responses-table .response .response-col_status")
    assert answer.split()[0] == "200"
    assert visit.requested[-1] == f"{visit.address}/api/v1/chat"
    assert visit.complaints == []


@needs_browser
async def test_signing_in_with_a_password_works_from_it(visit: Visit) -> None:
    """Once the description names a token address, "Authorize" asks there, and what it gets goes with every call."""
    sent: dict[str, list[str]] = {}
    tokens: list[str | None] = []

    async def describe(route: Route) -> None:
        description = await (await route.fetch()).json()
        flow = {"password": {"tokenUrl": "/api/v1/auth/token", "scopes": {}}}
        description["components"]["securitySchemes"] = {"password": {"type": "oauth2", "flows": flow}}
        description["security"] = [{"password": []}]
        await route.fulfill(json=description)

    async def give_token(route: Route) -> None:
        sent.update(parse_qs(route.request.post_data or ""))
        await route.fulfill(json={"access_token": "t0ken", "token_type": "bearer"})

    async def note_token(route: Route) -> None:
        tokens.append(await route.request.header_value("authorization"))
        await route.fulfill(json={})

    await visit.page.route("**/openapi.json", describe)
    await visit.page.route("**/api/v1/auth/token", give_token)
    await visit.page.route("**/api/v1/catalog", note_token)
    await visit.page.goto(f"{visit.address}/docs")
    await visit.page.click("button.authorize")
    await visit.page.fill("#oauth_username", "ada")
    await visit.page.fill("#oauth_password", "correct horse")
    await visit.page.click(".auth-btn-wrapper button.authorize")
    await visit.page.click(".auth-btn-wrapper button.btn-done")
    await visit.page.click(".opblock-get:has-text('/api/v1/catalog')")
    await visit.page.click("text=Try it out")
    async with visit.page.expect_response("**/api/v1/catalog"):
        await visit.page.click("button.execute")

    assert (sent["username"], sent["password"]) == (["ada"], ["correct horse"])
    assert tokens == ["Bearer t0ken"]
    # Of Swagger UI's fields for the password Chromium says that they stand in no form.
    assert [said for said in visit.complaints if not said.startswith("[DOM]")] == []
