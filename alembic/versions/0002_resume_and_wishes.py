"""Conversations keep a resume and lasting wishes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("conversation", sa.Column("resume", sa.Text(), nullable=True))
    op.add_column("conversation", sa.Column("wishes", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Take back."""
    op.drop_column("conversation", "wishes")
    op.drop_column("conversation", "resume")
