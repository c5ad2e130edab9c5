"""Where in a text something speaks like an attack: windows of it, readings of its disguised parts, forged markers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plugins.security.disguises import readings
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
LEET_WORDS = 2


@dataclass(frozen=True)
class Finding:
    """A span of the text, the logit of "this is an attack", and what speaks for it, the heaviest reason first."""

    start: int
    end: int
    logit: float
    reasons: tuple[Reason, ...]
    is_disguised: bool = False


@dataclass(frozen=True)
class Weighed:
    """A text, its windows and their logits."""

    text: str
    model: Model
    found: Features
    spans: Windows
    logits: NDArray[np.float64]

    def finding(self, number: int) -> Finding:
        """Return a window as a finding."""
        first, end = int(self.spans.first[number]), int(self.spans.end[number])
        tokens = self.found.tokens
        reasons = self.model.reasons_for(self.found, first, end)
        if np.count_nonzero(tokens.leet[first:end]) >= LEET_WORDS:
            reasons = (*reasons, Reason.ENCODED_PAYLOAD)
        return Finding(int(tokens.starts[first]), int(tokens.ends[end - 1]), float(self.logits[number]), reasons)

    def heaviest(self) -> Iterator[Finding]:
        """Yield the window that weighs most; nothing for a text without windows."""
        if len(self.logits):
            yield self.finding(int(self.logits.argmax()))


def weigh(text: str, model: Model) -> Weighed:
    """Weigh all windows of a text."""
    found = features(text)
    spans = windows(found)
    return Weighed(text, model, found, spans, model.logits(model.weigh(found), spans))


def other_findings(weighed: Weighed, depth: int = 0) -> Iterator[Finding]:
    """Yield forged markers, and of each disguised part the window that weighs most."""
    for start, end in forgeries(weighed.text):
        yield Finding(start, end, FORGED, (Reason.DELIMITER_FORGERY,))
    if depth >= MAX_DEPTH:
        return
    for reading in readings(weighed.text, weighed.found.tokens):
        inner = weigh(reading.text, weighed.model)
        for finding in (*inner.heaviest(), *other_findings(inner, depth + 1)):
            reasons = tuple(dict.fromkeys((*finding.reasons, Reason.ENCODED_PAYLOAD)))
            yield Finding(reading.start, reading.end, finding.logit + DISGUISE_BONUS, reasons, is_disguised=True)
