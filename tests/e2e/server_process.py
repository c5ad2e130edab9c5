"""A real server process, started as `make run` starts it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from app.core.config import REPOSITORY_ROOT, Settings

STOP_SECONDS = 20


@dataclass
class ServerProcess:
    """A running server, and what it said when it was ready."""

    process: subprocess.Popen[str]
    errors: Path
    welcome: str = ""

    @property
    def address(self) -> str:
        found = re.search(r"serves on (http://\S+)", self.welcome)
        assert found, self.welcome
        return found.group(1)

    @property
    def curl_line(self) -> str:
        return next(line.strip() for line in self.welcome.splitlines() if line.strip().startswith("curl "))

    @property
    def log(self) -> str:
        return self.errors.read_text(encoding="utf-8")

    def wait_until_ready(self) -> None:
        """Read what it prints up to the curl line; fail with its log when it ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.welcome += line
            if line.strip().startswith("curl "):
                return
        pytest.fail(f"the server ended with {self.process.wait()}:\n{self.log}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to stop and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def chat(self, **body: object) -> httpx2.Response:
        return httpx2.post(f"{self.address}/api/v1/chat", json=body, timeout=30)


def environment(**changes: str) -> dict[str, str]:
    """The surroundings of the process: none of our settings but these."""
    ours = {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() not in ours} | changes


@contextmanager
def launched(folder: Path, *command: str, **changes: str) -> Iterator[ServerProcess]:
    """Start the process in `folder`, whose `.env`, if any, it reads; it is killed at the end if it still runs."""
    folder.mkdir(exist_ok=True)
    variables = {"APP_PORT": "0", "DATABASE_URL": f"sqlite:///{folder / 'greenroom.db'}"} | changes
    variables["PYTHONPATH"] = str(REPOSITORY_ROOT)
    errors = folder / "stderr.txt"
    with errors.open("a", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            command or (sys.executable, "-m", "app"),
            cwd=folder,
            env=environment(**variables),
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        yield ServerProcess(process, errors)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def taken_port() -> Iterator[int]:
    """A port of this machine that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def free_port() -> int:
    """A port of this machine that nobody listened on a moment ago."""
    with taken_port() as port:
        return port
