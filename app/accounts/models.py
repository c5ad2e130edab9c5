"""Who owns what: every conversation, turn and model call belongs to a user."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlmodel import Field, SQLModel

from app.core.database import UtcDateTime

LOCAL_USER_ID = UUID(int=0)
"""The one person of `AUTH_MODE=local`. The migrations make this user, who has no address and cannot sign in."""


class User(SQLModel, table=True):
    """Somebody who owns conversations. Deleting the row deletes, by the database's cascade, all that is theirs."""

    id: UUID = Field(primary_key=True)
    email: str | None = Field(default=None, sa_type=String(320), unique=True)
    """In lower case; None only for the local user."""
    password_hash: str | None = Field(default=None, sa_type=String(200))
    """None where the person signs in elsewhere, or not at all."""
    created_at: datetime = Field(sa_type=UtcDateTime)
