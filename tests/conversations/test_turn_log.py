"""Readers of a turn's log see every line once, in order, whenever they come and whoever writes."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import event

from app.accounts.models import LOCAL_USER_ID
from app.conversations.opening import OpenedTurn
from app.conversations.service import ConversationService
from app.conversations.turn_log import MOST_HANDED, LoggedEvent, Pace, TurnLog
from app.core.config import REPOSITORY_ROOT
from app.core.database import Database
from app.core.errors import NotFound, Unauthorized
from app.core.signals import Signals, Topic
from tests.conversations.stories import COMPLETED, answer, delta, finished_turn, log_of, opening

QUICK = Pace(poll_seconds=0.02, heartbeat_seconds=0.06)
SIGNALLED_ONLY = Pace(poll_seconds=30, heartbeat_seconds=60)
"""A reader that had to wait for its poll would run into the test's own timeout."""

Reader = AsyncIterator[LoggedEvent | None]


async def read(reader: Reader) -> list[LoggedEvent]:
    """Everything but the heartbeats."""
    async with asyncio.timeout(25):
        return [event async for event in reader if event is not None]


async def write(
    service: ConversationService, opened: OpenedTurn, lines: int, halfway: asyncio.Event | None = None
) -> None:
    """Lines in batches of one to three, then the end."""
    written = 0
    while written < lines:
        batch = [delta(str(number)) for number in range(written, min(written + written % 3 + 1, lines))]
        await service.append(opened.turn_id, batch)
        written += len(batch)
        if halfway is not None and written * 2 >= lines:
            halfway.set()
    await service.complete_turn(opened.turn_id, answer(), COMPLETED)


async def test_readers_that_come_at_any_time_see_the_same_lines_once_and_in_order(
    conversations: ConversationService, log: TurnLog
) -> None:
    opened = await conversations.open_turn(opening())

    def reader() -> asyncio.Task[list[LoggedEvent]]:
        return asyncio.create_task(read(log.follow(opened.turn_id, pace=SIGNALLED_ONLY)))

    early = [reader(), reader()]
    halfway = asyncio.Event()
    writer = asyncio.create_task(write(conversations, opened, 40, halfway))
    await halfway.wait()
    midway = reader()
    await writer
    logs = [await task for task in (*early, midway, reader())]

    assert [event.seq for event in logs[0]] == list(range(1, 43))
    assert [event.data["text"] for event in logs[0][1:-1]] == [str(number) for number in range(40)]
    assert logs[0][-1] == LoggedEvent(42, *COMPLETED)
    assert all(log == logs[0] for log in logs)


@pytest.mark.parametrize(("after", "seqs"), [(0, [1, 2, 3, 4]), (1, [2, 3, 4]), (3, [4]), (4, []), (99, [])])
async def test_a_reader_that_comes_after_the_end_gets_the_rest_and_does_not_wait(
    conversations: ConversationService, after: int, seqs: list[int]
) -> None:
    opened = await conversations.open_turn(opening())
    await write(conversations, opened, 2)
    async with asyncio.timeout(25):
        assert [event.seq for event in await log_of(conversations, opened.turn_id, after=after)] == seqs


async def test_a_reader_of_what_is_deleted_ends(conversations: ConversationService, log: TurnLog) -> None:
    opened = await finished_turn(conversations)
    reader = log.follow(opened.turn_id, pace=SIGNALLED_ONLY)
    assert await anext(reader) is not None
    await conversations.delete(opened.conversation_id, owner_id=LOCAL_USER_ID)
    # What was read before the deletion is still told, and nothing waits for more.
    assert [event.kind for event in await read(reader)] == ["turn.completed"]
    assert await read(log.follow(opened.turn_id, pace=SIGNALLED_ONLY)) == []
    with pytest.raises(NotFound):
        await conversations.follow(opened.turn_id, owner_id=LOCAL_USER_ID)


async def test_quiet_times_have_heartbeats_and_lines_still_come_in_between(
    conversations: ConversationService, log: TurnLog
) -> None:
    opened = await conversations.open_turn(opening())
    reader = log.follow(opened.turn_id, pace=QUICK)
    assert (await anext(reader)) is not None
    assert [await anext(reader), await anext(reader)] == [None, None]
    await conversations.append(opened.turn_id, [delta("a")])
    seen = await anext(reader)
    assert seen is not None
    assert seen.data == {"text": "a"}
    assert await anext(reader) is None
    await conversations.complete_turn(opened.turn_id, answer(), COMPLETED)
    assert [event.kind for event in await read(reader)] == ["turn.completed"]


async def test_a_reader_who_may_not_go_on_gets_no_line_more(conversations: ConversationService, log: TurnLog) -> None:
    may_read = True

    async def check() -> None:
        if not may_read:
            raise Unauthorized("This sign-in has ended.")

    opened = await conversations.open_turn(opening())
    pace = replace(QUICK, check_seconds=0)
    reader = log.follow(opened.turn_id, check=check, pace=pace)
    assert (await anext(reader)) is not None
    may_read = False
    await conversations.append(opened.turn_id, [delta("a")])
    with pytest.raises(Unauthorized):
        await anext(reader)


