"""`greenroom users`: accounts from the operator's side, on the database itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from email_validator import EmailNotValidError, validate_email

from app.accounts.administration import Administration
from app.accounts.assembly import open_administration
from app.accounts.emails import is_mailable
from app.cli.failures import CannotStart, CommandFailed, WrongUse
from app.cli.serving import reach_database
from app.conversations.service import ConversationService
from app.core.config import AuthMode, Settings
from app.core.database import Database
from app.core.errors import GreenroomError, NotReady
from app.core.signals import Signals

T = TypeVar("T")


def listed(settings: Settings) -> Sequence[str]:
    """A line for each account: address, day, whether it is verified, and how they sign in; between tabs."""

    async def work(administration: Administration) -> Sequence[str]:
        return [
            "\t".join(
                (
                    user.email,
                    f"{user.created_at:%Y-%m-%d}",
                    "verified" if user.is_verified else "not verified",
                    "password" if user.has_password else "elsewhere",
                )
            )
            for user in await administration.listed()
        ]

    return _run(settings, work)


def add(settings: Settings, email: str, password: str) -> None:
    """Make an account."""
    _check_address(email)
    _run(settings, lambda administration: administration.add(email, password))


def set_password(settings: Settings, email: str, password: str) -> None:
    """Set another password."""
    _run(settings, lambda administration: administration.set_password(email, password))


def sign_out(settings: Settings, email: str) -> None:
    """End every sign-in."""
    _run(settings, lambda administration: administration.sign_out(email))


def delete(settings: Settings, email: str) -> None:
    """Delete the account."""
    _run(settings, lambda administration: administration.delete(email))


def _check_address(email: str) -> None:
    try:
        validate_email(email, check_deliverability=False)
    except EmailNotValidError as error:
        raise WrongUse(f"{email} is no e-mail address: {error}") from error
    if not is_mailable(email):
        raise WrongUse("few mail servers deliver to an address with more than ASCII before the @")


def _run(settings: Settings, work: Callable[[Administration], Awaitable[T]]) -> T:
    if settings.auth_mode is not AuthMode.ACCOUNTS:
        raise WrongUse("AUTH_MODE is local, where nobody signs in; set AUTH_MODE=accounts")
    reach_database(settings, is_new_allowed=False)

    async def run() -> T:
        async with _administration(settings) as administration:
            return await work(administration)

    try:
        return asyncio.run(run())
    except NotReady as error:
        raise CannotStart(error.detail) from error
    except GreenroomError as error:
        raise CommandFailed(error.detail) from error


@asynccontextmanager
async def _administration(settings: Settings) -> AsyncIterator[Administration]:
    database = Database(settings.async_database_url)
    try:
        if await database.revision() != database.known_revisions()[-1]:
            raise CannotStart("the database is not of this version; run: greenroom migrate")
        conversations = ConversationService(database, Signals(database))
        yield open_administration(settings, database, cancel_work=conversations.stop_turns_of)
    finally:
        await database.dispose()
