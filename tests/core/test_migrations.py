"""The one history of the schema serves both databases, from either end, from the server and from the command line."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from alembic import command
from app.core.config import REPOSITORY_ROOT, async_database_url
from app.core.database import Database, alembic_config

ALEMBIC = str(Path(sys.executable).parent / "alembic")


async def tables(database_url: str) -> set[str]:
    engine = create_async_engine(async_database_url(database_url))
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda found: inspect(found).get_table_names())
    await engine.dispose()
    return set(names) - {"alembic_version"}


async def run_alembic(database_url: str, *arguments: str) -> tuple[int, str]:
    """The command line, as somebody at the repository's root would use it."""
    process = await asyncio.create_subprocess_exec(
        ALEMBIC,
        *arguments,
        cwd=REPOSITORY_ROOT,
        env=os.environ | {"DATABASE_URL": database_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def test_the_schema_goes_up_matches_the_models_goes_down_and_up_again(database_url: str) -> None:
    config = alembic_config(async_database_url(database_url))
    command.upgrade(config, "head")
    command.check(config)
    made = asyncio.run(tables(database_url))
    assert {"conversation", "turn", "turn_event", "message", "question_set", "question", "model_call"} == made
    command.downgrade(config, "base")
    assert asyncio.run(tables(database_url)) == set()
    command.upgrade(config, "head")
    assert asyncio.run(tables(database_url)) == made


def test_a_migration_that_fails_half_way_leaves_nothing(database_url: str) -> None:
    async def occupy(statement: str) -> None:
        engine = create_async_engine(async_database_url(database_url))
        async with engine.begin() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(occupy("CREATE TABLE question (id INTEGER)"))
    config = alembic_config(async_database_url(database_url))
    with pytest.raises(DBAPIError):
        command.upgrade(config, "head")
    assert asyncio.run(tables(database_url)) == {"question"}
    asyncio.run(occupy("DROP TABLE question"))
    command.upgrade(config, "head")
    command.check(config)


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    database = Database(async_database_url(database_url))
    await database.migrate()
    await database.migrate()
    await database.ping()
    await database.dispose()
    assert await tables(database_url)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_command_line_works_from_the_root(database_url: str) -> None:
    assert (await run_alembic(database_url, "upgrade", "head"))[0] == 0
    assert await tables(database_url)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_of_replicas_that_start_at_once_one_migrates_and_the_others_wait(database_url: str) -> None:
    results = await asyncio.gather(*(run_alembic(database_url, "upgrade", "head") for _ in range(2)))
    assert [status for status, _ in results] == [0, 0], results
    assert len(await tables(database_url)) == 7


async def test_a_wrong_address_is_refused_without_its_password() -> None:
    status, output = await run_alembic("mysql://me:hunter2@host/name", "upgrade", "head")
    assert status != 0
    assert "database_url" in output
    assert "hunter2" not in output
