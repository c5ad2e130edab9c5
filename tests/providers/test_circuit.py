"""The circuit breaker by itself, on a clock that the test moves: when it opens and closes, and whom it lets through."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import ProviderUnavailable
from app.providers.circuit import PROBE_SECONDS, Circuit, Circuits, CircuitState, Passage


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit("gpt-4o", failures=3, rest_seconds=30, clock=clock)


def fail(circuit: Circuit, times: int) -> None:
    for _ in range(times):
        passage = circuit.enter()
        passage.failed()
        passage.leave()


def state_of(circuit: Circuit) -> CircuitState:
    """As it is now; mypy takes a property that was compared once for a constant."""
    return circuit.state


def refused_seconds(circuit: Circuit) -> int | None:
    """What a refused call is told to wait."""
    with pytest.raises(ProviderUnavailable) as refusal:
        circuit.enter()
    return refusal.value.retry_after_seconds


def test_it_opens_after_so_many_failures_in_a_row_and_says_how_long(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 2)
    assert state_of(circuit) is CircuitState.CLOSED
    fail(circuit, 1)
    assert state_of(circuit) is CircuitState.OPEN
    assert refused_seconds(circuit) == 30
    clock.now += 29.5
    assert refused_seconds(circuit) == 1


def test_an_answer_in_between_begins_the_count_anew(circuit: Circuit) -> None:
    fail(circuit, 2)
    circuit.enter().answered()
    fail(circuit, 2)
    assert state_of(circuit) is CircuitState.CLOSED


def test_after_the_rest_one_call_finds_out_and_the_others_wait(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 30
    assert state_of(circuit) is CircuitState.HALF_OPEN
    probe = circuit.enter()
    assert refused_seconds(circuit) == PROBE_SECONDS
    probe.answered()
    assert state_of(circuit) is CircuitState.CLOSED
    for _ in range(5):
        circuit.enter()


def test_a_probe_that_fails_opens_it_again_for_as_long(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 31
    fail(circuit, 1)
    assert state_of(circuit) is CircuitState.OPEN
    assert refused_seconds(circuit) == 30


def test_a_probe_without_a_verdict_leaves_its_place(circuit: Circuit, clock: Clock) -> None:
    fail(circuit, 3)
    clock.now += 30
    circuit.enter().leave()
    assert state_of(circuit) is CircuitState.HALF_OPEN
    circuit.enter()


def test_late_failures_of_earlier_calls_say_nothing_new(circuit: Circuit, clock: Clock) -> None:
    early = [circuit.enter() for _ in range(5)]
    for passage in early[:3]:
        passage.failed()
    clock.now += 20
    early[3].failed()
    assert refused_seconds(circuit) == 10, "the rest is no longer for it"
    clock.now += 10
    probe = circuit.enter()
    early[4].failed()
    assert state_of(circuit) is CircuitState.HALF_OPEN
    probe.answered()
    assert state_of(circuit) is CircuitState.CLOSED


def test_a_late_answer_of_an_earlier_call_closes_it(circuit: Circuit) -> None:
    early = circuit.enter()
    fail(circuit, 3)
    early.answered()
    assert state_of(circuit) is CircuitState.CLOSED


def test_each_model_has_its_own() -> None:
    circuits = Circuits(failures=1, rest_seconds=30)
    fail(circuits.of("gpt-4o"), 1)
    circuits.of("gpt-5").enter()
    assert circuits.states() == {"gpt-4o": CircuitState.OPEN, "gpt-5": CircuitState.CLOSED}


def _entered(circuit: Circuit) -> Passage | None:
    """A way through, or None where there was none, as there must be sometimes."""
    state = circuit.state
    try:
        passage = circuit.enter()
    except ProviderUnavailable as refusal:
        passage, wait_seconds = None, refusal.retry_after_seconds or 0
        # Rounded up, and so are the hairs that floats split.
        is_right = state is not CircuitState.CLOSED and 1 <= wait_seconds <= 31
    else:
        is_right = state is not CircuitState.OPEN
    assert is_right
    return passage


def _steps() -> Iterator[st.SearchStrategy[object]]:
    yield st.just("enter")
    yield st.tuples(st.sampled_from(["answered", "failed", "leave"]), st.integers(0, 9))
    yield st.floats(0, 40).map(lambda seconds: ("pass", seconds))


@given(st.lists(st.one_of(*_steps()), max_size=60))
def test_whatever_happens_one_probe_runs_at_most_and_nothing_is_refused_for_ever(steps: list[object]) -> None:
    clock = Clock()
    circuit = Circuit("gpt-4o", failures=2, rest_seconds=30, clock=clock)
    running: list[Passage] = []
    probes: list[Passage] = []
    for step in steps:
        match step:
            case "enter" if passage := _entered(circuit):
                running.append(passage)
                probes += [passage] if circuit.state is CircuitState.HALF_OPEN else []
            case "pass", float(seconds):
                clock.now += seconds
            case str(verdict), int(place) if running:
                passage = running[place % len(running)]
                if verdict != "leave":
                    getattr(passage, verdict)()
                passage.leave()
                running.remove(passage)
        if circuit.state is CircuitState.HALF_OPEN:
            assert len([probe for probe in probes if probe in running]) <= 1
    for passage in running:
        passage.leave()
    clock.now += 30
    circuit.enter()
