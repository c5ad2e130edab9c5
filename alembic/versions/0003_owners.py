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
    """Take back.

    Conversations of everybody but the local user are deleted: the older service would show them to whoever runs it,
    and two owners may have used the same idempotency key. The ledger keeps its figures.
    """
    _delete_what_is_not_local()
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


def _delete_what_is_not_local() -> None:
    conversation = sa.table("conversation", sa.column("id", sa.Uuid()), sa.column("owner_id", sa.Uuid()))
    foreign = sa.select(conversation.c.id).where(conversation.c.owner_id != LOCAL_USER_ID)
    turn = sa.table("turn", sa.column("id", sa.Uuid()), sa.column("conversation_id", sa.Uuid()))
    turns = sa.select(turn.c.id).where(turn.c.conversation_id.in_(foreign))
    # One by one: on SQLite a migration runs without foreign keys, and nothing cascades.
    call = sa.table("model_call", sa.column("conversation_id", sa.Uuid()), sa.column("turn_id", sa.Uuid()))
    op.execute(call.update().where(call.c.conversation_id.in_(foreign)).values(conversation_id=None))
    op.execute(call.update().where(call.c.turn_id.in_(turns)).values(turn_id=None))
    question = sa.table("question", sa.column("question_set_id", sa.Uuid()))
    made = sa.table("question_set", sa.column("id", sa.Uuid()), sa.column("conversation_id", sa.Uuid()))
    sets = sa.select(made.c.id).where(made.c.conversation_id.in_(foreign))
    op.execute(question.delete().where(question.c.question_set_id.in_(sets)))
    event = sa.table("turn_event", sa.column("turn_id", sa.Uuid()))
    op.execute(event.delete().where(event.c.turn_id.in_(turns)))
    message = sa.table("message", sa.column("conversation_id", sa.Uuid()))
    for table in (made, message, turn):
        op.execute(table.delete().where(table.c.conversation_id.in_(foreign)))
    op.execute(conversation.delete().where(conversation.c.owner_id != LOCAL_USER_ID))
