"""The server as a person runs it: it says where it is, the curl line works, it stops cleanly and fails readably."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from app.core.config import REPOSITORY_ROOT
from tests.accounts.people import SECRET_KEY
from tests.e2e.server_process import environment, forked, free_port, launched, taken_port
from tests.model_server import ModelServer, Silence

ENTRYPOINT = REPOSITORY_ROOT / "docker" / "entrypoint.sh"


@pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl to paste the line into")
def test_the_printed_curl_line_works_and_its_conversation_goes_on_after_a_restart(tmp_path: Path) -> None:
    """No key: the offline engine answers. The second start is the container's."""
    with launched(tmp_path) as server:
        server.wait_until_ready()
        pasted = paste(server.curl_line)
        assert server.stop(signal.SIGINT) == 0
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    before, code = json.loads(pasted.rsplit("\n", 1)[0]), pasted.rsplit("\n", 1)[1]
    with launched(tmp_path, "sh", str(ENTRYPOINT), "serve", PATH=path) as server:
        server.wait_until_ready()
        second = server.chat(message="make question 3 harder", conversation_id=before["conversation_id"])
        # The shell has replaced itself, so that the signal reaches the server.
        assert server.stop(signal.SIGTERM) == 0

    assert code == "200"
    assert before["agent"] == "technical"
    assert before["handoffs"] == [{"from": "triage", "to": "technical"}]
    assert len(_questions(before)) == 5
    assert "no language model" in before["reply"].lower()
    after = second.json()
    assert second.status_code == 200, second.text
    assert after["handoffs"] == []
    assert after["question_set"]["revision"] == 2
    same = [left == right for left, right in zip(_questions(before), _questions(after), strict=True)]
    assert same == [True, True, False, True, True]
    assert "Traceback" not in server.log


