"""One attempt at a turn: moments that no client can hit on purpose, and how texts become lines of the log."""

import asyncio
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from app.accounts.models import LOCAL_USER_ID
from app.chat.briefing import BriefedTurn
from app.chat.runner import Attempt, Superseded, batches
from app.conversations.leases import Claim, Leases
from app.conversations.service import ConversationService
from app.core.database import Database
from app.core.signals import Signals
from app.orchestration.conductor import Conductor
from app.orchestration.events import AgentActive, ConductedEvent, TextDelta, TurnAnswer
from app.orchestration.turn import Emit, TurnTask
from tests.chat.conducting import task_of
from tests.conversations.conftest import conversations, signals
from tests.conversations.stories import answer, log_of, opening

__all__ = ["conversations", "signals"]


class TalkingConductor(Conductor):
    """Says one word and has done, or goes on for ever."""

    def __init__(self, *, is_endless: bool = False) -> None:
        self.has_done = asyncio.Event()
        self.was_stopped = False
        self._is_endless = is_endless

    @override
    async def run(self, task: TurnTask, emit: Emit) -> TurnAnswer:
        emit(TextDelta("Hello."))
        self.has_done.set()
        try:
            while self._is_endless:
                await asyncio.sleep(0.01)
                emit(AgentActive("technical", None))
        except asyncio.CancelledError:
            self.was_stopped = True
            raise
        return answer("Hello.")


async def claimed(
    conversations: ConversationService, database: Database, signals: Signals
) -> tuple[Claim, BriefedTurn]:
    """A turn that a worker has just taken."""
    opened = await conversations.open_turn(opening())
    (claim,) = await Leases(database, signals, uuid4(), seconds=60).claim()
    return claim, BriefedTurn(await conversations.turn_input(opened.turn_id), task_of(turn_id=opened.turn_id), ())


async def test_a_cancel_while_the_log_is_written_lets_the_log_end_with_the_cancel(
    conversations: ConversationService, database: Database, signals: Signals
) -> None:
    claim, turn = await claimed(conversations, database, signals)
    conductor = TalkingConductor()
    attempt = Attempt(claim, conductor=conductor, conversations=conversations)
    running = asyncio.create_task(attempt.run(turn))
    await conductor.has_done.wait()
    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()
    await attempt.cancelled()

    written = await log_of(conversations, claim.turn_id)
    assert [event.kind for event in written] == ["turn.started", "text.delta", "turn.cancelled"]
    assert (await conversations.turn(claim.turn_id, owner_id=LOCAL_USER_ID)).status == "cancelled"


async def test_an_attempt_whose_turn_is_anothers_stops_its_model_calls_and_writes_no_more(
    conversations: ConversationService, database: Database, signals: Signals
) -> None:
    claim, turn = await claimed(conversations, database, signals)
    conductor = TalkingConductor(is_endless=True)
    attempt = Attempt(claim, conductor=conductor, conversations=conversations)
    running = asyncio.create_task(attempt.run(turn))
    await conductor.has_done.wait()
    await Leases(database, signals, uuid4(), seconds=60).release(claim)
    taker = Leases(database, signals, uuid4(), seconds=60)
    # While the old attempt writes its log, the turn is passed over.
    while not (claims := await taker.claim()):
        pass
    (other,) = claims
    assert other.attempt == claim.attempt + 1
    with pytest.raises(Superseded):
        await running

    assert conductor.was_stopped
    before = await conversations.append(claim.turn_id, [("text.delta", {"text": "late"})], attempt=claim.attempt)
    assert not before
    assert await conversations.complete_turn(other.turn_id, answer(), ("turn.completed", {}), attempt=other.attempt)
    written = [event.kind for event in await log_of(conversations, claim.turn_id)]
    restarted = written.index("turn.restarted")
    assert written[restarted:] == ["turn.restarted", "turn.completed"]


async def _batched(events: list[ConductedEvent]) -> list[list[ConductedEvent]]:
    queue: asyncio.Queue[ConductedEvent | None] = asyncio.Queue()
    found = []

    async def read() -> None:
        found.extend([batch async for batch in batches(queue)])

    reader = asyncio.create_task(read())
    for event in (*events, None):
        queue.put_nowait(event)
        await asyncio.sleep(0)
    await reader
    return found


def _text(events: list[ConductedEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_an_answer_of_2000_tokens_is_about_fifty_lines_and_the_first_comes_at_once() -> None:
    found = await _batched([TextDelta("four")] * 2_000)

    assert found[0] == [TextDelta("four")]
    assert len(found) <= 50
    assert _text([event for batch in found for event in batch]) == "four" * 2_000


EVENTS = st.lists(
    st.one_of(st.builds(TextDelta, st.text(max_size=300)), st.builds(AgentActive, st.just("a"), st.none()))
)


@settings(max_examples=50, deadline=None)
@given(events=EVENTS)
def test_batches_keep_every_event_in_order_and_every_letter(events: list[ConductedEvent]) -> None:
    found = [event for batch in asyncio.run(_batched(events)) for event in batch]

    def shape(some: list[ConductedEvent]) -> str:
        """Texts as they are, and a mark no text of the model has for everything else."""
        return "".join(event.text if isinstance(event, TextDelta) else "\0" for event in some)

    assert shape(found) == shape(events)
