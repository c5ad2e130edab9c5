"""What was used: of a turn, of a conversation, and summed for whoever asks."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import midnight, utc_now
from app.core.config import Settings
from app.core.database import Database
from app.core.errors import InvalidRequest
from app.orchestration.events import ModelCall
from app.usage import repository
from app.usage.admission import Scope
from app.usage.limits import Limits, LimitState, seconds_to_midnight
from app.usage.repository import LedgerTotals, RowFilter
from app.usage.schemas import (
    BudgetLimit,
    CallLimit,
    GroupBy,
    LedgerSums,
    ModelCallPublic,
    Usage,
    UsageGroup,
    UsageLimits,
    UsagePublic,
)
from plugins.cost.prices import OFFLINE

logger = structlog.get_logger(__name__)

DEFAULT_DAYS, MAX_DAYS = 30, 366


async def conversation_usage(session: AsyncSession, conversation_id: UUID) -> Usage:
    """What the conversation has used, from the ledger."""
    totals = await repository.totals(session, RowFilter(conversation_id=conversation_id))
    return Usage(
        model_calls=totals.model_calls,
        input_tokens=totals.input_tokens,
        cached_input_tokens=totals.cached_input_tokens,
        output_tokens=totals.output_tokens,
        cost_usd=_cost(totals),
    )


async def settle_turn(session: AsyncSession, turn_id: UUID, *, ended_at: datetime) -> None:
    """End what is still open of a turn, at what was reserved: the provider may have charged it.

    Those are calls of a worker that died, or that lives and will put the true figures in their place. A ledger that
    fails does not keep a turn from ending: what is open stays so until somebody tidies up.
    """
    try:
        async with session.begin_nested():
            await repository.settle_lost(session, started_before=ended_at, ended_at=ended_at, turn_id=turn_id)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise
        logger.exception("calls_not_settled", error=type(error).__name__)


async def calls_of(session: AsyncSession, owner_id: UUID) -> list[ModelCallPublic]:
    """Every model call made for the owner, oldest first."""
    return [ModelCallPublic.of(row) for row in await repository.calls_of(session, owner_id)]


def turn_usage(calls: Sequence[ModelCall], *, model: str, instead_of: str | None = None) -> Usage:
    """What one turn has used so far, every attempt counted; `model` answers, in place of the one in `instead_of`."""
    costs = [call.cost_usd for call in calls]
    known = [cost for cost in costs if cost is not None]
    return Usage(
        model=model,
        instead_of=instead_of,
        model_calls=len(calls),
        input_tokens=sum(call.input_tokens for call in calls),
        cached_input_tokens=sum(call.cached_input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
    )


class UsageService:
    """Sums over the ledger, for one owner at a time."""

    def __init__(self, database: Database, settings: Settings, *, provider: str) -> None:
        self._database = database
        self._limits = Limits(settings)
        self._provider = provider

    async def report(
        self,
        *,
        owner_id: UUID,
        by: GroupBy,
        since: date | None = None,
        until: date | None = None,
        conversation_id: UUID | None = None,
    ) -> UsagePublic:
        """What the owner has used on these UTC days, both included; the last thirty where nothing is said.

        A conversation of somebody else looks like one without calls.

        Raises:
            InvalidRequest: the days are in the wrong order, or too many.
        """
        last = until or max(utc_now().date(), since or date.min)
        first = since or date.fromordinal(max(last.toordinal() - DEFAULT_DAYS + 1, 1))
        _check_days(first, last)
        rows = RowFilter(
            owner_id=owner_id,
            conversation_id=conversation_id,
            since=midnight(first),
            until=midnight(last + timedelta(days=1)) if last < date.max else None,
        )
        async with self._database.reading() as session:
            groups = await repository.grouped_totals(session, rows, by)
            state = await self._limits.of_user(session, owner_id) if self._provider != OFFLINE else None
        return UsagePublic(
            since=first.isoformat(),
            until=last.isoformat(),
            by=by,
            # Added up here: a second query would count a call that ended since the first.
            total=_sums(sum((sums for _, sums in groups), LedgerTotals())),
            items=[UsageGroup(key=key, usage=_sums(sums)) for key, sums in groups],
            limits=_limits(state),
        )


def _check_days(first: date, last: date) -> None:
    if first > last:
        problem = {"field": "since", "message": "must not be after `until`"}
        raise InvalidRequest("Correct and send again: since.", errors=[problem])
    if (last - first).days >= MAX_DAYS:
        problem = {"field": "since", "message": f"must be less than {MAX_DAYS} days before `until`"}
        raise InvalidRequest("Ask for fewer days.", errors=[problem])


def _cost(totals: LedgerTotals) -> Decimal | None:
    return None if totals.unpriced_calls else totals.known_cost_usd


def _sums(totals: LedgerTotals) -> LedgerSums:
    return LedgerSums(
        model_calls=totals.model_calls,
        input_tokens=totals.input_tokens,
        cached_input_tokens=totals.cached_input_tokens,
        output_tokens=totals.output_tokens,
        reasoning_tokens=totals.reasoning_tokens,
        cost_usd=_cost(totals),
        known_cost_usd=totals.known_cost_usd,
        unpriced_calls=totals.unpriced_calls,
        estimated_calls=totals.estimated_calls,
    )


def _limits(state: LimitState | None) -> UsageLimits:
    if state is None:
        return UsageLimits(calls_per_hour=None, user_day=None)
    day = state.fund(Scope.USER_DAY)
    return UsageLimits(
        calls_per_hour=CallLimit(limit=state.calls.limit, left=state.calls.left, seconds_to_next=state.calls.seconds),
        user_day=BudgetLimit(
            budget_usd=day.budget_usd,
            spent_usd=day.spent_usd,
            left_usd=day.left_usd,
            reserved_usd=day.reserved_usd + day.lost_usd,
            seconds_to_reset=seconds_to_midnight(utc_now()),
        )
        if day
        else None,
    )
