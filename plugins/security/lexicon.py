"""What words mean to the screen: `lexicon.tsv` maps words of twenty-odd languages to a hundred concepts.

The model (see `model`) sees concepts only, so what it learned about "ignore all previous instructions" holds for
synonyms, for other languages and for misspellings of the long words that attacks are made of.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

from plugins.security.characters import fold
from plugins.security.reasons import Reason

_FILE = Path(__file__).with_name("lexicon.tsv")
_MIN_MISSPELT = 6
"""Shorter words have too many neighbours that are words of their own."""
_MIN_GLUED, _MAX_GLUED = 14, 200
_SHORTEST_INSIDE = 2
_GLUED_SHARE = 0.8
_MIN_GLUED_WORDS = 3
_MIN_STEM, _MAX_STEM = 2, 12
_MIN_TURNED = 5

# Scripts that write no spaces: words are looked for inside a run of letters.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")

Concepts = tuple[str, ...]


def _rows() -> Iterator[tuple[str, str, str, list[str]]]:
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            concept, reason, languages, words = line.split("\t")
            yield concept, reason, languages, fold(words).split()


def _load() -> tuple[dict[str, str], dict[str, str], dict[str, Reason], set[str]]:
    words: dict[str, str] = {}
    stems: dict[str, str] = {}
    reasons: dict[str, Reason] = {}
    english: set[str] = set()
    for concept, reason, languages, forms in _rows():
        if reason != "-":
            reasons[concept] = Reason(reason)
        for form in forms:
            (stems if form.endswith("*") else words).setdefault(form.rstrip("*"), concept)
        if languages == "en":
            english.update(form for form in forms if form.isalpha())
    return words, stems, reasons, english


_WORDS, _STEMS, REASON_OF, _ENGLISH = _load()


def _misspellings(word: str) -> Iterator[str]:
    for i in range(1, len(word)):
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i] + word[i:]
        if i + 1 < len(word):
            yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]


_MISSPELT = {
    form: _WORDS[word]
    for word in sorted(_ENGLISH)
    if len(word) >= _MIN_MISSPELT and word in _WORDS and _WORDS[word] in REASON_OF
    for form in _misspellings(word)
    if form not in _WORDS
}
Trie = dict[str, "Trie | str"]
_WORD_ENDS = ""


def _trie(words: Iterable[str]) -> Trie:
    """Return a tree of letters; where a word ends stands its concept."""
    root: Trie = {}
    for word in words:
        node = root
        for letter in word:
            node = cast("Trie", node.setdefault(letter, {}))
        node[_WORD_ENDS] = _WORDS.get(word) or _STEMS[word]
    return root


def _longest_words(letters: str, root: Trie) -> Iterator[tuple[str, int]]:
    """Yield concept and length of the longest word at each place that begins one; words never overlap."""
    start, end = 0, len(letters)
    while start < end:
        node, place, found = root, start, ("", 0)
        while place < end and (child := node.get(letters[place])) is not None:
            node, place = cast("Trie", child), place + 1
            if (concept := node.get(_WORD_ENDS)) is not None:
                found = (cast("str", concept), place - start)
        if found[1]:
            yield found
        start += found[1] or 1


_SPACELESS = _trie(word for word in (*_WORDS, *_STEMS) if _UNSPACED.search(word))
_INSIDE_GLUED = _trie(word for word in _ENGLISH if len(word) >= _SHORTEST_INSIDE)
_TELLING = frozenset(word for word in _ENGLISH if len(word) >= _MIN_TURNED and _WORDS.get(word) in REASON_OF)
TURNED_WORDS = {
    **{codecs.encode(word, "rot13"): word for word in _TELLING},
    **{word[::-1]: word for word in _TELLING},
}
"""Telling words as ROT13 or written backwards, with the word they stand for."""
for _word in _ENGLISH:
    TURNED_WORDS.pop(_word, None)


def concepts_of(word: str) -> Concepts:
    """Return the concepts of one folded word: none, one, or several for a run of words written together."""
    if (concept := _WORDS.get(word) or _MISSPELT.get(word)) is not None:
        return (concept,)
    if _UNSPACED.search(word):
        return tuple(concept for concept, _ in _longest_words(word, _SPACELESS))
    for end in range(min(len(word), _MAX_STEM), _MIN_STEM - 1, -1):
        if (concept := _STEMS.get(word[:end])) is not None:
            return (concept,)
    if "'" in word:
        return concepts_of(word.partition("'")[0]) or concepts_of(word.partition("'")[2])
    return words_inside(word) if len(word) >= _MIN_GLUED else ()


def words_inside(letters: str) -> Concepts:
    """Return the concepts of English words written without spaces; none when that does not explain the letters."""
    parts = list(_longest_words(letters[:_MAX_GLUED], _INSIDE_GLUED))
    if len(parts) < _MIN_GLUED_WORDS or sum(length for _, length in parts) < _GLUED_SHARE * min(
        len(letters), _MAX_GLUED
    ):
        return ()
    return tuple(concept for concept, _ in parts)


def is_telling(word: str) -> bool:
    """Whether a word speaks for a reason: what makes a costume worth taking off."""
    return any(concept in REASON_OF for concept in concepts_of(word))
