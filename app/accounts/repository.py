"""All SQL of accounts. Every function works inside the caller's transaction and commits nothing.

Whoever changes what a user may sign in with, or hands out tokens, holds the user's row first: a sign-in that began with
the old password must not survive its change.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.models import AttemptCounter, AuditEvent, ExternalIdentity, RefreshToken, ResetCode, User
from app.core.database import UtcDateTime

# Users.


async def user_by_email(session: AsyncSession, email: str) -> User | None:
    """The user with this (normalised) address, or None."""
    return (await session.exec(select(User).where(User.email == email))).first()


async def user_by_id(session: AsyncSession, user_id: UUID) -> User | None:
    """The user, or None."""
    return await session.get(User, user_id)


async def users(session: AsyncSession) -> Sequence[User]:
    """Everybody who can sign in, the newest last."""
    query = select(User).where(col(User.email).is_not(None)).order_by(col(User.created_at), col(User.id))
    return (await session.exec(query)).all()


async def held_user(session: AsyncSession, user_id: UUID) -> User | None:
    """The user, whom no other transaction changes before this one ends; rows may go on being added to them."""
    return await session.get(User, user_id, with_for_update={"key_share": True}, populate_existing=True)


async def is_kept(session: AsyncSession, user_id: UUID) -> bool:
    """Whether the user exists, and will until this transaction ends."""
    query = select(User.id).where(User.id == user_id).with_for_update(read=True, key_share=True)
    return (await session.exec(query)).first() is not None


async def is_signed_in(session: AsyncSession, user_id: UUID, family_id: UUID | None) -> bool:
    """Whether this is a family of the user's that has not ended; with the user, all of theirs are gone."""
    family = select(RefreshToken.family_id).where(RefreshToken.family_id == family_id, RefreshToken.user_id == user_id)
    return (await session.exec(family.limit(1))).first() is not None


async def delete_user(session: AsyncSession, user_id: UUID) -> None:
    """Delete the user and, by the database's cascade, all that is theirs."""
    await session.exec(delete(User).where(col(User.id) == user_id))


# Refresh tokens.


async def refresh_token(session: AsyncSession, token_hash: str, *, is_locked: bool = False) -> RefreshToken | None:
    """The token, used or not."""
    return await session.get(RefreshToken, token_hash, with_for_update=is_locked, populate_existing=True)


async def forget_used_tokens(session: AsyncSession, family_id: UUID, *, but_newest: int) -> None:
    """Forget all but so many of the family's used tokens, those used last."""
    used = (col(RefreshToken.family_id) == family_id, col(RefreshToken.used_at).is_not(None))
    newest = select(RefreshToken.token_hash).where(*used).order_by(col(RefreshToken.used_at).desc()).limit(but_newest)
    await session.exec(delete(RefreshToken).where(*used, col(RefreshToken.token_hash).not_in(newest)))


async def end_family(session: AsyncSession, family_id: UUID) -> bool:
    """Forget every token of the family. False when it had none."""
    result = await session.exec(delete(RefreshToken).where(col(RefreshToken.family_id) == family_id))
    return bool(result.rowcount)


async def end_families(session: AsyncSession, user_id: UUID) -> None:
    """Forget every token of the user."""
    await session.exec(delete(RefreshToken).where(col(RefreshToken.user_id) == user_id))


# Attempts.


async def held_counter(session: AsyncSession, key: str, now: datetime) -> AttemptCounter:
    """The counter, made if there is none, which no other transaction reads so before this one ends."""
    insert: Any = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    made = insert(AttemptCounter).values(key=key, attempts=0, last_at=now).on_conflict_do_nothing()
    await session.exec(made)
    counter = await session.get(AttemptCounter, key, with_for_update=True, populate_existing=True)
    if counter is None:
        # Tidied away between the two statements: it was a day old.
        counter = AttemptCounter(key=key, attempts=0, last_at=now)
        session.add(counter)
    return counter


async def forget_counters(session: AsyncSession, keys: Sequence[str]) -> None:
    """Nothing was tried under these keys."""
    await session.exec(delete(AttemptCounter).where(col(AttemptCounter.key).in_(keys)))


async def tidy(session: AsyncSession, *, now: datetime, counters_before: datetime, events_before: datetime) -> None:
    """Delete what no longer counts: expired tokens and codes, old counters and old events of the audit."""
    dated: tuple[tuple[type[SQLModel], Any, Any, datetime], ...] = (
        (RefreshToken, col(RefreshToken.token_hash), col(RefreshToken.expires_at), now),
        (ResetCode, col(ResetCode.user_id), col(ResetCode.expires_at), now),
        (AttemptCounter, col(AttemptCounter.key), col(AttemptCounter.last_at), counters_before),
        (AuditEvent, col(AuditEvent.id), col(AuditEvent.created_at), events_before),
    )
    for kind, key, when, limit in dated:
        # Without waiting for those in use, so that two transactions never wait for each other.
        old = select(key).where(when < limit).with_for_update(skip_locked=True)
        await session.exec(delete(kind).where(key.in_(old)))


# Codes and identities.


async def reset_code(session: AsyncSession, user_id: UUID) -> ResetCode | None:
    """The user's code; hold the user first."""
    return await session.get(ResetCode, user_id, populate_existing=True)


async def identity(session: AsyncSession, issuer: str, subject: str) -> ExternalIdentity | None:
    """Who this is with us, or None."""
    return await session.get(ExternalIdentity, (issuer, subject))


async def identities(session: AsyncSession, user_id: UUID) -> Sequence[ExternalIdentity]:
    """Who the user is elsewhere."""
    query = select(ExternalIdentity).where(ExternalIdentity.user_id == user_id)
    return (await session.exec(query.order_by(col(ExternalIdentity.created_at)))).all()


async def families(session: AsyncSession, user_id: UUID) -> Sequence[tuple[datetime, datetime]]:
    """When each of the user's sign-ins began and ends without use, oldest first."""
    began, ends = col(RefreshToken.signed_in_at), func.max(col(RefreshToken.expires_at), type_=UtcDateTime)
    query = select(began, ends).where(col(RefreshToken.user_id) == user_id)
    return (await session.exec(query.group_by(col(RefreshToken.family_id), began).order_by(began))).all()


# The audit.


async def audit_events(session: AsyncSession, user_id: UUID) -> Sequence[AuditEvent]:
    """What the audit has of the user, oldest first."""
    query = select(AuditEvent).where(AuditEvent.user_id == user_id).order_by(col(AuditEvent.created_at))
    return (await session.exec(query)).all()


async def depersonalise_audit(session: AsyncSession, user_id: UUID) -> None:
    """Take the person out of what the audit has of them; the facts stay."""
    await session.exec(
        update(AuditEvent)
        .where(col(AuditEvent.user_id) == user_id)
        .values(user_id=None, client_address=None, details={})
        .execution_options(synchronize_session=False)
    )
