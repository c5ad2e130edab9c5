"""Who owns what: every conversation, turn and model call belongs to a user; and how users show who they are.

Whatever hangs on a user goes with the user's row, by the database's cascade. Only the audit outlives it, without the
person (see `AuditEvent`).
"""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, String
from sqlmodel import Field, SQLModel

from app.core.database import UtcDateTime

LOCAL_USER_ID = UUID(int=0)
"""The one person of `AUTH_MODE=local`. The migrations make this user, who has no address and cannot sign in."""

NOBODY_ID = UUID(int=2**128 - 1)
"""No user has this id."""


class User(SQLModel, table=True):
    """Somebody who owns conversations. Deleting the row deletes, by the database's cascade, all that is theirs."""

    id: UUID = Field(primary_key=True)
    email: str | None = Field(default=None, sa_type=String(320), unique=True)
    """In lower case; None only for the local user."""
    email_verified_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When the person first showed, by a code sent there or through Google, that the mailbox is theirs."""
    password_hash: str | None = Field(default=None, sa_type=String(200))
    """None where the person signs in elsewhere, or not at all."""
    created_at: datetime = Field(sa_type=UtcDateTime)


class RefreshToken(SQLModel, table=True):
    """One token of a family: the chain that began with one sign-in. A family without rows is signed out."""

    __tablename__ = "refresh_token"

    token_hash: str = Field(primary_key=True, sa_type=String(64))
    """SHA-256: the token is 256 random bits, so nothing slower is needed, and a copy of the table signs nobody in."""
    family_id: UUID = Field(index=True)
    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE", index=True)
    signed_in_at: datetime = Field(sa_type=UtcDateTime)
    """When the family began; every later token of it has the same."""
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    """When it was exchanged for the next one. Kept, so that a second use is noticed."""


class AttemptCounter(SQLModel, table=True):
    """How often somebody tried something lately; the key is a keyed hash, so that it names nobody."""

    __tablename__ = "attempt_counter"

    key: str = Field(primary_key=True, sa_type=String(64))
    attempts: int
    last_at: datetime = Field(sa_type=UtcDateTime, index=True)
    blocked_until: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ResetCode(SQLModel, table=True):
    """The one code by which a user may set a new password."""

    __tablename__ = "reset_code"

    user_id: UUID = Field(primary_key=True, foreign_key="user.id", ondelete="CASCADE")
    code_hash: str = Field(sa_type=String(64))
    expires_at: datetime = Field(sa_type=UtcDateTime)
    tries_left: int


class ExternalIdentity(SQLModel, table=True):
    """Who a user is at an identity provider. The pair is the provider's, and never changes as an address may."""

    __tablename__ = "external_identity"

    issuer: str = Field(primary_key=True, sa_type=String(200))
    subject: str = Field(primary_key=True, sa_type=String(255))
    user_id: UUID = Field(foreign_key="user.id", ondelete="CASCADE", index=True)
    created_at: datetime = Field(sa_type=UtcDateTime)


class AuditKind(StrEnum):
    """What the audit tells of."""

    REGISTERED = "registered"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    REFRESH_REUSED = "refresh_reused"
    IDENTITY_LINKED = "identity_linked"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a name, not a password
    RESET_REQUESTED = "reset_requested"
    RESET_FAILED = "reset_failed"
    ACCOUNT_DELETED = "account_deleted"
    INPUT_REJECTED = "input_rejected"


class AuditEvent(SQLModel, table=True):
    """Something that matters for security. Of a deleted user the fact stays, without id, address and details."""

    __tablename__ = "audit_event"

    id: UUID = Field(primary_key=True)
    kind: str = Field(sa_type=String(40))
    user_id: UUID | None = Field(default=None, foreign_key="user.id", ondelete="SET NULL", index=True)
    client_address: str | None = Field(default=None, sa_type=String(45))
    details: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """Never a secret, an e-mail address or what somebody wrote."""
    created_at: datetime = Field(sa_type=UtcDateTime, index=True)
