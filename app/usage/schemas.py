"""What the API says about usage."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer

from app.core.schemas import Shown

MICRO = Decimal("0.000001")


def _six_decimals(value: Decimal) -> str:
    return str(value.quantize(MICRO, rounding=ROUND_HALF_UP))


Money = Annotated[
    Decimal,
    PlainSerializer(_six_decimals, return_type=str),
    Field(examples=["0.004210"], description="US dollars with six decimals, as a string"),
]


class Usage(BaseModel):
    """Model calls and what they cost. `cost_usd` is null where any model's price is unknown, never 0 for a paid one."""

    model: Annotated[str | None, Field(examples=["gpt-5-mini"])] = None
    model_calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: Annotated[int, Field(description="Part of input_tokens")] = 0
    output_tokens: int = 0
    cost_usd: Money | None = Decimal(0)


class GroupBy(StrEnum):
    """What the ledger can be summed by."""

    DAY = "day"
    CONVERSATION = "conversation"
    AGENT = "agent"
    MODEL = "model"


class LedgerSums(BaseModel):
    """Sums over ended model calls. Amounts are rounded after they were summed."""

    model_calls: int
    input_tokens: int
    cached_input_tokens: Annotated[int, Field(description="Part of input_tokens")]
    output_tokens: int
    reasoning_tokens: Annotated[int, Field(description="Part of output_tokens")]
    cost_usd: Annotated[Money | None, Field(description="Null where the price of any call is unknown")]
    known_cost_usd: Annotated[Money, Field(description="Of the calls whose price is known")]
    unpriced_calls: Annotated[int, Field(description="Calls whose price is unknown")]
    estimated_calls: Annotated[int, Field(description="Calls without figures from the provider")]


class UsageGroup(BaseModel):
    """One day, conversation, agent or model."""

    key: Annotated[
        str | None,
        Field(description="Null: deleted conversations, and calls outside of any", examples=["2026-05-01"]),
    ]
    usage: LedgerSums


class CallLimit(BaseModel):
    """The hourly limit on model calls, a window that slides."""

    limit: int
    left: int
    seconds_to_next: Annotated[int, Field(description="Until the next place becomes free")]


class BudgetLimit(BaseModel):
    """A budget, and what is left of it."""

    budget_usd: Money
    spent_usd: Money
    left_usd: Money
    reserved_usd: Annotated[
        Money, Field(description="Of what is left, what calls that run, or were lost with their server, may have taken")
    ]
    seconds_to_reset: int


class UsageLimits(BaseModel):
    """What may still be used. Null where there is no such limit; the offline engine has none."""

    calls_per_hour: CallLimit | None
    user_day: BudgetLimit | None


class UsagePublic(BaseModel):
    """What the caller has used between two UTC days, both included."""

    since: str
    until: str
    by: GroupBy
    total: LedgerSums
    items: list[UsageGroup]
    limits: UsageLimits


class ModelCallPublic(Shown):
    """One row of the ledger, as its owner may see it."""

    id: UUID
    conversation_id: UUID | None
    turn_id: UUID | None
    provider: str
    model: str
    agent: str
    function: str | None
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    is_estimated: bool
    is_complete: bool
    cost_usd: Money | None
    duration_ms: int
    created_at: datetime