async def test_a_reader_who_is_far_behind_misses_no_line(conversations: ConversationService) -> None:
    opened = await conversations.open_turn(opening())
    reader = await conversations.follow(opened.turn_id, owner_id=LOCAL_USER_ID)
    assert (await anext(reader)) is not None
    for number in range(MOST_HANDED + 5):
        await conversations.append(opened.turn_id, [delta(str(number))])
    await conversations.complete_turn(opened.turn_id, answer(), COMPLETED)
    texts = [event.data.get("text") for event in await read(reader)]
    assert texts == [*map(str, range(MOST_HANDED + 5)), None]


async def test_lines_of_two_servers_come_in_their_order(
    conversations: ConversationService, replica: ConversationService
) -> None:
    opened = await conversations.open_turn(opening())
    reader = await conversations.follow(opened.turn_id, owner_id=LOCAL_USER_ID)
    assert (await anext(reader)) is not None
    for number in range(9):
        await (replica if number % 3 == 1 else conversations).append(opened.turn_id, [delta(str(number))])
    await conversations.complete_turn(opened.turn_id, answer(), COMPLETED)
    assert [event.data.get("text") for event in await read(reader)] == [*map(str, range(9)), None]


async def test_a_line_from_elsewhere_is_not_overlooked_beside_one_from_here(
    log: TurnLog,
    conversations: ConversationService,
    replica: ConversationService,
    *,
    database: Database,
    signals: Signals,
) -> None:
    opened = await conversations.open_turn(opening())
    reader = log.follow(opened.turn_id, pace=SIGNALLED_ONLY)
    assert (await anext(reader)) is not None
    await log.append(opened.turn_id, [delta("here")], attempt=0)
    await replica.append(opened.turn_id, [delta("there")])
    async with database.transaction() as session:
        await signals.send(session, Topic.LOG, opened.turn_id)
    async with asyncio.timeout(5):
        found = [await anext(reader), await anext(reader)]
    assert [line and line.data["text"] for line in found] == ["here", "there"]
    await reader.aclose()


async def test_lines_of_another_turn_are_nobodys_business(conversations: ConversationService, log: TurnLog) -> None:
    opened, other = await conversations.open_turn(opening()), await conversations.open_turn(opening())
    reader = log.follow(opened.turn_id, pace=QUICK)
    assert (await anext(reader)) is not None
    # One is handed to the readers of the same log, the other is found in the database.
    await log.append(other.turn_id, [delta("theirs")], attempt=0)
    await conversations.append(opened.turn_id, [delta("ours")])
    await conversations.complete_turn(opened.turn_id, answer(), COMPLETED)
    assert [event.data.get("text") for event in await read(reader)] == ["ours", None]


async def test_lines_of_many_turns_share_a_transaction_but_no_fate(
    conversations: ConversationService, database: Database
) -> None:
    turns = [(await conversations.open_turn(opening())).turn_id for _ in range(20)]
    commits = 0

    def count(_connection: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(database.engine.sync_engine, "commit", count)
    written = await asyncio.gather(
        *(conversations.append(turn_id, [delta("a")]) for turn_id in turns),
        conversations.append(turns[5], [delta("of another attempt")], attempt=7),
    )
    assert written == [True] * 20 + [False]
    assert commits <= 2
    outcomes = await asyncio.gather(
        *(conversations.append(turn_id, [delta("b")]) for turn_id in turns[:3]),
        conversations.append(turns[3], [("text.delta", {"text": object()})]),
        *(conversations.append(turn_id, [delta("b")]) for turn_id in turns[4:]),
        return_exceptions=True,
    )
    assert [outcome is True for outcome in outcomes] == [True] * 3 + [False] + [True] * 16
    for turn_id in turns:
        await conversations.complete_turn(turn_id, answer(), COMPLETED)
        texts = [line.data["text"] for line in (await log_of(conversations, turn_id))[1:-1]]
        assert texts == (["a"] if turn_id == turns[3] else ["a", "b"])


WRITER = """
import asyncio, sys
from uuid import UUID
from app.conversations.service import ConversationService
from app.core.config import async_database_url
from app.core.database import Database
from app.core.signals import Signals
from tests.conversations.stories import COMPLETED, answer, delta

async def main(url, turn_id):
    database = Database(async_database_url(url))
    service = ConversationService(database, Signals(database))
    for number in range(5):
        line = delta(str(number))
        await service.append(UUID(turn_id), [line])
    await service.complete_turn(UUID(turn_id), answer(), COMPLETED)
    await database.dispose()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_lines_written_by_another_process_are_seen(
    conversations: ConversationService, log: TurnLog, database_url: str
) -> None:
    opened = await conversations.open_turn(opening())
    reader = asyncio.create_task(read(log.follow(opened.turn_id, pace=QUICK)))
    writer = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        database_url,
        str(opened.turn_id),
        cwd=REPOSITORY_ROOT,
    )
    assert await writer.wait() == 0
    texts = [event.data.get("text") for event in await reader]
    assert texts == [None, "0", "1", "2", "3", "4", None]
