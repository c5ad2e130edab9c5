"""Takes turns that wait for somebody to run them, on whichever server they were opened, and runs them here."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from enum import Enum, auto
from typing import Any
from uuid import UUID

import structlog

from app.chat.briefing import Briefing
from app.chat.runner import Attempt, Superseded
from app.conversations.leases import Claim, Leases
from app.conversations.service import ConversationService
from app.core.errors import GreenroomError, InternalError, NotFound, NotReady
from app.core.signals import Signals, Topic
from app.orchestration.conductor import Conductor
from app.orchestration.telemetry import TurnTelemetry

POLL_SECONDS = 1.0
"""How often a worker looks by itself: for turns whose worker died, of which nobody tells."""
RENEWALS = 4
"""In the time of a lease, so that it outlasts a slow moment or two."""

logger = structlog.get_logger(__name__)


class _Stop(Enum):
    """Why an attempt is stopped."""

    CANCEL = auto()
    """Somebody does not want the turn any more."""
    HAND_OVER = auto()
    """This server stops; another attempt is to begin elsewhere or later."""
    LOST = auto()
    """The turn has ended, or another attempt has begun it already."""


class _Running:
    """An attempt that runs here."""

    def __init__(self, claim: Claim, run: Callable[["_Running"], Coroutine[Any, Any, None]]) -> None:
        self.claim = claim
        self.stop: _Stop | None = None
        self.task = asyncio.create_task(run(self), name=f"turn-{claim.turn_id}")


class TurnWorker:
    """Owns the tasks of the turns that run in this process."""

    def __init__(
        self,
        *,
        leases: Leases,
        signals: Signals,
        conductor: Conductor,
        conversations: ConversationService,
        briefing: Briefing,
        drain_seconds: float,
        telemetry: TurnTelemetry,
    ) -> None:
        self._telemetry = telemetry
        self._leases = leases
        self._conductor = conductor
        self._conversations = conversations
        self._briefing = briefing
        self._drain_seconds = drain_seconds
        self._running: dict[UUID, _Running] = {}
        """By turn."""
        self._work = asyncio.Event()
        self._is_stopping = asyncio.Event()
        # What the database says this worker holds is compared with what runs here: not while one of them changes.
        self._lock = asyncio.Lock()
        self._failing: set[str] = set()
        """Steps for which the database was away: one that only reads may find it where one that writes does not."""
        self._looked_at = time.monotonic()
        self._loops: list[asyncio.Task[None]] = []
        """Taking and holding."""
        signals.subscribe(Topic.WORK, lambda _: self._work.set())
        signals.subscribe(Topic.CANCEL, self._cancel)
        signals.subscribe(Topic.OWNER, self._cancel_all_of)

    async def start(self) -> None:
        """Begin to take turns, those first that a crash has left behind."""
        await self._leases.let_go_of_all()
        self._loops = [
            asyncio.create_task(self._take_turns(), name="take-turns"),
            asyncio.create_task(self._hold_turns(), name="hold-turns"),
        ]

    def quiet_seconds(self) -> float:
        """How long ago this worker last looked for turns, with success or without."""
        return time.monotonic() - self._looked_at

    async def stop(self) -> None:
        """Take no more turns, let those that run end for a while, and leave the rest to another attempt."""
        self._is_stopping.set()
        self._work.set()
        if self._loops:
            await asyncio.wait(self._loops[:1])
        running = [running.task for running in self._running.values()]
        if running:
            await asyncio.wait(running, timeout=self._drain_seconds)
        left = list(self._running.values())
        for late in left:
            _stop(late, _Stop.HAND_OVER)
        if left:
            await asyncio.wait([late.task for late in left])
        for loop in self._loops:
            # Only now: until here, the turns had to be held.
            loop.cancel()
        if self._loops:
            await asyncio.wait(self._loops)

    # Taking and holding.

    async def _take_turns(self) -> None:
        while not self._is_stopping.is_set():
            self._work.clear()
            self._looked_at = time.monotonic()
            if not await self._tried(self._take_some):
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._work.wait()

    async def _take_some(self) -> bool:
        claims = await self._leases.claim()
        for claim in claims:
            self._begin(claim)
        return bool(claims)

    async def _hold_turns(self) -> None:
        while True:
            await asyncio.sleep(self._leases.seconds / RENEWALS)
            await self._tried(self._compare)

    async def _tried(self, step: Callable[[], Awaitable[bool | None]]) -> bool:
        """What the step returned; False if it failed: the next round tells. A database that is away is logged once."""
        try:
            async with self._lock:
                result = await step()
        except NotReady as error:
            if not self._failing:
                logger.warning("database_away", reason=error.detail)
            self._failing.add(step.__name__)
            return False
        except Exception as error:
            logger.exception("turns_not_looked_after", error=type(error).__name__)
            return False
        if step.__name__ in self._failing:
            self._failing.remove(step.__name__)
            if not self._failing:
                logger.info("database_back")
        return bool(result)

    async def _compare(self) -> None:
        """Renew the leases; stop what is not ours any more, and let go of what is ours but does not run."""
        held = {claim.turn_id: claim for claim in await self._leases.renew()}
        for turn_id, running in self._running.items():
            if held.get(turn_id) != running.claim:
                _stop(running, _Stop.LOST)
        for turn_id, claim in held.items():
            if turn_id not in self._running:
                await self._leases.release(claim, is_lost=True)

    # Running.

    def _begin(self, claim: Claim) -> None:
        earlier = self._running.get(claim.turn_id)
        if earlier is not None:
            # Its lease had run out while this process stood still.
            _stop(earlier, _Stop.LOST)
        running = self._running[claim.turn_id] = _Running(claim, self._run)
        running.task.add_done_callback(lambda _: self._forget(running))

    def _forget(self, running: _Running) -> None:
        if self._running.get(running.claim.turn_id) is running:
            del self._running[running.claim.turn_id]

    async def _run(self, running: _Running) -> None:
        claim = running.claim
        with (
            structlog.contextvars.bound_contextvars(
                request_id=claim.request_id, conversation_id=str(claim.conversation_id), turn_id=str(claim.turn_id)
            ),
            self._telemetry.attempt(
                turn_id=claim.turn_id,
                conversation_id=claim.conversation_id,
                number=claim.attempt,
                parent=claim.trace_parent,
            ),
        ):
            attempt = Attempt(
                claim, conductor=self._conductor, conversations=self._conversations, telemetry=self._telemetry
            )
            try:
                await self._end_well(running, attempt)
            except NotReady as error:
                # It is held by this worker and does not run: the next round lets it go, and another attempt begins.
                logger.warning("turn_left", reason=error.detail)
            except Exception as error:
                # Its end could not be stored.
                logger.exception("turn_left", error=type(error).__name__)

    async def _end_well(self, running: _Running, attempt: Attempt) -> None:
        """Run the turn and store how it ended."""
        try:
            await attempt.run(await self._briefing.of(running.claim.turn_id))
        except asyncio.CancelledError:
            await self._stopped(running, attempt)
        except (Superseded, NotFound):
            logger.info("turn_superseded", attempt=running.claim.attempt)
        except NotReady:
            raise
        except GreenroomError as error:
            await attempt.fail(error)
        except Exception as error:
            logger.exception("turn_crashed", error=type(error).__name__)
            await attempt.fail(InternalError("This is our fault. Try again."))

    async def _stopped(self, running: _Running, attempt: Attempt) -> None:
        match running.stop:
            case _Stop.CANCEL:
                await attempt.cancelled()
            case _Stop.LOST:
                logger.info("turn_superseded", attempt=running.claim.attempt)
            case _:
                await self._leases.release(running.claim)
                logger.info("turn_handed_over", attempt=running.claim.attempt)

    def _cancel(self, turn_id: UUID | None) -> None:
        running = self._running.get(turn_id) if turn_id is not None else None
        if running is not None:
            _stop(running, _Stop.CANCEL)

    def _cancel_all_of(self, owner_id: UUID | None) -> None:
        for running in self._running.values():
            if running.claim.owner_id == owner_id:
                _stop(running, _Stop.CANCEL)


def _stop(running: _Running, why: _Stop) -> None:
    """Stop it once: a second time would interrupt it while it stores how it ended."""
    if running.stop is None:
        running.stop = why
        running.task.cancel()
