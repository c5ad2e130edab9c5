"""A turn's row says everything that whoever runs it needs to know."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Turns that are there have ended, or ended with the older service."""
    with op.batch_alter_table("turn") as batch:
        batch.add_column(sa.Column("request", sa.JSON(), nullable=False, server_default="{}"))
        batch.add_column(sa.Column("request_id", sa.String(length=64), nullable=True))
    with op.batch_alter_table("turn") as batch:
        batch.alter_column("request", server_default=None)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("turn") as batch:
        batch.drop_column("request_id")
        batch.drop_column("request")
