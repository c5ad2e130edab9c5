"""The one history of the schema serves both databases, from either end, from the server and from the command line."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import JSON, Insert, Uuid, column, func, inspect, select, table, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import col

from alembic import command
from app.accounts.models import LOCAL_USER_ID, AuditEvent, RefreshToken, User
from app.conversations.models import Conversation, Message, Turn
from app.conversations.service import ConversationService
from app.core.config import REPOSITORY_ROOT, async_database_url
from app.core.database import Database, UtcDateTime, alembic_config
from app.core.signals import Signals
from tests.conversations.stories import answer, call, delta, opening, question, question_set
from tests.conversations.stories import book as book_calls
from tests.usage.rows import open_row, row, store

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


def test_the_schema_goes_up_matches_the_models_goes_down_and_up_again(empty_database_url: str) -> None:
    config = alembic_config(async_database_url(empty_database_url))
    command.upgrade(config, "head")
    command.check(config)
    made = asyncio.run(tables(empty_database_url))
    assert {
        *("user", "conversation", "turn", "turn_event", "message", "question_set", "question", "model_call"),
        *("refresh_token", "attempt_counter", "reset_code", "external_identity", "audit_event"),
    } == made
    command.downgrade(config, "base")
    assert asyncio.run(tables(empty_database_url)) == set()
    command.upgrade(config, "head")
    assert asyncio.run(tables(empty_database_url)) == made


def test_a_migration_that_fails_half_way_leaves_nothing(empty_database_url: str) -> None:
    async def occupy(statement: str) -> None:
        engine = create_async_engine(async_database_url(empty_database_url))
        async with engine.begin() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(occupy("CREATE TABLE question (id INTEGER)"))
    config = alembic_config(async_database_url(empty_database_url))
    with pytest.raises(DBAPIError):
        command.upgrade(config, "head")
    assert asyncio.run(tables(empty_database_url)) == {"question"}
    asyncio.run(occupy("DROP TABLE question"))
    command.upgrade(config, "head")
    command.check(config)


async def test_migrating_twice_changes_nothing(empty_database_url: str) -> None:
    database = Database(async_database_url(empty_database_url))
    await database.migrate()
    await database.migrate()
    await database.ping()
    await database.dispose()
    assert await tables(empty_database_url)


@pytest.mark.parametrize("empty_database_url", ["sqlite"], indirect=True)
async def test_the_command_line_works_from_the_root(empty_database_url: str) -> None:
    assert (await run_alembic(empty_database_url, "upgrade", "head"))[0] == 0
    assert await tables(empty_database_url)


@pytest.mark.parametrize("empty_database_url", ["postgresql"], indirect=True)
async def test_of_replicas_that_start_at_once_one_migrates_and_the_others_wait(empty_database_url: str) -> None:
    results = await asyncio.gather(*(run_alembic(empty_database_url, "upgrade", "head") for _ in range(2)))
    assert [status for status, _ in results] == [0, 0], results
    assert len(await tables(empty_database_url)) == 13


async def test_a_wrong_address_is_refused_without_its_password() -> None:
    status, output = await run_alembic("mysql://me:hunter2@host/name", "upgrade", "head")
    assert status != 0
    assert "database_url" in output
    assert "hunter2" not in output


LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def before_owners(name: str, **columns: Any) -> Insert:
    """A row as it was written before rows had owners."""
    types: dict[type, Any] = {UUID: Uuid(), list: JSON(), datetime: UtcDateTime()}
    return (
        table(name, *(column(key, types.get(type(value))) for key, value in columns.items())).insert().values(columns)
    )


async def test_what_was_there_before_owners_belongs_to_the_local_user(empty_database_url: str) -> None:
    config = alembic_config(async_database_url(empty_database_url))
    await asyncio.to_thread(command.upgrade, config, "0002")
    engine = create_async_engine(async_database_url(empty_database_url))
    whole, turn, message = uuid4(), uuid4(), uuid4()
    shared = {
        "title": "old",
        "job_number": 0,
        "question_count": 5,
        "wishes": ["brief"],
        "created_at": LONG_AGO,
    }
    running = {"status": "running", "model": "gpt-4o", "request_hash": "a", "started_at": LONG_AGO}
    said = {"role": "user", "text": "hi", "turn_id": turn, "conversation_id": whole}
    async with engine.begin() as connection:
        await connection.execute(before_owners("conversation", id=whole, updated_at=LONG_AGO, **shared))
        await connection.execute(before_owners("turn", id=turn, conversation_id=whole, **running))
        await connection.execute(before_owners("message", id=message, created_at=LONG_AGO, **said))
    await asyncio.to_thread(command.upgrade, config, "head")
    async with engine.connect() as connection:
        both = select(col(Conversation.owner_id), col(Turn.owner_id)).join(Turn, col(Turn.conversation_id) == whole)
        owners = (await connection.execute(both)).all()
        texts = (await connection.execute(select(col(Message.text)))).scalars().all()
        # Still one turn at a time.
        second = before_owners("turn", id=uuid4(), owner_id=LOCAL_USER_ID, conversation_id=whole, **running)
        with pytest.raises(IntegrityError):
            await connection.execute(second)
    await engine.dispose()
    assert owners == [(LOCAL_USER_ID, LOCAL_USER_ID)]
    assert texts == ["hi"]


async def test_on_the_way_down_only_the_local_users_conversations_stay(empty_database_url: str) -> None:
    """With rows in every table, and two owners who used the same idempotency key."""
    ann = uuid4()
    database = Database(async_database_url(empty_database_url))
    await database.migrate()
    conversations = ConversationService(database, Signals(database))
    async with database.transaction() as session:
        session.add(User(id=ann, email="ann@example.com", created_at=LONG_AGO))
        await session.flush()
        token: dict[str, Any] = {"family_id": uuid4(), "signed_in_at": LONG_AGO, "expires_at": LONG_AGO}
        session.add(RefreshToken(token_hash="a", user_id=ann, **token))
        session.add(AuditEvent(id=uuid4(), kind="registered", user_id=ann, created_at=LONG_AGO))
    for owner, said in ((LOCAL_USER_ID, "mine"), (ann, "hers")):
        opened = await conversations.open_turn(opening(said, owner_id=owner, idempotency_key="the same"))
        await conversations.append(opened.turn_id, [delta("Yes")])
        await book_calls(database, opened, call())
        made = answer(question_set=question_set(question(1, said)))
        await conversations.complete_turn(opened.turn_id, made, ("turn.completed", {}))
    await store(database, row(owner_id=ann), open_row("0.01", owner_id=ann))
    await database.dispose()

    config = alembic_config(async_database_url(empty_database_url))
    engine = create_async_engine(async_database_url(empty_database_url))

    async def counts(*names: str) -> list[int]:
        async with engine.connect() as connection:
            return [
                (await connection.execute(select(func.count()).select_from(table(name)))).scalar_one() for name in names
            ]

    await asyncio.to_thread(command.downgrade, config, "0004")
    assert await counts("model_call", "conversation", "audit_event") == [3, 2, 1], "open calls are gone, no more"
    await asyncio.to_thread(command.downgrade, config, "0003")
    assert await counts("user", "conversation", "turn") == [2, 2, 2]
    await asyncio.to_thread(command.downgrade, config, "0002")
    assert await counts("conversation", "turn", "question_set", "question") == [1, 1, 1, 1]
    assert await counts("model_call") == [3], "the ledger keeps its figures"
    async with engine.connect() as connection:
        texts = (await connection.execute(text("SELECT text FROM question"))).scalars().all()
        named = select(func.count(column("turn_id"))).select_from(table("model_call"))
        assert (await connection.execute(named)).scalar_one() == 1
    assert texts == ["mine"]
    await asyncio.to_thread(command.downgrade, config, "base")
    await engine.dispose()
    assert await tables(empty_database_url) == set()
