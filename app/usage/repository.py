"""All SQL of the ledger, inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy
from sqlalchemy import ColumnElement, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.usage.models import ModelCallRow


@dataclass(frozen=True)
class LedgerTotals:
    """Sums over some rows of the ledger."""

    model_calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    known_cost_usd: Decimal
    unpriced_calls: int
    """Calls whose model has no known price; with any of these, the whole cost is unknown."""


async def _totals(session: AsyncSession, *conditions: ColumnElement[bool]) -> LedgerTotals:
    """Sum the rows that meet all conditions."""
    # SQLAlchemy's own `select`: sqlmodel's is typed for no more than four columns.
    query: Any = sqlalchemy.select(
        func.count(),
        func.coalesce(func.sum(ModelCallRow.input_tokens), 0),
        func.coalesce(func.sum(ModelCallRow.cached_input_tokens), 0),
        func.coalesce(func.sum(ModelCallRow.output_tokens), 0),
        func.sum(ModelCallRow.cost_usd),
        func.count().filter(col(ModelCallRow.cost_usd).is_(None)),
    ).where(*conditions)
    calls, input_tokens, cached_tokens, output_tokens, cost_usd, unpriced = (await session.exec(query)).one()
    return LedgerTotals(calls, input_tokens, cached_tokens, output_tokens, cost_usd or Decimal(0), unpriced)


async def conversation_totals(session: AsyncSession, conversation_id: UUID) -> LedgerTotals:
    """What the conversation has used."""
    return await _totals(session, col(ModelCallRow.conversation_id) == conversation_id)


async def totals_since(session: AsyncSession, since: datetime, *, provider: str) -> LedgerTotals:
    """What everybody has used at this provider since then."""
    return await _totals(session, col(ModelCallRow.created_at) >= since, col(ModelCallRow.provider) == provider)


async def nth_newest_call(session: AsyncSession, nth: int, *, provider: str) -> datetime | None:
    """When the nth call from the newest was made, or None when there are fewer."""
    query = select(ModelCallRow.created_at).where(ModelCallRow.provider == provider)
    newest_first = query.order_by(col(ModelCallRow.created_at).desc())
    return (await session.exec(newest_first.offset(nth - 1).limit(1))).first()


async def calls_of(session: AsyncSession, owner_id: UUID) -> Sequence[ModelCallRow]:
    """Every call made for the owner, oldest first."""
    query = select(ModelCallRow).where(ModelCallRow.owner_id == owner_id).order_by(col(ModelCallRow.created_at))
    return (await session.exec(query)).all()
