"""What the API says about usage."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

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


class ModelCallPublic(BaseModel):
    """One row of the ledger, as its owner may see it."""

    model_config = ConfigDict(from_attributes=True)

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
