"""Debuggable: a breakpoint in the conductor stops a chat request, and the files for editors and containers agree."""

import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from app.core.config import REPOSITORY_ROOT, AuthMode, Settings
from tests.accounts.people import SECRET_KEY
from tests.e2e.dap import DebugClient
from tests.e2e.server_process import free_port, launched, taken_port

CONDUCTOR = REPOSITORY_ROOT / "app" / "orchestration" / "conductor.py"
DOCKER = REPOSITORY_ROOT / "docker"


def line_of(text: str) -> int:
    lines = CONDUCTOR.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_breakpoint_in_the_conductor_stops_a_chat_request(tmp_path: Path) -> None:
    """As VS Code does it: the server waits for the debugger, stops at the line, goes on, and the request succeeds."""
    port, line = free_port(), line_of("return await self._carry_out(task, emit, self._orchestrate)")
    with launched(tmp_path, DEBUG_MODE="true", DEBUG_WAIT="true", DEBUG_PORT=str(port)) as server:
        assert server.process.stdout is not None
        assert str(port) in server.process.stdout.readline()
        with DebugClient(port) as debugger, ThreadPoolExecutor(1) as caller:
            debugger.attach(CONDUCTOR, line)
            server.wait_until_ready()
            answer = caller.submit(server.chat, message="I have a senior backend interview next week")
            stopped = debugger.event("stopped")
            trace = debugger.response(debugger.send("stackTrace", threadId=stopped["threadId"], levels=1))
            is_waiting = not answer.done()
            debugger.response(debugger.send("continue", threadId=stopped["threadId"]))
            response = answer.result()
            debugger.response(debugger.send("disconnect", terminateDebuggee=False))
        status = server.stop()

    assert stopped["reason"] == "breakpoint"
    frame = trace["stackFrames"][0]
    assert (Path(frame["source"]["path"]), frame["line"], frame["name"]) == (CONDUCTOR, line, "run")
    assert is_waiting
    assert response.status_code == 200, response.text
    assert len(response.json()["question_set"]["questions"]) == 5
    assert status == 0


def test_a_taken_debug_port_is_said_in_one_line(tmp_path: Path) -> None:
    with taken_port() as port, launched(tmp_path, DEBUG_MODE="true", DEBUG_PORT=str(port)) as server:
        server.end()

    assert server.process.returncode == 3
    assert f"port {port}" in server.log
    assert "DEBUG_PORT" in server.log
    assert "Traceback" not in server.log


def default(name: str) -> Any:
    return Settings.model_fields[name].default


def launch_configurations() -> dict[str, dict[str, Any]]:
    document = json.loads((REPOSITORY_ROOT / ".vscode" / "launch.json").read_text(encoding="utf-8"))
    return {found["name"]: found for found in document["configurations"]}


def dockerfile() -> list[tuple[str, str]]:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.strip().partition(" ") for line in text.splitlines()) if word]


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return document


def test_vs_code_attaches_where_debugpy_listens() -> None:
    found = launch_configurations()
    attaching = [entry for entry in found.values() if entry["request"] == "attach"]
    workdir = next(rest for word, rest in dockerfile() if word == "WORKDIR")

    assert {entry["type"] for entry in found.values()} == {"debugpy"}
    assert {entry["connect"]["port"] for entry in attaching} == {default("debug_port")}
    assert {entry["connect"]["host"] for entry in attaching} == {default("debug_host")}
    mappings = [mapping for entry in attaching for mapping in entry.get("pathMappings", ())]
    assert mappings == [{"localRoot": "${workspaceFolder}", "remoteRoot": workdir}]
    assert {entry["module"] for entry in found.values() if entry["request"] == "launch"} == {"app", "pytest"}


def test_the_editor_settings_are_json() -> None:
    for name in ("settings.json", "extensions.json"):
        assert json.loads((REPOSITORY_ROOT / ".vscode" / name).read_text(encoding="utf-8"))


def test_the_image_copies_files_that_exist_and_are_sent() -> None:
    kept = [
        line.removeprefix("!")
        for line in (REPOSITORY_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    ]
    sources = [
        source
        for word, rest in dockerfile()
        if word == "COPY" and "--from" not in rest
        for source in shlex.split(rest)[:-1]
    ]

    assert {"app", "plugins", "alembic", "alembic.ini", "requirements.txt"} <= set(sources)
    for source in sources:
        assert (REPOSITORY_ROOT / source).exists()
        assert any(fnmatch(source, pattern) for pattern in kept), f".dockerignore keeps {source} out"


def test_the_image_and_the_compose_file_name_real_settings_and_ports() -> None:
    names = {name.upper() for name in Settings.model_fields}
    image = dict(dockerfile())
    in_image = {name for word, rest in dockerfile() if word == "ENV" for name in re.findall(r"(\w+)=", rest)}
    services = compose()["services"]
    ports = [str(mapping).rsplit(":", 1)[-1] for mapping in services["app"]["ports"]]

    assert in_image - {"PATH", "PYTHONUNBUFFERED"} <= names
    assert set(services["app"]["environment"]) <= names
    assert image["EXPOSE"].split() == ports == [str(default("app_port")), str(default("debug_port"))]
    assert all(str(mapping).startswith("127.0.0.1:") for mapping in services["app"]["ports"]), "there is no TLS"


def test_a_container_binds_every_address_and_therefore_asks_everybody_to_sign_in() -> None:
    image = dict(pair.split("=", 1) for word, rest in dockerfile() if word == "ENV" for pair in rest.split())
    service = compose()["services"]["app"]["environment"]

    settings = Settings(
        _env_file=None,
        app_host=image["APP_HOST"],
        auth_mode=AuthMode(image["AUTH_MODE"]),
        secret_key=SecretStr(SECRET_KEY),
    )
    assert settings.auth_mode == service["AUTH_MODE"] == AuthMode.ACCOUNTS
    assert service["SECRET_KEY"].startswith("${SECRET_KEY:?"), "no default: a known key is none"


def test_the_compose_file_builds_from_files_that_exist_and_reaches_its_database() -> None:
    services = compose()["services"]
    context = (DOCKER / services["app"]["build"]["context"]).resolve()
    address = Settings(_env_file=None, database_url=services["app"]["environment"]["DATABASE_URL"]).async_database_url
    database = services["database"]["environment"]

    assert context == REPOSITORY_ROOT
    assert (context / services["app"]["build"]["dockerfile"]).is_file()
    assert address.get_backend_name() == "postgresql"
    assert address.host in services
    assert (address.username, address.password, address.database) == (
        database["POSTGRES_USER"],
        database["POSTGRES_PASSWORD"],
        database["POSTGRES_DB"],
    )
