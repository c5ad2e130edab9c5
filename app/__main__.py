"""`python -m app`: serve with the settings of the environment, under debugpy when `DEBUG_MODE` asks for it."""

import shlex
import socket
import sys

import uvicorn
from pydantic import ValidationError

from app.core.config import Settings
from app.core.errors import CatalogError
from app.core.logging import configure_logging


class _Server(uvicorn.Server):
    """Says where it serves once it really does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.started:
            _, port = self.servers[0].sockets[0].getsockname()[:2]
            _print_welcome(f"http://{self.config.host}:{port}")


def main() -> int:
    """Run until stopped; return the process's exit status."""
    try:
        settings = Settings()
    except ValidationError as error:
        for gap in error.errors():
            name = ".".join(str(part) for part in gap["loc"]).upper()
            _complain(f"{name + ': ' if name else ''}{gap['msg']}")
        return 2
    configure_logging(settings)
    if settings.debug_mode:
        _start_debugger(settings)
    # Only now: importing Semantic Kernel takes a second, which a wrong setting or a waiting debugger should not.
    from app.main import create_app  # noqa: PLC0415

    server = _Server(
        uvicorn.Config(create_app(settings), host=settings.app_host, port=settings.app_port, log_config=None)
    )
    try:
        server.run()
    except CatalogError as error:
        _complain(str(error))
        return 3
    return 0 if server.started else 3


def _start_debugger(settings: Settings) -> None:
    import debugpy  # noqa: PLC0415 - only a debugging session needs it

    debugpy.listen((settings.debug_host, settings.debug_port))
    if settings.debug_wait:
        print(f"Waiting for a debugger on {settings.debug_host}:{settings.debug_port}", flush=True)  # noqa: T201
        debugpy.wait_for_client()


def _print_welcome(address: str) -> None:
    body = '{"message": "I have a senior backend interview next week"}'
    print(  # noqa: T201 - this is for the person at the terminal, not for the log
        f"\nGreenroom serves on {address} (API documentation: {address}/docs)\n\n"
        f"  curl -s {address}/api/v1/chat -H 'Content-Type: application/json' -d {shlex.quote(body)}\n",
        flush=True,
    )


def _complain(text: str) -> None:
    print(f"greenroom: {text}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
