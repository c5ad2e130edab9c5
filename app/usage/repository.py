"""All SQL of the ledger, inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy
from sqlalchemy import ColumnElement, func
from sqlmodel import col, delete, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.usage.models import ModelCallRow
from app.usage.schemas import GroupBy
from plugins.cost.prices import OFFLINE

LOCK_FAMILY = 0x6C6564  # "led": apart from other advisory locks of the database
SERVICE_LOCK = 0

HAS_ENDED = col(ModelCallRow.ended_at).is_not(None)
IS_LIMITED = col(ModelCallRow.provider) != OFFLINE
"""The offline engine is free and counts for no limit."""


@dataclass(frozen=True)
class LedgerTotals:
    """Sums over some ended calls of the ledger."""

    model_calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    known_cost_usd: Decimal = Decimal(0)
    unpriced_calls: int = 0
    """Calls whose model has no known price; with any of these, the whole cost is unknown."""
    estimated_calls: int = 0
    """Calls without figures from the provider."""

    def __add__(self, other: "LedgerTotals") -> "LedgerTotals":
        """The sums over the calls of both."""
        return LedgerTotals(*(left + right for left, right in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Figures:
    """What some rows of the ledger mean for a budget."""

    spent_usd: Decimal
    reserved_usd: Decimal
    open_calls: int
    lost_usd: Decimal
    """Reserved by calls that should have ended long ago."""


@dataclass(frozen=True)
class RowFilter:
    """Some rows of the ledger. What is None does not restrict."""

    owner_id: UUID | None = None
    conversation_id: UUID | None = None
    turn_id: UUID | None = None
    comparison_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    """The first moment that does not belong to it any more."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """For a `where`."""
        found = [
            column == value
            for column, value in (
                (col(ModelCallRow.owner_id), self.owner_id),
                (col(ModelCallRow.conversation_id), self.conversation_id),
                (col(ModelCallRow.turn_id), self.turn_id),
                (col(ModelCallRow.comparison_id), self.comparison_id),
            )
            if value is not None
        ]
        if self.since is not None:
            found.append(col(ModelCallRow.created_at) >= self.since)
        if self.until is not None:
            found.append(col(ModelCallRow.created_at) < self.until)
        return found


_SUMS: tuple[Any, ...] = (
    func.count(),
    func.coalesce(func.sum(ModelCallRow.input_tokens), 0),
    func.coalesce(func.sum(ModelCallRow.cached_input_tokens), 0),
    func.coalesce(func.sum(ModelCallRow.output_tokens), 0),
    func.coalesce(func.sum(ModelCallRow.reasoning_tokens), 0),
    func.sum(ModelCallRow.cost_usd),
    func.count().filter(col(ModelCallRow.cost_usd).is_(None)),
    func.count().filter(col(ModelCallRow.is_estimated)),
)


def _read_sums(values: Any) -> LedgerTotals:
    calls, input_tokens, cached, output_tokens, reasoning, cost_usd, unpriced, estimated = values
    cost_usd = cost_usd or Decimal(0)
    return LedgerTotals(calls, input_tokens, cached, output_tokens, reasoning, cost_usd, unpriced, estimated)


async def totals(session: AsyncSession, rows: RowFilter) -> LedgerTotals:
    """Sum the calls that have ended."""
    # SQLAlchemy's own `select`: sqlmodel's is typed for no more than four columns.
    query: Any = sqlalchemy.select(*_SUMS).where(HAS_ENDED, *rows.conditions())
    return _read_sums((await session.exec(query)).one())


async def grouped_totals(session: AsyncSession, rows: RowFilter, by: GroupBy) -> list[tuple[str | None, LedgerTotals]]:
    """The same for each day, conversation, agent or model; in the order of its key, null last."""
    key = _key(by, session.get_bind().dialect.name)
    query: Any = sqlalchemy.select(key, *_SUMS).where(HAS_ENDED, *rows.conditions()).group_by(key)
    found = [(_text(value), _read_sums(sums)) for value, *sums in await session.exec(query)]
    return sorted(found, key=lambda group: (group[0] is None, group[0] or ""))


def _key(by: GroupBy, dialect: str) -> Any:
    match by:
        case GroupBy.DAY:
            # SQLite stores times as text, in UTC already.
            moment: Any = col(ModelCallRow.created_at)
            return func.date(moment if dialect == "sqlite" else func.timezone("UTC", moment))
        case GroupBy.CONVERSATION:
            return col(ModelCallRow.conversation_id)
        case GroupBy.AGENT:
            return col(ModelCallRow.agent)
        case GroupBy.MODEL:
            return col(ModelCallRow.model)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date) else str(value)


# Limits.


async def lock_limits(session: AsyncSession, owner_id: UUID, *, is_for_everybody: bool) -> None:
    """Make this the only transaction that looks at the owner's limits, or at everybody's, until it ends.

    On SQLite a writing transaction is alone anyway. The owner's lock is always taken first, so none waits in a circle.
    """
    if session.get_bind().dialect.name == "sqlite":
        return
    # Two owners with one number only wait for each other.
    number = owner_id.int % (2**31 - 1) + 1
    for key in (number, SERVICE_LOCK) if is_for_everybody else (number,):
        statement: Any = sqlalchemy.select(func.pg_advisory_xact_lock(LOCK_FAMILY, key))
        await session.exec(statement)


async def figures(session: AsyncSession, rows: RowFilter, *, stale_before: datetime) -> Figures:
    """What the rows mean for a budget. A call that should have ended long ago is lost."""
    is_running = ~HAS_ENDED & (col(ModelCallRow.created_at) >= stale_before)
    is_lost = ~HAS_ENDED & (col(ModelCallRow.created_at) < stale_before)
    query: Any = sqlalchemy.select(
        func.sum(ModelCallRow.cost_usd).filter(HAS_ENDED),
        func.sum(ModelCallRow.reserved_usd).filter(is_lost),
        func.sum(ModelCallRow.reserved_usd).filter(is_running),
        func.count().filter(is_running & (col(ModelCallRow.reserved_usd) > Decimal(0))),
    ).where(IS_LIMITED, *rows.conditions())
    spent, lost, reserved, open_calls = (await session.exec(query)).one()
    nothing = Decimal(0)
    return Figures(spent or nothing, reserved or nothing, open_calls, lost or nothing)


async def calls_since(session: AsyncSession, owner_id: UUID, since: datetime) -> tuple[int, datetime | None]:
    """How many calls of the owner started since then, and when the first of them did; running ones count."""
    query: Any = sqlalchemy.select(func.count(), func.min(ModelCallRow.created_at)).where(
        IS_LIMITED, col(ModelCallRow.owner_id) == owner_id, col(ModelCallRow.created_at) > since
    )
    count, first = (await session.exec(query)).one()
    return count, first


async def nth_newest_call(session: AsyncSession, owner_id: UUID, nth: int) -> datetime | None:
    """When the owner's nth call from the newest started, or None when there are fewer."""
    query = select(ModelCallRow.created_at).where(IS_LIMITED, col(ModelCallRow.owner_id) == owner_id)
    newest_first = query.order_by(col(ModelCallRow.created_at).desc())
    return (await session.exec(newest_first.offset(nth - 1).limit(1))).first()


