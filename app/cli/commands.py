"""The `greenroom` command. Each subcommand reads its arguments here; the work is done in the module it imports.

Those are imported inside the commands: `greenroom --help` should not wait a second for Semantic Kernel.
"""

import asyncio
import errno
import io
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError

from app.bank.questions import ExperienceLevel
from app.cli.failures import CommandFailed, WrongUse
from app.cli.plain import check_text, printable, read_line
from app.core.config import MOST_DAYS, Settings, take_standard_variables

commands = typer.Typer(
    name="greenroom",
    help="Greenroom prepares people for job interviews. Settings come from the environment and from .env in the "
    "current folder. Exit status: 0 done; 1 it did not come to what it should; 2 a wrong argument or setting; 3 "
    "something outside is away or taken.",
    no_args_is_help=True,
    add_completion=False,
    # Plain help, which is the same in a pipe.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
users = typer.Typer(
    help="The people who sign in, with AUTH_MODE=accounts.", no_args_is_help=True, rich_markup_mode=None
)
commands.add_typer(users, name="users")

Server = Annotated[
    str | None,
    typer.Option(
        envvar="GREENROOM_SERVER",
        metavar="URL",
        help="A server, such as https://greenroom.example.com; without one, the command brings its own, on the "
        "database of the settings",
    ),
]
Token = Annotated[
    str | None, typer.Option(envvar="GREENROOM_TOKEN", metavar="TOKEN", help="Access token for the server")
]
Email = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Sign in to the server; the password is asked for")]
ENV_FILE = Path(".env")
Address = Annotated[str, typer.Argument(metavar="EMAIL", help="The person's e-mail address")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the process's exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # That it cannot show some sign is no reason to show nothing; nor is it that it cannot be told so.
            with suppress(OSError):
                stream.reconfigure(errors="backslashreplace")
    try:
        for argument in sys.argv[1:] if arguments is None else arguments:
            check_text(argument, what="an argument")
        commands(arguments, prog_name="greenroom", standalone_mode=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except CommandFailed as failure:
        typer.echo(f"greenroom: {printable(str(failure))}", err=True)
        return failure.status
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
            raise
        # What is still in the buffer would fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        typer.echo(f"greenroom: cannot write the output: {error.strerror}", err=True)
        return 3
    return 0


def read_settings(*, log_level: str | None = None) -> Settings:
    """The settings, with logging as they say; `log_level` replaces theirs, for commands that talk to a person.

    Raises:
        WrongUse: names each variable and what it may be.
    """
    from app.core.logging import configure_logging  # noqa: PLC0415 - see above

    take_standard_variables(ENV_FILE)
    try:
        settings = Settings()
    except ValidationError as error:
        raise WrongUse("\ngreenroom: ".join(gaps(error))) from None
    configure_logging(settings if log_level is None else settings.model_copy(update={"log_level": log_level}))
    return settings


def gaps(error: ValidationError) -> list[str]:
    """What is wrong with the settings, a line for each variable."""
    return [
        f"{name + ': ' if (name := '.'.join(str(part) for part in gap['loc']).upper()) else ''}{gap['msg']}"
        for gap in error.errors()
    ]


@commands.callback()
def before_each() -> None:
    """Look whether `.env` can be read at all: Semantic Kernel, too, reads it, as soon as it is imported."""
    try:
        if ENV_FILE.is_file():
            ENV_FILE.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError):
        raise WrongUse(".env cannot be read as text (UTF-8); save it as such, or take it away") from None


@commands.command()
def serve() -> None:
    """Serve the API, and run turns, as ROLE says. SIGTERM ends it gently."""
    from app.cli.serving import serve as run  # noqa: PLC0415 - see above

    raise typer.Exit(run(read_settings()))


@commands.command()
def chat(
    message: Annotated[
        list[str] | None, typer.Argument(help="One message, whose answer is all; without it, a conversation")
    ] = None,
    *,
    server: Server = None,
    token: Token = None,
    email: Email = None,
    job: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="File with the job description")] = None,
    resume: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="File with your resume")] = None,
    interview_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Such as technical; else triage chooses")
    ] = None,
    level: Annotated[ExperienceLevel | None, typer.Option(help="How experienced you are")] = None,
    count: Annotated[int | None, typer.Option(min=1, max=20, help="How many questions")] = None,
    conversation: Annotated[UUID | None, typer.Option(metavar="ID", help="Go on with this conversation")] = None,
) -> None:
    """Prepare in the terminal: answers stream, and questions come as cards.

    In a pipe, each line of the input is a message, and the answers are plain Markdown.
    """
    from app.cli.connection import connected  # noqa: PLC0415 - see above
    from app.cli.conversation import TerminalChat  # noqa: PLC0415 - see above

    first = {
        "job_description": _text_of(job),
        "resume": _text_of(resume),
        "interview_type": interview_type,
        "experience_level": level,
        "question_count": count,
    }
    with connected(server, token=token, email=email) as client:
        talk = TerminalChat(client, first={name: value for name, value in first.items() if value is not None})
        if conversation is not None:
            talk.conversation_id = str(conversation)
        is_well = talk.say(" ".join(message)) if message else talk.run()
    raise typer.Exit(0 if is_well else 1)


