"""Conversations, turns and model calls have an owner; an idempotency key is its owner's."""

from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from app.core import database

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LOCAL_USER_ID = UUID(int=0)
NAMES = {"uq": "%(table_name)s_%(column_0_name)s_key"}
"""As PostgreSQL names a constraint that was given no name, so that SQLite's can be named too."""


def upgrade() -> None:
    """Apply."""
    user = op.create_table(
        "user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("created_at", database.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
    )
    op.bulk_insert(user, [{"id": LOCAL_USER_ID, "created_at": datetime.now(UTC)}])
    for table in ("conversation", "turn", "model_call"):
        op.add_column(table, sa.Column("owner_id", sa.Uuid(), nullable=True))
        owned = sa.table(table, sa.column("owner_id", sa.Uuid()))
        op.execute(owned.update().values(owner_id=LOCAL_USER_ID))

    op.drop_index("ix_conversation_updated_at_id", "conversation")
    with op.batch_alter_table("conversation") as batch:
        batch.alter_column("owner_id", nullable=False)
        batch.create_foreign_key("conversation_owner_id_fkey", "user", ["owner_id"], ["id"], ondelete="CASCADE")
        batch.create_index("ix_conversation_owner_id_updated_at_id", ["owner_id", "updated_at", "id"])
    with op.batch_alter_table("turn", naming_convention=NAMES) as batch:
        batch.alter_column("owner_id", nullable=False)
        batch.create_foreign_key("turn_owner_id_fkey", "user", ["owner_id"], ["id"], ondelete="CASCADE")
        batch.drop_constraint("turn_idempotency_key_key", type_="unique")
        batch.create_unique_constraint("uq_turn_owner_id_idempotency_key", ["owner_id", "idempotency_key"])
    with op.batch_alter_table("model_call") as batch:
        batch.create_foreign_key("model_call_owner_id_fkey", "user", ["owner_id"], ["id"], ondelete="SET NULL")
        batch.create_index("ix_model_call_owner_id_created_at", ["owner_id", "created_at"])


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("model_call") as batch:
        batch.drop_index("ix_model_call_owner_id_created_at")
        batch.drop_constraint("model_call_owner_id_fkey", type_="foreignkey")
        batch.drop_column("owner_id")
    with op.batch_alter_table("turn") as batch:
        batch.drop_constraint("uq_turn_owner_id_idempotency_key", type_="unique")
        batch.create_unique_constraint("turn_idempotency_key_key", ["idempotency_key"])
        batch.drop_constraint("turn_owner_id_fkey", type_="foreignkey")
        batch.drop_column("owner_id")
    with op.batch_alter_table("conversation") as batch:
        batch.drop_index("ix_conversation_owner_id_updated_at_id")
        batch.create_index("ix_conversation_updated_at_id", ["updated_at", "id"])
        batch.drop_constraint("conversation_owner_id_fkey", type_="foreignkey")
        batch.drop_column("owner_id")
    op.drop_table("user")
