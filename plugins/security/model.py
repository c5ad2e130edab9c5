"""The linear model: a table of weights for hashed n-grams, and the windows of a text that it weighs.

`weights.npz` is made by `python -m tests.security.train` with a fixed seed, from the texts of `tests/security/corpus`
and the development data beside the repository. It holds two tables of two to the `BITS`: `weights`, one signed byte
for each place, which times `step` is what the feature adds to the logit, and `reasons`, for each place that speaks
for an attack the reason that it spoke for most in training. `bias` is what a window of no features has.

An attack hides in a long text, so it is windows that are weighed: sentences, two or three of them in a row, and
stretches of a fixed number of words for texts whose sentences are no help. The heaviest window is the text's.
"""

from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plugins.security.folding import Places
from plugins.security.ngrams import Features
from plugins.security.reasons import Reason

WEIGHTS_FILE = Path(__file__).with_name("weights.npz")
REASONS = (
    Reason.INSTRUCTION_OVERRIDE,
    Reason.PROMPT_EXTRACTION,
    Reason.ROLE_ESCAPE,
    Reason.DELIMITER_FORGERY,
    Reason.ADDRESSED_TO_AI,
    Reason.OUTPUT_FORCING,
)
"""The reasons that the model can give, in the order of their numbers in the table."""

SENTENCES = 3
MOST_TOKENS = 64
"""Sentences weighed together at most, and the longest window."""
STRETCHES = ((16, 4), (40, 10))
"""Length and stride of windows that heed no sentences, in tokens."""
DAMPING = 8.0
"""A window's weights are divided by the root of its tokens and this many, so that length alone speaks for nothing."""
LENGTH_CAUTION, USUAL_WINDOWS = 0.8, 10
"""A text of many windows has many chances to look like an attack: so much more evidence is asked for, by the logarithm
of how many more than usual there are."""
_NAMED_SHARE = 0.35
"""A reason is named when it carries this share of what the heaviest one carries."""


@dataclass(frozen=True)
class Windows:
    """First token and end (exclusive) of each window, sentences first."""

    first: Places
    end: Places


def windows(found: Features) -> Windows:
    """Return the windows of a text; each holds a token at least."""
    tokens = found.tokens
    count = len(tokens.starts)
    edges = np.append(np.flatnonzero(tokens.is_sentence_start), count)
    first, end = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for together in range(1, SENTENCES + 1):
        first.append(edges[:-together])
        end.append(edges[together:])
    for length, stride in STRETCHES:
        begins = np.arange(0, max(count - length, 0) + stride, stride)
        first.append(begins)
        end.append(np.minimum(begins + length, count))
    firsts, ends = np.concatenate(first), np.concatenate(end)
    kept = (ends > firsts) & (ends - firsts <= MOST_TOKENS)
    return Windows(firsts[kept], ends[kept])


@dataclass(frozen=True)
class Model:
    """Tables of weights and of the reasons for them."""

    weights: NDArray[np.float64]
    reasons: NDArray[np.uint8]
    bias: float

    def weigh(self, found: Features) -> NDArray[np.float64]:
        """Return what the features of all tokens before each one add up to: one value more than there are tokens."""
        count = len(found.tokens.starts)
        sums = np.zeros(count + 1)
        np.cumsum(np.bincount(found.owners, self.weights[found.table_places], minlength=count), out=sums[1:])
        return sums

    def logits(self, sums: NDArray[np.float64], spans: Windows) -> NDArray[np.float64]:
        """Return the logit of "this is an attack" of each window."""
        damped: NDArray[np.float64] = (sums[spans.end] - sums[spans.first]) / np.sqrt(spans.end - spans.first + DAMPING)
        logits: NDArray[np.float64] = damped + (self.bias - LENGTH_CAUTION * log(max(1.0, len(damped) / USUAL_WINDOWS)))
        return logits

    def reasons_for(self, found: Features, first: int, end: int) -> tuple[Reason, ...]:
        """Return what the features of a window speak for, the heaviest reason first."""
        places = found.table_places[(found.owners >= first) & (found.owners < end)]
        spoken = np.bincount(self.reasons[places], np.maximum(self.weights[places], 0), minlength=len(REASONS))
        least = _NAMED_SHARE * spoken.max()
        return tuple(REASONS[number] for number in np.argsort(-spoken, kind="stable") if spoken[number] >= least)


def read(path: Path = WEIGHTS_FILE) -> Model:
    """Read a file of weights.

    Raises:
        OSError: there is no such file.
        KeyError: it lacks a table.
    """
    with np.load(path) as file:
        return Model(file["weights"] * float(file["step"]), file["reasons"], float(file["bias"]))


def write(model: Model, path: Path = WEIGHTS_FILE) -> None:
    """Write a file of weights, each rounded to a byte."""
    step = float(np.abs(model.weights).max()) / 127
    rounded = np.rint(model.weights / step).astype(np.int8)
    np.savez_compressed(
        path, weights=rounded, reasons=np.where(rounded > 0, model.reasons, 0), step=step, bias=model.bias
    )
