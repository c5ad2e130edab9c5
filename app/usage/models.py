"""The ledger: one row for every model call, whatever became of its turn."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Index, String
from sqlmodel import Field, SQLModel

from app.core.database import Usd, UtcDateTime


class ModelCallRow(SQLModel, table=True):
    """One model call. It outlives its conversation and its owner: money spent does not come back with a deletion.

    The row is written before the call, as a reservation that the limits count: tokens are then upper bounds, and
    `ended_at` is null. It is completed at the moment the call ends, however it ends. A row that stays open belonged to
    a process that died.
    """

    __tablename__ = "model_call"
    __table_args__ = (
        Index("ix_model_call_created_at", "created_at"),
        Index("ix_model_call_owner_id_created_at", "owner_id", "created_at"),
    )

    id: UUID = Field(primary_key=True)
    owner_id: UUID | None = Field(foreign_key="user.id", ondelete="SET NULL")
    conversation_id: UUID | None = Field(foreign_key="conversation.id", ondelete="SET NULL", index=True)
    turn_id: UUID | None = Field(foreign_key="turn.id", ondelete="SET NULL", index=True)
    comparison_id: UUID | None = Field(default=None, index=True)
    """What the techniques of a comparison share: it is stored nowhere else."""
    provider: str = Field(sa_type=String(20))
    model: str = Field(sa_type=String(120))
    agent: str = Field(sa_type=String(40))
    function: str | None = Field(default=None, sa_type=String(80))
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    is_estimated: bool
    is_complete: bool
    cost_usd: Decimal | None = Field(default=None, sa_type=Usd)
    """Null while the call runs, and where the price of the model is unknown."""
    reserved_usd: Decimal | None = Field(default=None, sa_type=Usd)
    """What the call may cost at most; null where the price is unknown, and where there are no limits."""
    duration_ms: int
    created_at: datetime = Field(sa_type=UtcDateTime)
    """When it started."""
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