async def calls_of(session: AsyncSession, owner_id: UUID) -> Sequence[ModelCallRow]:
    """Every call made for the owner that has ended, oldest first."""
    query = select(ModelCallRow).where(HAS_ENDED, ModelCallRow.owner_id == owner_id)
    return (await session.exec(query.order_by(col(ModelCallRow.created_at)))).all()


# Reservations.


async def change(session: AsyncSession, call_id: UUID, **values: Any) -> None:
    """Change columns of one row."""
    await session.exec(update(ModelCallRow).where(col(ModelCallRow.id) == call_id).values(**values))


async def remove_open(session: AsyncSession, call_id: UUID) -> None:
    """Take back a reservation whose call was never made."""
    await session.exec(delete(ModelCallRow).where(col(ModelCallRow.id) == call_id, ~HAS_ENDED))


async def settle_lost(
    session: AsyncSession, *, started_before: datetime, ended_at: datetime, turn_id: UUID | None = None
) -> int:
    """End the open rows from before then, of one turn or of all, at their reservation; return how many there were."""
    statement = (
        update(ModelCallRow)
        .where(~HAS_ENDED, col(ModelCallRow.created_at) < started_before, *RowFilter(turn_id=turn_id).conditions())
        .values(ended_at=ended_at, cost_usd=ModelCallRow.reserved_usd, is_estimated=True, is_complete=False)
    )
    return (await session.exec(statement)).rowcount
