"""Where in a text something speaks like an attack: passages alone and with their neighbours, plain or encoded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plugins.security.encodings import payloads
from plugins.security.model import LEAST_EVIDENCE, TELLING, Feature, Model, Weights, features, reasons
from plugins.security.passages import Passage, passages
from plugins.security.reasons import Reason

WINDOW_PASSAGES = 3
"""Passages weighed together at most, so that a long text does not collect coincidences."""

MAX_DECODE_DEPTH = 2
"""A payload inside a payload is decoded once more; nobody writes a third layer that a model would unpack by itself."""

ENCODED_BONUS = 2.0
"""What hiding a text in an encoding adds to its logit."""


@dataclass(frozen=True)
class Finding:
    """A span of the text, how much speaks for an attack, and what does."""

    start: int
    end: int
    logit: float
    evidence: Weights
    is_encoded: bool = False

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What the evidence speaks for, the heaviest reason first."""
        named = reasons(self.evidence)
        return tuple(dict.fromkeys((Reason.ENCODED_PAYLOAD, *named))) if self.is_encoded else named


def findings(text: str, model: Model, *, above: float, depth: int = 0) -> Iterator[Finding]:
    """Yield every span whose logit is over `above`; the text must be without invisible characters."""
    yield from _windows(passages(text), model, above)
    if depth >= MAX_DECODE_DEPTH:
        return
    for payload in payloads(text):
        for inner in findings(payload.text, model, above=above - ENCODED_BONUS, depth=depth + 1):
            yield Finding(payload.start, payload.end, inner.logit + ENCODED_BONUS, inner.evidence, is_encoded=True)


def _windows(found: Sequence[Passage], model: Model, above: float) -> Iterator[Finding]:
    weighed = [_weigh(passage.marks, model) for passage in found]
    most = [sum(weight for weight in weights.values() if weight > 0) for weights in weighed]
    least = above + LEAST_EVIDENCE
    for first in range(len(found)):
        together: dict[Feature, float] = {}
        reachable = 0.0
        for last in range(first, min(first + WINDOW_PASSAGES, len(found))):
            together.update(weighed[last])
            reachable += most[last]
            if reachable > least and weighed[last] and (logit := model.logit(together)) > above:
                yield Finding(found[first].start, found[last].end, logit, dict(together))


def _weigh(marks: tuple[str, ...], model: Model) -> Weights:
    """Weigh a passage. Without a telling word it could only speak for honesty, and honest neighbours clear nobody."""
    return {} if TELLING.isdisjoint(marks) else model.weigh(features(marks))


def windows_of(text: str) -> list[frozenset[Feature]]:
    """Return the features of every window of a text, for training."""
    found = [features(passage.marks) for passage in passages(text)]
    return [
        frozenset[Feature]().union(*found[first : last + 1])
        for first in range(len(found))
        for last in range(first, min(first + WINDOW_PASSAGES, len(found)))
    ]
