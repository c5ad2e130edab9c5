"""`--help`: plain text that names every option; and what is no command is said so."""

import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from app.cli.commands import commands
from tests.cli.terminal import COMMAND, greenroom
from tests.e2e.server_process import environment


def every_command() -> dict[str, list[str]]:
    """The options of each command, by its words."""
    found: dict[str, list[str]] = {}

    def collect(command: object, words: str) -> None:
        inner = getattr(command, "commands", None)
        if inner is None:
            found[words] = [option for param in command.params for option in param.opts if option.startswith("--")]  # type: ignore[attr-defined]  # click's class
        for name, each in (inner or {}).items():
            collect(each, f"{words} {name}".strip())

    collect(get_command(commands), "")
    return found


COMMANDS = every_command()


def test_all_that_was_promised_is_there() -> None:
    names = {words.split()[0] for words in COMMANDS}
    assert names == {"serve", "chat", "migrate", "doctor", "users", "purge", "export", "openapi"}
    assert {words for words in COMMANDS if words.startswith("users")} == {
        f"users {name}" for name in ("list", "add", "set-password", "sign-out", "delete")
    }


@pytest.mark.parametrize("words", COMMANDS)
def test_help_is_plain_and_complete(words: str, tmp_path: Path) -> None:
    done = greenroom(tmp_path, *words.split(), "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert [option for option in COMMANDS[words] if option not in done.stdout] == []
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("arguments", [[], ["users"]])
def test_without_a_command_the_commands_are_listed(arguments: list[str], tmp_path: Path) -> None:
    done = greenroom(tmp_path, *arguments)

    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [["sing"], ["chat", "--loud"], ["export", "no-id"], ["purge", "extra"]])
def test_what_is_no_command_is_said_so(arguments: list[str], tmp_path: Path) -> None:
    done = greenroom(tmp_path, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "Try 'greenroom" in done.stderr or "No such command" in done.stderr


@pytest.mark.parametrize("words", [["openapi"], ["migrate"], ["users", "list"], ["chat", "hello"], ["serve"]])
def test_a_wrong_setting_stops_each_and_names_the_variable(words: list[str], tmp_path: Path) -> None:
    done = greenroom(tmp_path, *words, APP_PORT="many", OPENAI_API_KEY="sk-zebra")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("greenroom: APP_PORT: ")
    assert "zebra" not in done.stderr


def test_a_reader_that_leaves_is_no_failure_to_report(tmp_path: Path) -> None:
    command = ["sh", "-c", f"{COMMAND} openapi | head -c 10"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == '{\n  "opena'
    assert done.stderr == ""
