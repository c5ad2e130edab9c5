"""Debuggable: the container's entry point under debugpy, with VS Code's protocol, down to a variable of a turn."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.core.config import REPOSITORY_ROOT, Settings
from tests.e2e.dap import DebugClient
from tests.e2e.server_process import ServerProcess, free_port, launched, taken_port

CONDUCTOR = REPOSITORY_ROOT / "app" / "orchestration" / "conductor.py"
ENTRYPOINT = REPOSITORY_ROOT / "docker" / "entrypoint.sh"
MESSAGE = "I have a senior backend interview next week"
BIN = Path(sys.executable).parent


def line_of(text: str) -> int:
    lines = CONDUCTOR.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@contextmanager
def debugged(folder: Path, port: int, **changes: str) -> Iterator[ServerProcess]:
    """The entry point as a container starts it, in debug mode."""
    changes |= {"DEBUG_MODE": "true", "DEBUG_PORT": str(port), "DEBUG_HOST": "127.0.0.1"}
    changes |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    with launched(folder, str(ENTRYPOINT), "serve", **changes) as server:
        yield server


def stop_in_a_turn(
    debugger: DebugClient, server: ServerProcess, path_mappings: Sequence[Mapping[str, str]] = ()
) -> tuple[dict[str, Any], dict[str, str], str]:
    """Attach, stop in the conductor at a chat message, read what is there, go on.

    The frame, its local variables, and the message as the debugger evaluates it.
    """
    line = line_of("return await self._carry_out(task, emit, self._orchestrate)")
    with ThreadPoolExecutor(1) as caller:
        debugger.attach(CONDUCTOR, line, path_mappings=path_mappings)
        if not server.welcome:
            server.wait_until_ready()
        answer = caller.submit(server.chat, message=MESSAGE)
        stopped = debugger.event("stopped")
        frame = debugger.response(debugger.send("stackTrace", threadId=stopped["threadId"], levels=1))["stackFrames"][0]
        variables, message = debugger.locals(frame["id"]), debugger.value(frame["id"], "task.message")
        is_waiting = not answer.done()
        debugger.response(debugger.send("continue", threadId=stopped["threadId"]))
        response = answer.result()
        debugger.response(debugger.send("disconnect", terminateDebuggee=False))

    assert stopped["reason"] == "breakpoint"
    assert (frame["line"], frame["name"]) == (line, "run")
    assert is_waiting
    assert response.status_code == 200, response.text
    assert len(response.json()["question_set"]["questions"]) == 5
    return frame, variables, message


def test_with_wait_it_serves_when_the_debugger_is_there_and_stops_at_a_breakpoint(tmp_path: Path) -> None:
    port = free_port()
    with debugged(tmp_path, port, DEBUG_WAIT="true") as server:
        assert server.process.stdout is not None
        for printed in server.process.stdout:
            if "Waiting for a debugger" in printed:
                break
        assert str(port) in printed
        with DebugClient(port) as debugger:
            frame, variables, message = stop_in_a_turn(debugger, server)
        status = server.stop()

    assert Path(frame["source"]["path"]) == CONDUCTOR
    assert {"task", "self"} <= set(variables)
    assert MESSAGE in variables["task"]
    assert message == repr(MESSAGE)
    assert status == 0


def test_without_wait_it_serves_at_once_and_takes_a_debugger_later(tmp_path: Path) -> None:
    port = free_port()
    with debugged(tmp_path, port) as server:
        server.wait_until_ready()
        assert server.chat(message=MESSAGE).status_code == 200
        with DebugClient(port) as debugger:
            frame, _, message = stop_in_a_turn(debugger, server)
        assert server.chat(message=MESSAGE).status_code == 200, "detached, it goes on"
        assert server.stop() == 0

    assert Path(frame["source"]["path"]) == CONDUCTOR
    assert message == repr(MESSAGE)


def test_code_that_lies_elsewhere_is_debugged_by_the_mapping_of_launch_json(tmp_path: Path) -> None:
    """As in a container: the files there are not those that are open in the editor."""
    elsewhere, port = tmp_path / "srv" / "greenroom", free_port()
    for name in ("app", "plugins", "alembic"):
        shutil.copytree(REPOSITORY_ROOT / name, elsewhere / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY_ROOT / "alembic.ini", elsewhere)
    written = launch_configurations()["Attach (container)"]["pathMappings"]
    places = {"${workspaceFolder}": str(REPOSITORY_ROOT), "/srv/greenroom": str(elsewhere)}
    mappings = [{name: places[value] for name, value in mapping.items()} for mapping in written]
    changes = {"DEBUG_MODE": "true", "DEBUG_WAIT": "true", "DEBUG_PORT": str(port)}
    command = (sys.executable, "-c", "import sys; from app.cli.commands import main; sys.exit(main(['serve']))")
    with launched(tmp_path, *command, PYTHONPATH=str(elsewhere), **changes) as server:
        assert server.process.stdout is not None
        assert str(port) in server.process.stdout.readline()
        with DebugClient(port) as debugger:
            frame, _, message = stop_in_a_turn(debugger, server, mappings)
        server.stop()

    assert Path(frame["source"]["path"]) == CONDUCTOR, "the editor's file"
    assert message == repr(MESSAGE)


def test_a_taken_debug_port_is_said_in_one_line(tmp_path: Path) -> None:
    with taken_port() as port, launched(tmp_path, DEBUG_MODE="true", DEBUG_PORT=str(port)) as server:
        server.end()

    assert server.process.returncode == 3
    assert f"port {port}" in server.log
    assert "DEBUG_PORT" in server.log
    assert "Traceback" not in server.log


def launch_configurations() -> dict[str, dict[str, Any]]:
    document = json.loads((REPOSITORY_ROOT / ".vscode" / "launch.json").read_text(encoding="utf-8"))
    return {found["name"]: found for found in document["configurations"]}


def test_vs_code_attaches_where_debugpy_listens() -> None:
    found = launch_configurations()
    attaching = [entry for entry in found.values() if entry["request"] == "attach"]

    assert {entry["type"] for entry in found.values()} == {"debugpy"}
    assert {entry["connect"]["port"] for entry in attaching} == {Settings.model_fields["debug_port"].default}
    assert {entry["connect"]["host"] for entry in attaching} == {Settings.model_fields["debug_host"].default}
    assert {entry["module"] for entry in found.values() if entry["request"] == "launch"} == {"app", "pytest"}


def test_the_tasks_run_what_there_is() -> None:
    document = json.loads((REPOSITORY_ROOT / ".vscode" / "tasks.json").read_text(encoding="utf-8"))
    tasks = {task["label"]: task for task in document["tasks"]}
    targets = (REPOSITORY_ROOT / "Makefile").read_text(encoding="utf-8")

    assert set(tasks) == {"run", "test", "check", "migrate", "compose: debug", "compose: debug and wait"}
    for task in tasks.values():
        program, *words = task["command"].split()
        match program:
            case "make":
                assert all(f"\n{word}:" in targets for word in words)
            case ".venv/bin/greenroom":
                assert words == ["migrate"]
            case _:
                assert all((REPOSITORY_ROOT / word).is_file() for word in words if word.endswith(".yml"))
        assert set(task.get("options", {}).get("env", {})) <= {"DEBUG_MODE", "DEBUG_WAIT"}


@pytest.mark.parametrize("name", ["settings.json", "extensions.json"])
def test_the_other_files_of_the_editor_are_json(name: str) -> None:
    assert json.loads((REPOSITORY_ROOT / ".vscode" / name).read_text(encoding="utf-8"))
