"""The linear model: a table of weights for hashed n-grams, and the windows of a text that it weighs.

`weights.npz` is made by `python -m tests.security.train` with a fixed seed, from the texts of `tests/security/corpus`
and the development data beside the repository. It holds two tables of two to the `BITS`: `weights`, one signed byte
for each place, which times `step` is what the feature adds to the logit, and `reasons`, for each place that speaks
for an attack the reason that it spoke for most in training. `bias` is what a window of no features has.

An attack hides in a long text, so it is windows that are weighed: sentences, two or three of them in a row, and
stretches of a fixed number of words for texts whose sentences are no help. The heaviest window is the text's.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plugins.security.folding import Places, where
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
    """Return the windows of each text; each holds a token at least, and none reaches into another text."""
    texts = found.tokens.texts
    firsts, ends = _sentences(found)
    bounds = where(np.concatenate([[True], texts[1:] != texts[:-1], [True]])[: len(texts) + 1])
    stretches = [_stretches(bounds, length, stride) for length, stride in STRETCHES]
    return Windows(
        np.concatenate([firsts, *(first for first, _ in stretches)]),
        np.concatenate([ends, *(end for _, end in stretches)]),
    )


def _sentences(found: Features) -> tuple[Places, Places]:
    """Return where one to so many sentences in a row begin and end, in tokens."""
    texts = found.tokens.texts
    edges = np.append(where(found.tokens.is_sentence_start), len(texts))
    firsts = np.concatenate([edges[:-together] for together in range(1, SENTENCES + 1)])
    ends = np.concatenate([edges[together:] for together in range(1, SENTENCES + 1)])
    is_kept = ends - firsts <= MOST_TOKENS
    if len(texts) and texts[-1] > texts[0]:
        is_kept &= texts.take(firsts) == texts.take(ends - 1)
    kept = where(is_kept)
    return firsts.take(kept), ends.take(kept)


def _stretches(bounds: Places, length: int, stride: int) -> tuple[Places, Places]:
    """Return where stretches begin and end; `bounds` are where texts begin and the last one ends."""
    sizes = bounds[1:] - bounds[:-1]
    counts = -(-np.maximum(sizes - length, 0) // stride) + 1
    before = counts.cumsum() - counts
    begins = np.repeat(bounds[:-1] - stride * before, counts) + stride * np.arange(counts.sum())
    return begins, np.minimum(begins + length, np.repeat(bounds[1:], counts))


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
        for block in found.blocks:
            sums[1:] += np.bincount(block.owners, self.weights.take(block.table_places), minlength=count)
        return sums.cumsum()

    def logits(self, sums: NDArray[np.float64], spans: Windows, texts: Places) -> NDArray[np.float64]:
        """Return the logit of "this is an attack" of each window; `texts` tells of which text each window is."""
        damped = (sums.take(spans.end) - sums.take(spans.first)) / np.sqrt(spans.end - spans.first + DAMPING)
        caution = LENGTH_CAUTION * np.log(np.maximum(1.0, np.bincount(texts) / USUAL_WINDOWS))
        logits: NDArray[np.float64] = damped + (self.bias - caution).take(texts)
        return logits

    def reasons_for(self, found: Features, spans: Windows) -> list[tuple[Reason, ...]]:
        """Return what the features of windows that do not overlap speak for, the heaviest reason of each first."""
        window_of = np.full(len(found.tokens.starts), -1)
        for number, (first, end) in enumerate(zip(spans.first.tolist(), spans.end.tolist(), strict=True)):
            window_of[first:end] = number
        numbers, weights = [], []
        for block in found.blocks:
            window = window_of.take(block.owners)
            inside = where(window >= 0)
            places = block.table_places.take(inside)
            numbers.append(window.take(inside) * len(REASONS) + self.reasons.take(places))
            weights.append(np.maximum(self.weights.take(places), 0))
        count = len(spans.first) * len(REASONS)
        sums = np.bincount(np.concatenate(numbers), np.concatenate(weights), minlength=count)
        spoken = sums.reshape(-1, len(REASONS))
        orders = np.argsort(-spoken, axis=1, kind="stable")
        least = _NAMED_SHARE * spoken.max(axis=1)
        return [
            tuple(REASONS[number] for number in order if weights[number] >= enough)
            for order, weights, enough in zip(orders.tolist(), spoken.tolist(), least.tolist(), strict=True)
        ]


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
