"""The linear model: tables of weights for hashed n-grams, and the windows of a text that it weighs.

`weights.npz` is made by `python -m tests.security.train` from the texts of `tests/security/corpus`, published sets of
attacks, and the development data beside the repository. It holds three tables of two to the `BITS`, a byte for each
place: `weights`, which times `step` is what the feature adds; `rarity`, which tells how seldom texts have it, 0 when
training did not know it; and `reasons`, for each place that speaks for an attack the reason that it spoke for most in
training. `bias` is what a window of no features has.

An attack hides in a long text, so it is windows that are weighed: stretches of a fixed number of tokens. The heaviest
one is the text's. Where in a stretch the attack stands is then asked of its sentences.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plugins.security.folding import Mask, Places, where
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

STRETCH, STRIDE = 64, 32
"""Tokens of a stretch, and from the beginning of one to that of the next."""
SENTENCES, LEAST_TOKENS = 3, 4
"""Sentences weighed together at most, within the length of a stretch, and tokens that there are at least."""
DAMPING = 20_000.0
"""What the square of a window's length is at least increased by: a few letters alone say little."""
RARITY_STEP = 1 / 20
"""What one step of `rarity` is worth, in logarithms of how many texts there are to one that has the feature."""
_RARITY_SHIFT = np.uint16(8)
_NAMED_SHARE = 0.35
"""A reason is named when it carries this share of what the heaviest one carries."""


SQUARES = (np.arange(256) * RARITY_STEP) ** 4
"""What a feature of each rarity adds to the square of a window's length: features count by the square of rarity."""


@dataclass(frozen=True)
class Windows:
    """First token and end (exclusive) of each window."""

    first: Places
    end: Places

    def only(self, kept: Mask) -> "Windows":
        """Return some of them."""
        return Windows(self.first[kept], self.end[kept])


def stretches(found: Features) -> Windows:
    """Return the stretches of each text; each holds a token at least, and none reaches into another text."""
    texts = found.tokens.texts
    bounds = where(np.concatenate([[True], texts[1:] != texts[:-1], [True]])[: len(texts) + 1])
    sizes = bounds[1:] - bounds[:-1]
    counts = -(-np.maximum(sizes - STRETCH, 0) // STRIDE) + 1
    before = counts.cumsum() - counts
    begins = np.repeat(bounds[:-1] - STRIDE * before, counts) + STRIDE * np.arange(counts.sum())
    return Windows(begins, np.minimum(begins + STRETCH, np.repeat(bounds[1:], counts)))


def sentences(found: Features) -> Windows:
    """Return one to so many sentences in a row of each text that are neither longer than a stretch nor a word."""
    texts = found.tokens.texts
    edges = np.append(where(found.tokens.is_sentence_start), len(texts))
    firsts = np.concatenate([edges[:-together] for together in range(1, SENTENCES + 1)])
    ends = np.concatenate([edges[together:] for together in range(1, SENTENCES + 1)])
    lengths = ends - firsts
    is_kept = (lengths <= STRETCH) & (lengths >= LEAST_TOKENS)
    if len(texts) and texts[-1] > texts[0]:
        is_kept &= texts.take(firsts) == texts.take(ends - 1)
    return Windows(firsts, ends).only(is_kept)


@dataclass(frozen=True)
class Sums:
    """What the features before each token, and at last before the end, add up to: weights and squares of lengths."""

    weights: NDArray[np.float64]
    squares: NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """Tables of weights, of how rare features are and of the reasons that they speak for."""

    weights: NDArray[np.int8]
    step: float
    rarity: NDArray[np.uint8]
    reasons: NDArray[np.uint8]
    bias: float

    @cached_property
    def _entries(self) -> NDArray[np.uint16]:
        """Weight and rarity of each feature side by side: they are asked for together, all over the tables."""
        return self.weights.view(np.uint8) | (self.rarity.astype(np.uint16) << _RARITY_SHIFT)

    def weigh(self, found: Features) -> Sums:
        """Add up the features of the tokens."""
        count = len(found.tokens.starts)
        weights, squares = np.zeros(count + 1), np.zeros(count + 1)
        for block in found.blocks:
            entries = self._entries.take(block.table_places)
            weights[1:] += np.bincount(block.owners, entries.astype(np.int8), minlength=count)
            squares[1:] += np.bincount(block.owners, SQUARES.take(entries >> _RARITY_SHIFT), minlength=count)
        return Sums(weights.cumsum() * self.step, squares.cumsum())

    def margins(self, sums: Sums, spans: Windows) -> NDArray[np.float64]:
        """Return how far on the side of the attacks each window is; a window of unknown features has the bias."""
        weights = sums.weights.take(spans.end) - sums.weights.take(spans.first)
        squares = sums.squares.take(spans.end) - sums.squares.take(spans.first)
        margins: NDArray[np.float64] = weights / np.sqrt(squares + DAMPING) + self.bias
        return margins

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
        return Model(file["weights"], float(file["step"]), file["rarity"], file["reasons"], float(file["bias"]))


def write(model: Model, path: Path = WEIGHTS_FILE) -> None:
    """Write a file of weights."""
    np.savez_compressed(
        path, weights=model.weights, step=model.step, rarity=model.rarity, reasons=model.reasons, bias=model.bias
    )
