"""A real server process: started as `make run` starts it, or forked from one that has imported everything already."""

import faulthandler
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Timer

import httpx2
import pytest

from app.cli.commands import main
from app.core.config import REPOSITORY_ROOT, Settings

START_SECONDS, STOP_SECONDS = 90, 20
STDOUT, STDERR = 1, 2

_FORKING = multiprocessing.get_context("forkserver")
# Importing Semantic Kernel takes longer than all that most of these tests do.
_FORKING.set_forkserver_preload(["app.cli.serving", "app.main", __name__])


class _Forked:
    """A process of the fork server, with as much of `Popen` as is needed here."""

    def __init__(self, folder: Path, variables: Mapping[str, str], errors: Path) -> None:
        self._reading, writing = _FORKING.Pipe(duplex=False)
        self._process = _FORKING.Process(target=_serve, args=(folder, variables, errors, writing))
        self._process.start()
        writing.close()
        self.stdout = open(self._reading.fileno(), encoding="utf-8", closefd=False)  # noqa: SIM115 - no path; closed by its owner

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a forked server", timeout or 0)
        return self.returncode


def _serve(folder: Path, variables: Mapping[str, str], errors: Path, output: Connection) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    os.dup2(output.fileno(), STDOUT)
    with errors.open("a", encoding="utf-8") as stderr:
        os.dup2(stderr.fileno(), STDERR)
    faulthandler.enable(STDERR)
    sys.exit(main(["serve"]))


@dataclass
class ServerProcess:
    """A running server, and what it said when it was ready."""

    process: "subprocess.Popen[str] | _Forked"
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
        with self._given(START_SECONDS):
            for line in self.process.stdout:
                self.welcome += line
                if line.strip().startswith("curl "):
                    return
        pytest.fail(f"the server ended with {self.process.wait()}:\n{self.log}")

    def end(self) -> str:
        """Wait until it ends by itself, and return what it printed."""
        assert self.process.stdout is not None
        with self._given(START_SECONDS):
            printed = self.process.stdout.read()
            self.process.wait()
        return printed

    @contextmanager
    def _given(self, seconds: float) -> Iterator[None]:
        """A server that takes longer writes where it stands into its log, and ends."""
        timer = Timer(seconds, self.process.send_signal, [signal.SIGABRT])
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

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
    variables, errors = _prepared(folder, changes)
    with errors.open("a", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            command or (sys.executable, "-m", "app", "serve"),
            cwd=folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    yield from _killed_at_the_end(ServerProcess(process, errors))


@contextmanager
def forked(folder: Path, **changes: str) -> Iterator[ServerProcess]:
    """The same, much sooner, and without what comes before the imports."""
    variables, errors = _prepared(folder, changes)
    yield from _killed_at_the_end(ServerProcess(_Forked(folder, variables, errors), errors))


def _prepared(folder: Path, changes: dict[str, str]) -> tuple[dict[str, str], Path]:
    """Its surroundings, and the file of its log."""
    folder.mkdir(parents=True, exist_ok=True)
    usual = {
        "APP_PORT": "0",
        "DATABASE_URL": f"sqlite:///{folder / 'greenroom.db'}",
        "PYTHONPATH": str(REPOSITORY_ROOT),
        "PYTHONFAULTHANDLER": "1",
    }
    return environment(**(usual | changes)), folder / "stderr.txt"


def _killed_at_the_end(server: ServerProcess) -> Iterator[ServerProcess]:
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()


@contextmanager
def taken_port() -> Iterator[int]:
    """A port of this machine that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def free_port() -> int:
    """A port of this machine that nobody listened on a moment ago."""
    with taken_port() as port:
        return port
