"""Where in a text something speaks like an attack: windows of it, readings of its disguised parts, forged markers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from plugins.security.disguises import Passage, passages
from plugins.security.folding import Places, where
from plugins.security.forgeries import forgeries
from plugins.security.model import Model, Sums, Windows, sentences, stretches
from plugins.security.ngrams import Features, features_of
from plugins.security.reasons import Reason

DISGUISE_BONUS = 0.25
"""What each disguise of a text adds to its margin."""
SENTENCE_CAUTION = 0.2
"""What is taken off the margin of a document's sentences: each of so many is a chance to look like an attack."""
FORGED = 1.0
"""The margin of a forged marker."""
NO_SCORE = -1.0
"""The margin up to which nothing scores: what weighs no more is no finding."""
LEET_WORDS = 2


@dataclass(frozen=True)
class Finding:
    """A span of the text, the margin by which it is an attack, and what speaks for it, the heaviest reason first."""

    start: int
    end: int
    margin: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Weighed:
    """A text and its readings, the windows of all of them, and the margins of these."""

    passages: Sequence[Passage]
    model: Model
    found: Features
    sums: Sums
    spans: Windows
    margins: NDArray[np.float64]

    @property
    def passage_of(self) -> Places:
        """The number of the passage that each window is of: 0 is the text itself."""
        return self.found.tokens.texts.take(self.spans.first)

    def with_sentences(self) -> "Weighed":
        """Return the windows of the text itself, its sentences as well: where in a document an attack stands."""
        spans, more = self.spans.only(self.passage_of == 0), sentences(self.found)
        more = more.only(self.found.tokens.texts.take(more.first) == 0)
        own, inside = self.model.margins(self.sums, spans), self.model.margins(self.sums, more) - SENTENCE_CAUTION
        spans = Windows(np.append(spans.first, more.first), np.append(spans.end, more.end))
        return replace(self, spans=spans, margins=np.append(own, inside))

    def shortest_first(self, least: float) -> list[tuple[int, int, int]]:
        """Return windows that weigh so much: number, start and end of each in the text, the fewest tokens first."""
        tokens, spans = self.found.tokens, self.spans
        numbers = where(self.margins >= least)
        numbers = numbers[np.argsort(spans.end[numbers] - spans.first[numbers], kind="stable")]
        starts, ends = tokens.starts[spans.first[numbers]], tokens.ends[spans.end[numbers] - 1]
        return list(zip(numbers.tolist(), starts.tolist(), ends.tolist(), strict=True))

    def heaviest(self) -> list[int]:
        """Return for each passage the number of the window that weighs most, if it scores at all."""
        numbers = where(self.margins > NO_SCORE)
        margins, passage_of = self.margins[numbers], self.passage_of[numbers]
        most = np.full(len(self.passages), NO_SCORE)
        np.maximum.at(most, passage_of, margins)
        numbers = numbers[margins == most[passage_of]]
        _, chosen = np.unique(self.passage_of[numbers], return_index=True)
        heaviest: list[int] = numbers[chosen].tolist()
        return heaviest

    def findings(self, numbers: Sequence[int]) -> list[Finding]:
        """Return windows that do not overlap as findings; one of a reading is where the text is read so."""
        if not numbers:
            return []
        tokens, spans = self.found.tokens, Windows(self.spans.first[numbers], self.spans.end[numbers])
        leet_before = np.concatenate([[0], (tokens.leet > 0).cumsum()])
        is_leet = leet_before[spans.end] - leet_before[spans.first] >= LEET_WORDS
        rows = zip(
            tokens.starts[spans.first].tolist(),
            tokens.ends[spans.end - 1].tolist(),
            self.margins[numbers].tolist(),
            self.model.reasons_for(self.found, spans),
            is_leet.tolist(),
            self.passage_of[numbers].tolist(),
            strict=True,
        )
        return [
            _finding(self.passages[number], Finding(start, end, margin, reasons), is_disguised=has_leet)
            for start, end, margin, reasons, has_leet, number in rows
        ]

    def forged(self, passages: Sequence[Passage]) -> Iterator[Finding]:
        """Yield the forged markers in passages."""
        for passage in passages:
            margin = FORGED + passage.depth * DISGUISE_BONUS
            for start, end in forgeries(passage.text):
                yield _finding(passage, Finding(start, end, margin, (Reason.DELIMITER_FORGERY,)))

    def beside_windows(self) -> Iterator[Finding]:
        """Yield all findings but windows of the text itself."""
        yield from self.forged(self.passages[:1])
        yield from self.findings([number for number in self.heaviest() if self.passage_of[number]])
        yield from self.forged(self.passages[1:])


def _finding(passage: Passage, found: Finding, *, is_disguised: bool = False) -> Finding:
    """Return what was found in a passage as it is found in the text."""
    if not passage.depth and not is_disguised:
        return found
    start, end = (passage.start, passage.end) if passage.depth else (found.start, found.end)
    return Finding(start, end, found.margin, tuple(dict.fromkeys((*found.reasons, Reason.ENCODED_PAYLOAD))))


def weigh(text: str, model: Model) -> Weighed:
    """Weigh all windows of a text and of its readings, each passage by itself but all in one pass."""
    found_passages, tokens = passages(text)
    found = features_of(tokens)
    sums, spans = model.weigh(found), stretches(found)
    bonus = DISGUISE_BONUS * np.array([float(passage.depth) for passage in found_passages])
    margins = model.margins(sums, spans) + bonus[found.tokens.texts.take(spans.first)]
    return Weighed(found_passages, model, found, sums, spans, margins)


def findings_in(text: str, model: Model) -> list[Finding]:
    """Return the heaviest window of a text and of each reading, if it scores at all, and forged markers."""
    weighed = weigh(text, model)
    return [*weighed.findings(weighed.heaviest()), *weighed.forged(weighed.passages)]
