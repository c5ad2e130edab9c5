"""How long what accounts leave behind is kept."""

from collections.abc import Callable
from datetime import datetime, timedelta

from app.accounts import repository
from app.accounts.limits import LONGEST_MEMORY
from app.core.clock import utc_now
from app.core.database import Database

AUDIT_RETENTION = timedelta(days=180)
"""Long enough to look into what was noticed late; the rows name addresses, and are no archive."""


async def tidy(database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
    """Delete expired tokens and codes, old counters and old events. Whenever: none of them counts any more."""
    time = now()
    async with database.transaction() as session:
        await repository.tidy(
            session, now=time, counters_before=time - LONGEST_MEMORY, events_before=time - AUDIT_RETENTION
        )
