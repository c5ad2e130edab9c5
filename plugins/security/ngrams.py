"""What the model looks at: hashed n-grams of words and letters, computed for a whole text, or for several, at once.

A *token* is a word, a single ideograph, or a sign. Each token owns the word n-grams that begin with it and the letter
n-grams inside it. A feature is a place in the table of weights: prefix sums of a polynomial make the hash of any run
of characters a subtraction and a product, so no step loops over characters or words.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from plugins.security.folding import NEWLINE, SPACE, WORD, Mask, Places, where
from plugins.security.hashing import FOLD_DOWN, MIX, Hashes, hashes_of_runs, prefixes_of
from plugins.security.tokens import Cut, Tokens, cut, tokens_of

BITS = 21
"""The table has two to this power of places; features that share one are weighed together."""

LONGEST_PERIOD = 8
"""How many tokens later a repetition still counts as one."""
LETTERS = 4
"""Letters in a row that are looked at together, across words as well."""
LONGEST_WORD = 60
"""Letters of a token whose n-grams count: what is longer is no word, and repeats itself without saying more."""
CONCEPT_GAPS = (1, 2, 3)
CONCEPT_REACH = 10
"""How many tokens concepts that are looked at together may span."""

_SECOND, _THIRD = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
_TABLE_SHIFT = np.uint64(64 - BITS)
_WORDS, _PAIRS, _STEM, _STEMS, _OPENING, _OPENING_PAIR, _QUOTED, _QUOTED_PAIR, _CONCEPT, _CONCEPTS, _LETTERS = (
    np.uint64(0x1000193 * (number + 1)) for number in range(11)
)


class Block(NamedTuple):
    """Some features: the place of each in the table, and the token that owns it."""

    table_places: Places
    owners: Places

    def without(self, tokens: Mask) -> "Block":
        """Return the features that none of these tokens owns."""
        kept = where(~tokens.take(self.owners))
        return Block(self.table_places.take(kept), self.owners.take(kept))


@dataclass(frozen=True)
class Features:
    """The tokens of texts and their features, in blocks: memory for short arrays is not asked of the system anew."""

    tokens: Tokens
    blocks: tuple[Block, ...]

    @property
    def table_places(self) -> Places:
        """The places of all features in the table."""
        return np.concatenate([block.table_places for block in self.blocks])

    @property
    def owners(self) -> Places:
        """The tokens that own the features, in the same order."""
        return np.concatenate([block.owners for block in self.blocks])


class _Family(NamedTuple):
    """Features of a kind: their hashes, the tokens that own them, and the tokens that they end in."""

    hashes: Hashes
    owners: Places
    ends: Places

    def only(self, kept: Mask) -> "_Family":
        """Return some of them."""
        chosen = where(kept)
        return _Family(self.hashes.take(chosen), self.owners.take(chosen), self.ends.take(chosen))


def features(text: str) -> Features:
    """Return what the model looks at in a text."""
    return features_of(cut(text))


def features_of(texts: Cut) -> Features:
    """Return what the model looks at in texts, each as if it stood alone. Work and memory are linear in them.

    Several short texts cost little more than one: most of the time goes into calls, not into characters.
    """
    tokens = tokens_of(texts)
    blocks = [_word_block(tokens), _letter_block(texts, tokens.texts)]
    is_repeated = _is_repeated(tokens)
    if is_repeated.any():
        blocks = [block.without(is_repeated) for block in blocks]
    return Features(tokens, tuple(blocks))


def _is_repeated(tokens: Tokens) -> Mask:
    """Whether a token and the one before it were said a few tokens ago: who repeats himself says no more."""
    words, texts = tokens.hashes, tokens.texts
    is_repeated = np.zeros(len(words), dtype=np.bool_)
    for period in range(1, LONGEST_PERIOD + 1):
        is_same = (words[period:] == words[:-period]) & (texts[period:] == texts[:-period])
        is_repeated[period + 1 :] |= is_same[1:] & is_same[:-1]
    return is_repeated


def _word_block(tokens: Tokens) -> Block:
    """Return the features of words and concepts; there are many short families of them."""
    hashes, owners, ends = map(np.concatenate, zip(*_word_families(tokens), *_concept_families(tokens), strict=True))
    family = _Family(hashes, owners, ends)
    if len(tokens.texts) and tokens.texts[-1] > 0:
        family = family.only(tokens.texts.take(owners) == tokens.texts.take(ends))
    return Block(_table_places(family.hashes), family.owners)


def _table_places(hashes: Hashes) -> Places:
    """Turn hashes into places in the table, where they are."""
    hashes *= MIX
    hashes ^= hashes >> FOLD_DOWN
    hashes *= MIX
    hashes >>= _TABLE_SHIFT
    return hashes.view(np.int64)


def _word_families(tokens: Tokens) -> list[_Family]:
    """Return words and stems, pairs of both, and words and pairs once more where they open or are quoted."""
    words = tokens.hashes
    owners = np.arange(len(words))
    pairs = words[:-1] * _SECOND + words[1:]
    spoken = where(tokens.kinds == WORD)
    stems = tokens.stems.take(spoken)
    families = [
        _Family(words ^ _WORDS, owners, owners),
        _Family(pairs ^ _PAIRS, owners[:-1], owners[1:]),
        _Family(stems ^ _STEM, spoken, spoken),
        _Family((stems[:-1] * _SECOND + stems[1:]) ^ _STEMS, spoken[:-1], spoken[1:]),
    ]
    for is_such, word_salt, pair_salt in (
        (tokens.is_opening, _OPENING, _OPENING_PAIR),
        (tokens.is_quoted, _QUOTED, _QUOTED_PAIR),
    ):
        such = where(is_such)
        families.append(_Family(words.take(such) ^ word_salt, such, such))
        such = such[such < len(pairs)]
        families.append(_Family(pairs.take(such) ^ pair_salt, such, such + 1))
    return families


def _concept_families(tokens: Tokens) -> list[_Family]:
    """Return concepts, and two or three that stand near each other; words without a concept are passed over."""
    owners = where(tokens.concepts > 0)
    concepts = tokens.concepts.take(owners).astype(np.uint64) * MIX
    firsts = concepts * _SECOND
    families = [_Family(concepts ^ _CONCEPT, owners, owners)]
    for gap in CONCEPT_GAPS:
        pairs = _Family((firsts[:-gap] + concepts[gap:]) ^ _CONCEPTS, owners[:-gap], owners[gap:])
        families.append(pairs.only(pairs.ends - pairs.owners <= CONCEPT_REACH))
    hashes = (firsts[:-2] + concepts[1:-1]) * _THIRD + concepts[2:]
    triples = _Family(hashes ^ _CONCEPTS, owners[:-2], owners[2:])
    return [*families, triples.only(triples.ends - triples.owners <= CONCEPT_REACH)]


def _letter_block(texts: Cut, text_of_token: Places) -> Block:
    """Return letter n-grams, across words as well; whatever lies between two words is one space."""
    folded, first = texts.folded, texts.first
    if not len(first):
        return Block(first, first)
    is_space = (folded.kinds == SPACE) | (folded.kinds == NEWLINE)
    is_kept = ~is_space
    is_kept[1:] |= ~is_space[:-1]
    is_kept[texts.seams] = False
    # The third and later of equal characters say no more than two.
    repeats = folded.codes[1:] == folded.codes[:-1]
    is_kept[2:] &= ~(repeats[1:] & repeats[:-1])
    kept = where(is_kept)
    begins_token = np.zeros(len(is_space), dtype=np.int64)
    begins_token[first] = 1
    owners = (begins_token.cumsum() - 1).take(kept)
    hashes = hashes_of_runs(prefixes_of(np.where(is_space, ord(" "), folded.codes).take(kept)), LETTERS)
    hashes ^= _LETTERS
    count = len(hashes)
    is_counted = kept[:count] - first.take(owners[:count]) < LONGEST_WORD
    if len(texts.seams):
        text_of = text_of_token.take(owners)
        is_counted &= text_of[:count] == text_of[LETTERS - 1 :]
    counted = slice(count) if is_counted.all() else where(is_counted)
    return Block(_table_places(hashes[counted]), owners[:count][counted])
