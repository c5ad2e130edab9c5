"""What the model looks at: hashed n-grams of words and letters, computed for a whole text at once.

A *token* is a word, a single ideograph, or a sign. Each token owns the word n-grams that begin with it and the letter
n-grams inside it. A feature is a place in the table of weights: prefix sums of a polynomial make the hash of any run
of characters a subtraction and a product, so no step loops over characters or words.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from plugins.security.folding import IDEOGRAPH, NEWLINE, SIGN, SPACE, WORD, Codes, Folded, Mask, Places, fold
from plugins.security.hashing import FOLD_DOWN, MIX, Hashes, hashes_between, prefixes_of
from plugins.security.lexicon import concepts_of

BITS = 18
"""The table has two to this power of places; features that share one are weighed together."""

LETTER_ORDERS = (3, 4, 5)
LONGEST_WORD = 60
"""Letters of a token whose n-grams count: what is longer is no word, and repeats itself without saying more."""
STEM_LETTERS = 5
CONCEPT_GAPS = (1, 2, 3)
CONCEPT_REACH = 10
"""How many tokens concepts that are looked at together may span."""
NEAR_GAPS = (1, 2, 3)
"""How far apart two stems may stand to be looked at together."""

_SECOND, _THIRD = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
_TABLE_SHIFT = np.uint64(64 - BITS)
_WORDS, _PAIRS, _TRIPLES, _NEAR, _OPENING, _OPENING_PAIR, _QUOTED, _QUOTED_PAIR, _CONCEPT, _CONCEPTS, _LETTERS = (
    np.uint64(0x1000193 * (number + 1)) for number in range(11)
)
_ENDS = (ord("."), ord("!"), ord("?"))
_OPENERS = (ord(":"), ord(";"), ord('"'))


@dataclass(frozen=True)
class Tokens:
    """Where tokens start and end (places in the text, end exclusive) and what is known about each."""

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
    is_letter: Mask
    """Whether it is a word of one letter: runs of these are words written with spaces between."""
    leet: Places
    """Letters of the token that are written as digits or signs."""


@dataclass(frozen=True)
class Features:
    """The tokens of a text, each feature's place in the table, and the token that owns it."""

    tokens: Tokens
    table_places: Places
    owners: Places


def features(text: str) -> Features:
    """Return what the model looks at. Work and memory are linear in the text."""
    folded = fold(text)
    first, last = _edges(folded)
    tokens = _tokens(folded, first, last)
    families = [*_word_families(tokens), *_concept_families(tokens), *_letter_families(folded, first)]
    hashes = np.concatenate([hashed for hashed, _ in families])
    owners = np.concatenate([owner for _, owner in families])
    hashes = hashes * MIX
    hashes ^= hashes >> FOLD_DOWN
    hashes *= MIX
    return Features(tokens, (hashes >> _TABLE_SHIFT).view(np.int64), owners)


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
    first = np.flatnonzero((is_word & (previous != WORD)) | single)
    last = np.flatnonzero((is_word & (following != WORD)) | single)
    return first, last


def _tokens(folded: Folded, first: Places, last: Places) -> Tokens:
    codes = folded.codes
    heads = codes[first]
    newlines = np.cumsum(folded.kinds == NEWLINE)
    line = newlines[first] if len(first) else first
    opens_line = np.ones(len(first), dtype=np.bool_)
    opens_line[1:] = line[1:] != line[:-1]
    before = np.zeros_like(heads)
    before[1:] = heads[:-1]
    is_sentence_start = opens_line | (_is_any(before, _ENDS) & ~_is_any(heads, _ENDS))
    leet = np.concatenate([[0], np.cumsum(folded.is_leet)])
    prefixes = prefixes_of(codes)
    return Tokens(
        starts=folded.places[first],
        ends=folded.places[last] + 1,
        hashes=hashes_between(prefixes, first, last + 1),
        stems=hashes_between(prefixes, first, np.minimum(first + STEM_LETTERS, last + 1)),
        kinds=folded.kinds[first],
        concepts=concepts_of(prefixes, first, last, folded.kinds[first]),
        is_opening=is_sentence_start | _is_any(before, _OPENERS),
        is_sentence_start=is_sentence_start,
        is_quoted=_quoted((heads == ord('"')) | (heads == ord("'")), line),
        is_letter=(first == last) & (folded.kinds[first] == WORD),
        leet=leet[last + 1] - leet[first],
    )


