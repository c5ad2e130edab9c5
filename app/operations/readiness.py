"""Whether this server can serve, part by part, with a reason for what cannot."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum

from pydantic import BaseModel, Field

from app.chat.worker import TurnWorker
from app.conversations.service import ConversationService
from app.core.database import Database
from app.core.errors import NotReady
from app.core.signals import Signals
from app.providers.base import Provider
from app.providers.circuit import CircuitState

QUIET_SECONDS = 10.0
"""A worker looks for turns every second; one that has not for this long is stuck."""
WAITING_SECONDS = 30.0
"""A turn that has waited for so long tells that there are too few workers, or none."""


class Health(StrEnum):
    """How a part is."""

    OK = "ok"
    DEGRADED = "degraded"
    """Something is worse than it should be, and the server serves all the same."""
    FAILED = "failed"
    """Without it, no turn can be taken care of."""


class Check(BaseModel):
    """What was found out about one part."""

    status: Health = Health.OK
    reason: str | None = Field(None, description="What is wrong, and what to do")


class Readiness(BaseModel):
    """A server that can serve."""

    status: str = Field("ready", description="Always `ready`: a server that is not answers 503 `not_ready`")
    checks: Mapping[str, Check] = Field(description="`database`, `migrations`, `queue`, `models`")
    circuits: Mapping[str, CircuitState] = Field(description="Of each model called so far, whether it is called")


class ReadinessChecks:
    """Looks at the parts of one application."""

    def __init__(
        self,
        *,
        database: Database,
        conversations: ConversationService,
        signals: Signals,
        provider: Provider,
        worker: TurnWorker | None,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._signals = signals
        self._provider = provider
        self._worker = worker
        self._quiet_seconds = quiet_seconds
        self._known_revisions = database.known_revisions()

    async def look(self) -> Readiness:
        """Look at every part.

        Raises:
            NotReady: a part failed; `errors` names each with its reason.
        """
        looks: Mapping[str, Callable[[], Awaitable[Check]]] = {
            "database": self._look_at_database,
            "migrations": self._look_at_migrations,
            "queue": self._look_at_queue,
            "models": self._look_at_models,
        }
        checks: dict[str, Check] = {}
        for name, look in looks.items():
            try:
                checks[name] = await look()
            except NotReady as error:
                # One that is away is asked once: each further question would wait as long.
                raise _not_ready({**checks, name: failed(error.detail)}, error.retry_after_seconds) from error
        if any(check.status is Health.FAILED for check in checks.values()):
            raise _not_ready(checks, None)
        return Readiness(checks=checks, circuits=self._provider.circuits.states())

    async def _look_at_database(self) -> Check:
        await self._database.ping()
        return Check()

    async def _look_at_migrations(self) -> Check:
        at, known = await self._database.revision(), self._known_revisions
        if at == known[-1]:
            return Check()
        if at in {None, *known}:
            return failed(f"The database is at revision {at}, this server needs {known[-1]}: run `greenroom migrate`.")
        # While a new release is rolled out, the servers of the old one go on.
        return degraded(f"The database is at revision {at}, which is newer than this server ({known[-1]}): update it.")

    async def _look_at_queue(self) -> Check:
        if self._worker is not None and self._worker.quiet_seconds() > self._quiet_seconds:
            return failed(f"The worker has not looked for turns for {self._worker.quiet_seconds():.0f} s: restart it.")
        oldest = await self._conversations.longest_wait_seconds()
        if oldest > WAITING_SECONDS:
            count = await self._conversations.waiting()
            return degraded(f"{count} turns wait for a worker, the oldest for {oldest:.0f} s: start more workers.")
        if not self._signals.are_heard:
            return degraded("What other servers signal is not heard at the moment: turns and streams are slower.")
        return Check()

    async def _look_at_models(self) -> Check:
        """Not a reason to be taken out of service: no other server would fare better, and much works without."""
        states = self._provider.circuits.states()
        away = [model for model, state in states.items() if state is not CircuitState.CLOSED]
        return degraded(f"Failed too often, and so left alone for a while: {', '.join(away)}.") if away else Check()


def failed(reason: str) -> Check:
    """A part without which nothing goes."""
    return Check(status=Health.FAILED, reason=reason)


def degraded(reason: str) -> Check:
    """A part that is worse than it should be."""
    return Check(status=Health.DEGRADED, reason=reason)


def _not_ready(checks: Mapping[str, Check], retry_after_seconds: int | None) -> NotReady:
    reasons: Sequence[tuple[str, str]] = [
        (name, check.reason or "") for name, check in checks.items() if check.status is Health.FAILED
    ]
    return NotReady(
        " ".join(reason for _, reason in reasons),
        retry_after_seconds=retry_after_seconds,
        errors=[{"field": name, "message": reason} for name, reason in reasons],
    )
