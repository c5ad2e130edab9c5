"""Reserving and settling: every limit holds whoever asks at the same time, and nothing stays open."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.engine import URL
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.models import LOCAL_USER_ID
from app.core.clock import utc_now
from app.core.config import Settings
from app.core.database import Database
from app.core.errors import BudgetExhausted, RateLimited
from app.orchestration.ledger import Booking
from app.usage.ledger import LedgerService, ScopedLedger
from app.usage.limits import CallScope
from app.usage.models import ModelCallRow
from tests.conftest import MakeSettings
from tests.conversations.stories import call
from tests.usage.rows import another_user, ledger_of, open_row, planned, row, store

MakeLedger = Callable[..., ScopedLedger]


def ledger(database: Database, settings: Settings, *, owner_id: UUID = LOCAL_USER_ID, **scope: Any) -> ScopedLedger:
    return ScopedLedger(LedgerService(database, settings), CallScope(owner_id, **scope))


async def outcomes(asking: list[Awaitable[Booking]]) -> tuple[list[Booking], list[Any]]:
    """The bookings, and the refusals."""
    found = await asyncio.gather(*asking, return_exceptions=True)
    refused = [result for result in found if isinstance(result, BaseException)]
    assert all(isinstance(error, BudgetExhausted | RateLimited) for error in refused), refused
    return [result for result in found if not isinstance(result, BaseException)], refused


@pytest.fixture
async def stranger(database: Database) -> UUID:
    return await another_user(database)


@pytest.fixture
async def replica(database: Database) -> AsyncIterator[Database]:
    """The database as another server sees it."""
    opened = Database(database.url)
    try:
        yield opened
    finally:
        await opened.dispose()


BUDGETS = [
    ({"budget_usd_per_turn": "1"}, {"comparison_id": UUID(int=7)}),
    ({"budget_usd_per_user_day": "1"}, {}),
    ({"budget_usd_per_day": "1"}, {}),
]


@pytest.mark.parametrize(("budget", "scope"), BUDGETS, ids="-".join)
async def test_of_fifty_calls_at_once_as_many_start_as_the_budget_can_pay_for(
    database: Database, make_settings: MakeSettings, *, budget: dict[str, str], scope: dict[str, Any]
) -> None:
    booked, refused = await outcomes(
        [ledger(database, make_settings(**budget), **scope).reserve(planned("0.1")) for _ in range(50)]
    )
    assert (len(booked), len(refused)) == (10, 40)
    assert {error.retry_after_seconds for error in refused} == {5}
    assert all("running" not in error.detail and "run at the moment" in error.detail for error in refused)
    assert sum(found.reserved_usd or 0 for found in await ledger_of(database)) == 1


async def test_two_servers_share_one_limit(database: Database, replica: Database, make_settings: MakeSettings) -> None:
    settings = make_settings(budget_usd_per_day="100", rate_limit_calls_per_hour=20)
    booked, refused = await outcomes(
        [ledger(server, settings).reserve(planned()) for _ in range(20) for server in (database, replica)]
    )
    assert (len(booked), len(refused)) == (20, 20)
    assert {type(error) for error in refused} == {RateLimited}
    assert all(3_500 < error.retry_after_seconds <= 3_600 for error in refused)


async def test_alone_a_call_may_use_up_what_is_left_and_then_nothing_starts(
    database: Database, make_settings: MakeSettings
) -> None:
    settings = make_settings(budget_usd_per_user_day="0.01")
    booking = await ledger(database, settings).reserve(planned("5"))
    with pytest.raises(BudgetExhausted) as held:
        await ledger(database, settings).reserve(planned("0.001"))
    await ledger(database, settings).settle(booking, call(cost_usd=Decimal(4)))
    with pytest.raises(BudgetExhausted) as spent:
        await ledger(database, settings).reserve(planned("0.001"))

    assert held.value.retry_after_seconds == 5
    assert 1 <= (spent.value.retry_after_seconds or 0) <= 86_400
    assert "midnight UTC" in spent.value.detail
    (booked,) = await ledger_of(database)
    assert (booked.cost_usd, booked.reserved_usd) == (Decimal(4), Decimal(5))


async def test_what_a_call_did_not_need_is_free_again_when_it_has_ended(
    database: Database, make_settings: MakeSettings
) -> None:
    ours = ledger(database, make_settings(budget_usd_per_user_day="1"))
    for _ in range(3):
        booking = await ours.reserve(planned("0.9"))
        await ours.settle(booking, call(cost_usd=Decimal("0.3")))
    rows = await ledger_of(database)
    assert [found.cost_usd for found in rows] == [Decimal("0.3")] * 3
    assert all(found.ended_at and not found.is_estimated for found in rows)


async def test_a_user_is_not_refused_for_what_another_has_used(
    database: Database, make_settings: MakeSettings, stranger: UUID
) -> None:
    settings = make_settings(rate_limit_calls_per_hour=2, budget_usd_per_user_day="1")
    await store(database, *(row(owner_id=stranger, cost_usd=Decimal(1)) for _ in range(2)))
    await ledger(database, settings).reserve(planned())
    for error in (RateLimited, BudgetExhausted):
        other = settings if error is RateLimited else make_settings(budget_usd_per_user_day="1")
        with pytest.raises(error):
            await ledger(database, other, owner_id=stranger).reserve(planned())


async def test_a_call_of_unknown_price_counts_for_the_hour_only(
    database: Database, make_settings: MakeSettings
) -> None:
    ours = ledger(database, make_settings(rate_limit_calls_per_hour=2, budget_usd_per_day="0.000001"))
    for _ in range(2):
        await ours.settle(await ours.reserve(planned(None)), call(cost_usd=None))
    with pytest.raises(RateLimited):
        await ours.reserve(planned(None))
    assert [(found.cost_usd, found.reserved_usd) for found in await ledger_of(database)] == [(None, None)] * 2


async def test_a_lost_call_counts_as_running_until_its_turn_must_be_over_and_then_as_spent(
    database: Database, make_settings: MakeSettings
) -> None:
    settings = make_settings(budget_usd_per_user_day="1", turn_deadline_seconds=180)
    now = utc_now()
    if now.hour == 0 and now.minute < 5:
        pytest.skip("five minutes ago was yesterday")
    await store(database, open_row("0.9", created_at=now - timedelta(seconds=230)))
    with pytest.raises(BudgetExhausted) as held:
        await ledger(database, settings).reserve(planned("0.2"))
    assert held.value.retry_after_seconds == 5
    await store(database, open_row("0.1", created_at=now - timedelta(seconds=250)))
    async with database.transaction() as session:
        for found in await ledger_of(database):
            found.created_at = now - timedelta(seconds=250)
            await session.merge(found)
    with pytest.raises(BudgetExhausted) as spent:
        await ledger(database, settings).reserve(planned("0.000001"))
    assert "is used up" in spent.value.detail


async def test_the_next_start_settles_what_a_dead_process_left_open(
    database: Database, make_settings: MakeSettings
) -> None:
    now = utc_now()
    await store(
        database,
        open_row("0.9", created_at=now - timedelta(hours=1), model="old"),
        open_row(None, created_at=now - timedelta(hours=1), model="unpriced"),
        open_row("0.1", created_at=now - timedelta(seconds=5), model="young"),
        row(created_at=now - timedelta(hours=1), model="ended"),
    )
    await LedgerService(database, make_settings()).settle_lost_calls(is_starting=True)

    found = {line.model: line for line in await ledger_of(database)}
    assert (found["old"].cost_usd, found["old"].is_estimated, found["old"].is_complete) == (Decimal("0.9"), True, False)
    assert (found["unpriced"].ended_at is not None, found["unpriced"].cost_usd) == (True, None)
    # On SQLite there is no other server that could still be at it.
    assert (found["young"].ended_at is not None) == database.is_embedded
    assert found["ended"].cost_usd == Decimal("0.000075")


async def test_a_call_that_ends_after_it_was_given_up_is_booked_as_it_was(
    database: Database, make_settings: MakeSettings
) -> None:
    ours = ledger(database, make_settings())
    booking = await ours.reserve(planned("0.9"))
    async with database.transaction() as session:
        for found in await ledger_of(database):
            found.created_at -= timedelta(hours=1)
            await session.merge(found)
    await LedgerService(database, make_settings()).settle_lost_calls()
    await ours.settle(booking, call(cost_usd=Decimal("0.2")))
    (found,) = await ledger_of(database)
    assert (found.cost_usd, found.is_estimated, found.is_complete) == (Decimal("0.2"), False, True)


class Moment(StrEnum):
    """Where a transaction is held."""

    BEGINNING = "before anything is written"
    END = "before the commit"


class Holding(Database):
    """A database whose next transaction waits until it may go on; those after it do not."""

    def __init__(self, url: URL, moment: Moment) -> None:
        super().__init__(url)
        self.is_there = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.rows_written = 0
        self._moment = moment

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        async with super().transaction() as session:
            if self._moment is Moment.BEGINNING:
                await self._hold(session)
            yield session
            if self._moment is Moment.END:
                await self._hold(session)

    async def _hold(self, session: AsyncSession) -> None:
        if self.is_there.is_set():
            return
        await session.flush()
        self.rows_written = sum(isinstance(row, ModelCallRow) for row in session.identity_map.values())
        self.is_there.set()
        await self.may_go_on.wait()


@asynccontextmanager
async def holding(database: Database, moment: Moment) -> AsyncIterator[Holding]:
    held = Holding(database.url, moment)
    try:
        yield held
    finally:
        await held.dispose()


async def cancelled_at(held: Holding, work: Coroutine[Any, Any, Any], *, times: int = 1) -> None:
    """Cancel the work while its transaction is held; it ends as cancelled, and only when the transaction has ended."""
    task = asyncio.create_task(work)
    await held.is_there.wait()
    for _ in range(times):
        task.cancel()
        # The cancel has arrived when the loop has been round.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done(), "the transaction is still held"
    held.may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("moment", Moment)
async def test_a_cancel_while_reserving_leaves_nothing_open(
    database: Database, make_settings: MakeSettings, moment: Moment
) -> None:
    async with holding(database, moment) as held:
        await cancelled_at(held, ledger(held, make_settings()).reserve(planned()))
        assert held.rows_written == (1 if moment is Moment.END else 0)
    assert await ledger_of(database) == []


async def test_a_cancel_before_the_reservation_began_leaves_nothing_open(
    database: Database, make_settings: MakeSettings
) -> None:
    asking = asyncio.create_task(ledger(database, make_settings()).reserve(planned()))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await ledger_of(database) == []


@pytest.mark.parametrize("moment", Moment)
async def test_a_cancel_while_a_comparison_takes_its_places_leaves_nothing_open(
    database: Database, make_settings: MakeSettings, moment: Moment
) -> None:
    async def compare(service: LedgerService) -> None:
        async with service.of_comparison([planned("0"), planned("0")], owner_id=LOCAL_USER_ID):
            pytest.fail("it was cancelled before")

    async with holding(database, moment) as held:
        await cancelled_at(held, compare(LedgerService(held, make_settings())))
        assert held.rows_written == (2 if moment is Moment.END else 0)
    assert await ledger_of(database) == []


@pytest.mark.parametrize("moment", Moment)
async def test_a_cancel_while_settling_books_the_call_all_the_same(
    database: Database, make_settings: MakeSettings, moment: Moment
) -> None:
    booking = await ledger(database, make_settings()).reserve(planned())
    async with holding(database, moment) as held:
        await cancelled_at(held, ledger(held, make_settings()).settle(booking, call()), times=3)
    (found,) = await ledger_of(database)
    assert found.ended_at is not None
    assert found.cost_usd == Decimal("0.000075")


async def test_comparisons_take_their_places_together_or_not_at_all(
    database: Database, make_settings: MakeSettings
) -> None:
    service = LedgerService(database, make_settings(rate_limit_calls_per_hour=5))
    places = [planned("0", function=name) for name in ("zero_shot", "few_shot")]
    async with AsyncExitStack() as running:
        taken = await asyncio.gather(
            *(running.enter_async_context(service.of_comparison(places, owner_id=LOCAL_USER_ID)) for _ in range(4)),
            return_exceptions=True,
        )
        first, _, *refused = sorted(taken, key=lambda found: isinstance(found, BaseException))
        assert isinstance(first, list)
        assert [type(error) for error in refused] == [RateLimited, RateLimited]
        assert len({found.comparison_id for found in await ledger_of(database)}) == 2

        # A first call takes the place that is there, a second one asks for another.
        booking = await first[0].reserve(planned(function="zero_shot"))
        await first[0].settle(booking, call())
        await first[0].reserve(planned(function="repair"))
        with pytest.raises(RateLimited):
            await first[0].reserve(planned(function="repair"))
    assert [found.function for found in await ledger_of(database)] == [None, "repair"]


class FailingOnce(LedgerService):
    """A ledger that fails to take back the first place that it is asked for."""

    has_failed = False

    async def take_back(self, call_id: UUID) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise RuntimeError("no connection")
        await super().take_back(call_id)


async def test_a_place_that_cannot_be_given_back_keeps_none_of_the_others(
    database: Database, make_settings: MakeSettings
) -> None:
    service = FailingOnce(database, make_settings())
    places = [planned("0", function=name) for name in ("zero_shot", "few_shot", "persona")]
    with pytest.raises(RuntimeError, match="no connection"):
        async with service.of_comparison(places, owner_id=LOCAL_USER_ID):
            assert len(await ledger_of(database)) == 3
    assert len(await ledger_of(database)) == 1


async def test_the_offline_engine_reserves_nothing_and_is_booked_when_it_has_ended(
    database: Database, make_settings: MakeSettings
) -> None:
    ours = ledger(database, make_settings(rate_limit_calls_per_hour=1, budget_usd_per_day="0"))
    for _ in range(2):
        booking = await ours.reserve(planned("0", provider="offline"))
        assert booking is None
        await ours.settle(booking, call(provider="offline", cost_usd=Decimal(0)))
    assert all(found.ended_at and found.reserved_usd is None for found in await ledger_of(database))
