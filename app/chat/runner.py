"""Runs turns as tasks of the service, not of a request, and writes what happens to their log."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog

from app.chat.schemas import ChatReply, DocumentFlag, HandoffPublic
from app.conversations.models import TurnStatus
from app.conversations.schemas import QuestionSetPublic
from app.conversations.service import ConversationService
from app.conversations.turn_log import LogLine, log_line
from app.core.errors import GreenroomError, InternalError, TurnInterrupted
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
    TurnFailed,
    TurnRestarted,
    UsageUpdated,
)
from app.orchestration.turn import TurnTask
from app.usage.service import turn_usage

DELTA_SECONDS = 0.04
"""Text that arrives within this time becomes one line of the log: 25 a second is more than a reader notices."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Running:
    """A turn that runs here."""

    task: asyncio.Task[None]
    owner_id: UUID


class TurnRunner:
    """Owns the tasks of the running turns of this process."""

    def __init__(self, conductor: Conductor, conversations: ConversationService) -> None:
        self._conductor = conductor
        self._conversations = conversations
        self._running: dict[UUID, _Running] = {}
        """By turn."""
        self._is_stopping = False

    def start(
        self, task: TurnTask, *, owner_id: UUID, conversation_id: UUID, flags: Sequence[DocumentFlag] = ()
    ) -> None:
        """Run the turn in the background, whatever becomes of the request."""
        run = _TurnRun(
            task,
            conversation_id=conversation_id,
            flags=flags,
            conductor=self._conductor,
            conversations=self._conversations,
        )
        running = asyncio.create_task(self._run(run), name=f"turn-{task.turn_id}")
        self._running[task.turn_id] = _Running(running, owner_id)
        running.add_done_callback(lambda _: self._running.pop(task.turn_id, None))

    async def cancel(self, turn_id: UUID) -> bool:
        """Stop the turn and wait until it has stopped. False when it does not run here."""
        running = self._running.get(turn_id)
        if running is None:
            return False
        _cancel(running.task)
        await asyncio.wait({running.task})
        return True

    async def cancel_all_of(self, owner_id: UUID) -> None:
        """Stop what runs here for this user, and wait until it has stopped."""
        turns = [turn_id for turn_id, running in self._running.items() if running.owner_id == owner_id]
        await asyncio.gather(*(self.cancel(turn_id) for turn_id in turns))

    async def stop(self) -> None:
        """End every running turn: the server stops."""
        self._is_stopping = True
        running = [turn.task for turn in self._running.values()]
        for task in running:
            _cancel(task)
        if running:
            await asyncio.wait(running)

    async def _run(self, run: "_TurnRun") -> None:
        with structlog.contextvars.bound_contextvars(
            conversation_id=str(run.conversation_id), turn_id=str(run.task.turn_id)
        ):
            try:
                await run.run()
            except asyncio.CancelledError:
                if self._is_stopping:
                    await run.fail(TurnInterrupted("The server stopped. Send it again."))
                else:
                    await run.cancelled()
            except GreenroomError as error:
                await run.fail(error)
            except Exception as error:
                logger.exception("turn_crashed", error=type(error).__name__)
                await run.fail(InternalError("This is our fault. Try again."))


