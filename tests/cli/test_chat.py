"""`greenroom chat` and `export`: with a server or without one, in a pipe or at a terminal, whatever goes wrong."""

import json
import socket
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.accounts.people import SECRET_KEY
from tests.answers import calls, hands_to, says_questions
from tests.cli.terminal import greenroom, terminal
from tests.e2e.server_process import ServerProcess, forked, free_port
from tests.model_server import Fail, ModelServer, Say

ADVERT = "Senior Backend Engineer. Run Python services on Kubernetes. Model shipments in PostgreSQL."
RED = "\x1b[31mred\x1b]0;title\x07"


def ids(stderr: str) -> str:
    """The conversation's id, which is said beside the answer."""
    return stderr.rsplit("conversation ", 1)[1].strip()


class TestPipe:
    """Answers are plain Markdown; all else goes to standard error."""

    def test_one_message_gets_one_answer(self, tmp_path: Path, offline_server: ServerProcess) -> None:
        (tmp_path / "job.txt").write_text(ADVERT, encoding="utf-8")
        arguments = ("--server", offline_server.address, "--job", "job.txt", "--count", "2", "--level", "senior")
        done = greenroom(tmp_path, "chat", *arguments, "technical", "interview")

        assert done.returncode == 0, done.stderr
        assert "**1.**" in done.stdout
        assert "**2.**" in done.stdout
        assert "**3.**" not in done.stdout
        assert "your posting" in done.stdout, "it was read"
        assert "\x1b" not in done.stdout + done.stderr
        assert "technical · greenroom-offline-1 · $0.000000" in done.stderr

    def test_each_line_is_a_message_of_one_conversation(self, tmp_path: Path, offline_server: ServerProcess) -> None:
        said = "technical interview\nmake question 2 harder\n\n/card 2\n/export csv\n"
        done = greenroom(tmp_path, "chat", "--server", offline_server.address, "--count", "2", said=said)

        assert done.returncode == 0, done.stderr
        assert "Question 2 is harder now" in done.stdout
        assert "What is listened for:" in done.stdout
        assert "questions.csv: " in done.stdout
        assert (tmp_path / "questions.csv").read_text(encoding="utf-8-sig").count("\n") >= 3
        (conversation,) = {ids(line) for line in done.stderr.splitlines() if "conversation" in line}
        again = greenroom(
            tmp_path, "chat", "--server", offline_server.address, "--conversation", conversation, "drop 1"
        )
        assert again.returncode == 0
        assert ids(again.stderr) == conversation
        later = ("--server", offline_server.address, "--conversation", conversation)
        card = greenroom(tmp_path, "chat", *later, said="/card 1\n")
        assert (card.returncode, card.stdout.startswith("Question 1: ")) == (0, True)

    @pytest.mark.parametrize("line", ["/card 9", "/sing", "/export", "/export csv"])
    def test_what_cannot_be_done_here_is_said_and_counts(
        self, line: str, tmp_path: Path, offline_server: ServerProcess
    ) -> None:
        done = greenroom(tmp_path, "chat", "--server", offline_server.address, said=f"{line}\n")

        assert done.returncode == 1
        assert done.stderr.startswith("greenroom: ")

    def test_a_turn_that_fails_is_said_with_what_to_do_and_the_next_goes_on(
        self, tmp_path: Path, server: ServerProcess, model_server: ModelServer
    ) -> None:
        model_server.script(Fail(500), Say("Which interview is it?"))
        done = greenroom(tmp_path, "chat", "--server", server.address, said="hello\nagain\n")

        assert done.returncode == 1
        assert "The model provider failed" in done.stderr
        assert done.stdout.strip() == "Which interview is it?"

    def test_what_a_terminal_would_act_on_is_left_out(
        self, tmp_path: Path, server: ServerProcess, model_server: ModelServer
    ) -> None:
        model_server.script(Say(f"Watch {RED} this"))
        done = greenroom(tmp_path, "chat", "--server", server.address, "hello")

        assert done.returncode == 0
        assert done.stdout.strip() == "Watch [31mred]0;title this"

    @pytest.mark.parametrize(
        ("content", "status", "says"),
        [
            (b"\xff\xfe\x00", 2, "save it as plain text"),
            (b"short", 1, "job_description"),
            (b"x" * 20_001, 1, "job_description"),
        ],
        ids=["no text", "too short", "too long"],
    )
    def test_a_file_that_cannot_be_meant_is_named(
        self, *, content: bytes, status: int, says: str, tmp_path: Path, offline_server: ServerProcess
    ) -> None:
        (tmp_path / "job.txt").write_bytes(content)
        done = greenroom(tmp_path, "chat", "--server", offline_server.address, "--job", "job.txt", "hello")

        assert (done.returncode, done.stdout) == (status, "")
        assert says in done.stderr
        assert "Traceback" not in done.stderr


