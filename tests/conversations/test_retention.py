"""What is old goes, and nothing else: pieces of answers that a log holds twice, and conversations nobody uses."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlmodel import col, func, select, update

from app.accounts.models import LOCAL_USER_ID
from app.cli.commands import main
from app.conversations import repository, retention
from app.conversations.models import Conversation, Turn, TurnEvent, TurnStatus
from app.conversations.opening import OpenedTurn
from app.conversations.retention import Retention, Tidied
from app.conversations.service import ConversationService
from app.core.clock import utc_now
from app.core.config import REPOSITORY_ROOT
from app.core.database import Database
from app.core.errors import NotFound
from app.usage.models import ModelCallRow
from tests.conversations.stories import (
    CANCELLED,
    COMPLETED,
    FAILED,
    answer,
    book,
    call,
    delta,
    finished_turn,
    log_of,
    opening,
    question,
    question_set,
    row_counts,
)
from tests.e2e.server_process import environment

DAY = timedelta(days=1)
PIECES = [("agent.active", {"agent": "technical", "from": None}), delta("Good "), delta("luck."), ("usage.updated", {})]


def keeping(
    database: Database,
    *,
    log_age: timedelta = 2 * DAY,
    conversation_age: timedelta | None = None,
    later: timedelta = DAY,
) -> Retention:
    """What is done when so much time has passed."""
    return Retention(database, log_age=log_age, conversation_age=conversation_age, now=lambda: utc_now() + later)


async def logged_turn(service: ConversationService, status: TurnStatus | None = None) -> OpenedTurn:
    """A turn that said something, and then ended so, if at all."""
    opened = await service.open_turn(opening())
    await service.append(opened.turn_id, PIECES)
    if status is TurnStatus.COMPLETED:
        await service.complete_turn(opened.turn_id, answer(), COMPLETED)
    elif status is not None:
        await service.end_turn(opened.turn_id, status, CANCELLED if status is TurnStatus.CANCELLED else FAILED)
    return opened


async def kinds_of(service: ConversationService, turn_id: UUID, *, after: int = 0) -> list[tuple[int, str]]:
    return [(event.seq, event.kind) for event in await log_of(service, turn_id, after=after)]


async def test_the_log_of_an_answer_loses_its_pieces_and_no_reader_the_answer(
    conversations: ConversationService, database: Database
) -> None:
    turn = await logged_turn(conversations, TurnStatus.COMPLETED)
    whole = await log_of(conversations, turn.turn_id)
    before = await conversations.turn(turn.turn_id, owner_id=LOCAL_USER_ID)
    tidied = keeping(database, log_age=DAY / 2)
    assert await tidied.preview() == Tidied(logs=1)
    assert await tidied.tidy() == Tidied(logs=1)
    kept = [event for event in whole if event.kind in {"turn.started", "agent.active", "turn.completed"}]
    for seen in range(len(whole) + 1):
        assert await log_of(conversations, turn.turn_id, after=seen) == [line for line in kept if line.seq > seen]
    assert await conversations.turn(turn.turn_id, owner_id=LOCAL_USER_ID) == before
    assert await tidied.tidy() == Tidied()


@pytest.mark.parametrize("status", [TurnStatus.CANCELLED, TurnStatus.FAILED, None])
async def test_what_a_turn_without_an_answer_had_said_stays(
    conversations: ConversationService, database: Database, status: TurnStatus | None
) -> None:
    turn = await logged_turn(conversations, status)
    assert await keeping(database, log_age=DAY / 2).tidy() == Tidied()
    async with database.reading() as session:
        lines = (await session.exec(select(TurnEvent.kind).where(TurnEvent.turn_id == turn.turn_id))).all()
    assert lines.count("text.delta") == 2


async def test_the_log_of_a_young_turn_stays(conversations: ConversationService, database: Database) -> None:
    turn = await logged_turn(conversations, TurnStatus.COMPLETED)
    assert await keeping(database, log_age=2 * DAY).tidy() == Tidied()
    assert len(await kinds_of(conversations, turn.turn_id)) == len(PIECES) + 2


async def test_an_unused_conversation_goes_with_all_that_is_its_and_the_money_stays(
    conversations: ConversationService, database: Database
) -> None:
    nothing = await row_counts(database)
    said = answer(question_set=question_set(question(1)))
    turn = await conversations.open_turn(opening(job_description="Engineer"))
    await book(database, turn, call())
    await conversations.complete_turn(turn.turn_id, said, COMPLETED)
    tidied = keeping(database, conversation_age=DAY / 2)
    assert await tidied.preview() == Tidied(conversations=1)
    assert await tidied.tidy() == Tidied(conversations=1)
    assert await row_counts(database) == nothing | {"model_call": 1}
    with pytest.raises(NotFound):
        await conversations.turn(turn.turn_id, owner_id=LOCAL_USER_ID)
    async with database.reading() as session:
        row = (await session.exec(select(ModelCallRow))).one()
    assert (row.conversation_id, row.turn_id, row.owner_id, row.cost_usd) == (
        None,
        None,
        LOCAL_USER_ID,
        call().cost_usd,
    )


async def test_a_conversation_that_is_used_stays(conversations: ConversationService, database: Database) -> None:
    young = await finished_turn(conversations)
    running = await logged_turn(conversations)
    await age(database, running.conversation_id, utc_now() - 3 * DAY)
    assert await keeping(database, conversation_age=2 * DAY).tidy() == Tidied()
    assert (await row_counts(database))["conversation"] == 2
    assert await keeping(database, conversation_age=None, later=1000 * DAY, log_age=2000 * DAY).tidy() == Tidied()
    await conversations.end_turn(running.turn_id, TurnStatus.CANCELLED, CANCELLED)
    assert await keeping(database, conversation_age=2 * DAY).tidy() == Tidied(conversations=1)
    assert (await conversations.turn(young.turn_id, owner_id=LOCAL_USER_ID)).status == TurnStatus.COMPLETED


async def age(database: Database, conversation_id: UUID, used_at: datetime) -> None:
    async with database.transaction() as session:
        statement = update(Conversation).where(col(Conversation.id) == conversation_id).values(updated_at=used_at)
        await session.exec(statement)


async def test_many_are_done_a_batch_at_a_time_by_any_number_of_servers(
    conversations: ConversationService, database: Database
) -> None:
    count = 2 * retention.AT_ONCE + 1
    turn = await logged_turn(conversations, TurnStatus.COMPLETED)
    async with database.transaction() as session:
        like = await session.get_one(Conversation, turn.conversation_id)
        session.add_all(Conversation(**like.model_dump() | {"id": UUID(int=number)}) for number in range(1, count))
    other = Database(database.url)
    try:
        servers = [keeping(each, conversation_age=DAY / 2) for each in (database, other)]
        done = await asyncio.gather(*(server.tidy() for server in servers))
    finally:
        await other.dispose()
    assert sum(tidied.conversations for tidied in done) == count
    assert (await row_counts(database))["conversation"] == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_conversation_somebody_comes_back_to_at_that_moment_stays(
    conversations: ConversationService, database: Database
) -> None:
    """Whoever opens a turn holds the conversation. On SQLite there is one transaction at a time."""
    turn = await finished_turn(conversations)
    async with database.transaction() as session:
        await repository.owned(session, Conversation, turn.conversation_id, owner_id=LOCAL_USER_ID, is_locked=True)
        assert await keeping(database, conversation_age=DAY / 2).tidy() == Tidied()
    assert await keeping(database, conversation_age=DAY / 2).tidy() == Tidied(conversations=1)


# The command.


async def counted(database: Database) -> int:
    async with database.reading() as session:
        return (await session.exec(select(func.count()).select_from(Turn))).one()


async def purge(folder: Path, database_url: str, *arguments: str, days: str = "") -> tuple[int | None, str]:
    """Run the command as a schedule does; return its exit status and the last it said."""
    variables = environment(
        DATABASE_URL=database_url, CONVERSATION_RETENTION_DAYS=days, PYTHONPATH=str(REPOSITORY_ROOT)
    )
    command = [sys.executable, "-m", "app", "purge", *arguments]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, env=variables, stdout=PIPE, stderr=STDOUT)
    said, _ = await process.communicate()
    return process.returncode, said.decode().splitlines()[-1]


async def test_the_command_deletes_what_is_old_and_says_how_many(
    conversations: ConversationService, database: Database, database_url: str, tmp_path: Path
) -> None:
    turn = await logged_turn(conversations, TurnStatus.COMPLETED)
    await age(database, turn.conversation_id, utc_now() - 91 * DAY)
    for days, arguments, says, left in (
        ("90", ["--dry-run"], "conversations to delete: 1; logs to compact: 0", 1),
        ("90", ["--unused-for-days", "92"], "conversations deleted: 0; logs compacted: 0", 1),
        ("92", ["--unused-for-days", "90"], "conversations deleted: 1; logs compacted: 0", 0),
    ):
        assert await purge(tmp_path, database_url, *arguments, days=days) == (0, says)
        assert await counted(database) == left


async def test_without_an_age_no_conversation_is_deleted(
    conversations: ConversationService, database: Database, database_url: str, tmp_path: Path
) -> None:
    turn = await finished_turn(conversations)
    await age(database, turn.conversation_id, utc_now() - 9999 * DAY)
    assert await purge(tmp_path, database_url) == (0, "conversations deleted: 0; logs compacted: 0")
    assert await counted(database) == 1


@pytest.mark.parametrize("days", ["0", "-1", "a year", "36501", "1.5"])
def test_a_wrong_age_is_said_so(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["purge", "--unused-for-days", days]) == 2
    assert "from 1 to 36500" in capsys.readouterr().err


async def test_a_database_that_is_not_there_or_not_ours_is_said_so(empty_database_url: str, tmp_path: Path) -> None:
    is_file = empty_database_url.startswith("sqlite")
    code, said = await purge(tmp_path, empty_database_url)
    assert code == 3
    assert said.startswith(
        "greenroom: there is no database at" if is_file else "greenroom: the database is not of this"
    )