class _TurnRun:
    """One turn, from the conductor's events to the log."""

    def __init__(
        self,
        task: TurnTask,
        *,
        conversation_id: UUID,
        flags: Sequence[DocumentFlag],
        conductor: Conductor,
        conversations: ConversationService,
    ) -> None:
        self.task = task
        self._flags = flags
        self.conversation_id = conversation_id
        self._conductor = conductor
        self._conversations = conversations
        self._started = time.monotonic()
        self._calls: list[ModelCall] = []
        self._events: asyncio.Queue[ConductedEvent | None] = asyncio.Queue()

    async def run(self) -> None:
        """Conduct the turn, and write its log beside it; the last event only when all else is stored."""
        logger.info("turn_started", model=self.task.model, agent=self.task.agent)
        writer = asyncio.create_task(self._write_log())
        try:
            answer = await self._conductor.run(self.task, self._events.put_nowait)
        finally:
            self._events.put_nowait(None)
            await _finished(writer)
        await self._complete(answer)

    async def fail(self, error: GreenroomError) -> None:
        """The turn ends with a problem."""
        error.kept = {"conversation_id": str(self.conversation_id), "turn_id": str(self.task.turn_id)}
        await self._conversations.end_turn(self.task.turn_id, TurnStatus.FAILED, failed_line(error))
        self._log_end("failed", code=error.code)

    async def cancelled(self) -> None:
        """Somebody stopped the turn."""
        line = log_line(TurnCancelled(self.task.turn_id))
        await self._conversations.end_turn(self.task.turn_id, TurnStatus.CANCELLED, line)
        self._log_end("cancelled")

    async def _complete(self, answer: TurnAnswer) -> None:
        spent = await self._conversations.conversation_usage(self.conversation_id)
        reply = ChatReply(
            conversation_id=self.conversation_id,
            turn_id=self.task.turn_id,
            agent=answer.agent,
            handoffs=[HandoffPublic(source=handoff.source, target=handoff.target) for handoff in answer.handoffs],
            reply=answer.reply,
            question_set=QuestionSetPublic.of(answer.question_set) if answer.question_set else None,
            usage=turn_usage(self._calls, model=answer.model, instead_of=answer.instead_of),
            conversation_cost_usd=spent.cost_usd,
            duration_ms=self._duration_ms(),
            flags=list(self._flags),
        )
        line = log_line(TurnCompleted(reply.model_dump(mode="json")))
        await self._conversations.complete_turn(self.task.turn_id, answer, line)
        self._log_end("completed", agent=answer.agent, handoffs=len(answer.handoffs))

    async def _write_log(self) -> None:
        while (first := await self._events.get()) is not None:
            events = [first]
            if isinstance(first, TextDelta):
                await asyncio.sleep(DELTA_SECONDS)
            while not self._events.empty():
                event = self._events.get_nowait()
                if event is None:
                    self._events.put_nowait(None)
                    break
                events.append(event)
            await self._append(_merged(events))

    async def _append(self, events: Sequence[ConductedEvent]) -> None:
        lines = []
        for event in events:
            match event:
                case UsageUpdated(call=call):
                    self._calls.append(call)
                    usage = turn_usage(self._calls, model=call.model)
                    lines.append((event.kind, usage.model_dump(mode="json")))
                case AgentActive() | TurnRestarted() | QuestionReady() | TextDelta():
                    lines.append(log_line(event))
        await self._conversations.append(self.task.turn_id, lines)

    def _log_end(self, status: str, **fields: object) -> None:
        usage = turn_usage(self._calls, model=self.task.model)
        logger.info(
            "turn_ended",
            status=status,
            duration_ms=self._duration_ms(),
            model_calls=usage.model_calls,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=str(usage.cost_usd) if usage.cost_usd is not None else None,
            **fields,
        )

    def _duration_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)


def failed_line(error: GreenroomError) -> LogLine:
    """The last line of the log of a turn that failed."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return log_line(TurnFailed(error, request_id))


def _cancel(running: asyncio.Task[None]) -> None:
    """Cancel once: a second time would interrupt the turn while it stores how it ended."""
    if not running.cancelling():
        running.cancel()


async def _finished(writer: asyncio.Task[None]) -> None:
    """Let the writer store the rest, also when the turn is cancelled meanwhile: nothing may follow the last event."""
    try:
        await asyncio.wait({writer})
    except asyncio.CancelledError:
        await asyncio.wait({writer})
        raise
    writer.result()


def _merged(events: Sequence[ConductedEvent]) -> list[ConductedEvent]:
    """Join texts that follow each other directly."""
    merged: list[ConductedEvent] = []
    for event in events:
        last = merged[-1] if merged else None
        if isinstance(event, TextDelta) and isinstance(last, TextDelta):
            merged[-1] = TextDelta(last.text + event.text)
        else:
            merged.append(event)
    return merged
