"""`greenroom doctor`: each thing it finds, with what to do about it, and never a secret.

In this process, which has imported Semantic Kernel already; that the command does the same is shown once.
"""

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typing_extensions import override

from app.cli.commands import main
from tests.cli.terminal import greenroom, terminal
from tests.conftest import SHIPPED_PLUGINS
from tests.e2e.server_process import free_port, taken_port

SECRETS = {
    "OPENAI_API_KEY": "sk-zebra-key-5e1f",
    "AZURE_OPENAI_API_KEY": "zebra-azure-a07c",
    "SECRET_KEY": "zebra-signing-91bd-91bd-91bd-91bd-91bd",
    "METRICS_TOKEN": "zebra-metrics-11aa-22bb-33cc-44dd-55ee",
    "GOOGLE_CLIENT_SECRET": "zebra-google-7c7c",
}
"""Every setting that is secret as a whole. Others hold a password, `zebra` as well."""

Report = Callable[..., tuple[int, dict[str, list[str]]]]


@pytest.fixture
def report(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Report:
    """Ask the doctor with these settings: its exit status, and what it says by subject, each with its verdict."""
    monkeypatch.chdir(tmp_path)
    # Set first, so that what the command itself sets goes again, too.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")

    def asking(*arguments: str, **settings: str) -> tuple[int, dict[str, list[str]]]:
        for name, value in {"DATABASE_URL": sqlite_url, "APP_PORT": "0", **settings}.items():
            monkeypatch.setenv(name, value)
        status = main(["doctor", *arguments])
        said = capsys.readouterr()
        assert said.err == ""
        assert "zebra" not in said.out
        assert "\x1b" not in said.out
        lines = said.out.splitlines()
        assert lines[-2:] == ["", "Mend what is WRONG, and ask again." if status else "Nothing is wrong."]
        found: dict[str, list[str]] = {}
        for line in lines[:-2]:
            verdict, _, rest = line.partition(" ")
            subject, _, text = rest.strip().partition(": ")
            found.setdefault(subject, []).append(f"{verdict} {text}")
        assert status == any(line.startswith("WRONG") for line in lines)
        return status, found

    return asking


@contextmanager
def provider(*models: str, status: int = 200) -> Iterator[str]:
    """A provider that lists these models, or refuses with this status, quoting the key as OpenAI does."""

    class Listing(BaseHTTPRequestHandler):
        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            data = [{"id": name, "object": "model", "created": 1, "owned_by": "test"} for name in models]
            error = {
                "message": f"Incorrect API key provided: {self.headers['Authorization']}",
                "code": "invalid_api_key",
            }
            is_here = self.path == "/v1/models"
            body = json.dumps(
                {"object": "list", "data": data} if is_here and status == 200 else {"error": error}
            ).encode()
            self.send_response(status if is_here else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Listing) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_where_all_is_well_it_says_so(report: Report) -> None:
    status, found = report()

    assert status == 0
    assert found["settings"] == ["ok AUTH_MODE=local, ROLE=all"]
    assert found["plugins"][0].startswith("ok behavioral, case_study, reverse, technical in ")
    assert found["database"][0].startswith("ok ")
    assert found["address"][0].endswith("is free")
    assert found["e-mail"] == ["ok off; nobody can reset a password"]
    assert found["telemetry"] == ["ok no collector is named; /metrics is there all the same"]
    assert found["model"] == ["note no key is set: the offline engine answers, from the built-in bank"]
    assert found[".env"] == ["note there is none here; settings come from the environment alone"]


class TestSettings:
    """What stands in `.env` and in the environment."""

    def test_a_misspelt_name_is_told_with_the_one_that_is_meant(self, report: Report, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("OPENAI_APIKEY=sk-zebra\nLOG_LEVEL=INFO\nQUUX=1\nOTEL_X=1\n", encoding="utf-8")
        (tmp_path / ".env").chmod(0o600)
        status, found = report()

        assert status == 0
        assert found[".env"] == [
            "note OPENAI_APIKEY is no setting; do you mean OPENAI_API_KEY?",
            "note QUUX is no setting",
        ]

    def test_a_file_that_others_may_read_is_told(self, report: Report, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("LOG_LEVEL=INFO\n", encoding="utf-8")
        (tmp_path / ".env").chmod(0o644)

        assert report()[1][".env"] == ["note others on this machine can read it; run: chmod 600 .env"]
        (tmp_path / ".env").chmod(0o600)
        assert report()[1][".env"] == ["ok every name is a setting's"]

    def test_every_wrong_setting_is_told_at_once(self, report: Report) -> None:
        status, found = report(APP_PORT="zebra", LOG_LEVEL="loud", DATABASE_URL="mysql://me:zebra@here/x")

        assert status == 1
        assert len(found["settings"]) == 3
        assert all(line.startswith("WRONG ") for line in found["settings"])
        assert {line.split()[1] for line in found["settings"]} == {"APP_PORT:", "LOG_LEVEL:", "DATABASE_URL:"}

    @pytest.mark.parametrize(
        ("key", "says"),
        [
            ("sk-zebra sk-zebra", "white space"),
            ('"sk-zebra"', "quotation marks"),
            ("sk-zebrä", "characters in it that no key has"),
            ("sk-your-zebra-key", "placeholder"),
            ("sk-zebra...", "placeholder"),
            ("zebra", "begin with sk-"),
        ],
    )
    def test_a_key_of_another_form_is_told_without_it(self, key: str, says: str, report: Report) -> None:
        status, found = report("--offline", OPENAI_API_KEY=key)

        assert status == 1
        (line,) = found["OPENAI_API_KEY"]
        assert line.startswith("WRONG ")
        assert says in line

    def test_a_real_key_may_hold_any_letters(self, report: Report) -> None:
        status, found = report("--offline", OPENAI_API_KEY="sk-proj-aYourxxxxB7_zebra")

        assert status == 0
        assert "OPENAI_API_KEY" not in found

    def test_no_secret_is_shown_whatever_is_wrong(self, report: Report) -> None:
        port = free_port()
        settings = SECRETS | {
            "AUTH_MODE": "accounts",
            "GOOGLE_CLIENT_ID": "client",
            "PUBLIC_URL": "https://greenroom.example.com",
            "SMTP_URL": f"smtp://me:zebra@127.0.0.1:{port}",
            "MAIL_FROM": "greenroom@example.com",
            "DATABASE_URL": f"postgresql://me:zebra@127.0.0.1:{port}/greenroom",
            "OPENAI_BASE_URL": f"http://me:zebra@127.0.0.1:{port}/v1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://me:zebra@127.0.0.1:{port}",
        }
        status, found = report(**settings)

        assert status == 1
        assert found["SECRET_KEY"] == ["ok long enough, and none of the well-known ones"]
        assert found["database"] == [f"WRONG cannot reach the database at 127.0.0.1:{port}; check DATABASE_URL"]
        for subject, advice in (("e-mail", "SMTP_URL"), ("telemetry", "OTEL_EXPORTER_OTLP_ENDPOINT")):
            (line,) = found[subject]
            assert line.startswith(f"WRONG cannot reach 127.0.0.1:{port} (")
            assert line.endswith(f"; check {advice}")
        assert found["model"][0].startswith("WRONG compatible: The model provider cannot be reached")


class TestDatabase:
    """It is there, of this version, and can be written."""

    def test_one_that_is_behind_is_told_with_the_command(self, report: Report, empty_database_url: str) -> None:
        if empty_database_url.startswith("sqlite"):
            Path(empty_database_url.removeprefix("sqlite:///")).touch()
        status, found = report(DATABASE_URL=empty_database_url)

        assert status == 1
        assert found["database"] == ["WRONG it is empty; run: greenroom migrate"]

    def test_one_of_a_newer_version_is_not_to_be_migrated(self, report: Report, sqlite_url: str) -> None:
        with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        status, found = report()

        assert status == 1
        assert found["database"][0].startswith("WRONG it is at revision 9999, which is newer than this version")
        assert "migrate" not in found["database"][0]

    def test_one_that_is_not_there_yet_is_made_when_serving(self, report: Report, tmp_path: Path) -> None:
        status, found = report(DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}")

        assert status == 0
        assert found["database"] == [f"note there is none at {tmp_path / 'new.db'} yet; serving makes it"]
        assert not (tmp_path / "new.db").exists()

    def test_what_is_none_and_where_none_can_be_is_told(self, report: Report, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("This is no database. " * 50, encoding="utf-8")
        _, other = report(DATABASE_URL=f"sqlite:///{tmp_path / 'notes.txt'}")
        _, nowhere = report(DATABASE_URL=f"sqlite:///{tmp_path / 'no' / 'such.db'}")

        assert other["database"][0].startswith("WRONG cannot reach the database at ")
        assert nowhere["database"] == [f"WRONG {tmp_path / 'no'} cannot be written; change DATABASE_URL"]


class TestProvider:
    """What answers, and what it costs."""

    def test_one_that_answers(self, report: Report) -> None:
        with provider("gpt-4o", "other") as address:
            status, found = report(OPENAI_BASE_URL=address, OPENAI_API_KEY="sk-zebra", DEFAULT_MODEL="gpt-4o")

        assert status == 0
        assert found["model"] == ["ok compatible answers, for gpt-4o"]

    def test_one_that_refuses_the_key(self, report: Report) -> None:
        with provider(status=401) as address:
            status, found = report(OPENAI_BASE_URL=address, OPENAI_API_KEY="sk-zebra")

        assert status == 1
        (line,) = found["model"]
        assert line.startswith("WRONG compatible: ")
        assert "key" in line

    def test_one_that_is_away_is_not_asked_when_told_so(self, report: Report) -> None:
        away = {"OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1", "DEFAULT_MODEL": "gpt-4o"}
        status, found = report(**away)
        assert status == 1
        assert found["model"][0].startswith("WRONG compatible: The model provider cannot be reached")

        status, found = report("--offline", **away)
        assert status == 0
        assert "model" not in found

    def test_a_model_that_it_does_not_list(self, report: Report) -> None:
        with provider(*(f"model-{number}" for number in range(12)), "\x1b[31mred") as address:
            status, found = report(OPENAI_BASE_URL=address, DEFAULT_MODEL="gpt-4o", ALLOWED_MODELS="model-3")

        assert status == 0
        (line,) = found["model"]
        assert line.startswith("note compatible does not list gpt-4o; it has ")
        assert line.endswith(", …. See DEFAULT_MODEL")
        assert "model-9" not in line

    def test_a_price_that_is_unknown(self, report: Report) -> None:
        prices = json.dumps({"mine": {"input_usd_per_million": "1", "output_usd_per_million": "2"}})
        with provider("mine", "theirs") as address:
            settings = {"OPENAI_BASE_URL": address, "DEFAULT_MODEL": "mine", "ALLOWED_MODELS": "theirs"}
            status, found = report(**settings, PRICE_OVERRIDES=prices)

        assert status == 0
        assert found["prices"] == [
            "note the price of theirs is unknown, so that no budget counts it; say it in PRICE_OVERRIDES"
        ]


class TestSurroundings:
    """What the service uses besides."""

    def test_a_collector_that_can_be_reached_and_one_that_has_no_address(self, report: Report) -> None:
        with taken_port() as port:
            _, found = report(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", OTEL_SDK_DISABLED="true")
        assert found["telemetry"] == [f"ok 127.0.0.1:{port} can be reached"]
        for address in ("collector", "127.0.0.1:4318", "http://127.0.0.1:many"):
            status, found = report(OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_SDK_DISABLED="true")
            assert status == 1
            assert found["telemetry"][0].startswith("WRONG OTEL_EXPORTER_OTLP_ENDPOINT is no address")

    def test_a_collector_of_another_protocol(self, report: Report) -> None:
        grpc = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
        status, found = report(**grpc)

        assert status == 1
        assert "use http/protobuf" in found["telemetry"][0]

    def test_what_env_says_of_the_collector_counts(self, report: Report, tmp_path: Path) -> None:
        port = free_port()
        (tmp_path / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{port}\n", encoding="utf-8")

        assert report()[1]["telemetry"][0].startswith(f"WRONG cannot reach 127.0.0.1:{port}")

    def test_a_taken_address_is_a_note(self, report: Report) -> None:
        with taken_port() as port:
            status, found = report(APP_PORT=str(port))

        assert status == 0
        assert found["address"][0].startswith(f"note cannot listen on 127.0.0.1 port {port}")
        assert "is Greenroom running already" in found["address"][0]

    def test_a_gap_in_a_plugin_folder_is_named_by_its_file(self, report: Report, tmp_path: Path) -> None:
        shutil.copytree(SHIPPED_PLUGINS, tmp_path / "plugins")
        prompt = next((tmp_path / "plugins" / "technical").rglob("skprompt.txt"))
        prompt.unlink()
        status, found = report(PLUGINS_DIR=str(tmp_path / "plugins"))

        assert status == 1
        assert found["plugins"][0].startswith("WRONG ")
        assert prompt.parent.name in found["plugins"][0]


def test_the_command_itself_is_plain_in_a_pipe_and_coloured_at_a_terminal(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with closing(listener):
        here = {"APP_PORT": str(listener.getsockname()[1])} | SECRETS
        done = greenroom(tmp_path, "doctor", "--offline", FORCE_COLOR="1", **here)
        with terminal(tmp_path, "doctor", "--offline", **here) as screen:
            screen.until("Nothing is wrong.")
            assert screen.ended() == 0

    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert "\x1b[32mok" in screen.seen
    assert "zebra" not in done.stdout + screen.seen


def test_an_env_file_that_is_no_text_is_told_before_anything_reads_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=sk-z\xff\n")
    done = greenroom(tmp_path, "doctor")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "greenroom: .env cannot be read as text (UTF-8); save it as such, or take it away\n"
