"""`greenroom serve`: from the settings to a server that says where it is, and ends well."""

import asyncio
import shlex
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer
import uvicorn

from app.cli.failures import CannotStart
from app.core.config import Role, Settings
from app.core.errors import CatalogError, NotReady

if TYPE_CHECKING:
    from app.core.database import Database

SHUTDOWN_SECONDS = 3
"""For requests in flight when the server is told to stop; container runtimes kill after ten."""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach a server that binds every address


class Server(uvicorn.Server):
    """Says where it serves once it really does, and lets the turns end before the connections."""

    def __init__(
        self, config: uvicorn.Config, end_turns: Callable[[], Awaitable[None]], print_welcome: Callable[[str], None]
    ) -> None:
        super().__init__(config)
        self._end_turns = end_turns
        self._print_welcome = print_welcome

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._print_welcome(address_of(host, port))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn. Nobody new is let in; the turns end before the answers of whoever waits for them."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await self._end_turns()
        await super().shutdown(sockets)


def address_of(host: str, port: int) -> str:
    """Where this machine reaches a server that binds so."""
    host = ANY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(settings: Settings) -> int:
    """Serve until told to stop, under debugpy when `DEBUG_MODE` asks for it, and return the exit status.

    Raises:
        CannotStart: an address is taken, the database is away, or a plugin folder has a gap.
    """
    # First of all: a second server must not touch the database of the one that already runs.
    listener = bind(settings)
    if settings.debug_mode:
        _start_debugger(settings)
    server = make_server(settings, _print_readiness if settings.role is Role.WORKER else _print_welcome)
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again for the handler it found. Being told to stop is no failure.
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listener])
    return 0 if server.started else 3


def make_server(settings: Settings, print_welcome: Callable[[str], None]) -> "Server":
    """The server of these settings, which tells `print_welcome` its address once it serves.

    Raises:
        CannotStart: the database is away, or a plugin folder has a gap.
    """
    # Only now: importing Semantic Kernel takes a second, which a wrong setting or a waiting debugger should not.
    from app.core.telemetry import WrongTelemetry  # noqa: PLC0415 - likewise
    from app.main import create_app, wind_down  # noqa: PLC0415

    try:
        app = create_app(settings)
    except (CatalogError, WrongTelemetry) as error:
        raise CannotStart(str(error)) from error
    reach_database(settings)
    config = uvicorn.Config(app, log_config=None, server_header=False, timeout_graceful_shutdown=SHUTDOWN_SECONDS)
    return Server(config, lambda: wind_down(app), print_welcome)


def reach_database(settings: Settings, *, is_new_allowed: bool = True) -> None:
    """Try the database first: whatever else uses it would end with the driver's long report, which names neither.

    Raises:
        CannotStart: it is not there; says where it was looked for.
    """
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.exc import DatabaseError  # noqa: PLC0415

    from app.core.database import Database  # noqa: PLC0415

    database = Database(settings.async_database_url)
    if database.is_embedded and not is_new_allowed and not Path(database.place).is_file():
        raise CannotStart(f"there is no database at {database.place}; check DATABASE_URL")
    try:
        if database.is_embedded:
            # In this thread: the driver's own thread outlives a file that does not open, and prints what it thinks.
            with create_engine(database.url.set(drivername="sqlite")).connect() as connection:
                # What is no database at all is found out only when it is read.
                connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")
        else:
            asyncio.run(_ping(database))
    except (NotReady, DatabaseError) as error:
        place = f"{database.place}{_refusal(error)}"
        raise CannotStart(f"cannot reach the database at {place}; check DATABASE_URL") from error


def _refusal(error: BaseException | None) -> str:
    """What a PostgreSQL server says that does not let us in; it names database or user, and no password."""
    from asyncpg import PostgresError  # noqa: PLC0415 - as above

    while error is not None and not isinstance(error, PostgresError):
        error = error.__cause__
    return "" if error is None else f" ({error})"


async def _ping(database: "Database") -> None:
    try:
        await database.ping()
    finally:
        await database.dispose()


def bind(settings: Settings) -> socket.socket:
    """The socket that these settings serve on.

    Raises:
        CannotStart: the address is taken, or none of this machine's.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in settings.app_host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.app_host, settings.app_port))
        # Until somebody listens, the port can be bound again: two servers that start together would both go on.
        listener.listen()
    except OSError as error:
        listener.close()
        where = f"{settings.app_host} port {settings.app_port}"
        raise CannotStart(f"cannot listen on {where}: {error.strerror}; set APP_HOST or APP_PORT") from error
    return listener


def _start_debugger(settings: Settings) -> None:
    import debugpy  # noqa: PLC0415 - only a debugging session needs it

    where = f"{settings.debug_host} port {settings.debug_port}"
    try:
        debugpy.listen((settings.debug_host, settings.debug_port))
    except (OSError, RuntimeError) as error:
        raise CannotStart(f"debugpy cannot listen on {where}: {error}; set DEBUG_HOST or DEBUG_PORT") from error
    if settings.debug_wait:
        typer.echo(f"Waiting for a debugger on {settings.debug_host}:{settings.debug_port}")
        debugpy.wait_for_client()


def _print_welcome(address: str) -> None:
    body = '{"message": "I have a senior backend interview next week"}'
    chat = shlex.quote(f"{address}/api/v1/chat")
    typer.echo(
        f"\nGreenroom serves on {address} (API documentation: {address}/docs)\n\n"
        f"  curl -s {chat} -H 'Content-Type: application/json' -d {shlex.quote(body)}\n"
    )


def _print_readiness(address: str) -> None:
    """Of a worker, which answers nothing else."""
    typer.echo(f"\nGreenroom works on turns; it serves on {address} only:\n\n  curl -s {address}/readyz\n")