class TestTerminal:
    """Cards for questions, Markdown for the rest."""

    def test_questions_come_as_cards_and_not_twice(
        self, tmp_path: Path, server: ServerProcess, model_server: ModelServer
    ) -> None:
        questions = says_questions(2, summary=f"For {RED} you.")
        model_server.script(hands_to("technical"), calls("technical-few_shot"), questions)
        with terminal(tmp_path, "chat", "--server", server.address, "--count", "2") as screen:
            screen.until("> ")
            screen.type("technical interview")
            screen.until("conversation ")
            shown = screen.text
            screen.type("/card 2")
            screen.until("A frame for the answer")
            whole = screen.text
            screen.type("/quit")
            assert screen.ended() == 0

        assert "triage → technical" in shown
        assert shown.count("─ Question 1 ") == shown.count("─ Question 2 ") == 1
        assert "For [31mred]0;title you." in shown
        assert "1. Question 1" not in shown
        assert "\x1b]0;" not in screen.seen
        assert "What is listened for" in whole

    def test_ctrl_c_stops_the_answer_and_not_the_conversation(
        self, tmp_path: Path, server: ServerProcess, model_server: ModelServer
    ) -> None:
        model_server.script(Say("word\n\n" * 200, pieces=200, delay_seconds_per_piece=0.1), Say("Well."))
        with terminal(tmp_path, "chat", "--server", server.address, "--type", "technical") as screen:
            screen.until("> ")
            screen.type("tell me all")
            screen.until("word")
            screen.press(b"\x03")
            screen.until("[Stopped. Your message is kept.]")
            screen.type("and now?")
            screen.until("Well.")
            screen.until("conversation ")
            screen.until("> ")
            screen.press(b"\x04")
            assert screen.ended() == 0


class TestReaching:
    """A server that is there, is not, or is something else."""

    def test_nobody_listens(self, tmp_path: Path) -> None:
        address = f"http://127.0.0.1:{free_port()}"
        done = greenroom(tmp_path, "chat", "--server", address, "hello")

        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith(f"greenroom: cannot reach {address}")
        assert len(done.stderr.splitlines()) == 1

    @pytest.mark.parametrize("address", ["greenroom.example.com", "ftp://127.0.0.1", "http://"])
    def test_what_is_no_address(self, address: str, tmp_path: Path) -> None:
        done = greenroom(tmp_path, "chat", "--server", address, "hello")

        assert done.returncode in {2, 3}
        assert done.stderr.startswith("greenroom: ")
        assert "Traceback" not in done.stderr

    def test_a_server_that_is_no_greenroom(self, tmp_path: Path) -> None:
        class Other(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_response(404)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"hello")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Other) as other:
            Thread(target=other.serve_forever, args=(0.05,), daemon=True).start()
            done = greenroom(tmp_path, "chat", "--server", f"http://127.0.0.1:{other.server_port}", "hello")
            other.shutdown()

        assert done.returncode == 1
        assert "not as Greenroom does; check the address" in done.stderr

    def test_with_accounts_it_says_how_to_sign_in_and_a_token_does(self, tmp_path: Path, sqlite_url: str) -> None:
        accounts = {"AUTH_MODE": "accounts", "SECRET_KEY": SECRET_KEY, "DATABASE_URL": sqlite_url}
        added = greenroom(tmp_path, "users", "add", "ann@example.com", said="nine quiet owls sing\n", **accounts)
        assert added.returncode == 0, added.stderr
        with forked(tmp_path / "server", ACCESS_TOKEN_MINUTES="1", **accounts) as server:
            server.wait_until_ready()
            refused = greenroom(tmp_path, "chat", "--server", server.address, "hello")
            wrong = greenroom(tmp_path, "chat", "--server", server.address, "hello", GREENROOM_TOKEN="zebra")
            with terminal(tmp_path, "chat", "--server", server.address, "--email", "ann@example.com", "hi") as screen:
                screen.until("Password of ann@example.com: ")
                screen.type("nine quiet owls sing")
                screen.until("conversation ")
                assert screen.ended() == 0

        for done in (refused, wrong):
            assert (done.returncode, done.stdout) == (1, "")
            assert "--email" in done.stderr
            assert "zebra" not in done.stderr


