"""`greenroom users`: accounts from the operator's side, as the people themselves then find them."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.accounts.people import SECRET_KEY
from tests.cli.terminal import greenroom, terminal
from tests.e2e.server_process import ServerProcess, forked

PASSWORD = "nine quiet owls sing"
OTHER = "seven loud herons dive"
ACCOUNTS = {"AUTH_MODE": "accounts", "SECRET_KEY": SECRET_KEY, "REGISTRATION": "closed"}


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[ServerProcess]:
    """A server with accounts that nobody can make by themselves."""
    with forked(tmp_path / "server", DATABASE_URL=database_url, **ACCOUNTS) as found:
        found.wait_until_ready()
        yield found


def signs_in(server: ServerProcess, email: str, password: str) -> httpx2.Response:
    return httpx2.post(f"{server.address}/api/v1/auth/token", data={"username": email, "password": password})


def test_an_account_from_beginning_to_end(tmp_path: Path, database_url: str, server: ServerProcess) -> None:
    here = ACCOUNTS | {"DATABASE_URL": database_url}

    def users(*words: str, said: str = "") -> str:
        done = greenroom(tmp_path, "users", *words, said=said, **here)
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done.stdout

    assert users("list") == ""
    # As a file from Windows ends its line.
    assert users("add", "Ann@Example.com", said=f"{PASSWORD}\r\n") == "Ann@Example.com can sign in\n"
    (line,) = users("list").splitlines()
    assert line.split("\t")[0::2] == ["ann@example.com", "not verified"]
    tokens = signs_in(server, "ann@example.com", PASSWORD).json()

    assert "signed out everywhere" in users("sign-out", "ann@example.com")
    refreshed = httpx2.post(f"{server.address}/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 401

    assert "new password" in users("set-password", "ann@example.com", said=f"{OTHER}\n")
    assert signs_in(server, "ann@example.com", PASSWORD).status_code == 401
    access = signs_in(server, "ann@example.com", OTHER).json()["access_token"]
    signed_in = {"Authorization": f"Bearer {access}"}
    chat = {"message": "senior backend interview", "question_count": 1}
    assert httpx2.post(f"{server.address}/api/v1/chat", json=chat, headers=signed_in, timeout=30).status_code == 200

    assert users("delete", "ann@example.com", "--yes") == "ann@example.com is deleted\n"
    assert users("list") == ""
    assert httpx2.get(f"{server.address}/api/v1/me", headers=signed_in).status_code == 401


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestRefusals:
    """What cannot be is said in one line, and changes nothing."""

    @pytest.mark.parametrize(
        ("words", "said", "status", "says"),
        [
            (["add", "ann@example.com"], "short\n", 1, "Use 12 to 128 characters"),
            (["add", "ann@example.com"], "", 2, "read from the first line of the input, and there is none"),
            (["add", "nobody"], f"{PASSWORD}\n", 2, "nobody is no e-mail address"),
            (["add", "ännchen@example.com"], f"{PASSWORD}\n", 2, "ASCII before the @"),
            (["set-password", "ann@example.com"], f"{PASSWORD}\n", 1, "There is no account with this address"),
            (["sign-out", "ann@example.com"], "", 1, "There is no account with this address"),
            (["delete", "ann@example.com", "--yes"], "", 1, "There is no account with this address"),
            (["delete", "ann@example.com"], "n\n", 1, "Aborted"),
        ],
    )
    def test_each_has_its_words(
        self, *, words: list[str], said: str, status: int, says: str, tmp_path: Path, database_url: str
    ) -> None:
        done = greenroom(tmp_path, "users", *words, said=said, DATABASE_URL=database_url, **ACCOUNTS)

        assert done.returncode == status
        assert says in done.stderr
        assert "Traceback" not in done.stderr

    def test_an_address_is_taken_once(self, tmp_path: Path, database_url: str) -> None:
        here = ACCOUNTS | {"DATABASE_URL": database_url}
        first = greenroom(tmp_path, "users", "add", "ann@example.com", said=f"{PASSWORD}\n", **here)
        again = greenroom(tmp_path, "users", "add", "ANN@example.com", said=f"{PASSWORD}\n", **here)

        assert (first.returncode, again.returncode) == (0, 1)
        assert "There is an account with this address" in again.stderr

    def test_in_local_mode_there_is_nobody(self, tmp_path: Path, database_url: str) -> None:
        done = greenroom(tmp_path, "users", "list", DATABASE_URL=database_url)

        assert done.returncode == 2
        assert "set AUTH_MODE=accounts" in done.stderr


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(tmp_path: Path, database_url: str) -> None:
    here = ACCOUNTS | {"DATABASE_URL": database_url}
    with terminal(tmp_path, "users", "add", "ann@example.com", **here) as screen:
        screen.until("Password: ")
        screen.type(PASSWORD)
        screen.until("Repeat for confirmation: ")
        screen.type(PASSWORD)
        screen.until("ann@example.com can sign in")
        assert screen.ended() == 0
    assert PASSWORD not in screen.seen