def paste(line: str) -> str:
    """What the line prints in a shell, and below it the status of the answer."""
    result = subprocess.run(
        ["sh", "-c", f"{line} -w '\\n%{{http_code}}'"],
        env=environment(no_proxy="127.0.0.1"),
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout


def _questions(reply: dict[str, dict[str, list[object]]]) -> list[object]:
    return reply["question_set"]["questions"]


def test_told_to_stop_during_turns_it_sends_whoever_waits_away_and_leaves_the_turns_to_the_restart(
    tmp_path: Path,
) -> None:
    body = {"message": "hello there", "interview_type": "technical"}
    with ModelServer() as model, ThreadPoolExecutor(1) as elsewhere:
        model.script(Silence(), Silence())
        provider = {"OPENAI_BASE_URL": model.base_url, "DEFAULT_MODEL": "gpt-4o", "TURN_TIMEOUT_SECONDS": "600"}
        provider["DRAIN_SECONDS"] = "0.2"
        with forked(tmp_path, **provider) as server:
            server.wait_until_ready()
            address = f"{server.address}/api/v1/chat"
            waiting = elsewhere.submit(httpx2.post, address, json=body, timeout=30)
            with httpx2.stream(
                "POST", address, json=body, headers={"Accept": "text/event-stream"}, timeout=30
            ) as stream:
                lines = stream.iter_lines()
                assert next(line for line in lines if line) == "event: turn.started"
                asyncio.run(model.until(lambda: model.answers_in_flight == 2, 10))
                status = server.stop()
                rest = [line for line in lines if line]
            problem = waiting.result()
        model.verify()

    assert status == 0
    assert "Traceback" not in server.log
    assert rest[-1] == "retry: 1000"
    assert not [line for line in rest if line.startswith("event: turn.")], "the turn has not ended"
    assert (problem.status_code, problem.json()["code"]) == (503, "turn_interrupted")
    with closing(sqlite3.connect(tmp_path / "greenroom.db")) as database:
        assert database.execute("SELECT status FROM turn").fetchall() == [("running",)] * 2
        assert database.execute("SELECT text FROM message").fetchall() == [("hello there",)] * 2


def test_a_taken_port_is_said_in_one_line_and_the_database_is_left_alone(tmp_path: Path) -> None:
    with taken_port() as port, launched(tmp_path, APP_PORT=str(port)) as server:
        output = server.end()

    assert server.process.returncode == 3
    assert output == ""
    assert f"greenroom: cannot listen on 127.0.0.1 port {port}" in server.log
    assert "APP_PORT" in server.log
    assert "Traceback" not in server.log
    assert not (tmp_path / "greenroom.db").exists(), "another server may be using it"


UNREACHABLE = {
    "nobody listens": "postgresql://greenroom:hunter2@127.0.0.1:{port}/greenroom",
    "no such folder": "sqlite:///{folder}/missing/greenroom.db",
}


@pytest.mark.parametrize("case", UNREACHABLE)
def test_a_database_that_cannot_be_reached_is_said_in_one_line(case: str, tmp_path: Path) -> None:
    port = free_port()
    place = {"nobody listens": f"127.0.0.1:{port}", "no such folder": f"{tmp_path}/missing/greenroom.db"}[case]
    with launched(tmp_path, DATABASE_URL=UNREACHABLE[case].format(port=port, folder=tmp_path)) as server:
        output = server.end()

    assert server.process.returncode == 3
    assert output == ""
    assert server.log == f"greenroom: cannot reach the database at {place}; check DATABASE_URL\n"


def test_a_port_is_taken_as_soon_as_another_server_starts_and_not_only_when_it_serves(tmp_path: Path) -> None:
    port, debug_port = str(free_port()), str(free_port())
    starting, late = tmp_path / "starting", tmp_path / "late"
    starting.mkdir()
    late.mkdir()
    with launched(starting, APP_PORT=port, DEBUG_MODE="true", DEBUG_WAIT="true", DEBUG_PORT=debug_port) as first:
        assert first.process.stdout is not None
        assert first.process.stdout.readline().startswith("Waiting for a debugger")
        with launched(late, APP_PORT=port) as second:
            second.end()

    assert second.process.returncode == 3
    assert second.log.startswith(f"greenroom: cannot listen on 127.0.0.1 port {port}")
    assert not (late / "greenroom.db").exists()


BAD_SETTINGS = {
    "no number": ({"APP_PORT": "eighty"}, "APP_PORT"),
    "out of range": ({"TURN_TIMEOUT_SECONDS": "0"}, "TURN_TIMEOUT_SECONDS"),
    "no such level": ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
    "another database": ({"DATABASE_URL": "mysql://root:hunter2@localhost/greenroom"}, "DATABASE_URL"),
    "half of Azure": ({"AZURE_OPENAI_ENDPOINT": "https://example.invalid"}, "AZURE_OPENAI_API_KEY"),
    "an address of another machine": (
        {"APP_HOST": "192.0.2.1", "AUTH_MODE": "accounts", "SECRET_KEY": SECRET_KEY},
        "APP_HOST",
    ),
    "every address without sign-in": ({"APP_HOST": "0.0.0.0"}, "APP_HOST"),  # noqa: S104 - refused
    "a worker without a shared database": ({"ROLE": "worker"}, "ROLE"),
    "every page of the web": ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
}


@pytest.mark.parametrize("case", BAD_SETTINGS)
def test_a_bad_setting_is_named(case: str, tmp_path: Path) -> None:
    variables, name = BAD_SETTINGS[case]
    with launched(tmp_path, **variables) as server:
        output = server.end()

    assert server.process.returncode in {2, 3}
    assert output == ""
    assert name in server.log
    assert server.log.startswith("greenroom: ")
    assert len(server.log.splitlines()) == 1
    assert "hunter2" not in server.log
    assert not (tmp_path / "greenroom.db").exists()


def test_an_open_address_without_sign_in_ends_the_start_with_what_to_do(tmp_path: Path) -> None:
    with launched(tmp_path, APP_HOST="0.0.0.0") as server:  # noqa: S104 - refused
        server.end()

    assert server.process.returncode == 2
    assert "bind 127.0.0.1 or set AUTH_MODE=accounts" in server.log


def test_settings_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LOG_LEVEL=loud\n", encoding="utf-8")
    with launched(tmp_path) as server:
        server.end()

    assert server.process.returncode == 2
    assert "greenroom: LOG_LEVEL" in server.log
