"""The ledger that turns are given: a row is reserved before a call is made, and completed when it has ended."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.owners import kept_owner
from app.core.clock import midnight, utc_now
from app.core.config import Settings
from app.core.database import NANO, Database
from app.core.errors import NotFound
from app.core.finishing import finished
from app.orchestration.events import ModelCall
from app.orchestration.ledger import Booking, PlannedCall
from app.usage import repository
from app.usage.admission import Scope
from app.usage.limits import CallScope, Limits, budget_name, check_room, limit_headers
from app.usage.models import ModelCallRow
from app.usage.repository import RowFilter
from plugins.cost.plugin import Allowance, Spending
from plugins.cost.prices import NO_OVERRIDES, OFFLINE, PriceOverride, list_price

LEAST_USD = NANO
"""What a call costs at least whose bound is not known yet."""

logger = structlog.get_logger(__name__)


class LedgerService:
    """Books model calls and holds them to the limits. The offline engine has none."""

    def __init__(
        self, database: Database, settings: Settings, prices: Mapping[str, PriceOverride] = NO_OVERRIDES
    ) -> None:
        self.database = database
        self.limits = Limits(settings)
        self.prices = prices
        # Only one of this server's connections waits for the lock of the limits: the others are there for the turns.
        self._turnstile = asyncio.Lock()

    def of_turn(
        self, *, owner_id: UUID, conversation_id: UUID, turn_id: UUID, question_sets: int = 0
    ) -> "ScopedLedger":
        """The ledger for one turn of a conversation that has so many question sets."""
        scope = CallScope(owner_id, conversation_id=conversation_id, turn_id=turn_id)
        return ScopedLedger(self, scope, question_sets=question_sets)

    @asynccontextmanager
    async def of_comparison(
        self, places: Sequence[PlannedCall], *, owner_id: UUID
    ) -> AsyncIterator[list["ScopedLedger"]]:
        """A ledger for each of these calls, which share one budget; their places in the hour are taken at once.

        Places that no call needed are free again after the block, each by itself: one failure keeps none of the others.

        Raises:
            RateLimited, BudgetExhausted: there is no room for all of them. Nothing is booked.
        """
        scope = CallScope(owner_id, comparison_id=uuid4())
        if any(place.provider == OFFLINE for place in places):
            yield [ScopedLedger(self, scope) for _ in places]
            return
        rows = [_open_row(uuid4(), place, scope) for place in places]
        ledgers = [ScopedLedger(self, scope, place=row.id) for row in rows]
        async with AsyncExitStack() as taken:
            try:
                await finished(self._take_places(rows, scope))
            except asyncio.CancelledError:
                # They may have been taken before the cancel came.
                _release_at_end(taken, ledgers)
                raise
            _release_at_end(taken, ledgers)
            yield ledgers

    async def check(self, *, owner_id: UUID, provider: str, model: str, conversation_id: UUID | None = None) -> None:
        """Refuse a turn that has no room for its first call, without booking anything.

        Raises:
            RateLimited, BudgetExhausted: as a reservation would be refused.
        """
        if provider == OFFLINE:
            return
        async with self.database.reading() as session:
            state = await self.limits.state(session, CallScope(owner_id, conversation_id=conversation_id))
        is_priced = list_price(model, provider, overrides=self.prices) is not None
        check_room(state, bound_usd=LEAST_USD if is_priced else None)

    async def headers(self, *, owner_id: UUID, provider: str) -> dict[str, str]:
        """The RateLimit header fields as they stand; none for the offline engine."""
        if provider == OFFLINE:
            return {}
        async with self.database.reading() as session:
            return limit_headers(await self.limits.of_user(session, owner_id))

    async def settle_lost_calls(self, *, is_starting: bool = False) -> None:
        """End the rows of processes that died, at what was reserved, as estimated and incomplete.

        Those are the rows that are open for too long; where the server is only just starting, on SQLite, which has no
        other, all open rows. Safe at any time, also beside other servers.
        """
        now = utc_now()
        started_before = now if is_starting and self.database.is_embedded else self.limits.lost_before(now)
        async with self.database.transaction() as session:
            count = await repository.settle_lost(session, started_before=started_before, ended_at=now)
        if count:
            logger.warning("model_calls_lost", count=count)

    # For the ledgers of turns and comparisons.

    async def reserve(self, row: ModelCallRow, scope: CallScope, *, place: UUID | None) -> None:
        """Insert the open row, or complete the place that was taken for it, if every limit has room.

        Raises:
            RateLimited, BudgetExhausted: a limit has none.
            NotFound: the owner's account was deleted.
        """
        async with self._alone(scope) as session:
            state = await self.limits.state(session, scope, calls=0 if place else 1)
            check_room(state, bound_usd=row.reserved_usd)
            if place is None:
                row.created_at = utc_now()
                session.add(row)
            else:
                planned = row.model_dump(include={"agent", "function", "input_tokens", "output_tokens", "reserved_usd"})
                await repository.change(session, place, **planned)

    async def take_back(self, call_id: UUID) -> None:
        """Remove a reservation whose call was never made."""

        async def remove() -> None:
            async with self.database.transaction() as session:
                await repository.remove_open(session, call_id)

        await finished(remove())

    async def _take_places(self, rows: Sequence[ModelCallRow], scope: CallScope) -> None:
        async with self._alone(scope) as session:
            state = await self.limits.state(session, scope, calls=len(rows))
            is_priced = any(row.reserved_usd is not None for row in rows)
            check_room(state, bound_usd=LEAST_USD if is_priced else None, calls=len(rows))
            session.add_all(rows)

    @asynccontextmanager
    async def _alone(self, scope: CallScope) -> AsyncIterator[AsyncSession]:
        """A transaction beside which no other, of any server, looks at the limits of the scope."""
        async with self._turnstile, self.database.transaction() as session:
            await repository.lock_limits(session, scope.owner_id, is_for_everybody=self.limits.concern_everybody)
            if await kept_owner(session, scope.owner_id) is None:
                raise NotFound("The account was deleted.")
            yield session


class ScopedLedger:
    """The `Ledger` of one turn, or of one technique of a comparison."""

    def __init__(
        self, service: LedgerService, scope: CallScope, *, question_sets: int = 0, place: UUID | None = None
    ) -> None:
        self._service = service
        self._scope = scope
        self._question_sets = question_sets
        self._place = place
        """A row that was taken for the first call."""

    async def reserve(self, planned: PlannedCall) -> Booking:
        """See `Ledger`."""
        if planned.provider == OFFLINE:
            return None
        place, self._place = self._place, None
        row = _open_row(place or uuid4(), planned, self._scope)
        try:
            await finished(self._service.reserve(row, self._scope, place=place))
        except BaseException as error:
            # The call will not be made: its place, or what was written before the cancel came, is free again.
            if place is not None or isinstance(error, asyncio.CancelledError):
                await self._service.take_back(row.id)
            raise
        return row.id

    async def settle(self, booking: Booking, call: ModelCall) -> None:
        """See `Ledger`."""
        await finished(self._settle(booking, call))

    async def release(self) -> None:
        """Give back the place of a call that was not made."""
        if self._place is not None:
            place, self._place = self._place, None
            await self._service.take_back(place)

    async def spending(self) -> Spending:
        """See `Ledger`."""
        scope = self._scope
        today = RowFilter(owner_id=scope.owner_id, since=midnight(utc_now().date()))
        async with self._service.database.reading() as session:
            conversation = await repository.totals(session, RowFilter(conversation_id=scope.conversation_id))
            day = await repository.totals(session, today)
            funds = await self._service.limits.funds(session, scope)
        return Spending(
            cost_usd=None if conversation.unpriced_calls else conversation.known_cost_usd,
            model_calls=conversation.model_calls,
            input_tokens=conversation.input_tokens,
            output_tokens=conversation.output_tokens,
            question_sets=self._question_sets,
            today_usd=day.known_cost_usd,
            today_unpriced_calls=day.unpriced_calls,
            allowances=tuple(
                Allowance(budget_name(fund.scope), fund.budget_usd, fund.left_usd)
                for fund in funds
                # The service's day is the operator's, and a turn's budget is gone with the turn.
                if fund.scope in {Scope.CONVERSATION, Scope.USER_DAY}
            ),
        )

    async def _settle(self, booking: Booking, call: ModelCall) -> None:
        figures, now = call.booked(), utc_now()
        async with self._service.database.transaction() as session:
            if booking is None:
                row = _row(uuid4(), self._scope, created_at=now, ended_at=now, **figures)
                if await kept_owner(session, self._scope.owner_id) is None:
                    # An account that was deleted while its turn ran leaves figures that belong to nobody.
                    row.owner_id = row.conversation_id = row.turn_id = None
                session.add(row)
            else:
                await repository.change(session, booking, ended_at=now, **figures)
        logger.info("model_call", **figures | {"cost_usd": None if call.cost_usd is None else str(call.cost_usd)})


def _release_at_end(taken: AsyncExitStack, ledgers: Sequence[ScopedLedger]) -> None:
    for ledger in ledgers:
        taken.push_async_callback(ledger.release)


def _open_row(call_id: UUID, planned: PlannedCall, scope: CallScope) -> ModelCallRow:
    """A reservation. Nobody has measured it, so that is what it says until it is settled."""
    return _row(
        call_id,
        scope,
        provider=planned.provider,
        model=planned.model,
        agent=planned.agent,
        function=planned.function,
        input_tokens=planned.input_tokens,
        cached_input_tokens=0,
        output_tokens=planned.output_tokens,
        reasoning_tokens=0,
        is_estimated=True,
        is_complete=False,
        reserved_usd=planned.bound_usd,
        duration_ms=0,
        created_at=utc_now(),
    )


def _row(call_id: UUID, scope: CallScope, **figures: Any) -> ModelCallRow:
    return ModelCallRow(id=call_id, **asdict(scope), **figures)