def _text_of(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        # Some editors begin a file with a mark of its encoding.
        return path.read_text(encoding="utf-8-sig")
    except (UnicodeDecodeError, OSError):
        raise WrongUse(f"{path} cannot be read as text (UTF-8); save it as plain text") from None


@commands.command()
def export(
    conversation: Annotated[UUID, typer.Argument(help="The conversation's id, as `chat` says it")],
    *,
    file_format: Annotated[str, typer.Option("--format", help="json, markdown, csv, pdf or html")] = "markdown",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="File to write; else standard output")
    ] = None,
    interview_type: Annotated[str | None, typer.Option("--type", help="Else the set last worked on")] = None,
    server: Server = None,
    token: Token = None,
    email: Email = None,
) -> None:
    """Save a conversation's questions as a file."""
    from app.cli.connection import connected, exported  # noqa: PLC0415 - see above

    is_shown = output is None and sys.stdout.isatty()
    if is_shown and file_format == "pdf":
        raise WrongUse("pdf is not for a terminal; name a file with --output")
    wanted = {"format": file_format, **({"interview_type": interview_type} if interview_type else {})}
    with connected(server, token=token, email=email) as client:
        content = exported(client, str(conversation), **wanted)
    if output is not None:
        _write(output, content)
        typer.echo(f"{output}: {len(content)} bytes")
    elif is_shown:
        typer.echo(printable(content.decode("utf-8-sig", errors="replace")))
    else:
        sys.stdout.buffer.write(content)
        # A reader that has left is noticed here, and not at the very end, where it would be a traceback.
        sys.stdout.buffer.flush()


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise WrongUse(f"cannot write {file}: {error.strerror}") from error


@commands.command()
def migrate(
    *,
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait so long for the database")] = 0,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 unless it is up to date")] = False,
) -> None:
    """Bring the database to this version. Safe beside others that do the same: one migrates, they wait."""
    from app.cli.upkeep import migrate as run  # noqa: PLC0415 - see above

    run(read_settings(), wait_seconds=wait, is_check=check)


@commands.command()
def doctor(
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Do not call the model's provider")] = False,
) -> None:
    """Check settings, keys, database, plugins and provider, and say what to do. Exit 1 if something is wrong."""
    from app.cli.doctor import examine  # noqa: PLC0415 - see above

    raise typer.Exit(0 if asyncio.run(examine(calls_provider=not offline)) else 1)


def _days(text: str) -> int:
    days = int(text) if text.isdecimal() else 0
    if not 1 <= days <= MOST_DAYS:
        raise typer.BadParameter(f"say how many days, from 1 to {MOST_DAYS}")
    return days


@commands.command()
def purge(
    *,
    unused_for_days: Annotated[
        int | None,
        typer.Option(
            parser=_days,
            metavar="N",
            help="Instead of CONVERSATION_RETENTION_DAYS; with neither, no conversation is deleted",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many there are")] = False,
) -> None:
    """Delete conversations that are no longer used, and compact logs.

    Deletes the conversations that nobody has used for so many days, with all that hangs on them, and compacts the logs
    of turns as TURN_LOG_COMPACT_AFTER_HOURS says. The service may run meanwhile.
    """
    from app.cli.upkeep import purge as run  # noqa: PLC0415 - see above

    run(read_settings(), unused_for_days, is_dry_run=dry_run)


@commands.command()
def openapi(
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", dir_okay=False, help="File to write")] = None,
) -> None:
    """Print the description of the API (OpenAPI 3.1), as these settings make it."""
    from app.main import create_app  # noqa: PLC0415 - see above

    document = json.dumps(create_app(read_settings(log_level="WARNING")).openapi(), indent=2, ensure_ascii=False)
    if output is None:
        typer.echo(document)
    else:
        _write(output, f"{document}\n".encode())


@users.command("list")
def list_users() -> None:
    """List everybody, the newest last: address, since when, how they sign in."""
    from app.cli.people import listed  # noqa: PLC0415 - see above

    for line in listed(read_settings(log_level="WARNING")):
        typer.echo(line)


@users.command("add")
def add_user(email: Address) -> None:
    """Make an account, also with REGISTRATION=closed. The password is asked for, or read from the input."""
    from app.cli.people import add  # noqa: PLC0415 - see above

    add(read_settings(log_level="WARNING"), email, _new_password())
    typer.echo(f"{email} can sign in")


@users.command("set-password")
def set_password(email: Address) -> None:
    """Set another password; every sign-in of the person ends."""
    from app.cli.people import set_password as run  # noqa: PLC0415 - see above

    run(read_settings(log_level="WARNING"), email, _new_password())
    typer.echo(f"{email} has a new password and is signed out everywhere")


@users.command("sign-out")
def sign_out(email: Address) -> None:
    """End every sign-in of the person."""
    from app.cli.people import sign_out as run  # noqa: PLC0415 - see above

    run(read_settings(log_level="WARNING"), email)
    typer.echo(f"{email} is signed out everywhere")


@users.command("delete")
def delete_user(email: Address, *, yes: Annotated[bool, typer.Option("--yes", help="Do not ask")] = False) -> None:
    """Delete the account with all conversations. The ledger keeps its figures, and nobody's name."""
    from app.cli.people import delete  # noqa: PLC0415 - see above

    settings = read_settings(log_level="WARNING")
    if not yes:
        typer.confirm(f"Delete {email} and all their conversations?", abort=True)
    delete(settings, email)
    typer.echo(f"{email} is deleted")


def _new_password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    try:
        return read_line()
    except EOFError:
        raise WrongUse("the password is read from the first line of the input, and there is none") from None
