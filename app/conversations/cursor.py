"""The place between two pages of conversations, as an opaque text."""

import base64
from datetime import UTC, datetime
from uuid import UUID

from app.conversations.models import Conversation
from app.core.errors import InvalidRequest

CURSOR_TIME = "%Y-%m-%dT%H:%M:%S.%f"


def cursor_after(conversation: Conversation) -> str:
    """The place after this conversation, in the order of the list."""
    raw = f"{conversation.updated_at.strftime(CURSOR_TIME)} {conversation.id}"
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The time and id of the conversation that the page before ended with.

    Raises:
        InvalidRequest: it is not one that `cursor_after` gave.
    """
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, _, conversation_id = raw.partition(" ")
        # `cursor_after` writes UTC; any other zone was not written here, and may not even exist in UTC.
        return datetime.strptime(moment, CURSOR_TIME).replace(tzinfo=UTC), UUID(conversation_id)
    except ValueError as error:
        detail = "Pass the next_cursor of the page before, unchanged."
        raise InvalidRequest(detail, errors=[{"field": "cursor", "message": detail}]) from error
