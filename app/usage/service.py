"""The ledger's rules: what is booked, what a conversation has cost, and what refuses a turn before money is spent."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from decimal import Decimal
from math import ceil
from uuid import UUID, uuid4

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.clock import utc_now
from app.core.config import Settings
from app.core.errors import BudgetExhausted, RateLimited
from app.orchestration.events import ModelCall
from app.usage import repository
from app.usage.models import ModelCallRow
from app.usage.repository import LedgerTotals
from app.usage.schemas import ModelCallPublic, Usage
from plugins.cost.prices import OFFLINE

RUNNING_CALLS_SECONDS = 60
"""What a client is told to wait for calls that have not ended."""

logger = structlog.get_logger(__name__)


def record_calls(
    session: AsyncSession,
    calls: Sequence[ModelCall],
    *,
    owner_id: UUID | None,
    conversation_id: UUID | None,
    turn_id: UUID | None,
) -> None:
    """Book model calls, as they ended, and log each.

    Those of a comparison belong to no conversation, those of an account that is gone to nobody.
    """
    now = utc_now()
    for call in calls:
        figures = asdict(call)
        session.add(
            ModelCallRow(
                id=uuid4(),
                owner_id=owner_id,
                conversation_id=conversation_id,
                turn_id=turn_id,
                created_at=now,
                **figures,
            )
        )
        logger.info("model_call", **figures | {"cost_usd": None if call.cost_usd is None else str(call.cost_usd)})


async def conversation_usage(session: AsyncSession, conversation_id: UUID) -> Usage:
    """What the conversation has used, from the ledger."""
    totals = await repository.conversation_totals(session, conversation_id)
    return Usage(
        model_calls=totals.model_calls,
        input_tokens=totals.input_tokens,
        cached_input_tokens=totals.cached_input_tokens,
        output_tokens=totals.output_tokens,
        cost_usd=_cost(totals),
    )


async def calls_of(session: AsyncSession, owner_id: UUID) -> list[ModelCallPublic]:
    """Every model call made for the owner, oldest first."""
    return [ModelCallPublic.model_validate(row) for row in await repository.calls_of(session, owner_id)]


def turn_usage(calls: Sequence[ModelCall], *, model: str) -> Usage:
    """What one turn has used so far."""
    costs = [call.cost_usd for call in calls]
    known = [cost for cost in costs if cost is not None]
    return Usage(
        model=model,
        model_calls=len(calls),
        input_tokens=sum(call.input_tokens for call in calls),
        cached_input_tokens=sum(call.cached_input_tokens for call in calls),
        output_tokens=sum(call.output_tokens for call in calls),
        cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
    )


async def check_limits(session: AsyncSession, settings: Settings, *, provider: str, calls: int = 1) -> None:
    """Refuse what there is no room for, at least `calls` model calls. The offline engine is free and has no limits.

    Raises:
        RateLimited: the calls of the last hour are used up.
        BudgetExhausted: the day's budget is.
    """
    if provider == OFFLINE:
        return
    now = utc_now()
    limit = settings.rate_limit_calls_per_hour
    if calls > limit:
        raise RateLimited(
            f"This needs room for {calls} model calls, and the limit is {limit} per hour. Ask for less, or wait for "
            "what is running.",
            retry_after_seconds=RUNNING_CALLS_SECONDS,
        )
    # There is room again when this call is an hour old.
    leaving = await repository.nth_newest_call(session, limit - calls + 1, provider=provider)
    if leaving is not None and leaving + timedelta(hours=1) > now:
        wait = ceil((leaving + timedelta(hours=1) - now).total_seconds())
        raise RateLimited(
            f"The limit of {limit} model calls per hour is used up. Try again in {wait} seconds.",
            retry_after_seconds=wait,
        )
    if settings.budget_usd_per_day is None:
        return
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spent = await repository.totals_since(session, midnight, provider=provider)
    if spent.known_cost_usd >= settings.budget_usd_per_day:
        wait = ceil((midnight + timedelta(days=1) - now).total_seconds())
        raise BudgetExhausted(
            f"Today's budget of ${settings.budget_usd_per_day} is used up. It starts again at midnight UTC.",
            retry_after_seconds=wait,
        )


def _cost(totals: LedgerTotals) -> Decimal | None:
    return None if totals.unpriced_calls else totals.known_cost_usd
