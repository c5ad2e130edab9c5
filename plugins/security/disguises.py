"""What a text says once a disguise is off: other readings of parts of it, found by cheap signs and bounded in length.

Accents, lookalikes, digits for letters and invisible characters are no matter here: `folding` reads them as the letters
they stand for. Here are the disguises whose reading is another text: encodings, spaced letters, ROT13, words written
backwards, HTML entities.
"""

import codecs
import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from plugins.security.encodings import payloads
from plugins.security.folding import where
from plugins.security.ngrams import Tokens

MOST_CHARACTERS = 800
"""What is read of one text at most; nobody needs more to give an order."""
MOST_CHARACTERS_IN_ALL = 3 * MOST_CHARACTERS
"""What is read of all readings of a text once more."""

MOST_READINGS = 40
"""How many are read at most: short ones cost as much as long ones."""

_AROUND = 400
_LEAST_LETTERS, _MOST_RUNS = 5, 40
_MOST_SPACED = 2 * MOST_CHARACTERS
_WORD_GAP = re.compile(r" {2,}|[.,] +| ?[|/] ?|\n+")
_NOT_LETTERS = re.compile(r"[^\w\n]|_")
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
_Said = tuple[str, int, int]
"""A reading, and where what says it starts and ends."""
_ENTITY = re.compile(r"&(?:#[0-9]{1,6}|#x[0-9a-f]{1,5}|[a-z]{2,8});", re.IGNORECASE)


@dataclass(frozen=True)
class Reading:
    """What a span of a text says, and the number of that text."""

    text: str
    source: int
    start: int
    end: int


def readings(texts: Sequence[str], tokens: Tokens) -> Iterator[Reading]:
    """Yield the readings of texts, of each and of all so much at most; `tokens` are those of the texts."""
    runs = _runs_of_letters(tokens)
    each = (reading for source, text in enumerate(texts) for reading in _readings(text, source, runs.get(source, ())))
    return _up_to(MOST_CHARACTERS_IN_ALL, islice(each, MOST_READINGS))


def _readings(text: str, source: int, runs: Iterable[tuple[int, int]]) -> Iterator[Reading]:
    found = chain(_spaced(text, runs), _turned(text), _entities(text), _decoded(text))
    return _up_to(MOST_CHARACTERS, (Reading(said, source, start, end) for said, start, end in found))


def _up_to(characters: int, found: Iterable[Reading]) -> Iterator[Reading]:
    """Yield readings until there are so many characters, the last one cut there."""
    for reading in found:
        yield reading if len(reading.text) <= characters else replace(reading, text=reading.text[:characters])
        characters -= len(reading.text)
        if characters <= 0:
            return


def _runs_of_letters(tokens: Tokens) -> dict[int, list[tuple[int, int]]]:
    """Return where the first runs of single letters of each text start and end."""
    if np.count_nonzero(tokens.is_letter) < _LEAST_LETTERS:
        return {}
    text_of_letter = np.where(tokens.is_letter, tokens.texts, -1)
    edges = where(np.diff(text_of_letter, prepend=-1, append=-1))
    firsts, ends = edges[:-1], edges[1:]
    chosen = where((text_of_letter[firsts] >= 0) & (ends - firsts >= _LEAST_LETTERS))[:_MOST_RUNS]
    runs: dict[int, list[tuple[int, int]]] = {}
    for first, end in zip(firsts[chosen].tolist(), ends[chosen].tolist(), strict=True):
        span = (int(tokens.starts[first]), int(tokens.ends[end - 1]))
        runs.setdefault(int(tokens.texts[first]), []).append(span)
    return runs


def _spaced(text: str, runs: Iterable[tuple[int, int]]) -> Iterator[_Said]:
    """Yield what runs of s i n g l e letters say."""
    for start, stop in runs:
        words = "\n".join(_WORD_GAP.split(text[start : min(stop, start + _MOST_SPACED)])).replace(" ", "")
        words = _NOT_LETTERS.sub("", words)
        gap = " " if max(map(len, words.split("\n"))) > 1 else ""
        words = words.replace("\n", gap)
        before, after = text[max(0, start - _AROUND) : start], text[stop : stop + _AROUND]
        yield f"{before}{words}{after}", start, stop


def _turned(text: str) -> Iterator[_Said]:
    """Yield what stands around telling words that are written backwards or in ROT13."""
    lowered = text.casefold()
    for turn, words in _TURNED:
        place = next((place for word in words if (place := lowered.find(word)) >= 0), -1)
        if place >= 0:
            start, end = max(0, place - _AROUND), min(place + _AROUND, len(text))
            yield turn(text[start:end]), start, end


def _entities(text: str) -> Iterator[_Said]:
    """Yield what stands around the first HTML entity."""
    if "&" in text and (entity := _ENTITY.search(text)) is not None:
        start, end = max(0, entity.start() - _AROUND), min(entity.end() + _AROUND, len(text))
        yield html.unescape(text[start:end]), start, end


def _decoded(text: str) -> Iterator[_Said]:
    for payload in payloads(text):
        yield payload.text, payload.start, payload.end