def _is_any(codes: Codes, wanted: tuple[int, int, int]) -> Mask:
    first, second, third = wanted
    is_any: Mask = (codes == first) | (codes == second) | (codes == third)
    return is_any


def _quoted(is_quote: Mask, line: Places) -> Mask:
    """Whether a token stands between two quotes of its line; one that is never closed quotes nothing."""
    if not is_quote.any():
        return is_quote
    count = np.cumsum(is_quote)
    starts = np.searchsorted(line, line, side="left")
    ends = np.searchsorted(line, line, side="right") - 1
    before: Places = count[starts] - is_quote[starts]
    inside: Places = count - before
    total: Places = count[ends] - before
    is_quoted: Mask = ((inside & 1) == 1) & (inside < total) & ~is_quote
    return is_quoted


def _word_families(tokens: Tokens) -> list[tuple[Hashes, Places]]:
    """Return words, pairs, triples, pairs with others between, openings, and all that again inside quotes."""
    words = tokens.hashes
    owners = np.arange(len(words))
    pairs = words[:-1] * _SECOND + words[1:]
    spoken = np.flatnonzero(tokens.kinds == WORD)
    plain, stems = words[spoken], tokens.stems[spoken]
    triples = (plain[:-2] * _SECOND + plain[1:-1]) * _THIRD + plain[2:]
    families = [
        (words ^ _WORDS, owners),
        (pairs ^ _PAIRS, owners[:-1]),
        (triples ^ _TRIPLES, spoken[:-2]),
        *(((stems[:-gap] * _SECOND + stems[gap:]) ^ _NEAR, spoken[:-gap]) for gap in NEAR_GAPS),
    ]
    opening = np.flatnonzero(tokens.is_opening)
    families += [(words[opening] ^ _OPENING, opening)]
    opening = opening[opening < len(pairs)]
    families += [(pairs[opening] ^ _OPENING_PAIR, opening)]
    if tokens.is_quoted.any():
        quoted = np.flatnonzero(tokens.is_quoted)
        families += [(words[quoted] ^ _QUOTED, quoted)]
        quoted = quoted[quoted < len(pairs)]
        families += [(pairs[quoted] ^ _QUOTED_PAIR, quoted)]
    return families


def _concept_families(tokens: Tokens) -> list[tuple[Hashes, Places]]:
    """Return concepts, and two or three that stand near each other; words without a concept are passed over."""
    owners = np.flatnonzero(tokens.concepts)
    concepts = tokens.concepts[owners].astype(np.uint64) * MIX
    families = [(concepts ^ _CONCEPT, owners)]
    for gap in CONCEPT_GAPS:
        near = np.flatnonzero(owners[gap:] - owners[:-gap] <= CONCEPT_REACH)
        families.append(((concepts[near] * _SECOND + concepts[near + gap]) ^ _CONCEPTS, owners[near]))
    near = np.flatnonzero(owners[2:] - owners[:-2] <= CONCEPT_REACH)
    triples = (concepts[near] * _SECOND + concepts[near + 1]) * _THIRD + concepts[near + 2]
    return [*families, (triples ^ _CONCEPTS, owners[near])]


def _letter_families(folded: Folded, first: Places) -> list[tuple[Hashes, Places]]:
    """Return letter n-grams, across words as well; whatever lies between two words is one space."""
    is_space = (folded.kinds == SPACE) | (folded.kinds == NEWLINE)
    begins_token = np.zeros(len(is_space), dtype=np.int64)
    begins_token[first] = 1
    owners = np.maximum(np.cumsum(begins_token) - 1, 0)
    is_counted = np.arange(len(owners)) - first[owners] < LONGEST_WORD if len(first) else is_space
    kept = ~is_space
    kept[1:] |= ~is_space[:-1]
    codes = np.where(is_space, np.uint32(ord(" ")), folded.codes)[kept]
    owners, is_counted = owners[kept], is_counted[kept]
    prefixes = prefixes_of(codes)
    families = []
    for order in LETTER_ORDERS if len(first) else ():
        begins = np.flatnonzero(is_counted[: max(len(codes) - order + 1, 0)])
        families.append(
            (hashes_between(prefixes, begins, begins + order) ^ (_LETTERS + np.uint64(order)), owners[begins])
        )
    return families
