"""`greenroom migrate` and `openapi`; `purge` has its tests beside the retention's."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Timer

import pytest
from sqlalchemy.engine import make_url

from tests.accounts.people import SECRET_KEY
from tests.cli.terminal import greenroom
from tests.e2e.server_process import free_port


def test_migrating_says_from_where_to_where_and_then_that_there_is_nothing_to_do(
    tmp_path: Path, empty_database_url: str
) -> None:
    here = {"DATABASE_URL": empty_database_url}
    behind = greenroom(tmp_path, "migrate", "--check", **here)
    first, second = greenroom(tmp_path, "migrate", **here), greenroom(tmp_path, "migrate", **here)
    level = greenroom(tmp_path, "migrate", "--check", **here)

    if empty_database_url.startswith("sqlite"):
        assert (behind.returncode, "there is no database at" in behind.stderr) == (3, True)
    else:
        assert (behind.returncode, behind.stderr.endswith("run: greenroom migrate\n")) == (1, True)
    assert (first.returncode, second.returncode, level.returncode) == (0, 0, 0)
    assert first.stdout.startswith("the database is at revision 0")
    assert first.stdout.endswith("; it was empty\n")
    assert second.stdout == level.stdout == first.stdout.split(";")[0] + "\n"


def test_it_waits_for_a_database_as_long_as_it_is_told(tmp_path: Path) -> None:
    late, never = tmp_path / "late", tmp_path / "never"
    coming = Timer(1, late.mkdir)
    coming.start()
    done = greenroom(tmp_path, "migrate", "--wait", "30", DATABASE_URL=f"sqlite:///{late / 'greenroom.db'}")
    coming.join()
    gone = greenroom(tmp_path, "migrate", "--wait", "1.2", DATABASE_URL=f"sqlite:///{never / 'greenroom.db'}")

    assert (done.returncode, (late / "greenroom.db").is_file()) == (0, True)
    assert gone.returncode == 3
    assert gone.stderr == f"greenroom: cannot reach the database at {never / 'greenroom.db'}; check DATABASE_URL\n"


ACCOUNTS = {"AUTH_MODE": "accounts", "SECRET_KEY": SECRET_KEY}


@pytest.mark.parametrize("words", [["migrate"], ["users", "list"], ["purge"], ["chat", "hello"]])
def test_what_is_no_database_is_told_in_one_line(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("This is no database. " * 50, encoding="utf-8")
    done = greenroom(tmp_path, *words, DATABASE_URL="sqlite:///notes.txt", APP_PORT="0", **ACCOUNTS)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "greenroom: cannot reach the database at notes.txt; check DATABASE_URL\n"


def test_a_server_that_does_not_let_us_in_says_why(tmp_path: Path, postgresql: str) -> None:
    missing = make_url(postgresql).set(database="nowhere").render_as_string(hide_password=False)
    done = greenroom(tmp_path, "migrate", DATABASE_URL=missing)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.endswith('(database "nowhere" does not exist); check DATABASE_URL\n')
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["migrate", "--wait", "-1"], ["migrate", "--wait", "long"], ["openapi", "-o", "/"]])
def test_a_wrong_argument_is_told(words: list[str], tmp_path: Path) -> None:
    done = greenroom(tmp_path, *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"Try 'greenroom {words[0]} --help' for help." in done.stderr


def test_checking_makes_no_file(tmp_path: Path) -> None:
    done = greenroom(tmp_path, "migrate", "--check", DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}")

    assert done.returncode == 3
    assert not (tmp_path / "new.db").exists()


def test_a_database_of_a_newer_release_is_left_alone(tmp_path: Path, sqlite_url: str) -> None:
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    done = greenroom(tmp_path, "migrate", DATABASE_URL=sqlite_url)

    assert done.returncode == 1
    assert "9999" in done.stderr
    assert "newer" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["migrate"], ["users", "list"], ["purge"]])
def test_a_database_that_is_away_is_named_without_its_password(words: list[str], tmp_path: Path) -> None:
    address = f"postgresql://me:swordfish@127.0.0.1:{free_port()}/greenroom"
    done = greenroom(tmp_path, *words, DATABASE_URL=address, **ACCOUNTS)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("greenroom: cannot reach the database at 127.0.0.1:")
    assert "swordfish" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_description_of_the_api_is_json_and_the_same_in_a_file(tmp_path: Path) -> None:
    printed = greenroom(tmp_path, "openapi")
    saved = greenroom(tmp_path, "openapi", "--output", "openapi.json")

    document = json.loads(printed.stdout)
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/chat" in document["paths"]
    assert json.loads((tmp_path / "openapi.json").read_text(encoding="utf-8")) == document
    assert (printed.returncode, printed.stderr, saved.returncode) == (0, "", 0)
    assert not (tmp_path / "greenroom.db").exists(), "nothing was opened"
    refused = greenroom(tmp_path, "openapi", "--output", "no/such/folder.json")
    assert (refused.returncode, refused.stderr) == (
        2,
        "greenroom: cannot write no/such/folder.json: No such file or directory\n",
    )
