"""Who runs a turn: one worker at a time, another when that one is dead, and never two that write."""

import asyncio
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, update
from sqlmodel import col, select

from app.accounts.models import LOCAL_USER_ID
from app.conversations.leases import CLAIMS_AT_ONCE, MAX_LOSSES, Claim, Leases
from app.conversations.models import Turn, TurnStatus
from app.conversations.service import ConversationService
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import NotReady
from app.core.signals import Signals, Topic
from tests.conversations.stories import CANCELLED, COMPLETED, answer, delta, log_of, opening, row_counts
from tests.usage.rows import ledger_of, open_row, store

LEASE_SECONDS = 60.0


@pytest.fixture
def leases(database: Database, signals: Signals) -> Leases:
    return Leases(database, signals, uuid4(), seconds=LEASE_SECONDS)


@pytest.fixture
def others(database: Database, signals: Signals) -> Leases:
    """Another worker."""
    return Leases(database, signals, uuid4(), seconds=LEASE_SECONDS)


async def worker_dies(database: Database, turn_id: UUID) -> None:
    """The lease runs out, as nobody renews it."""
    async with database.transaction() as session:
        long_ago = utc_now() if database.is_embedded else func.now()
        await session.exec(update(Turn).where(col(Turn.id) == turn_id).values(leased_until=long_ago))


async def only_claim(leases: Leases) -> Claim:
    (claim,) = await leases.claim()
    return claim


async def test_turns_that_wait_are_taken_once_each_the_oldest_first(
    conversations: ConversationService, leases: Leases, others: Leases
) -> None:
    opened = [(await conversations.open_turn(opening())).turn_id for _ in range(CLAIMS_AT_ONCE + 2)]
    assert [claim.turn_id for claim in await leases.claim()] == opened[:CLAIMS_AT_ONCE]
    taken = await asyncio.gather(leases.claim(), others.claim())

    rest = [claim for claims in taken for claim in claims]
    assert sorted(claim.turn_id for claim in rest) == sorted(opened[CLAIMS_AT_ONCE:])
    assert all(claim.attempt == 1 for claim in rest)
    assert await leases.claim() == await others.claim() == []


async def test_a_living_worker_keeps_its_turns_and_knows_which_they_are(
    conversations: ConversationService, leases: Leases, others: Leases
) -> None:
    await conversations.open_turn(opening())
    claim = await only_claim(leases)
    ended = await conversations.open_turn(opening())
    await only_claim(leases)
    await conversations.end_turn(ended.turn_id, TurnStatus.CANCELLED, CANCELLED, attempt=1)

    assert await leases.renew() == [claim]
    assert await others.renew() == []
    assert await others.claim() == []


async def test_the_turn_of_a_dead_worker_is_begun_again_and_the_dead_one_can_write_no_more(
    conversations: ConversationService, leases: Leases, others: Leases, database: Database
) -> None:
    opened = await conversations.open_turn(opening())
    dead = await only_claim(leases)
    assert await conversations.append(dead.turn_id, [delta("half a sen")], attempt=dead.attempt)
    await worker_dies(database, dead.turn_id)
    claim = await only_claim(others)
    before = await row_counts(database)

    assert claim.attempt == 2
    assert await leases.renew() == []
    assert not await conversations.append(dead.turn_id, [delta("tence")], attempt=dead.attempt)
    assert not await conversations.complete_turn(dead.turn_id, answer(), COMPLETED, attempt=dead.attempt)
    assert not await conversations.end_turn(dead.turn_id, TurnStatus.CANCELLED, CANCELLED, attempt=dead.attempt)
    await leases.release(dead)
    assert await others.renew() == [claim]
    assert await row_counts(database) == before

    assert await conversations.complete_turn(claim.turn_id, answer("Whole."), COMPLETED, attempt=claim.attempt)
    kinds = [event.kind for event in await log_of(conversations, opened.turn_id)]
    assert kinds == ["turn.started", "text.delta", "turn.restarted", "turn.completed"]
    detail = await conversations.detail(opened.conversation_id, owner_id=LOCAL_USER_ID)
    assert [message.text for message in detail.messages] == ["I have an interview", "Whole."]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_worker_that_is_paused_in_a_transaction_does_not_keep_its_turn(
    conversations: ConversationService, leases: Leases, others: Leases, database: Database
) -> None:
    opened = await conversations.open_turn(opening())
    await only_claim(leases)

    async def pause_in_transaction() -> None:
        async with database.transaction() as session:
            await session.exec(select(Turn).where(Turn.id == opened.turn_id).with_for_update())
            # Waits for the lock, which nobody gives back.
            async with asyncio.timeout(30):
                await worker_dies(database, opened.turn_id)
            assert (await only_claim(others)).turn_id == opened.turn_id

    with pytest.raises(NotReady):
        await pause_in_transaction()


