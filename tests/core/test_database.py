"""Column types that behave the same on both databases, and transactions that do not get in each other's way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func
from sqlalchemy.exc import IntegrityError, StatementError
from sqlmodel import col, select

from app.core.config import async_database_url
from app.core.database import CONNECTIONS, MORE_CONNECTIONS, RETRY_SECONDS, WAIT_SECONDS, Database
from app.core.errors import NotReady
from app.usage.models import ModelCallRow
from tests.usage.rows import row

ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

NOON = datetime(2026, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(async_database_url(database_url))
    yield opened
    await opened.dispose()


@pytest.mark.parametrize(
    "moment",
    [
        NOON,
        NOON.astimezone(timezone(timedelta(hours=5, minutes=45))),
        NOON.replace(microsecond=0),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
async def test_times_come_back_in_utc_to_the_microsecond(database: Database, moment: datetime) -> None:
    async with database.transaction() as session:
        session.add(row(created_at=moment))
    async with database.reading() as session:
        found = (await session.exec(select(ModelCallRow.created_at))).one()
        same = (await session.exec(select(func.count()).where(ModelCallRow.created_at == moment))).one()
    assert (found, found.tzinfo, same) == (moment, UTC, 1)


async def test_a_naive_time_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="aware"):
        async with database.transaction() as session:
            session.add(row(created_at=NOON.replace(tzinfo=None)))


async def test_times_and_money_sort_and_compare_by_their_value(database: Database) -> None:
    moments = [NOON + timedelta(microseconds=step) for step in (0, 1, 999_999)] + [NOON.replace(microsecond=0)]
    async with database.transaction() as session:
        session.add_all(row(created_at=moment, cost_usd=Decimal(9 + i)) for i, moment in enumerate(moments))
    async with database.reading() as session:
        by_time = (await session.exec(select(ModelCallRow.created_at).order_by(col(ModelCallRow.created_at)))).all()
        dear = (await session.exec(select(ModelCallRow).where(col(ModelCallRow.cost_usd) >= Decimal(10)))).all()
    assert by_time == sorted(moments)
    assert {call.cost_usd for call in dear} == {Decimal(10), Decimal(11), Decimal(12)}


async def test_a_block_that_raises_stores_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.transaction() as session:
            session.add(row())
            await session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    async with database.reading() as session:
        assert (await session.exec(select(func.count()).select_from(ModelCallRow))).one() == 0


async def test_a_reader_neither_waits_for_a_writer_nor_sees_half_of_its_work(database: Database) -> None:
    async with database.transaction() as writing:
        writing.add(row())
        await writing.flush()
        async with asyncio.timeout(2), database.reading() as session:
            assert (await session.exec(select(func.count()).select_from(ModelCallRow))).one() == 0


async def test_many_writers_all_get_their_turn_and_lose_no_update(database: Database) -> None:
    key = uuid4()
    async with database.transaction() as session:
        session.add(ModelCallRow(**row().model_dump() | {"id": key, "input_tokens": 0}))

    async def add_one() -> None:
        async with database.transaction() as session:
            found = await session.get_one(ModelCallRow, key, with_for_update=True)
            found.input_tokens += 1

    await asyncio.gather(*(add_one() for _ in range(40)))
    async with database.reading() as session:
        assert (await session.get_one(ModelCallRow, key)).input_tokens == 40


async def test_errors_do_not_quote_what_was_to_be_stored(database: Database) -> None:
    stored = row(agent="zebra")
    again = stored.model_dump()

    async def store(call: ModelCallRow) -> None:
        async with database.transaction() as session:
            session.add(call)

    await store(stored)
    with pytest.raises(IntegrityError) as failure:
        await store(ModelCallRow(**again))
    assert "zebra" not in str(failure.value)


async def test_where_every_connection_is_taken_one_waits_and_then_is_told(database: Database) -> None:
    async with AsyncExitStack() as taken:
        for _ in range(CONNECTIONS + MORE_CONNECTIONS):
            await taken.enter_async_context(database.engine.connect())
        waiting = asyncio.create_task(database.ping())
        with pytest.raises(NotReady) as told:
            async with database.reading() as session:
                await session.exec(select(ModelCallRow))
        assert told.value.detail == "Every connection to the database is in use. Try again."
        assert told.value.retry_after_seconds == RETRY_SECONDS
        with pytest.raises(NotReady):
            await waiting
    await database.ping()


@ON_SQLITE
async def test_as_long_as_connections_come_back_one_waits_for_longer(database: Database) -> None:
    async def hold(leave: asyncio.Event) -> None:
        async with database.reading() as session:
            await session.exec(select(ModelCallRow))
            await leave.wait()

    leaves = [asyncio.Event() for _ in range(CONNECTIONS + MORE_CONNECTIONS + 3)]
    tasks = [asyncio.create_task(hold(leave)) for leave in leaves]
    await asyncio.sleep(0)
    given_up, _, second = tasks[-3:]
    await asyncio.sleep(WAIT_SECONDS * 0.6)
    given_up.cancel()
    leaves[0].set()
    await asyncio.sleep(WAIT_SECONDS * 0.6)
    assert not second.done(), "it waits, though for longer than one waits where nothing moves"
    for leave in leaves:
        leave.set()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends if end is not None] == [asyncio.CancelledError]
    async with AsyncExitStack() as taken:
        for _ in range(CONNECTIONS + MORE_CONNECTIONS):
            await taken.enter_async_context(database.reading())


async def test_a_database_that_is_away_is_not_ready(database: Database, tmp_path: Path) -> None:
    await database.ping()
    away = (f"sqlite:///{tmp_path / 'no' / 'folder.db'}", "postgresql://nobody:nothing@127.0.0.1:9/nowhere")
    for address in away:
        opened = Database(async_database_url(address))
        with pytest.raises(NotReady):
            await opened.ping()
        await opened.dispose()
