"""Deleting while somebody works, and walking through the pages of conversations."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update
from sqlmodel import col

from app.accounts.models import LOCAL_USER_ID, User
from app.conversations.models import Conversation, TurnStatus
from app.conversations.opening import OpenedTurn
from app.conversations.service import ConversationService
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import InvalidRequest, NotFound, TurnInProgress
from tests.conversations.stories import CANCELLED, finished_turn, opening, row_counts

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


async def test_a_conversation_with_a_running_turn_is_not_deleted(
    conversations: ConversationService, database: Database
) -> None:
    opened = await conversations.open_turn(opening())
    with pytest.raises(TurnInProgress):
        await conversations.delete(opened.conversation_id, owner_id=LOCAL_USER_ID)
    await conversations.end_turn(opened.turn_id, TurnStatus.CANCELLED, CANCELLED)
    await conversations.delete(opened.conversation_id, owner_id=LOCAL_USER_ID)
    assert not any((await row_counts(database)).values())


async def test_deleting_and_opening_at_once_never_leaves_a_turn_without_its_conversation(
    conversations: ConversationService, replica: ConversationService
) -> None:
    for _ in range(5):
        conversation_id = (await finished_turn(conversations)).conversation_id
        deleted, opened = await asyncio.gather(
            conversations.delete(conversation_id, owner_id=LOCAL_USER_ID),
            replica.open_turn(opening(conversation_id=conversation_id)),
            return_exceptions=True,
        )
        if isinstance(opened, OpenedTurn):
            assert isinstance(deleted, TurnInProgress)
            assert (await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)).status == "running"
        else:
            assert (deleted, type(opened)) == (None, NotFound)


async def walk(conversations: ConversationService, limit: int) -> list[list[UUID]]:
    """The ids of every page, in order."""
    pages, cursor = [], None
    while True:
        page = await conversations.page(limit=limit, cursor=cursor, owner_id=LOCAL_USER_ID)
        pages.append([item.id for item in page.items])
        if (cursor := page.next_cursor) is None:
            return pages


async def test_conversations_come_the_last_changed_first(conversations: ConversationService) -> None:
    ids = [(await finished_turn(conversations)).conversation_id for _ in range(3)]
    await finished_turn(conversations, opening(conversation_id=ids[0]))
    assert await walk(conversations, 10) == [[ids[0], ids[2], ids[1]]]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_hold_every_conversation_once_also_when_all_changed_at_the_same_moment(
    conversations: ConversationService, database: Database, limit: int
) -> None:
    ids = [(await conversations.open_turn(opening())).conversation_id for _ in range(7)]
    async with database.transaction() as session:
        await session.exec(update(Conversation).values(updated_at=NOON))
        # One a microsecond earlier, which a cursor with less precision would lose.
        earlier = update(Conversation).where(col(Conversation.id) == ids[3])
        await session.exec(earlier.values(updated_at=NOON - timedelta(microseconds=1)))

    pages = await walk(conversations, limit)
    assert all(len(page) == limit for page in pages[:-1])
    rows = [found for page in pages for found in page]
    assert sorted(rows) == sorted(ids)
    assert rows[-1] == ids[3]
    assert await walk(conversations, limit) == pages


async def test_a_walk_sees_no_row_twice_while_others_are_added_and_deleted(
    conversations: ConversationService,
) -> None:
    ids = [(await finished_turn(conversations)).conversation_id for _ in range(5)]
    first = await conversations.page(limit=2, cursor=None, owner_id=LOCAL_USER_ID)
    await finished_turn(conversations)
    # Also the row that the cursor names may go.
    await conversations.delete(first.items[-1].id, owner_id=LOCAL_USER_ID)
    second = await conversations.page(limit=10, cursor=first.next_cursor, owner_id=LOCAL_USER_ID)
    assert [item.id for item in second.items] == [ids[2], ids[1], ids[0]]


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


FORGED = (
    "x",
    "!!!!",
    "ünïcode",
    "AAAA",
    "____",
    cursor_of("2026-05-04T12:00:00.000000"),
    cursor_of(f"2026-05-04T12:00:00 {uuid4()}"),
    cursor_of(f"0001-01-01T00:00:00.000000+23:59 {uuid4()}"),
    cursor_of(f"yesterday {uuid4()}"),
    cursor_of("2026-05-04T12:00:00.000000 nobody"),
    cursor_of(f"2026-05-04T12:00:00.000000 {uuid4()} and more"),
)


async def test_a_forged_cursor_is_refused_by_name(conversations: ConversationService) -> None:
    for cursor in FORGED:
        with pytest.raises(InvalidRequest) as refusal:
            await conversations.page(limit=5, cursor=cursor, owner_id=LOCAL_USER_ID)
        assert [found["field"] for found in refusal.value.errors or []] == ["cursor"], cursor


async def test_what_is_somebody_elses_is_not_there(conversations: ConversationService, database: Database) -> None:
    owner, stranger = uuid4(), uuid4()
    async with database.transaction() as session:
        session.add_all(User(id=user_id, created_at=utc_now()) for user_id in (owner, stranger))
    opened = await finished_turn(conversations, opening(owner_id=owner, idempotency_key="mine"))

    with pytest.raises(NotFound):
        await conversations.detail(opened.conversation_id, owner_id=stranger)
    with pytest.raises(NotFound):
        await conversations.question_set(opened.conversation_id, owner_id=stranger)
    with pytest.raises(NotFound):
        await conversations.delete(opened.conversation_id, owner_id=stranger)
    with pytest.raises(NotFound):
        await conversations.turn(opened.turn_id, owner_id=stranger)
    with pytest.raises(NotFound):
        await conversations.follow(opened.turn_id, owner_id=stranger)
    with pytest.raises(NotFound):
        await conversations.open_turn(opening(owner_id=stranger, conversation_id=opened.conversation_id))
    assert (await conversations.page(limit=10, cursor=None, owner_id=stranger)).items == []

    # The same key of another person is another key.
    theirs = await conversations.open_turn(opening(owner_id=stranger, idempotency_key="mine"))
    assert theirs.turn_id != opened.turn_id
    assert await conversations.known_turn(opening(owner_id=owner, idempotency_key="mine")) == opened.turn_id
