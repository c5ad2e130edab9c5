"""The image and the compose file: checked by their linters, and against what the code has. No engine is needed."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from app.cli.serving import SHUTDOWN_SECONDS
from app.core.config import REPOSITORY_ROOT, AuthMode, Settings
from tests.accounts.people import SECRET_KEY
from tests.e2e.test_debugging import launch_configurations

DOCKER = REPOSITORY_ROOT / "docker"
BIN = Path(sys.executable).parent


def default(name: str) -> Any:
    return Settings.model_fields[name].default


def dockerfile() -> list[tuple[str, str]]:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.strip().partition(" ") for line in text.splitlines()) if word]


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DOCKER / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


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
        assert any(source == known or source.startswith(f"{known}/") for known in kept), (
            f".dockerignore keeps {source} out"
        )


def interpolated(text: str, variables: dict[str, str]) -> str:
    """As compose does it: `${NAME:-default}`, and `${NAME:?reason}`, which refuses to go on without.

    Raises:
        ValueError: the reason.
    """

    def one(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if value := variables.get(name):
            return value
        if kind == "?":
            raise ValueError(rest)
        return str(rest)

    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", one, text)


SECRETS = {"SECRET_KEY": SECRET_KEY, "POSTGRES_PASSWORD": "0123abcd"}


def service(name: str, **variables: str) -> dict[str, str]:
    """The environment that the service gets, with these lines in `.env`."""
    given = compose()["services"][name]["environment"]
    return {key: interpolated(str(value), SECRETS | variables) for key, value in given.items()}


def test_the_linters_find_nothing() -> None:
    for command in (
        [str(BIN / "hadolint"), str(DOCKER / "Dockerfile")],
        [str(BIN / "shellcheck"), str(DOCKER / "entrypoint.sh")],
        [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(DOCKER / "docker-compose.yml")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_linters_would_find_something(tmp_path: Path) -> None:
    image, script, services = tmp_path / "Dockerfile", tmp_path / "entrypoint.sh", tmp_path / "docker-compose.yml"
    image.write_text("FROM python\nRUN cd /tmp\n", encoding="utf-8")
    script.write_text("#!/bin/sh\nexec greenroom $@\n", encoding="utf-8")
    services.write_text("services: {app: {imagee: greenroom}}\n", encoding="utf-8")
    for command in (
        [str(BIN / "hadolint"), str(image)],
        [str(BIN / "shellcheck"), str(script)],
        [str(BIN / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(services)],
    ):
        assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def has_compose() -> bool:
    docker = shutil.which("docker")
    return (
        docker is not None
        and not subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    )


@pytest.mark.skipif(not has_compose(), reason="needs docker with its compose plugin, to read the compose file with")
@pytest.mark.parametrize("profile", ["", "ollama", "observability"])
def test_compose_itself_reads_the_file(profile: str) -> None:
    variables = os.environ | SECRETS | {"METRICS_TOKEN": SECRET_KEY, "COMPOSE_PROFILES": profile}
    command = ["docker", "compose", "-f", str(DOCKER / "docker-compose.yml"), "config", "--format", "json"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["services"]["app"]["environment"]["SECRET_KEY"] == SECRET_KEY


def test_the_image_and_the_compose_file_name_real_settings_and_ports() -> None:
    names = {name.upper() for name in Settings.model_fields}
    image = dict(dockerfile())
    in_image = {name for word, rest in dockerfile() if word == "ENV" for name in re.findall(r"(\w+)=", rest)}
    ports = [interpolated(mapping, {}).rsplit(":", 1)[-1] for mapping in compose()["services"]["app"]["ports"]]

    assert {name for name in in_image if not name.startswith(("PATH", "PYTHON", "PIP_"))} <= names
    assert set(service("app")) <= names
    assert image["EXPOSE"].split() == ports == [str(default("app_port")), str(default("debug_port"))]
    assert "APP_PORT" in image["HEALTHCHECK"], "honoured there as well"
    for published in compose()["services"].values():
        assert all(mapping.startswith("127.0.0.1:") for mapping in published.get("ports", ())), "there is no TLS"


def test_another_port_is_the_same_on_both_sides() -> None:
    mapping = interpolated(compose()["services"]["app"]["ports"][0], {"APP_PORT": "9001"})

    assert mapping == "127.0.0.1:9001:9001"
    assert service("app", APP_PORT="9001")["APP_PORT"] == "9001"


def test_the_editor_maps_the_folder_that_the_image_works_in() -> None:
    folders = {rest for word, rest in dockerfile() if word == "WORKDIR"}
    mappings = launch_configurations()["Attach (container)"]["pathMappings"]

    assert mappings == [{"localRoot": "${workspaceFolder}", "remoteRoot": folders.pop()}]
    assert not folders


def test_a_container_binds_every_address_and_therefore_asks_everybody_to_sign_in() -> None:
    image = dict(
        pair.split("=", 1) for word, rest in dockerfile() if word == "ENV" for pair in rest.split() if "=" in pair
    )
    for given in (image | SECRETS, service("app")):
        settings = Settings(
            _env_file=None,
            app_host=given["APP_HOST"],
            auth_mode=AuthMode(given["AUTH_MODE"]),
            secret_key=SecretStr(given["SECRET_KEY"]),
        )
        assert settings.auth_mode is AuthMode.ACCOUNTS
    assert dict(dockerfile())["USER"].isdigit(), "nobody's root"


@pytest.mark.parametrize("missing", SECRETS)
def test_without_a_secret_nothing_starts_and_it_is_said_how_to_make_one(missing: str) -> None:
    texts = [str(value) for entry in compose()["services"].values() for value in entry.get("environment", {}).values()]
    given = {name: value for name, value in SECRETS.items() if name != missing}
    with pytest.raises(ValueError, match="openssl rand -hex"):
        interpolated("\n".join(texts), given)


def test_what_compose_gives_the_service_are_valid_settings() -> None:
    variables = service("app")
    given: dict[str, Any] = {name.lower(): value for name, value in variables.items() if value}
    settings = Settings(_env_file=None, **given)

    assert settings.async_database_url.host in compose()["services"]
    assert settings.async_database_url.password == service("database")["POSTGRES_PASSWORD"]
    assert settings.async_database_url.username == service("database")["POSTGRES_USER"]
    assert settings.async_database_url.database == service("database")["POSTGRES_DB"]
    grace = compose()["services"]["app"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > settings.drain_seconds + SHUTDOWN_SECONDS


def test_the_files_that_compose_mounts_and_builds_from_exist() -> None:
    services = compose()["services"]
    context = (DOCKER / services["app"]["build"]["context"]).resolve()
    mounted = [
        volume.split(":")[0]
        for entry in services.values()
        for volume in entry.get("volumes", ())
        if volume.startswith(".")
    ]

    assert context == REPOSITORY_ROOT
    assert (context / services["app"]["build"]["dockerfile"]).is_file()
    assert mounted
    assert [name for name in mounted if not (DOCKER / name).exists()] == []


def test_profiles_add_what_is_not_needed() -> None:
    profiles = {name: entry.get("profiles", []) for name, entry in compose()["services"].items()}

    assert {name for name, found in profiles.items() if not found} == {"app", "database"}
    assert {name for name, found in profiles.items() if found == ["ollama"]} == {"ollama", "ollama-model"}
    assert {name for name, found in profiles.items() if found == ["observability"]} == {
        "prometheus",
        "grafana",
        "jaeger",
    }
