"""`greenroom chat` and `export` in trouble: connections that break, other servers, hostile texts, no room to write."""

import json
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from app.cli.commands import main
from tests.accounts.people import SECRET_KEY
from tests.cli.scripted_service import (
    CONVERSATION,
    STARTED,
    TURN,
    Answer,
    completed,
    conversation,
    event,
    file,
    says,
    scripted,
    stream,
)
from tests.cli.terminal import COMMAND, greenroom, heed_interrupts, terminal
from tests.e2e.server_process import environment, free_port

PAGE = Answer(b"<html>Welcome!</html>", headers={"Content-Type": "text/html"})
WAIT_SECONDS = 20
NOT_GREENROOM = "greenroom: the server answered 200, not as Greenroom does; check the address\n"

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Run the command in this process: with a server named it is a client and no more."""
    monkeypatch.chdir(tmp_path)

    def asking(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        said = capsys.readouterr()
        return status, said.out, said.err

    return asking


class TestBrokenConnections:
    """A turn belongs to the service; the command finds it again."""

    def test_the_rest_is_asked_for_also_while_the_service_is_replaced(self, ask: Ask) -> None:
        away = Answer(b"<html>Bad gateway</html>", status=502)
        first = stream(STARTED, says(2, "one "), is_cut=True)
        with scripted(first, away, stream(says(3, "two"), completed(4))) as service:
            status, out, _ = ask("chat", "--server", service.address, "hello")

        assert (status, out) == (0, "one two\n")
        assert [request.path for request in service.received[1:]] == [f"/api/v1/turns/{TURN}/events"] * 2
        assert [request.headers["last-event-id"] for request in service.received[1:]] == ["2", "2"]

    def test_what_may_have_arrived_is_sent_again_as_the_same_message(self, ask: Ask) -> None:
        with scripted(Answer(is_cut=True), conversation("Well.")) as service:
            status, out, _ = ask("chat", "--server", service.address, "hello")

        assert (status, out) == (0, "Well.\n")
        first, second = service.received
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
        assert first.body == second.body

    def test_an_answer_that_is_stopped_while_the_service_stops_is_followed_to_its_end(self, tmp_path: Path) -> None:
        is_over = Event()
        answers = (
            stream(STARTED, says(2, "half "), before_end=lambda: is_over.wait(WAIT_SECONDS)),
            Answer(status=202),
            stream(b"retry: 1000\n\n"),
            stream(event(3, "turn.cancelled")),
        )
        with scripted(*answers) as service:
            process = subprocess.Popen(
                [COMMAND, "chat", "--server", service.address, "hello"],
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                preexec_fn=heed_interrupts,  # noqa: PLW1509 - a system call
            )
            assert process.stdout is not None
            assert process.stdout.read(4) == b"half"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=WAIT_SECONDS)
            is_over.set()

        assert (process.returncode, out.strip(), err) == (1, b"", b"greenroom: [Stopped. Your message is kept.]\n")
        assert service.received[1].path == f"/api/v1/turns/{TURN}/cancel"


class TestOtherServers:
    """Somebody else at the address."""

    @pytest.mark.parametrize(
        "answer",
        [
            PAGE,
            stream(b"data: hello\n\n"),
            stream(b"event: x\nid: 1\ndata: {\n\n"),
            stream(b"event: x\nid: 1\ndata: 1\n\n"),
        ],
        ids=["a page", "another stream", "no JSON", "no object"],
    )
    def test_an_answer_that_is_none_of_ours(self, answer: Answer, ask: Ask) -> None:
        with scripted(answer) as service:
            assert ask("chat", "--server", service.address, "hello") == (1, "", NOT_GREENROOM)

    def test_a_page_is_not_saved_as_questions(self, ask: Ask, tmp_path: Path) -> None:
        with scripted(PAGE) as service:
            assert ask("export", CONVERSATION, "--server", service.address, "-o", "q.md") == (1, "", NOT_GREENROOM)
        assert not (tmp_path / "q.md").exists()

    def test_a_redirect_is_told_and_not_followed(self, ask: Ask) -> None:
        elsewhere = Answer(status=308, headers={"Location": "https://elsewhere.example/\x1b[31m"})
        with scripted(elsewhere) as service:
            status, out, err = ask("chat", "--server", service.address, "--token", "zebra", "hello")

        assert (status, out) == (1, "")
        assert err.startswith("greenroom: the server is at another address: https://elsewhere.example/")
        assert "\x1b" not in err

    def test_a_password_in_the_address_is_not_shown(self, ask: Ask) -> None:
        port = free_port()
        status, _, err = ask("chat", "--server", f"http://me:zebra@127.0.0.1:{port}", "hello")

        assert status == 3
        assert err.startswith(f"greenroom: cannot reach http://127.0.0.1:{port}: ")

    @pytest.mark.parametrize("token", ["zebra\nzebra", "zebrä"])
    def test_a_token_that_cannot_be_sent_is_not_shown(self, token: str, ask: Ask) -> None:
        with scripted() as service:
            status, out, err = ask("chat", "--server", service.address, "--token", token, "hello")

        assert (status, out) == (2, "")
        assert err == "greenroom: the access token has signs in it that no token has; copy it again\n"

    def test_a_token_that_is_not_accepted_any_more(self, ask: Ask) -> None:
        with scripted(Answer(status=401)) as service:
            status, _, err = ask("chat", "--server", service.address, "--token", "zebra", "hello")

        assert status == 1
        assert err == (
            "greenroom: the server does not accept this sign-in, or not any more: "
            "use --email, or another access token\n"
        )
        assert service.received[0].headers["authorization"] == "Bearer zebra"


def test_a_sign_in_is_renewed_below_a_path_and_its_answers_stream(tmp_path: Path) -> None:
    """The access token has expired; the text is shown while the answer is still open."""
    is_shown = Event()
    tokens = [json.dumps({"access_token": f"a{n}", "refresh_token": f"r{n}"}).encode() for n in (1, 2)]
    answers = (
        Answer(tokens[0]),
        Answer(status=401),
        Answer(tokens[1]),
        stream(STARTED, says(2, "First.\n\n"), before_end=lambda: is_shown.wait(WAIT_SECONDS)),
        stream(completed(3)),
    )
    with scripted(*answers) as service:
        server = ("--server", f"{service.address}/prepare")
        with terminal(tmp_path, "chat", *server, "--email", "ann@example.com", "hello") as screen:
            screen.until("Password of ann@example.com: ")
            screen.type("nine quiet owls")
            screen.until("First.")
            is_shown.set()
            screen.until("conversation ")
            assert screen.ended() == 0

    assert "nine quiet owls" not in screen.seen
    paths = ["auth/token", "chat", "auth/refresh", "chat", f"turns/{TURN}/events"]
    assert [request.path for request in service.received] == [f"/prepare/api/v1/{path}" for path in paths]
    assert json.loads(service.received[2].body) == {"refresh_token": "r1"}
    authorized = [request.headers.get("authorization") for request in service.received]
    assert authorized == [None, "Bearer a1", None, "Bearer a2", "Bearer a2"]


class TestTexts:
    """What people and models wrote is shown, and does nothing."""

    def test_other_ends_of_lines_and_spaces_stay_within_the_text(self, ask: Ask) -> None:
        with scripted(conversation("10\u00a0km\u2028on\u0085 and\x0c off\u202e")) as service:
            assert ask("chat", "--server", service.address, "hello")[:2] == (0, "10 km on and off\n")

    def test_a_block_of_code_with_an_empty_line_is_one_block(self, tmp_path: Path) -> None:
        texts = ("See:\n\n```\nfirst = 1\n", "\nsecond = 2\n```\n\n", "**Done.**")
        with (
            scripted(conversation(*texts)) as service,
            terminal(tmp_path, "chat", "--server", service.address, "hello") as screen,
        ):
            screen.until("first = 1")
            screen.until("second = 2")
            screen.until("Done.")
            assert screen.ended() == 0
        assert "`" not in screen.text

    def test_an_export_at_a_terminal_steers_it_no_more_than_an_answer(self, tmp_path: Path) -> None:
        with (
            scripted(file(b"# \x1b]0;title\x07Questions\n")) as service,
            terminal(tmp_path, "export", CONVERSATION, "--server", service.address) as screen,
        ):
            screen.until("Questions")
            assert screen.ended() == 0
        assert "\x1b" not in screen.seen

    def test_an_export_in_a_pipe_is_the_file(self, tmp_path: Path) -> None:
        with scripted(file(b"# \x1b\xff\r\n")) as service:
            command = [COMMAND, "export", CONVERSATION, "--server", service.address]
            done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"# \x1b\xff\r\n", b"")

    def test_a_pdf_is_not_for_a_terminal(self, tmp_path: Path) -> None:
        with terminal(tmp_path, "export", CONVERSATION, "--format", "pdf", "--server", "http://127.0.0.1:9") as screen:
            screen.until("name a file with --output")
            assert screen.ended() == 2

    @pytest.mark.parametrize(
        ("words", "said", "what"), [([b"h\xff"], b"", b"an argument"), ([], b"h\xff\n", b"the input")]
    )
    def test_bytes_that_are_no_text_are_refused(
        self, words: list[bytes], said: bytes, what: bytes, tmp_path: Path
    ) -> None:
        command = [COMMAND.encode(), b"chat", b"--server", b"http://127.0.0.1:9", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment(), input=said, capture_output=True, check=False)

        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr == b"greenroom: %s cannot be read as text (UTF-8)\n" % what

    def test_a_posting_may_begin_with_a_mark_of_its_encoding(self, ask: Ask, tmp_path: Path) -> None:
        (tmp_path / "job.txt").write_bytes(b"\xef\xbb\xbfSenior Engineer")
        with scripted(conversation("Well.")) as service:
            assert ask("chat", "--server", service.address, "--job", "job.txt", "hello")[0] == 0
        assert json.loads(service.received[0].body)["job_description"] == "Senior Engineer"


class TestConversations:
    """What holds from one message to the next."""

    def test_options_are_said_once_in_each_conversation_and_again_until_it_is_answered(self, tmp_path: Path) -> None:
        failed = stream(STARTED, event(2, "turn.failed", title="The model failed", detail="Try again."))
        with scripted(failed, conversation("One."), conversation("Two."), conversation("Three.")) as service:
            said = "hello\nhello\nhello\n/new\nhello\n"
            done = greenroom(tmp_path, "chat", "--server", service.address, "--level", "senior", said=said)

        bodies = [json.loads(request.body) for request in service.received]
        assert ["experience_level" in body for body in bodies] == [True, True, False, True]
        assert [body.get("conversation_id") for body in bodies] == [None, CONVERSATION, CONVERSATION, None]
        assert done.returncode == 1
        assert "greenroom: The model failed: Try again.\n" in done.stderr

    def test_a_name_with_spaces_is_one_name(self, tmp_path: Path) -> None:
        with scripted(conversation("Well."), file(b"# Questions\n")) as service:
            said = "hello\n/export markdown my questions.md\n"
            done = greenroom(tmp_path, "chat", "--server", service.address, said=said)

        assert done.returncode == 0
        assert "my questions.md: 12 bytes\n" in done.stdout
        assert (tmp_path / "my questions.md").read_bytes() == b"# Questions\n"

    def test_at_a_terminal_a_server_that_goes_away_ends_no_conversation(self, tmp_path: Path) -> None:
        with terminal(tmp_path, "chat", "--server", f"http://127.0.0.1:{free_port()}") as screen:
            screen.until("> ")
            screen.type("hello")
            screen.until("the server cannot be reached")
            screen.until("> ")
            screen.type("/quit")
            assert screen.ended() == 1


class TestOutput:
    """Where what is written goes."""

    def test_a_full_disk_is_said_in_one_line(self, tmp_path: Path) -> None:
        with scripted(conversation("Well.")) as service, Path("/dev/full").open("wb") as full:
            command = [COMMAND, "chat", "--server", service.address, "hello"]
            done = subprocess.run(
                command, cwd=tmp_path, env=environment(), stdout=full, stderr=subprocess.PIPE, check=False
            )
        assert done.returncode == 3
        assert done.stderr == b"greenroom: cannot write the output: No space left on device\n"

    def test_signs_that_the_output_cannot_show_are_written_in_ascii(self, tmp_path: Path) -> None:
        with scripted(conversation("Grüße → Anna")) as service:
            command = [COMMAND, "chat", "--server", service.address, "hello"]
            latin = environment(PYTHONIOENCODING="latin-1")
            done = subprocess.run(command, cwd=tmp_path, env=latin, capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (0, b"Gr\xfc\xdfe \\u2192 Anna\n")

    def test_cards_and_prompts_are_for_terminals_whatever_the_environment_says(self, tmp_path: Path) -> None:
        with scripted(conversation("*Well.*")) as service:
            done = greenroom(tmp_path, "chat", "--server", service.address, said="hello\n", FORCE_COLOR="1")
        assert (done.returncode, done.stdout) == (0, "*Well.*\n")
        assert "\x1b" not in done.stderr


class TestOwnServer:
    """The one that the command brings is for the person at this terminal alone."""

    def test_nobody_else_reaches_it_and_it_needs_no_proxy(self, tmp_path: Path) -> None:
        """Settings as of a public service. What is pasted in several lines is one message."""
        port = free_port()
        here = {
            "APP_HOST": "0.0.0.0",  # noqa: S104 - that it is not bound is what is tested
            "APP_PORT": str(port),
            "AUTH_MODE": "accounts",
            "SECRET_KEY": SECRET_KEY,
            "ALLOWED_HOSTS": "greenroom.example.com",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'greenroom.db'}",
            "HTTP_PROXY": f"http://127.0.0.1:{free_port()}",
        }
        with terminal(tmp_path, "chat", **here) as screen:
            screen.until("> ")
            screen.press(b"\x1b[200~hello\nand good morning\x1b[201~\n")
            screen.until("conversation ")
            socket.create_connection(("127.0.0.1", port)).close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", port))
            screen.until("> ")
            screen.press(b"\x04")
            assert screen.ended() == 0

        with closing(sqlite3.connect(tmp_path / "greenroom.db")) as database:
            said = database.execute("SELECT text FROM message ORDER BY id").fetchall()
        assert [text for (text,) in said if text.startswith("hello")] == ["hello\nand good morning"]

    def test_there_is_nobody_to_sign_in_to(self, tmp_path: Path) -> None:
        done = greenroom(tmp_path, "chat", "--email", "ann@example.com", "hello", APP_PORT="0")

        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "greenroom: no server runs here that one could sign in to; name one with --server\n"

    @pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
    def test_it_may_be_on_ipv6(self, tmp_path: Path) -> None:
        here = {"APP_HOST": "::1", "APP_PORT": str(free_port()), "DATABASE_URL": f"sqlite:///{tmp_path / 'g.db'}"}
        done = greenroom(tmp_path, "chat", "hello", **here)

        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Hello!")