async def test_what_a_dead_worker_had_reserved_is_booked_as_an_estimate(
    conversations: ConversationService, leases: Leases, others: Leases, database: Database
) -> None:
    opened = await conversations.open_turn(opening())
    await only_claim(leases)
    await store(database, open_row("0.25", turn_id=opened.turn_id), open_row("0.25"))
    await worker_dies(database, opened.turn_id)
    await only_claim(others)

    booked, elsewhere = sorted(await ledger_of(database), key=lambda row: row.turn_id is None)
    assert (booked.cost_usd, booked.is_estimated, booked.is_complete) == (Decimal("0.25"), True, False)
    assert booked.ended_at is not None
    assert elsewhere.ended_at is None, "of another turn"


async def test_a_turn_that_workers_die_of_is_given_up(
    conversations: ConversationService, leases: Leases, database: Database
) -> None:
    opened = await conversations.open_turn(opening())
    for attempt in range(1, MAX_LOSSES + 1):
        assert (await only_claim(leases)).attempt == attempt
        await worker_dies(database, opened.turn_id)
    assert await leases.claim() == []

    turn = await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)
    assert (turn.status, (turn.problem or {})["code"]) == ("failed", "turn_interrupted")
    kinds = [event.kind for event in await log_of(conversations, opened.turn_id)]
    assert kinds == ["turn.started", *["turn.restarted"] * (MAX_LOSSES - 1), "turn.failed"]


async def test_a_turn_that_is_handed_over_again_and_again_is_not_given_up(
    conversations: ConversationService, leases: Leases, others: Leases
) -> None:
    await conversations.open_turn(opening())
    for attempt in range(1, 3 * MAX_LOSSES):
        claim = await only_claim((leases, others)[attempt % 2])
        assert claim.attempt == attempt
        await (leases, others)[attempt % 2].release(claim)


async def test_after_a_crash_the_only_server_takes_its_own_turns_again(
    conversations: ConversationService, leases: Leases, database: Database
) -> None:
    await conversations.open_turn(opening())
    claim = await only_claim(leases)
    restarted = Leases(database, Signals(database), uuid4(), seconds=LEASE_SECONDS)
    await restarted.let_go_of_all()
    # On PostgreSQL another server may be at it: there its lease counts.
    expected = [claim.attempt + 1] if database.is_embedded else []
    assert [again.attempt for again in await restarted.claim()] == expected


async def test_a_worker_that_does_not_stop_a_turn_is_not_waited_for_long(
    conversations: ConversationService, leases: Leases
) -> None:
    opened = await conversations.open_turn(opening())
    claim = await only_claim(leases)
    await conversations.stop_turn(opened.turn_id)

    assert (await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)).status == "cancelled"
    assert not await conversations.complete_turn(opened.turn_id, answer(), COMPLETED, attempt=claim.attempt)
    assert await leases.renew() == []


async def test_a_turn_that_nobody_has_taken_is_stopped_at_once(
    conversations: ConversationService, leases: Leases
) -> None:
    opened = await conversations.open_turn(opening())
    await conversations.stop_turns_of(LOCAL_USER_ID)
    assert (await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)).status == "cancelled"
    assert await leases.claim() == []


async def _signal_and_fail(database: Database, signals: Signals, subject: UUID) -> None:
    async with database.transaction() as session:
        await signals.send(session, Topic.CANCEL, subject)
        raise ZeroDivisionError


async def test_signals_reach_this_server_once_and_only_with_the_commit(database: Database, signals: Signals) -> None:
    heard: list[UUID | None] = []
    signals.subscribe(Topic.CANCEL, heard.append)
    kept, undone = uuid4(), uuid4()
    with pytest.raises(ZeroDivisionError):
        await _signal_and_fail(database, signals, undone)
    async with database.transaction() as session:
        await signals.send(session, Topic.CANCEL, kept)
        assert heard == []
    assert heard == [kept]


async def test_a_signal_waits_for_the_transaction_and_not_for_a_savepoint_of_it(
    database: Database, signals: Signals
) -> None:
    heard: list[UUID | None] = []
    signals.subscribe(Topic.CANCEL, heard.append)
    subject = uuid4()
    async with database.transaction() as session:
        await signals.send(session, Topic.CANCEL, subject)
        async with session.begin_nested():
            await session.exec(select(Turn.id))
        assert heard == []
    assert heard == [subject]
