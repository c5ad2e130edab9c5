"""Who runs a turn: a worker holds a lease on it, renews it while it lives, and loses it when it does not.

The turn's row is the queue: what runs and has no lease waits. An attempt has a number, and whoever writes for the turn
names theirs in the same transaction; so a worker that was paused and replaced can write no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from app.conversations import repository
from app.conversations.models import Turn, TurnStatus
from app.conversations.turn_log import failed_line, log_line
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import TurnInterrupted
from app.core.signals import Signals, Topic
from app.orchestration.events import RestartReason, TurnRestarted
from app.orchestration.telemetry import UNWATCHED, TurnTelemetry
from app.usage import service as usage_service

MAX_LOSSES = 5
"""Workers that may die with a turn before it is given up: it may be what kills them."""

CLAIMS_AT_ONCE = 10

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Claim:
    """A turn that this worker is to run, as the attempt of this number."""

    turn_id: UUID
    attempt: int
    conversation_id: UUID
    owner_id: UUID
    request_id: str | None
    """Of the request that started it."""
    trace_parent: str | None = field(compare=False)
    """Likewise."""
    started_at: datetime = field(compare=False)
    """When the candidate sent the message."""


class Leases:
    """The leases of one worker."""

    def __init__(
        self,
        database: Database,
        signals: Signals,
        worker_id: UUID,
        *,
        seconds: float,
        telemetry: TurnTelemetry = UNWATCHED,
    ) -> None:
        self._telemetry = telemetry
        self._database = database
        self._signals = signals
        self._worker_id = worker_id
        self.seconds = seconds
        """How long a worker may be silent before it is taken for dead."""

    async def let_go_of_all(self) -> None:
        """On SQLite, whose only server is just starting: whoever held a lease is dead."""
        if self._database.is_embedded:
            async with self._database.transaction() as session:
                await repository.expire_leases(session)

    async def claim(self) -> Sequence[Claim]:
        """Some turns that wait, or whose worker is gone, the oldest first; none when there are none."""
        async with self._database.reading() as session:
            if not await repository.is_any_waiting(session):
                return []
        async with self._database.transaction() as session:
            waiting = await repository.lock_waiting(session, limit=CLAIMS_AT_ONCE)
            return [claim for turn in waiting if (claim := await self._claim(session, turn)) is not None]

    async def renew(self) -> Sequence[Claim]:
        """Hold what this worker holds for longer, and say what that is: what is missing has ended or is another's."""
        async with self._database.transaction() as session:
            turns = await repository.renew_leases(session, self._worker_id, seconds=self.seconds)
        return [_claim_of(turn) for turn in turns]

    async def release(self, claim: Claim, *, is_lost: bool = False) -> None:
        """Leave the turn to whoever takes it next: another server, or this one after its restart.

        A turn that was lost rather than handed over counts as if its worker had died.
        """
        async with self._database.transaction() as session:
            if await repository.release_lease(session, claim.turn_id, attempt=claim.attempt, losses=int(is_lost)):
                if is_lost:
                    await usage_service.settle_turn(session, claim.turn_id, ended_at=utc_now())
                await self._signals.send(session, Topic.WORK, claim.turn_id)

    async def _claim(self, session: AsyncSession, turn: Turn) -> Claim | None:
        """Take the turn for a new attempt, or end it if too many have died with it."""
        now = utc_now()
        await self._signals.send(session, Topic.LOG, turn.id)
        if turn.worker_id is not None:
            # Its worker died in the middle. What it had reserved may have been charged.
            turn.losses += 1
            await usage_service.settle_turn(session, turn.id, ended_at=now)
            logger.warning("turn_lost", turn_id=str(turn.id), attempt=turn.attempt, losses=turn.losses)
        if turn.losses >= MAX_LOSSES:
            turn.status, turn.finished_at = TurnStatus.FAILED, now
            turn.worker_id = turn.leased_until = None
            error = TurnInterrupted(f"The server stopped {MAX_LOSSES} times while this turn ran. Send it again.")
            line = failed_line(
                error,
                conversation_id=turn.conversation_id,
                turn_id=turn.id,
                request_id=turn.request_id,
                trace_parent=turn.trace_parent,
            )
            await repository.append_event(session, turn.id, *line, at=now)
            self._telemetry.ended(TurnStatus.FAILED, started_at=turn.started_at, code=error.code)
            return None
        turn.attempt += 1
        turn.worker_id = self._worker_id
        await repository.lease(session, turn, seconds=self.seconds)
        if turn.attempt > 1:
            restarted = TurnRestarted(RestartReason.SERVER_LOST, turn.model, turn.attempt)
            self._telemetry.restarted(RestartReason.SERVER_LOST)
            await repository.append_event(session, turn.id, *log_line(restarted), at=now)
        return _claim_of(turn)


def _claim_of(turn: Turn) -> Claim:
    return Claim(
        turn.id, turn.attempt, turn.conversation_id, turn.owner_id, turn.request_id, turn.trace_parent, turn.started_at
    )
