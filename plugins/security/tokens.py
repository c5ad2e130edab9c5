"""Texts cut into tokens: words, single ideographs, and signs.

Several texts are folded and cut in one go, joined by line breaks, and no step loops over characters or words. Where the
texts meet is remembered, so that each is read as if it stood alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plugins.security.folding import IDEOGRAPH, NEWLINE, SIGN, WORD, Codes, Folded, Mask, Places, fold, where
from plugins.security.hashing import Hashes, hashes_between, prefixes_of
from plugins.security.lexicon import concepts_of

STEM_LETTERS = 5

_ENDS = (ord("."), ord("!"), ord("?"))
_OPENERS = (ord(":"), ord(";"), ord('"'))


@dataclass(frozen=True)
class Cut:
    """Folded texts: the first and the last character of each token, and the seams, line breaks that join two texts."""

    folded: Folded
    first: Places
    last: Places
    seams: Places

    @property
    def texts(self) -> Places:
        """The number of the text that each token is of."""
        if not len(self.seams):
            return np.zeros(len(self.first), dtype=np.int64)
        return np.searchsorted(self.seams, self.first)

    @property
    def is_letter(self) -> Mask:
        """Whether a token is a word of one letter: runs of these are words written with spaces between."""
        is_letter: Mask = (self.first == self.last) & (self.folded.kinds.take(self.first) == WORD)
        return is_letter

    def places(self, texts: Places) -> tuple[Places, Places]:
        """Return where tokens, which are of these texts, start and end in their own text; the end is exclusive."""
        begins = np.concatenate([[0], self.folded.places[self.seams] + 1]).take(texts)
        return self.folded.places.take(self.first) - begins, self.folded.places.take(self.last) + 1 - begins


def cut(*texts: str) -> Cut:
    """Fold texts and cut them into tokens."""
    folded = fold("\n".join(texts))
    # A line break is never folded away, so each one that joins two texts is found where it stood.
    lengths = np.array([len(text) + 1 for text in texts[:-1]], dtype=np.int64)
    return Cut(folded, *_edges(folded), np.searchsorted(folded.places, lengths.cumsum() - 1))


def joined(cuts: Sequence[Cut]) -> Cut:
    """Return the texts of several cuts as those of one."""
    whole = cuts[0]
    for other in cuts[1:]:
        seam = len(whole.folded.codes)
        whole = Cut(
            whole.folded.followed_by(other.folded),
            np.concatenate([whole.first, other.first + (seam + 1)]),
            np.concatenate([whole.last, other.last + (seam + 1)]),
            np.concatenate([whole.seams, [seam], other.seams + (seam + 1)]),
        )
    return whole


@dataclass(frozen=True)
class Tokens:
    """Where tokens start and end (places in their text, end exclusive) and what is known about each."""

    starts: Places
    ends: Places
    hashes: Hashes
    stems: Hashes
    """Of the first letters of each token, so that a verb and its forms are alike."""
    kinds: NDArray[np.uint8]
    """`WORD`, `IDEOGRAPH` or `SIGN`."""
    concepts: Places
    """The number of each token's concept in the lexicon, 0 for none."""
    is_opening: Mask
    is_sentence_start: Mask
    is_quoted: Mask
    leet: Places
    """Letters of the token that are written as digits or signs."""
    texts: Places
    """The number of the text that each token is of."""


def _edges(folded: Folded) -> tuple[Places, Places]:
    """Return the first and last character of each token."""
    kinds, codes = folded.kinds, folded.codes
    previous, following = np.zeros_like(kinds), np.zeros_like(kinds)
    previous[1:], following[:-1] = kinds[:-1], kinds[1:]
    repeats = np.zeros(len(codes), dtype=np.bool_)
    repeats[1:] = codes[1:] == codes[:-1]
    is_word, is_ideograph = kinds == WORD, kinds == IDEOGRAPH
    # A point inside a word ("node.js", "3.5") ends no sentence.
    is_sign = (kinds == SIGN) & ~repeats & ~((codes == ord(".")) & (previous == WORD) & (following == WORD))
    single = is_ideograph | is_sign
    first = where((is_word & (previous != WORD)) | single)
    last = where((is_word & (following != WORD)) | single)
    return first, last


def tokens_of(texts: Cut) -> Tokens:
    """Return what is known about the tokens of texts."""
    folded, first, last = texts.folded, texts.first, texts.last
    codes = folded.codes
    heads = codes.take(first)
    newlines = (folded.kinds == NEWLINE).cumsum()
    line = newlines.take(first)
    opens_line = np.ones(len(first), dtype=np.bool_)
    opens_line[1:] = line[1:] != line[:-1]
    before = np.zeros_like(heads)
    before[1:] = heads[:-1]
    is_sentence_start = opens_line | (_is_any(before, _ENDS) & ~_is_any(heads, _ENDS))
    leet = np.concatenate([[0], folded.is_leet.cumsum()])
    prefixes = prefixes_of(codes)
    number, kinds = texts.texts, folded.kinds.take(first)
    starts, ends = texts.places(number)
    return Tokens(
        starts=starts,
        ends=ends,
        hashes=hashes_between(prefixes, first, last + 1),
        stems=hashes_between(prefixes, first, np.minimum(first + STEM_LETTERS, last + 1)),
        kinds=kinds,
        concepts=concepts_of(prefixes, first, last, kinds),
        is_opening=is_sentence_start | _is_any(before, _OPENERS),
        is_sentence_start=is_sentence_start,
        is_quoted=_quoted((heads == ord('"')) | (heads == ord("'")), opens_line),
        leet=leet.take(last + 1) - leet.take(first),
        texts=number,
    )


def _is_any(codes: Codes, wanted: tuple[int, int, int]) -> Mask:
    first, second, third = wanted
    is_any: Mask = (codes == first) | (codes == second) | (codes == third)
    return is_any


def _quoted(is_quote: Mask, opens_line: Mask) -> Mask:
    """Whether a token stands between two quotes of its line; one that is never closed quotes nothing."""
    if not is_quote.any():
        return is_quote
    count = is_quote.cumsum()
    line = opens_line.cumsum() - 1
    starts = where(opens_line)
    ends = np.append(starts[1:], len(line)) - 1
    before: Places = (count[starts] - is_quote[starts]).take(line)
    inside: Places = count - before
    total: Places = count[ends].take(line) - before
    is_quoted: Mask = ((inside & 1) == 1) & (inside < total) & ~is_quote
    return is_quoted
