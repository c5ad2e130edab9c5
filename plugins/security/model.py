"""The linear model: which marks, and which of them near each other, make a passage an attack.

Features are read off the marks of a passage: a mark, two or three in a row, and two with up to three
between them (written `ignore ~ instr`). Their weights stand in `weights.tsv`, one feature a line, learned by
`python -m tests.security.train`; their sum less `LEAST_EVIDENCE` is the logit of "this is an
attack".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from pathlib import Path

from plugins.security.lexicon import REASON_OF
from plugins.security.passages import DISGUISES, FORGERIES
from plugins.security.reasons import Reason

Feature = tuple[str, ...]
Weights = Mapping[Feature, float]

WEIGHTS_FILE = Path(__file__).with_name("weights.tsv")
LEAST_EVIDENCE = 4.0
"""What the weights have to add up to: nothing is an attack by default."""
NEAR = "~"
_NAMED_SHARE = 0.3
"""A reason is named when it carries this share of what the heaviest one carries."""

_REASONS = {
    **REASON_OF,
    **dict.fromkeys(DISGUISES, Reason.ENCODED_PAYLOAD),
    **dict.fromkeys(FORGERIES, Reason.DELIMITER_FORGERY),
}


TELLING = frozenset(_REASONS)
"""Marks that speak for a reason."""


def features(marks: Sequence[str]) -> set[Feature]:
    """Return what the model looks at, each once: a text that repeats itself is no worse for it."""
    near = repeat(NEAR)
    return {
        *zip(marks, strict=False),
        *pairwise(marks),
        *zip(marks, marks[1:], marks[2:], strict=False),
        *(zip(marks, near, marks[1:], strict=False)),
        *(zip(marks, near, marks[2:], strict=False)),
        *(zip(marks, near, marks[3:], strict=False)),
        *(zip(marks, near, marks[4:], strict=False)),
    }


@dataclass(frozen=True)
class Model:
    """Weights of features; one without a weight says nothing."""

    weights: Weights

    def weigh(self, found: Iterable[Feature]) -> dict[Feature, float]:
        """Return those of the features that have a weight, with it."""
        weights = self.weights
        return {feature: weights[feature] for feature in found if feature in weights}

    def logit(self, weighed: Weights) -> float:
        """Return the evidence that these features together are an attack; negative for honest text."""
        return sum(weighed.values()) - LEAST_EVIDENCE


def read_weights(text: str) -> Weights:
    """Read a weights file: a feature's marks, separated by spaces, a tab, and its weight.

    Raises:
        ValueError: a line is not of that form.
    """
    weights: dict[Feature, float] = {}
    for line in text.splitlines():
        feature, weight = line.split("\t")
        weights[tuple(feature.split(" "))] = float(weight)
    return weights


def reasons(weighed: Weights) -> tuple[Reason, ...]:
    """Return what the evidence speaks for, the heaviest reason first."""
    shares: dict[Reason, float] = {}
    for feature, weight in weighed.items():
        spoken = [_REASONS[mark] for mark in feature if mark in _REASONS]
        for reason in spoken:
            shares[reason] = shares.get(reason, 0.0) + weight / len(spoken)
    ranked = sorted(shares, key=lambda reason: -shares[reason])
    disguises = {_REASONS[mark] for feature in weighed for mark in feature if mark in DISGUISES | FORGERIES}
    return tuple(
        reason for reason in ranked if reason in disguises or 0 < shares[reason] >= _NAMED_SHARE * shares[ranked[0]]
    )


SHIPPED = Model(read_weights(WEIGHTS_FILE.read_text(encoding="utf-8")))
