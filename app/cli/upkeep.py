"""What is done to the database from outside the service: `greenroom migrate` and `greenroom purge`."""

import asyncio
import time

import typer
from sqlalchemy.exc import OperationalError, ProgrammingError

from app.cli.failures import CannotStart, CommandFailed
from app.cli.serving import reach_database
from app.conversations.retention import Retention, Tidied
from app.core.config import Settings
from app.core.database import Database
from app.core.errors import NotReady

RETRY_SECONDS = 1.0


def migrate(settings: Settings, *, wait_seconds: float, is_check: bool) -> None:
    """Migrate, once the database answers.

    Raises:
        CannotStart: it does not, within that time.
        CommandFailed: it is only to be checked, and is not at the newest revision; or it is of a newer version.
    """
    _wait_for_database(settings, wait_seconds, is_new_allowed=not is_check)
    before, after, newest = asyncio.run(_migrated(Database(settings.async_database_url), is_check=is_check))
    if is_check and before != newest:
        state = "empty" if before is None else f"at revision {before}, not {newest}"
        raise CommandFailed(f"the database is {state}; run: greenroom migrate")
    was = "" if before == after else "; it was empty" if before is None else f"; it was at {before}"
    typer.echo(f"the database is at revision {after}{was}")


def _wait_for_database(settings: Settings, seconds: float, *, is_new_allowed: bool) -> None:
    ends = time.monotonic() + seconds
    while True:
        try:
            reach_database(settings, is_new_allowed=is_new_allowed)
        except CannotStart:
            if time.monotonic() + RETRY_SECONDS > ends:
                raise
            time.sleep(RETRY_SECONDS)
        else:
            return


async def _migrated(database: Database, *, is_check: bool) -> tuple[str | None, str | None, str]:
    """The revision before and after, and the newest there is."""
    known = database.known_revisions()
    newest = known[-1]
    try:
        before = await database.revision()
        if before is not None and before not in known:
            raise CommandFailed(f"the database is at revision {before}, which is newer than this version ({newest})")
        if not is_check and before != newest:
            await database.migrate()
        return before, await database.revision(), newest
    finally:
        await database.dispose()


def purge(settings: Settings, unused_for_days: int | None, *, is_dry_run: bool) -> None:
    """Delete and compact once, and say how much.

    Raises:
        CannotStart: the database is away, or not of this version.
    """

    async def work() -> Tidied:
        database = Database(settings.async_database_url)
        try:
            retention = Retention.of(database, settings, conversation_days=unused_for_days)
            return await (retention.preview() if is_dry_run else retention.tidy())
        finally:
            await database.dispose()

    reach_database(settings, is_new_allowed=False)
    try:
        done = asyncio.run(work())
    except NotReady as error:
        raise CannotStart(f"{error.detail} What was done so far is done; run this again") from error
    except (OperationalError, ProgrammingError) as error:
        # A table or a column that is not there: SQLite says the one, PostgreSQL the other.
        raise CannotStart("the database is not of this version; run: greenroom migrate") from error
    deleted, compacted = ("to delete", "to compact") if is_dry_run else ("deleted", "compacted")
    typer.echo(f"conversations {deleted}: {done.conversations}; logs {compacted}: {done.logs}")
