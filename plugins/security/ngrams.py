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

BITS = 18
"""The table has two to this power of places; features that share one are weighed together."""

LETTER_ORDERS = (3, 4, 5)
LONGEST_WORD = 60
"""Letters of a token whose n-grams count: what is longer is no word, and repeats itself without saying more."""
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


class Block(NamedTuple):
    """Some features: the place of each in the table, and the token that owns it."""

    table_places: Places
    owners: Places


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
    return Features(tokens, (_word_block(tokens), *_letter_blocks(texts, tokens.texts)))


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
    """Return words, pairs, triples, pairs with others between, openings, and all that again inside quotes."""
    words = tokens.hashes
    owners = np.arange(len(words))
    pairs = words[:-1] * _SECOND + words[1:]
    spoken = where(tokens.kinds == WORD)
    plain, stems = words.take(spoken), tokens.stems.take(spoken)
    triples = (plain[:-2] * _SECOND + plain[1:-1]) * _THIRD + plain[2:]
    firsts = stems * _SECOND
    families = [
        _Family(words ^ _WORDS, owners, owners),
        _Family(pairs ^ _PAIRS, owners[:-1], owners[1:]),
        _Family(triples ^ _TRIPLES, spoken[:-2], spoken[2:]),
        *(_Family((firsts[:-gap] + stems[gap:]) ^ _NEAR, spoken[:-gap], spoken[gap:]) for gap in NEAR_GAPS),
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


def _letter_blocks(texts: Cut, text_of_token: Places) -> list[Block]:
    """Return letter n-grams, across words as well; whatever lies between two words is one space."""
    folded, first = texts.folded, texts.first
    if not len(first):
        return []
    is_space = (folded.kinds == SPACE) | (folded.kinds == NEWLINE)
    is_kept = ~is_space
    is_kept[1:] |= ~is_space[:-1]
    is_kept[texts.seams] = False
    kept = where(is_kept)
    begins_token = np.zeros(len(is_space), dtype=np.int64)
    begins_token[first] = 1
    owners = (begins_token.cumsum() - 1).take(kept)
    prefixes = prefixes_of(np.where(is_space, ord(" "), folded.codes).take(kept))
    is_counted = kept - first.take(owners) < LONGEST_WORD
    text_of = text_of_token.take(owners)
    blocks = []
    for order in LETTER_ORDERS:
        hashes = hashes_of_runs(prefixes, order)
        hashes ^= _LETTERS + np.uint64(order)
        is_whole = is_counted[: len(hashes)]
        if len(texts.seams):
            is_whole = is_whole & (text_of[: len(hashes)] == text_of[order - 1 :])
        whole = slice(len(hashes)) if is_whole.all() else where(is_whole)
        blocks.append(Block(_table_places(hashes[whole]), owners[: len(hashes)][whole]))
    return blocks
