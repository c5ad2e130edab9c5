"""`python -m app`: serve with the settings of the environment, under debugpy when `DEBUG_MODE` asks for it.

`python -m app purge` deletes conversations that are no longer used and compacts logs, once, for a schedule to call.
"""

import argparse
import asyncio
import shlex
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from pydantic import ValidationError

from app.core.config import MOST_DAYS, Role, Settings
from app.core.errors import CatalogError, NotReady
from app.core.logging import configure_logging

if TYPE_CHECKING:
    from app.core.database import Database

SHUTDOWN_SECONDS = 3
"""For requests in flight when the server is told to stop; container runtimes kill after ten."""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to reach a server that binds every address


class _Server(uvicorn.Server):
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
            host = ANY_ADDRESS.get(host, host)
            self._print_welcome(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn. Nobody new is let in; the turns end before the answers of whoever waits for them."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await self._end_turns()
        await super().shutdown(sockets)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the process's exit status: 2 for wrong settings, 3 for what is away."""
    given = _parser().parse_args(arguments)
    try:
        settings = Settings()
    except ValidationError as error:
        for gap in error.errors():
            name = ".".join(str(part) for part in gap["loc"]).upper()
            _complain(f"{name + ': ' if name else ''}{gap['msg']}")
        return 2
    configure_logging(settings)
    try:
        if given.command == "purge":
            return _purge(settings, given.unused_for_days, is_dry_run=given.dry_run)
        # First of all: a second server must not touch the database of the one that already runs.
        listener = _bind(settings)
        if settings.debug_mode:
            _start_debugger(settings)
        return _serve(settings, listener)
    except _CannotStart as error:
        _complain(str(error))
        return 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m app", description="Greenroom. Without a command it serves; settings come from the environment."
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    purge = commands.add_parser(
        "purge",
        help="delete conversations that are no longer used, and compact logs",
        description="Delete the conversations that nobody has used for so many days, with all that hangs on them, and "
        "compact the logs of turns as TURN_LOG_COMPACT_AFTER_HOURS says. The service may run meanwhile.",
    )
    purge.add_argument(
        "--unused-for-days",
        type=_days,
        metavar="N",
        help="instead of CONVERSATION_RETENTION_DAYS; with neither, no conversation is deleted",
    )
    purge.add_argument("--dry-run", action="store_true", help="only say how many there are")
    return parser


def _days(text: str) -> int:
    days = int(text) if text.isdecimal() else 0
    if not 1 <= days <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"say how many days, from 1 to {MOST_DAYS}")
    return days


def _purge(settings: Settings, days: int | None, *, is_dry_run: bool) -> int:
    from sqlalchemy.exc import OperationalError, ProgrammingError  # noqa: PLC0415 - a wrong setting should not wait for it

    from app.conversations.retention import Retention, Tidied  # noqa: PLC0415 - likewise
    from app.core.database import Database  # noqa: PLC0415 - likewise

    async def work() -> Tidied:
        database = Database(settings.async_database_url)
        try:
            retention = Retention.of(database, settings, conversation_days=days)
            return await (retention.preview() if is_dry_run else retention.tidy())
        finally:
            await database.dispose()

    _reach_database(settings, is_new_allowed=False)
    try:
        done = asyncio.run(work())
    except NotReady as error:
        raise _CannotStart(f"{error.detail} What was done so far is done; run this again") from error
    except (OperationalError, ProgrammingError) as error:
        # A table or a column that is not there: SQLite says the one, PostgreSQL the other.
        raise _CannotStart(
            "the database is not of this version; start the service once, which brings it there"
        ) from error
    deleted, compacted = ("to delete", "to compact") if is_dry_run else ("deleted", "compacted")
    print(f"conversations {deleted}: {done.conversations}; logs {compacted}: {done.logs}")  # noqa: T201 - the answer
    return 0


def _serve(settings: Settings, listener: socket.socket) -> int:
    # Only now: importing Semantic Kernel takes a second, which a wrong setting or a waiting debugger should not.
    from app.main import create_app, wind_down  # noqa: PLC0415

    try:
        app = create_app(settings)
    except CatalogError as error:
        _complain(str(error))
        return 3
    _reach_database(settings)
    config = uvicorn.Config(app, log_config=None, server_header=False, timeout_graceful_shutdown=SHUTDOWN_SECONDS)
    server = _Server(
        config, lambda: wind_down(app), _print_readiness if settings.role is Role.WORKER else _print_welcome
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again for the handler it found. Being told to stop is no failure.
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listener])
    return 0 if server.started else 3


class _CannotStart(Exception):
    """Something outside that is not there, or taken; says what to change."""


def _reach_database(settings: Settings, *, is_new_allowed: bool = True) -> None:
    """Try the database first: the server would end with the driver's long report, which names neither."""
    from sqlalchemy import create_engine  # noqa: PLC0415
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415

    from app.core.database import Database  # noqa: PLC0415

    database = Database(settings.async_database_url)
    if database.is_embedded and not is_new_allowed and not Path(database.place).is_file():
        raise _CannotStart(f"there is no database at {database.place}; check DATABASE_URL")
    try:
        if database.is_embedded:
            # In this thread: the driver's own thread outlives a file that does not open, and prints what it thinks.
            create_engine(database.url.set(drivername="sqlite")).connect().close()
        else:
            asyncio.run(_ping(database))
    except (NotReady, OperationalError) as error:
        raise _CannotStart(f"cannot reach the database at {database.place}; check DATABASE_URL") from error


async def _ping(database: "Database") -> None:
    try:
        await database.ping()
    finally:
        await database.dispose()


def _bind(settings: Settings) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in settings.app_host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.app_host, settings.app_port))
        # Until somebody listens, the port can be bound again: two servers that start together would both go on.
        listener.listen()
    except OSError as error:
        listener.close()
        where = f"{settings.app_host} port {settings.app_port}"
        raise _CannotStart(f"cannot listen on {where}: {error.strerror}; set APP_HOST or APP_PORT") from error
    return listener


def _start_debugger(settings: Settings) -> None:
    import debugpy  # noqa: PLC0415 - only a debugging session needs it

    where = f"{settings.debug_host} port {settings.debug_port}"
    try:
        debugpy.listen((settings.debug_host, settings.debug_port))
    except (OSError, RuntimeError) as error:
        raise _CannotStart(f"debugpy cannot listen on {where}: {error}; set DEBUG_HOST or DEBUG_PORT") from error
    if settings.debug_wait:
        print(f"Waiting for a debugger on {settings.debug_host}:{settings.debug_port}", flush=True)  # noqa: T201
        debugpy.wait_for_client()


def _print_welcome(address: str) -> None:
    body = '{"message": "I have a senior backend interview next week"}'
    chat = shlex.quote(f"{address}/api/v1/chat")
    print(  # noqa: T201 - this is for the person at the terminal, not for the log
        f"\nGreenroom serves on {address} (API documentation: {address}/docs)\n\n"
        f"  curl -s {chat} -H 'Content-Type: application/json' -d {shlex.quote(body)}\n",
        flush=True,
    )


def _print_readiness(address: str) -> None:
    """Of a worker, which answers nothing else."""
    print(f"\nGreenroom works on turns; it serves on {address} only:\n\n  curl -s {address}/readyz\n", flush=True)  # noqa: T201


def _complain(text: str) -> None:
    print(f"greenroom: {text}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
