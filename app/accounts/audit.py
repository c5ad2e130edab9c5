"""The audit: what happened that matters for security, without secrets, addresses of people or what they wrote."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import repository
from app.accounts.models import NOBODY_ID, AuditEvent, AuditKind
from app.core.clock import utc_now
from app.core.database import Database

logger = structlog.get_logger(__name__)


class AuditLog:
    """Writes rows, and a log line for each."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    def add(
        self,
        session: AsyncSession,
        kind: AuditKind,
        *,
        user_id: UUID | None,
        client_address: str | None = None,
        **details: Any,
    ) -> None:
        """Add a row to the caller's transaction."""
        session.add(
            AuditEvent(
                id=uuid4(),
                kind=kind,
                user_id=user_id,
                client_address=client_address,
                details=details,
                created_at=self._now(),
            )
        )
        logger.info("audit", kind=kind.value, user_id=str(user_id) if user_id else None, **details)

    async def write(
        self, kind: AuditKind, *, user_id: UUID | None, client_address: str | None = None, **details: Any
    ) -> None:
        """Write a row in a transaction of its own. Of somebody who is deleted meanwhile, it names nobody."""
        async with self._database.transaction() as session:
            # Asked of nobody as well, so that the work does not tell whether there is an account.
            is_kept = await repository.is_kept(session, user_id or NOBODY_ID)
            self.add(session, kind, user_id=user_id if is_kept else None, client_address=client_address, **details)
