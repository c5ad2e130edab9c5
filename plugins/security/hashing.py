"""Hashes of runs of characters: prefix sums of a polynomial make the hash of any run a subtraction and a product."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from plugins.security.folding import Codes, Places

Hashes = NDArray[np.uint64]

MIX = np.uint64(0xD6E8FEB86659FD93)
FOLD_DOWN = np.uint64(32)
_BASE = 0x9E3779B97F4A7C15
_LEAST_POWERS = 8192


@lru_cache(maxsize=4)
def _powers(length: int) -> tuple[Hashes, Hashes]:
    """Return the powers of the base and of its inverse, modulo two to the 64."""
    inverse = pow(_BASE, -1, 1 << 64)
    ups, downs = np.full(length, _BASE, dtype=np.uint64), np.full(length, inverse, dtype=np.uint64)
    ups[0] = downs[0] = 1
    return np.multiply.accumulate(ups), np.multiply.accumulate(downs)


def _powers_for(length: int) -> tuple[Hashes, Hashes]:
    return _powers(max(_LEAST_POWERS, 1 << length.bit_length()))


def prefixes_of(codes: Codes) -> Hashes:
    """Return the sums that `hashes_between` needs: one more than there are characters."""
    ups, _ = _powers_for(len(codes) + 1)
    prefixes = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(codes.view(np.uint64) * ups[: len(codes)], out=prefixes[1:])
    return prefixes


def hashes_between(prefixes: Hashes, first: Places, end: Places) -> Hashes:
    """Return the hash of each run of characters; equal runs have equal hashes wherever they stand."""
    _, downs = _powers_for(len(prefixes))
    hashes: Hashes = (prefixes.take(end) - prefixes.take(first)) * downs.take(first)
    return hashes ^ (hashes >> FOLD_DOWN)


def hashes_of_runs(prefixes: Hashes, length: int) -> Hashes:
    """Return the hash of every run of so many characters, in the order of where they begin."""
    _, downs = _powers_for(len(prefixes))
    hashes: Hashes = prefixes[length:] - prefixes[:-length]
    hashes *= downs[: len(hashes)]
    hashes ^= hashes >> FOLD_DOWN
    return hashes
