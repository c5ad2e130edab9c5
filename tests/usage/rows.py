"""Rows of the ledger, with everything that a test does not care about filled in."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import select

from app.accounts.models import LOCAL_USER_ID, User
from app.core.clock import utc_now
from app.core.database import Database
from app.orchestration.ledger import PlannedCall
from app.usage.models import ModelCallRow
from tests.conversations.stories import call


def row(**changes: Any) -> ModelCallRow:
    """A call that has ended."""
    now = utc_now()
    fields = vars(call()) | {
        "owner_id": LOCAL_USER_ID,
        "conversation_id": None,
        "turn_id": None,
        "created_at": now,
        "ended_at": now,
    }
    return ModelCallRow(id=uuid4(), **fields | changes)


def open_row(reserved_usd: str | None, **changes: Any) -> ModelCallRow:
    """A call that runs."""
    bound = None if reserved_usd is None else Decimal(reserved_usd)
    return row(**{"ended_at": None, "cost_usd": None, "reserved_usd": bound, "is_complete": False} | changes)


async def book(database: Database, *ages: timedelta, **changes: Any) -> None:
    """Calls that started, and ended, so long ago."""
    async with database.transaction() as session:
        session.add_all(row(created_at=utc_now() - age, **changes) for age in ages)


async def store(database: Database, *rows: ModelCallRow) -> None:
    """These rows."""
    async with database.transaction() as session:
        session.add_all(rows)


async def another_user(database: Database) -> UUID:
    """Somebody whose calls are not ours."""
    user = User(id=uuid4(), created_at=utc_now())
    async with database.transaction() as session:
        session.add(user)
        return user.id


async def ledger_of(database: Database) -> list[ModelCallRow]:
    """Every row, in the order in which the calls started."""
    async with database.reading() as session:
        return list((await session.exec(select(ModelCallRow).order_by(ModelCallRow.created_at))).all())  # type: ignore[arg-type]  # sqlmodel types columns as their values


def planned(bound_usd: str | None = "0.01", **changes: Any) -> PlannedCall:
    """A call that is about to be made."""
    fields: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-4o",
        "agent": "technical",
        "function": None,
        "input_tokens": 1_000,
        "output_tokens": 4_096,
        "bound_usd": None if bound_usd is None else Decimal(bound_usd),
    }
    return PlannedCall(**fields | changes)
