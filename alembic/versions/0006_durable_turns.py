"""A turn's row says everything that whoever runs it needs to know, and who that is."""

import sqlalchemy as sa
from alembic import op

from app.core import database

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Turns that are there have ended, or ended with the older service."""
    with op.batch_alter_table("turn") as batch:
        batch.add_column(sa.Column("request", sa.JSON(), nullable=False, server_default="{}"))
        batch.add_column(sa.Column("request_id", sa.String(length=64), nullable=True))
        batch.add_column(sa.Column("worker_id", sa.Uuid(), nullable=True))
        batch.add_column(sa.Column("leased_until", database.UtcDateTime(timezone=True), nullable=True))
        batch.add_column(sa.Column("attempt", sa.Integer(), nullable=False, server_default="0"))
        batch.add_column(sa.Column("losses", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("turn") as batch:
        for name in ("request", "attempt", "losses"):
            batch.alter_column(name, server_default=None)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("turn") as batch:
        for name in ("losses", "attempt", "leased_until", "worker_id", "request_id", "request"):
            batch.drop_column(name)
