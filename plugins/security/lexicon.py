"""What words mean to the model: `lexicon.tsv` maps words and stems of twenty-odd languages to a hundred concepts.

A concept is one more kind of token: what the model learns about "ignore all previous instructions" in English it
thereby knows about synonyms and about languages of which it has seen little. The look-up is of hashes, for all words at
once.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plugins.security.folding import IDEOGRAPH, WORD, fold, where
from plugins.security.hashing import MIX, Hashes, hashes_between, hashes_of_runs, prefixes_of

LEXICON_FILE = Path(__file__).with_name("lexicon.tsv")
LONGEST, LONGEST_IDEOGRAPHS = 10, 4
"""Longer words are looked up by their first letters only."""

_FILTER_BITS = 16
_FILTER_SHIFT = np.uint64(64 - _FILTER_BITS)

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Lexicon:
    """Words and stems: sorted hashes, the concept of each, and whether it is a stem."""

    hashes: Hashes
    concepts: Numbers
    is_stem: NDArray[np.bool_]
    filter: NDArray[np.bool_]
    """Whether any hash begins with these bits: most words are in no lexicon, and this is the cheap way to see it."""

    def look_up(self, hashes: Hashes) -> tuple[Numbers, Numbers]:
        """Return which of the hashes are known, and as which entry."""
        likely = where(self.filter.take(((hashes * MIX) >> _FILTER_SHIFT).view(np.int64)))
        wanted = hashes.take(likely)
        entries = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        is_known = self.hashes.take(entries) == wanted
        return likely[is_known], entries[is_known]


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """Return what `lexicon.tsv` says; concepts are numbered from 1 in its order."""
    found: dict[int, tuple[int, bool]] = {}
    numbers: dict[str, int] = {}
    for line in LEXICON_FILE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, forms = line.split("\t")
        concept = numbers.setdefault(name, len(numbers) + 1)
        for form in forms.split():
            folded = fold(form.rstrip("*"))
            length = min(len(folded.codes), LONGEST)
            is_stem = form.endswith("*") or len(folded.codes) > LONGEST or bool((folded.kinds == IDEOGRAPH).all())
            (hashed,) = hashes_between(prefixes_of(folded.codes), np.array([0]), np.array([length])).tolist()
            found.setdefault(hashed, (concept, is_stem))
    hashes = np.array(sorted(found), dtype=np.uint64)
    known = np.zeros(1 << _FILTER_BITS, dtype=np.bool_)
    known[(hashes * MIX) >> _FILTER_SHIFT] = True
    rows = [found[hashed] for hashed in sorted(found)]
    return Lexicon(hashes, np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), known)


def concepts_of(prefixes: Hashes, first: Numbers, last: Numbers, kinds: NDArray[np.uint8]) -> Numbers:
    """Return the number of each token's concept, 0 for none; of several entries the longest counts.

    A word is known if it is in the lexicon or begins with a stem; ideographs are looked up in runs.
    """
    concepts = np.zeros(len(first), dtype=np.int64)
    _look_up_words(where(kinds == WORD), prefixes, first, last=last, concepts=concepts)
    _look_up_ideographs(where(kinds == IDEOGRAPH), prefixes, first, concepts=concepts)
    return concepts


def _look_up_words(words: Numbers, prefixes: Hashes, first: Numbers, *, last: Numbers, concepts: Numbers) -> None:
    if not len(words):
        return
    begins = first.take(words)
    letters = last.take(words) + 1 - begins
    tried = np.minimum(letters, LONGEST)
    of_word = np.repeat(np.arange(len(words)), tried)
    length = np.arange(1, len(of_word) + 1) - (tried.cumsum() - tried).take(of_word)
    begin = begins.take(of_word)
    found, entry = lexicon().look_up(hashes_between(prefixes, begin, begin + length))
    known = of_word[found]
    meant = where(lexicon().is_stem[entry] | (length[found] == letters[known]))
    # Later places are longer entries, and the last assignment stays.
    concepts[words[known[meant]]] = lexicon().concepts[entry[meant]]


def _look_up_ideographs(ideographs: Numbers, prefixes: Hashes, first: Numbers, *, concepts: Numbers) -> None:
    if not len(ideographs):
        return
    begins = first[ideographs]
    for length in range(1, LONGEST_IDEOGRAPHS + 1):
        hashes = hashes_of_runs(prefixes, length)
        found, entry = lexicon().look_up(hashes.take(begins[: np.searchsorted(begins, len(hashes))]))
        meant = lexicon().is_stem[entry]
        concepts[ideographs[found[meant]]] = lexicon().concepts[entry[meant]]
