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
from plugins.security.tokens import Cut, cut, joined

MAX_DEPTH = 2
"""A payload inside a payload is decoded once more; nobody writes a third layer that a model would unpack by itself."""
MOST_CHARACTERS = 800
"""What is read of one text at most; nobody needs more to give an order."""
MOST_CHARACTERS_IN_ALL, MOST_READINGS = 3 * MOST_CHARACTERS, 40
"""What is read of all texts of one depth at most, in characters and in readings: short ones cost as well."""

_AROUND = 400
_LEAST_LETTERS, _MOST_RUNS = 5, 40
_MOST_SPACED = 2 * MOST_CHARACTERS
_WORD_GAP = re.compile(r" {2,}+|[.,] ++| ?[|/] ?|\n++")
_WORD_GAP_SIGNS = ("  ", ".", ",", "|", "/", "\n")
"""Every gap has one: most texts that are spaced have none."""
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
_TURNED = tuple((turn, tuple(turn(word).encode() for word in _TELLING)) for turn in _TURNS)
_Said = tuple[str, int, int]
"""A reading, and where what says it starts and ends."""
_ENTITY = re.compile(r"&(?:#[0-9]{1,6}|#x[0-9a-f]{1,5}|[a-z]{2,8});", re.IGNORECASE)


@dataclass(frozen=True)
class Passage:
    """A text, or what some place of it says, `depth` disguises below; start and end are places in the text itself."""

    text: str
    start: int
    end: int
    depth: int = 0


def passages(text: str) -> tuple[list[Passage], Cut]:
    """Return a text, what it says in disguise, and what that says in disguise; and all of that cut into tokens."""
    cuts, found = [cut(text)], [Passage(text, 0, len(text))]
    layer = found
    for _ in range(MAX_DEPTH):
        layer = list(_readings(layer, cuts[-1]))
        if not layer:
            break
        found += layer
        cuts.append(cut(*(reading.text for reading in layer)))
    return found, joined(cuts)


def _readings(layer: Sequence[Passage], tokens: Cut) -> Iterator[Passage]:
    """Yield the readings of passages, of each and of all so much at most."""
    runs = _runs_of_letters(tokens)
    each = (reading for number, passage in enumerate(layer) for reading in _readings_of(passage, runs.get(number, ())))
    return _up_to(MOST_CHARACTERS_IN_ALL, islice(each, MOST_READINGS))


def _readings_of(passage: Passage, runs: Iterable[tuple[int, int]]) -> Iterator[Passage]:
    text, depth = passage.text, passage.depth + 1
    found = chain(_spaced(text, runs), _turned(text), _entities(text), _decoded(text))
    if not passage.depth:
        return _up_to(MOST_CHARACTERS, (Passage(said, start, end, depth) for said, start, end in found))
    # What a reading says in disguise is said by the place of the text that the reading is of.
    return _up_to(MOST_CHARACTERS, (replace(passage, text=said, depth=depth) for said, _, _ in found))


def _up_to(characters: int, found: Iterable[Passage]) -> Iterator[Passage]:
    """Yield passages until there are so many characters, the last one cut there."""
    for passage in found:
        yield passage if len(passage.text) <= characters else replace(passage, text=passage.text[:characters])
        characters -= len(passage.text)
        if characters <= 0:
            return


def _runs_of_letters(tokens: Cut) -> dict[int, list[tuple[int, int]]]:
    """Return where the first runs of single letters of each text start and end."""
    is_letter = tokens.is_letter
    if np.count_nonzero(is_letter) < _LEAST_LETTERS:
        return {}
    texts = tokens.texts
    text_of_letter = np.where(is_letter, texts, -1)
    edges = where(np.diff(text_of_letter, prepend=-1, append=-1) != 0)
    firsts, ends = edges[:-1], edges[1:]
    chosen = where((text_of_letter[firsts] >= 0) & (ends - firsts >= _LEAST_LETTERS))[:_MOST_RUNS]
    starts, stops = tokens.places(texts)
    runs: dict[int, list[tuple[int, int]]] = {}
    for text, start, stop in zip(
        texts[firsts[chosen]].tolist(), starts[firsts[chosen]].tolist(), stops[ends[chosen] - 1].tolist(), strict=True
    ):
        runs.setdefault(text, []).append((start, stop))
    return runs


def _spaced(text: str, runs: Iterable[tuple[int, int]]) -> Iterator[_Said]:
    """Yield what runs of s i n g l e letters say."""
    for start, stop in runs:
        words = text[start : min(stop, start + _MOST_SPACED)]
        if any(sign in words for sign in _WORD_GAP_SIGNS):
            words = _WORD_GAP.sub("\n", words)
        words = words.replace(" ", "")
        words = _NOT_LETTERS.sub("", words)
        gap = " " if max(map(len, words.split("\n"))) > 1 else ""
        words = words.replace("\n", gap)
        before, after = text[max(0, start - _AROUND) : start], text[stop : stop + _AROUND]
        yield f"{before}{words}{after}", start, stop


def _turned(text: str) -> Iterator[_Said]:
    """Yield what stands around telling words that are written backwards or in ROT13."""
    # One byte a character, so that places stay places; what is not ASCII is none of the words.
    lowered = text.encode("ascii", "replace").lower()
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
