"""The moment between the last event of a turn and its end, which no client can hit on purpose."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from typing_extensions import override

from app.accounts.models import LOCAL_USER_ID
from app.chat.runner import TurnRunner
from app.conversations.service import ConversationService
from app.conversations.turn_log import TurnLogSignal
from app.core.config import async_database_url
from app.core.database import Database
from app.orchestration.conductor import Conductor
from app.orchestration.events import TextDelta, TurnAnswer
from app.orchestration.turn import Emit, TurnTask
from tests.chat.conducting import task_of
from tests.conversations.stories import answer, log_of, opening


class TalkingConductor(Conductor):
    """Says one word and has done."""

    def __init__(self) -> None:
        self.has_done = asyncio.Event()

    @override
    async def run(self, task: TurnTask, emit: Emit) -> TurnAnswer:
        emit(TextDelta("Hello."))
        self.has_done.set()
        return answer("Hello.")


@pytest.fixture
async def conversations(database_url: str) -> AsyncIterator[ConversationService]:
    database = Database(async_database_url(database_url))
    try:
        yield ConversationService(database, TurnLogSignal(), deadline_seconds=180)
    finally:
        await database.dispose()


async def test_a_cancel_while_the_log_is_written_lets_the_log_end_with_the_cancel(
    conversations: ConversationService,
) -> None:
    conductor = TalkingConductor()
    runner = TurnRunner(conductor, conversations)
    opened = await conversations.open_turn(opening())
    runner.start(task_of(turn_id=opened.turn_id), owner_id=LOCAL_USER_ID, conversation_id=opened.conversation_id)
    await conductor.has_done.wait()
    assert await runner.cancel(opened.turn_id)

    written = await log_of(conversations, opened.turn_id)
    assert [event.kind for event in written] == ["turn.started", "text.delta", "turn.cancelled"]
    assert (await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)).status == "cancelled"
