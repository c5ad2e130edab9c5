"""One attempt at a turn: from the conductor's events to the lines of its log."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import structlog

from app.chat.briefing import BriefedTurn
from app.chat.schemas import ChatReply, HandoffPublic
from app.conversations.leases import Claim
from app.conversations.models import TurnStatus
from app.conversations.schemas import QuestionSetPublic
from app.conversations.service import ConversationService
from app.conversations.turn_log import failed_line, log_line
from app.core.errors import GreenroomError
from app.orchestration.conductor import Conductor
from app.orchestration.events import (
    AgentActive,
    ConductedEvent,
    ModelCall,
    QuestionReady,
    TextDelta,
    TurnAnswer,
    TurnCancelled,
    TurnCompleted,
    TurnRestarted,
    UsageUpdated,
)
from app.orchestration.telemetry import UNWATCHED, TurnTelemetry
from app.usage.service import turn_usage

DELTA_CHARACTERS, DELTA_SECONDS, DELTA_STEPS = 20, 0.15, 10
"""The first text becomes a line of the log at once, the nth when it has n times so many characters or is so old; from
the tenth on they grow no more. An answer of 2,000 tokens takes about fifty lines, and no reader waits long."""

logger = structlog.get_logger(__name__)


class Superseded(Exception):
    """The turn has ended, or another attempt has begun it: what this one would write is not wanted any more."""


class Attempt:
    """One attempt at a turn. Writes nothing once the turn is somebody else's."""

    def __init__(
        self,
        claim: Claim,
        *,
        conductor: Conductor,
        conversations: ConversationService,
        telemetry: TurnTelemetry = UNWATCHED,
    ) -> None:
        self._telemetry = telemetry
        self._has_shown = claim.attempt > 1
        self._claim = claim
        self._conductor = conductor
        self._conversations = conversations
        self._started = time.monotonic()
        self._calls: list[ModelCall] = []
        self._events: asyncio.Queue[ConductedEvent | None] = asyncio.Queue()

    async def run(self, turn: BriefedTurn) -> None:
        """Conduct the turn, and write its log beside it; the last event only when all else is stored.

        Raises:
            Superseded: the turn is not this attempt's any more; every model call has stopped.
            GreenroomError: as `Conductor.run`.
        """
        logger.info("turn_started", model=turn.task.model, agent=turn.task.agent, attempt=self._claim.attempt)
        conducting = asyncio.create_task(self._conductor.run(turn.task, self._take))
        writer = asyncio.create_task(self._write_log())
        try:
            # The writer ends first only if it fails; then there is no use in going on.
            await asyncio.wait({conducting, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            conducting.cancel()
            await _ended(conducting)
            self._events.put_nowait(None)
            await _ended(writer)
            for task in (conducting, writer):
                if not task.cancelled():
                    # Looked at, so that asyncio does not complain where another failure is the one raised.
                    task.exception()
        writer.result()
        await self._complete(turn, conducting.result())

    async def fail(self, error: GreenroomError) -> None:
        """The turn ends with a problem."""
        claim = self._claim
        line = failed_line(
            error,
            conversation_id=claim.conversation_id,
            turn_id=claim.turn_id,
            request_id=claim.request_id,
            trace_parent=claim.trace_parent,
        )
        if await self._conversations.end_turn(claim.turn_id, TurnStatus.FAILED, line, attempt=claim.attempt):
            self._ended(TurnStatus.FAILED, code=error.code)

    async def cancelled(self) -> None:
        """Somebody stopped the turn."""
        claim = self._claim
        line = log_line(TurnCancelled(claim.turn_id))
        if await self._conversations.end_turn(claim.turn_id, TurnStatus.CANCELLED, line, attempt=claim.attempt):
            self._ended(TurnStatus.CANCELLED)

    async def _complete(self, turn: BriefedTurn, answer: TurnAnswer) -> None:
        claim = self._claim
        spent = await self._conversations.conversation_usage(claim.conversation_id)
        reply = ChatReply(
            conversation_id=claim.conversation_id,
            turn_id=claim.turn_id,
            agent=answer.agent,
            handoffs=[HandoffPublic(source=handoff.source, target=handoff.target) for handoff in answer.handoffs],
            reply=answer.reply,
            question_set=QuestionSetPublic.of(answer.question_set) if answer.question_set else None,
            usage=turn_usage(self._calls, model=answer.model, instead_of=answer.instead_of),
            conversation_cost_usd=spent.cost_usd,
            duration_ms=self._duration_ms(),
            flags=list(turn.flags),
        )
        line = log_line(TurnCompleted(reply.model_dump(mode="json")))
        if not await self._conversations.complete_turn(claim.turn_id, answer, line, attempt=claim.attempt):
            raise Superseded
        self._ended(TurnStatus.COMPLETED, agent=answer.agent, handoffs=len(answer.handoffs))

    def _take(self, event: ConductedEvent) -> None:
        if not self._has_shown:
            self._has_shown = True
            self._telemetry.shown_first(started_at=self._claim.started_at)
        self._events.put_nowait(event)

    async def _write_log(self) -> None:
        async for events in batches(self._events):
            lines = []
            for event in events:
                match event:
                    case UsageUpdated(call=call):
                        self._calls.append(call)
                        lines.append((event.kind, turn_usage(self._calls, model=call.model).model_dump(mode="json")))
                    case AgentActive() | TurnRestarted() | QuestionReady() | TextDelta():
                        lines.append(log_line(event))
            if not await self._conversations.append(self._claim.turn_id, lines, attempt=self._claim.attempt):
                raise Superseded

    def _ended(self, status: TurnStatus, *, code: str = "", **fields: object) -> None:
        self._telemetry.attempt_ended(status, started_at=self._claim.started_at, code=code)
        if code:
            fields["code"] = code
        usage = turn_usage(self._calls, model="")
        logger.info(
            "turn_ended",
            status=status.value,
            duration_ms=self._duration_ms(),
            model_calls=usage.model_calls,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=str(usage.cost_usd) if usage.cost_usd is not None else None,
            **fields,
        )

    def _duration_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)


async def batches(events: "asyncio.Queue[ConductedEvent | None]") -> AsyncIterator[list[ConductedEvent]]:
    """The events up to None, in order, a few at a time: see `DELTA_CHARACTERS`. Only text is waited for."""
    step = 0
    while (first := await events.get()) is not None:
        batch = [first]
        if isinstance(first, TextDelta):
            await _gather_text(batch, events, step)
            step = min(step + 1, DELTA_STEPS)
        while not events.empty():
            event = events.get_nowait()
            if event is None:
                events.put_nowait(None)
                break
            batch.append(event)
        yield merged(batch)


async def _gather_text(batch: list[ConductedEvent], events: "asyncio.Queue[ConductedEvent | None]", step: int) -> None:
    """Add to the batch until it has enough text, is old enough, or something comes that should not wait."""
    ends = asyncio.get_running_loop().time() + step * DELTA_SECONDS
    while sum(len(event.text) for event in batch if isinstance(event, TextDelta)) < step * DELTA_CHARACTERS:
        try:
            async with asyncio.timeout_at(ends):
                event = await events.get()
        except TimeoutError:
            return
        if event is None:
            events.put_nowait(None)
            return
        batch.append(event)
        if not isinstance(event, TextDelta):
            return


async def _ended(task: "asyncio.Task[TurnAnswer] | asyncio.Task[None]") -> None:
    """Wait for the task's end, also when the turn is cancelled meanwhile: nothing may follow the last event."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def merged(events: Sequence[ConductedEvent]) -> list[ConductedEvent]:
    """Join texts that follow each other directly."""
    joined: list[ConductedEvent] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta):
            joined[-1] = TextDelta(last.text + event.text)
        else:
            joined.append(event)
    return joined
