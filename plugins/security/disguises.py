"""What a text says once a disguise is off: other readings of parts of it, found by cheap signs and bounded in length.

Accents, lookalikes, digits for letters and invisible characters are no matter here: `folding` reads them as the letters
they stand for. Here are the disguises whose reading is another text: encodings, spaced letters, ROT13, words written
backwards, HTML entities.
"""

import codecs
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from plugins.security.encodings import payloads
from plugins.security.ngrams import Tokens

MOST_CHARACTERS = 800
"""What is read of one text at most; nobody needs more to give an order."""

_AROUND = 400
_LEAST_LETTERS, _MOST_RUNS = 5, 40
_WORD_GAP = re.compile(r" {2,}|[.,] +| ?[|/] ?|\n+")
_NOT_LETTERS = re.compile(r"[\W_]+")
_TELLING = (
    "instruction",
    "prompt",
    "ignore",
    "system",
    "previous",
    "forget",
    "disregard",
    "reveal",
    "password",
    "secret",
)
_TURNS: tuple[Callable[[str], str], ...] = (lambda text: text[::-1], lambda text: codecs.encode(text, "rot13"))
_TURNED = tuple((turn, tuple(turn(word) for word in _TELLING)) for turn in _TURNS)
_ENTITY = re.compile(r"&(?:#[0-9]{1,6}|#x[0-9a-f]{1,5}|[a-z]{2,8});", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """What a span of the text says."""

    text: str
    start: int
    end: int


def readings(text: str, tokens: Tokens) -> Iterator[Reading]:
    """Yield the readings of a text, `MOST_CHARACTERS` in all; `tokens` are those of the text."""
    left = MOST_CHARACTERS
    for reading in _all_readings(text, tokens):
        yield Reading(reading.text[:left], reading.start, reading.end)
        left -= len(reading.text)
        if left <= 0:
            return


def _all_readings(text: str, tokens: Tokens) -> Iterator[Reading]:
    yield from _spaced(text, tokens)
    lowered = text.casefold()
    for turn, words in _TURNED:
        place = next((place for word in words if (place := lowered.find(word)) >= 0), -1)
        if place >= 0:
            start, end = max(0, place - _AROUND), min(place + _AROUND, len(text))
            yield Reading(turn(text[start:end]), start, end)
    if "&" in text and (entity := _ENTITY.search(text)) is not None:
        start, end = max(0, entity.start() - _AROUND), min(entity.end() + _AROUND, len(text))
        yield Reading(html.unescape(text[start:end]), start, end)
    for payload in payloads(text):
        yield Reading(payload.text, payload.start, payload.end)


def _spaced(text: str, tokens: Tokens) -> Iterator[Reading]:
    """Yield what runs of s i n g l e letters say."""
    edges = np.flatnonzero(np.diff(tokens.is_letter.astype(np.int8), prepend=0, append=0))
    firsts, ends = edges[::2], edges[1::2]
    long = ends - firsts >= _LEAST_LETTERS
    for first, end in list(zip(firsts[long], ends[long], strict=True))[:_MOST_RUNS]:
        start, stop = int(tokens.starts[first]), int(tokens.ends[end - 1])
        parts = [
            _NOT_LETTERS.sub("", part) for part in _WORD_GAP.split(text[start : min(stop, start + 3 * MOST_CHARACTERS)])
        ]
        gap = " " if max(map(len, parts)) > 1 else ""
        before, after = text[max(0, start - _AROUND) : start], text[stop : stop + _AROUND]
        yield Reading(f"{before}{gap.join(parts)}{after}", start, stop)
