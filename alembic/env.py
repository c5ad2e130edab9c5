"""Runs the migrations on SQLite or PostgreSQL; the server calls it at start-up, `alembic` on the command line."""

import asyncio

from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import app.accounts.models
import app.conversations.models
import app.usage.models  # noqa: F401 - they fill the metadata
from alembic import context
from app.core.config import Settings

MIGRATION_LOCK = 7_283_941


def migrate(connection: Connection) -> None:
    """Migrate in one transaction. On PostgreSQL a lock lets one replica migrate while the others wait."""
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        user_module_prefix="database.",
        transactional_ddl=True,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        context.run_migrations()


async def main() -> None:
    """Connect to the database that the caller names, or to the one of the settings."""
    url = context.config.attributes.get("url") or Settings().async_database_url
    engine = create_async_engine(url, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        # The driver would commit every CREATE TABLE at once, and an interrupted migration leave half of them.
        event.listen(engine.sync_engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
        event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
            await connection.commit()
    finally:
        await engine.dispose()


asyncio.run(main())