class TestOwnServer:
    """Without a server named, the command brings one; where one runs already, it talks to that."""

    def test_it_brings_its_own_and_stops_it(self, tmp_path: Path) -> None:
        here = {"DATABASE_URL": f"sqlite:///{tmp_path / 'greenroom.db'}", "APP_PORT": str(free_port())}
        first = greenroom(tmp_path, "chat", "--count", "1", "technical interview", **here)
        assert first.returncode == 0, first.stderr
        saved = greenroom(tmp_path, "export", ids(first.stderr), "--format", "json", **here)

        assert len(json.loads(saved.stdout)["questions"]) == 1
        assert first.stderr.count("\n") == 1, "no log of a server in between"

    def test_it_talks_to_the_one_that_runs_here(self, tmp_path: Path) -> None:
        port = str(free_port())
        here = {"DATABASE_URL": f"sqlite:///{tmp_path / 'greenroom.db'}", "APP_PORT": port}
        with forked(tmp_path / "server", **here) as server:
            server.wait_until_ready()
            done = greenroom(tmp_path, "chat", "--count", "1", "technical interview", **here)
            assert done.returncode == 0, done.stderr
            assert server.log.count("turn_started") == 1, "there it ran"

    def test_a_port_that_something_else_has_is_said(self, tmp_path: Path) -> None:
        with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
            Thread(target=other.serve_forever, args=(0.05,), daemon=True).start()
            done = greenroom(tmp_path, "chat", "hello", APP_PORT=str(other.server_port))
            other.shutdown()

        assert done.returncode == 3
        assert "set APP_HOST or APP_PORT" in done.stderr


class TestExport:
    """A conversation's questions as a file."""

    @pytest.fixture
    def conversation(self, tmp_path: Path, offline_server: ServerProcess) -> str:
        done = greenroom(tmp_path, "chat", "--server", offline_server.address, "--count", "1", "technical interview")
        return ids(done.stderr)

    @pytest.mark.parametrize("file_format", ["json", "markdown", "csv", "pdf", "html"])
    def test_every_format(
        self, file_format: str, tmp_path: Path, offline_server: ServerProcess, conversation: str
    ) -> None:
        target = tmp_path / f"questions.{file_format}"
        arguments = ("--server", offline_server.address, "--format", file_format, "--output", target.name)
        done = greenroom(tmp_path, "export", conversation, *arguments)

        assert done.stdout == f"{target.name}: {target.stat().st_size} bytes\n"
        assert target.stat().st_size > 100

    def test_what_there_is_not_is_said(self, tmp_path: Path, offline_server: ServerProcess, conversation: str) -> None:
        server = ("--server", offline_server.address)
        nothing = greenroom(tmp_path, "export", "00000000-0000-0000-0000-000000000001", *server)
        unknown = greenroom(tmp_path, "export", conversation, "--format", "docx", *server)
        nowhere = greenroom(tmp_path, "export", conversation, "-o", "no/such/file.md", *server)

        assert [done.returncode for done in (nothing, unknown, nowhere)] == [1, 1, 2]
        assert "There is no conversation with this id" in nothing.stderr
        assert "format" in unknown.stderr
        assert nowhere.stderr == "greenroom: cannot write no/such/file.md: No such file or directory\n"


def test_an_answer_whose_connection_breaks_goes_on_where_it_was(
    tmp_path: Path, server: ServerProcess, model_server: ModelServer
) -> None:
    """Between the command and the server stands something that cuts the first answer in the middle."""
    model_server.script(Say("one two three four five six", pieces=6, delay_seconds_per_piece=0.2))
    with _Cutter(server.address) as cutter:
        done = greenroom(tmp_path, "chat", "--server", cutter.address, "--type", "technical", "hello")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "one two three four five six"
    assert cutter.connections >= 2


class _Cutter:
    """Passes requests on, and drops the first answer after its first events."""

    def __init__(self, target: str) -> None:
        host, _, port = target.removeprefix("http://").partition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0

    def __enter__(self) -> "_Cutter":
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            Thread(target=self._pass_on, args=(client, self.connections == 1), daemon=True).start()

    def _pass_on(self, client: Any, is_cut: bool) -> None:  # noqa: FBT001 - of a thread's arguments
        with client, socket.create_connection(self._target) as server:
            Thread(target=_copy, args=(client, server), daemon=True).start()
            seen = b""
            while piece := server.recv(4096):
                client.sendall(piece)
                seen += piece
                if is_cut and b"text.delta" in seen:
                    break
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


def _copy(source: Any, target: Any) -> None:
    try:
        while piece := source.recv(4096):
            target.sendall(piece)
    except OSError:
        return
