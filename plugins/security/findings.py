"""Where in a text something speaks like an attack: windows of it, readings of its disguised parts, forged markers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plugins.security.disguises import readings
from plugins.security.folding import Places, where
from plugins.security.forgeries import forgeries
from plugins.security.model import Model, Windows, windows
from plugins.security.ngrams import Features, features
from plugins.security.reasons import Reason

MAX_DEPTH = 2
"""A payload inside a payload is decoded once more; nobody writes a third layer that a model would unpack by itself."""
DISGUISE_BONUS = 1.0
"""What hiding a text adds to its logit."""
FORGED = 4.0
"""The logit of a forged marker."""
LOGITS_TO_SCORE = 4.0
"""Logits to one of score."""
NO_SCORE = -LOGITS_TO_SCORE
"""The logit up to which nothing scores: what weighs no more is no finding."""
LEET_WORDS = 2


@dataclass(frozen=True)
class Finding:
    """A span of the text, the logit of "this is an attack", and what speaks for it, the heaviest reason first."""

    start: int
    end: int
    logit: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Weighed:
    """Texts, their windows and the logits of these."""

    texts: tuple[str, ...]
    model: Model
    found: Features
    spans: Windows
    logits: NDArray[np.float64]

    def findings(self, numbers: Sequence[int]) -> list[Finding]:
        """Return windows that do not overlap as findings, with places in their text."""
        if not numbers:
            return []
        tokens, spans = self.found.tokens, Windows(self.spans.first[numbers], self.spans.end[numbers])
        leet_before = np.concatenate([[0], np.cumsum(tokens.leet > 0)])
        is_leet = leet_before[spans.end] - leet_before[spans.first] >= LEET_WORDS
        rows = zip(
            tokens.starts[spans.first].tolist(),
            tokens.ends[spans.end - 1].tolist(),
            self.logits[numbers].tolist(),
            self.model.reasons_for(self.found, spans),
            is_leet.tolist(),
            strict=True,
        )
        return [
            Finding(start, end, logit, (*reasons, Reason.ENCODED_PAYLOAD) if has_leet else reasons)
            for start, end, logit, reasons, has_leet in rows
        ]

    def shortest_first(self, least: float) -> list[tuple[int, int, int]]:
        """Return the windows of a text that weigh so much: number, start and end of each, the fewest tokens first."""
        tokens, spans = self.found.tokens, self.spans
        numbers = where(self.logits >= least)
        numbers = numbers[np.argsort(spans.end[numbers] - spans.first[numbers], kind="stable")]
        starts, ends = tokens.starts[spans.first[numbers]], tokens.ends[spans.end[numbers] - 1]
        return list(zip(numbers.tolist(), starts.tolist(), ends.tolist(), strict=True))

    def heaviest(self, least: float) -> list[int]:
        """Return for each text the number of the window that weighs most, if that is more than `least`."""
        numbers = where(self.logits > least)
        if len(self.texts) == 1:
            return [int(self.logits.argmax())] if len(numbers) else []
        numbers = numbers[np.argsort(-self.logits[numbers], kind="stable")]
        _, chosen = np.unique(self.texts_of(numbers), return_index=True)
        heaviest: list[int] = numbers[chosen].tolist()
        return heaviest

    def texts_of(self, numbers: Sequence[int] | Places) -> Places:
        """Return the number of the text of each of these windows."""
        return self.found.tokens.texts[self.spans.first[numbers]]


def weigh(model: Model, *texts: str) -> Weighed:
    """Weigh all windows of texts, each text by itself."""
    found = features(*texts)
    spans = windows(found)
    return Weighed(texts, model, found, spans, model.logits(model.weigh(found), spans, found.tokens.texts))


def findings_in(weighed: Weighed) -> Iterator[Finding]:
    """Yield the window that weighs most, if it scores at all, and all other findings."""
    yield from weighed.findings(weighed.heaviest(NO_SCORE))
    yield from other_findings(weighed)


def other_findings(weighed: Weighed) -> Iterator[Finding]:
    """Yield forged markers of a text, and of each disguised part the window that weighs most, if it scores at all."""
    (text,) = weighed.texts
    yield from _forged(text)
    spans = [(0, len(text))]
    for depth in range(1, MAX_DEPTH + 1):
        found = list(readings(weighed.texts, weighed.found.tokens))
        if not found:
            return
        # What a reading's reading says is said by the part of the text that the first one reads.
        spans = [(reading.start, reading.end) if depth == 1 else spans[reading.source] for reading in found]
        weighed = weigh(weighed.model, *(reading.text for reading in found))
        bonus = depth * DISGUISE_BONUS
        for number, finding in _findings_of_each(weighed, NO_SCORE - bonus):
            reasons = tuple(dict.fromkeys((*finding.reasons, Reason.ENCODED_PAYLOAD)))
            yield Finding(*spans[number], finding.logit + bonus, reasons)


def _findings_of_each(weighed: Weighed, least: float) -> Iterator[tuple[int, Finding]]:
    """Yield the heaviest window and the forged markers of each text, with its number."""
    numbers = weighed.heaviest(least)
    yield from zip(weighed.texts_of(numbers).tolist(), weighed.findings(numbers), strict=True)
    for number, text in enumerate(weighed.texts):
        yield from ((number, finding) for finding in _forged(text))


def _forged(text: str) -> Iterator[Finding]:
    for start, end in forgeries(text):
        yield Finding(start, end, FORGED, (Reason.DELIMITER_FORGERY,))
