"""Sign-ins: each is a family of refresh tokens, of which only the newest works, and only once.

Whoever uses an older one has a copy, or the thief has used the copy first: the family ends, for both. There is no
grace for two refreshes at once; a client with several tabs refreshes in one of them. Access tokens name their family
and stop with it. Of a family the last fifty used tokens are known, so that a client in a loop does not fill the table;
an older one is unknown: it is refused, and ends nothing.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts import repository
from app.accounts.audit import AuditLog
from app.accounts.models import AuditKind, RefreshToken
from app.accounts.tokens import AccessTokens, Caller
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import Unauthorized

TOKEN_BYTES = 32
KEPT_USED_TOKENS = 50

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Tokens:
    """What somebody gets who has signed in."""

    access_token: str
    refresh_token: str
    expires_in_seconds: int
    """Of the access token."""


class Sessions:
    """Begins, continues and ends sign-ins."""

    def __init__(
        self,
        database: Database,
        access_tokens: AccessTokens,
        audit: AuditLog,
        *,
        days: int,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._access_tokens = access_tokens
        self._audit = audit
        self._lifetime = timedelta(days=days)
        self._now = now

    async def caller(self, token: str | None) -> Caller:
        """Who calls with this access token.

        Raises:
            Unauthorized: it is no good token, its sign-in has ended or its user is gone.
        """
        caller = self._access_tokens.read(token)
        await self.check(caller)
        return caller

    async def check(self, caller: Caller) -> None:
        """Look whether the caller is still signed in, however old the token is they came with.

        Raises:
            Unauthorized: the sign-in has ended or its user is gone.
        """
        async with self._database.reading() as session:
            is_signed_in = await repository.is_signed_in(session, caller.user_id, caller.session_id)
        if not is_signed_in:
            raise Unauthorized("This sign-in has ended. Sign in again at POST /api/v1/auth/token.")

    def begin(self, session: AsyncSession, user_id: UUID) -> Tokens:
        """A new family, in the caller's transaction, which holds the user."""
        return self._next_tokens(session, user_id, family_id=uuid4(), signed_in_at=self._now())

    async def refresh(self, refresh_token: str, *, client_address: str | None) -> Tokens:
        """The next tokens of the family.

        Raises:
            Unauthorized: the token is unknown, too old or was used before; in the last case its family has ended.
        """
        now = self._now()
        async with self._database.transaction() as session:
            kept = await self._held_token(session, refresh_token)
            if kept is not None and kept.used_at is None and kept.expires_at > now:
                kept.used_at = now
                await repository.forget_used_tokens(session, kept.family_id, but_newest=KEPT_USED_TOKENS)
                return self._next_tokens(
                    session, kept.user_id, family_id=kept.family_id, signed_in_at=kept.signed_in_at
                )
            if kept is not None and kept.used_at is not None:
                await repository.end_family(session, kept.family_id)
                self._audit.add(session, AuditKind.REFRESH_REUSED, user_id=kept.user_id, client_address=client_address)
                logger.warning("refresh_reuse", user_id=str(kept.user_id))
        # Outside, so that the end of the family is kept.
        raise Unauthorized("This refresh token does not count any more. Sign in again at POST /api/v1/auth/token.")

    async def end(self, refresh_token: str, *, client_address: str | None) -> None:
        """Sign out: the family ends, with its access tokens. An unknown token is signed out already."""
        async with self._database.transaction() as session:
            kept = await self._held_token(session, refresh_token)
            if kept is not None and await repository.end_family(session, kept.family_id):
                self._audit.add(session, AuditKind.SIGNED_OUT, user_id=kept.user_id, client_address=client_address)

    async def _held_token(self, session: AsyncSession, refresh_token: str) -> RefreshToken | None:
        """The token, after its user and it are held: whoever comes at the same time sees what this one made of it."""
        token_hash = _hash(refresh_token)
        found = await repository.refresh_token(session, token_hash)
        if found is None or await repository.held_user(session, found.user_id) is None:
            return None
        return await repository.refresh_token(session, token_hash, is_locked=True)

    def _next_tokens(self, session: AsyncSession, user_id: UUID, *, family_id: UUID, signed_in_at: datetime) -> Tokens:
        refresh_token = secrets.token_urlsafe(TOKEN_BYTES)
        session.add(
            RefreshToken(
                token_hash=_hash(refresh_token),
                family_id=family_id,
                user_id=user_id,
                signed_in_at=signed_in_at,
                expires_at=self._now() + self._lifetime,
            )
        )
        access_token = self._access_tokens.issue(user_id, session_id=family_id, signed_in_at=signed_in_at)
        return Tokens(access_token, refresh_token, self._access_tokens.lifetime_seconds)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
