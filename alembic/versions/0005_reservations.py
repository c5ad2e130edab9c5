"""A model call is a row of the ledger before it is made: a reservation, completed when the call ends."""

import sqlalchemy as sa
from alembic import op

from app.core import database

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("model_call", sa.Column("comparison_id", sa.Uuid(), nullable=True))
    op.add_column("model_call", sa.Column("reserved_usd", database.Usd(precision=18, scale=9), nullable=True))
    op.add_column("model_call", sa.Column("ended_at", database.UtcDateTime(timezone=True), nullable=True))
    # What is there was booked when it had ended.
    op.execute("UPDATE model_call SET ended_at = created_at")
    op.create_index("ix_model_call_comparison_id", "model_call", ["comparison_id"])
    op.drop_index("ix_model_call_provider_created_at", "model_call")
    op.create_index("ix_model_call_created_at", "model_call", ["created_at"])


def downgrade() -> None:
    """Take back. Calls that have not ended are no rows of the older ledger."""
    op.execute("DELETE FROM model_call WHERE ended_at IS NULL")
    op.drop_index("ix_model_call_created_at", "model_call")
    op.create_index("ix_model_call_provider_created_at", "model_call", ["provider", "created_at"])
    op.drop_index("ix_model_call_comparison_id", "model_call")
    op.drop_column("model_call", "ended_at")
    op.drop_column("model_call", "reserved_usd")
    op.drop_column("model_call", "comparison_id")
