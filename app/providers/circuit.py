"""The circuit breaker: a model that keeps failing is left alone for a while, so that turns fail at once and not slowly.

There is one circuit for each model of a provider, not one for all: gateways put many providers behind one address, and
rate limits and outages are a model's own. Each process has its own: it finds out by itself soon enough.
"""

import math
import time
from collections.abc import Callable, Mapping
from enum import StrEnum

import structlog

from app.core.errors import ProviderUnavailable

PROBE_SECONDS = 5
"""What a client is told to wait while somebody else's call is finding out whether the model is back."""

logger = structlog.get_logger(__name__)


class CircuitState(StrEnum):
    """Whether a model is called."""

    CLOSED = "closed"
    """Calls go through."""
    OPEN = "open"
    """It failed too often in a row; calls are refused for a while."""
    HALF_OPEN = "half_open"
    """The while is over: one call may go through and find out, the others are refused."""


class Circuit:
    """What is known of one model.

    A success closes it, whichever call it comes from. Of failures, those of calls that began before it opened say
    nothing new, so only the probe's opens it again.
    """

    def __init__(
        self, model: str, *, failures: int, rest_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._limit = failures
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._failures = 0
        self._open_until: float | None = None
        self._probe: Passage | None = None

    @property
    def state(self) -> CircuitState:
        """As it is at this moment."""
        if self._open_until is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self._clock() < self._open_until else CircuitState.HALF_OPEN

    def enter(self) -> "Passage":
        """Let a call through; whoever makes it must `leave` at its end.

        Raises:
            ProviderUnavailable: the circuit is open, with the time that it stays so.
        """
        state, passage = self.state, Passage(self)
        if state is CircuitState.OPEN or self._probe is not None:
            rest_seconds = (self._open_until or 0) - self._clock()
            raise ProviderUnavailable(
                "The model failed several times in a row and is left alone for a while. Send it again then.",
                retry_after_seconds=math.ceil(rest_seconds) if rest_seconds > 0 else PROBE_SECONDS,
            )
        if state is CircuitState.HALF_OPEN:
            self._probe = passage
        return passage

    # For `Passage`.

    def answered(self) -> None:
        """A model that answers is there."""
        if self._open_until is not None:
            logger.info("circuit_closed", model=self._model)
        self._failures, self._open_until, self._probe = 0, None, None

    def failed(self, passage: "Passage") -> None:
        """One more failure in a row; the one too many opens the circuit."""
        self._failures += 1
        is_verdict = passage is self._probe or (self._open_until is None and self._failures >= self._limit)
        if is_verdict:
            self._open_until = self._clock() + self._rest_seconds
            logger.warning(
                "circuit_opened", model=self._model, failures=self._failures, rest_seconds=self._rest_seconds
            )

    def left(self, passage: "Passage") -> None:
        """A probe that ended without a verdict, such as a cancelled one, leaves its place to the next call."""
        if passage is self._probe:
            self._probe = None


class Passage:
    """One call's way through a circuit."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit = circuit

    def answered(self) -> None:
        """The model began to answer. What becomes of the answer is another matter."""
        self._circuit.answered()

    def failed(self) -> None:
        """The model was not there: unreachable, overloaded, broken or silent."""
        self._circuit.failed(self)

    def leave(self) -> None:
        """The call is over."""
        self._circuit.left(self)


class Circuits:
    """The circuits of one provider."""

    def __init__(self, *, failures: int, rest_seconds: float) -> None:
        self._failures = failures
        self._rest_seconds = rest_seconds
        self._by_model: dict[str, Circuit] = {}

    def of(self, model: str) -> Circuit:
        """The model's own; the same one each time."""
        if model not in self._by_model:
            self._by_model[model] = Circuit(model, failures=self._failures, rest_seconds=self._rest_seconds)
        return self._by_model[model]

    def states(self) -> Mapping[str, CircuitState]:
        """By model, as far as models were called."""
        return {model: circuit.state for model, circuit in sorted(self._by_model.items())}
