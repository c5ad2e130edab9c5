"""A text as an array of folded code points: one table look-up a character, whatever the text is made of.

Case, accents, width, fancy alphabets and invisible characters are folded away, digits and letters of other alphabets
inside Latin words become the letters that they stand for. Nothing here loops over characters.
"""

import unicodedata
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Places = NDArray[np.int64]
Mask = NDArray[np.bool_]

SPACE, WORD, IDEOGRAPH, SIGN, NEWLINE = range(5)
"""What a character is to the screen: `SIGN` is punctuation that tells something, other punctuation is space."""

_LAST = 0x20000
_FOLDED_RANGES = ((0x80, 0x1200), (0x1C80, 0x2500), (0x2C00, 0x2E80), (0xA640, 0xA800), (0xFB00, 0xFFF0))
_FANCY_RANGES = ((0x1D400, 0x1D800), (0x1F100, 0x1F200))
_DELETED_RANGES = (
    *((0xAD, 0xAE), (0x300, 0x370), (0x483, 0x48A), (0x5B0, 0x5C3), (0x610, 0x61B), (0x61C, 0x61D), (0x640, 0x641)),
    *((0x64B, 0x660), (0x115F, 0x1161), (0x17B4, 0x17B6), (0x180B, 0x180F), (0x1AB0, 0x1B00), (0x1DC0, 0x1E00)),
    *((0x200B, 0x2010), (0x202A, 0x202F), (0x2060, 0x2070), (0x20D0, 0x2100), (0x3164, 0x3165), (0xFE00, 0xFE10)),
    *((0xFE20, 0xFE30), (0xFEFF, 0xFF00), (0xFFA0, 0xFFA1), (0xFFF9, 0xFFFC), (_LAST, _LAST + 1)),
)
_IDEOGRAPH_RANGES = ((0x3040, 0x3100), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00))
_SIGNS = ".!?:;\"'<>[]{}|#=*/"
_SAME = {
    **dict.fromkeys("“”„«»「」『』\u2039\u203a`", '"'),
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u00b4\u02bc", "'"),
    **dict.fromkeys("。।", "."),
    **dict.fromkeys("؟", "?"),
    "؛": ";",
    "_": " ",
    "ß": "s",
    "ı": "i",  # noqa: RUF001 - the Turkish letter
    **dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True)),
    **{
        chr(start + offset): chr(ord("a") + offset)
        for start in (0x1F130, 0x1F150, 0x1F170, 0x1F1E6)  # squared, negative circled, negative squared, regional
        for offset in range(26)
    },
}
# Letters of other alphabets that look Latin; folded only inside words that mix alphabets, so Russian stays Russian.
_LOOKALIKES = dict(
    zip(
        "аеорсухіѕјһԁԛԝкмтвнгпνοαρτικεηυχωբցհոսօ",
        "aeopcyxisjhdqwkmtbhrnvoaptikenyxwpghnuo",
        strict=True,
    )
)
_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s", "!": "i"}


def _folded(sign: str) -> str:
    """Return the one character that stands for a character; what folds to several is cut to the first."""
    plain = unicodedata.normalize("NFKC", _SAME.get(sign, sign)).casefold()
    plain = unicodedata.normalize("NFD", plain)[:1]
    return _SAME.get(plain, plain)


def _fold_table() -> Codes:
    table = np.arange(_LAST + 1)
    for start, end in ((0, 0x80), *_FOLDED_RANGES, *_FANCY_RANGES):
        for code in range(start, end):
            table[code] = ord(_folded(chr(code)) or "\0")
    for same, plain in _SAME.items():
        table[ord(same)] = ord(plain)
    for start, end in _DELETED_RANGES:
        table[start:end] = 0
    table[ord("\r")] = 0
    return table


def _kind_table() -> NDArray[np.uint8]:
    kinds = np.array(
        [WORD if unicodedata.category(chr(code))[0] in "LMN" else SPACE for code in range(_LAST + 1)], dtype=np.uint8
    )
    for start, end in _IDEOGRAPH_RANGES:
        kinds[start:end] = IDEOGRAPH
    kinds[[ord(sign) for sign in _SIGNS]] = SIGN
    kinds[ord("\n")] = NEWLINE
    return kinds


def _letter_table() -> NDArray[np.uint8]:
    table = np.zeros(_LAST + 1, dtype=np.uint8)
    for sign, letter in {**_LOOKALIKES, **_LEET}.items():
        table[ord(sign)] = ord(letter)
    return table


_FOLD, _KIND, _LETTER = _fold_table(), _kind_table(), _letter_table()
_FIRST_LOOKALIKE = min(map(ord, _LOOKALIKES))
"""What has a letter and comes before is a digit or a sign."""


def where(mask: Mask) -> Places:
    """Return the places of what is marked; `np.flatnonzero` in half the time, which counts for short texts."""
    return mask.nonzero()[0]


@dataclass(frozen=True)
class Folded:
    """Folded code points, the place of each in the text, its kind, and whether it was a digit read as a letter."""

    codes: Codes
    places: Places
    kinds: NDArray[np.uint8]
    is_leet: Mask

    def followed_by(self, other: "Folded") -> "Folded":
        """Return two folded texts as one, with a line break between."""
        place = int(self.places[-1]) + 1 if len(self.places) else 0
        return Folded(
            np.concatenate([self.codes, [ord("\n")], other.codes]),
            np.concatenate([self.places, [place], other.places + (place + 1)]),
            np.concatenate([self.kinds, np.array([NEWLINE], dtype=np.uint8), other.kinds]),
            np.concatenate([self.is_leet, np.zeros(1, dtype=np.bool_), other.is_leet]),
        )


def fold(text: str) -> Folded:
    """Fold a text. Linear and without loops; raises nothing for any string."""
    raw = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)
    codes = _FOLD.take(raw, mode="clip")
    (places,) = codes.nonzero()
    codes = codes.take(places)
    kinds = _KIND.take(codes)
    is_leet = _read_as_letters(codes, kinds)
    # One number says as much as another.
    codes[(codes >= ord("0")) & (codes <= ord("9"))] = ord("0")
    folded = Folded(codes, places, kinds, is_leet)
    return _without_apostrophes(folded)


def _without_apostrophes(folded: Folded) -> Folded:
    """Leave out apostrophes inside words."""
    is_word = folded.kinds == WORD
    apostrophes = where(folded.codes[1:-1] == ord("'")) + 1
    silent = apostrophes[is_word[apostrophes - 1] & is_word[apostrophes + 1]]
    if not len(silent):
        return folded
    heard = np.ones(len(is_word), dtype=np.bool_)
    heard[silent] = False
    kept = where(heard)
    return Folded(folded.codes.take(kept), folded.places.take(kept), folded.kinds.take(kept), folded.is_leet.take(kept))


def _read_as_letters(codes: Codes, kinds: NDArray[np.uint8]) -> Mask:
    """Replace digits, signs and lookalikes by Latin letters in words that have some; return where it was no lookalike.

    There are few of them in most texts, so it is from each of them that its word is looked at.
    """
    is_leet = np.zeros(len(codes), dtype=np.bool_)
    letters = _LETTER.take(codes)
    (costumes,) = letters.nonzero()
    if not len(costumes):
        return is_leet
    is_latin = (codes >= ord("a")) & (codes <= ord("z"))
    costumes = _that_may_be_letters(costumes, codes, is_latin)
    is_gap = kinds != WORD
    is_gap[costumes] = False
    gaps = np.concatenate([[-1], where(is_gap), [len(codes)]])
    word = is_gap.cumsum().take(costumes)
    latin_before = np.concatenate([[0], is_latin.cumsum()])
    has_latin = latin_before[gaps[word + 1]] > latin_before[gaps[word] + 1]
    changed = costumes[has_latin]
    is_leet[changed] = codes[changed] < _FIRST_LOOKALIKE
    codes[changed] = letters[changed]
    kinds[changed] = WORD
    return is_leet


def _that_may_be_letters(costumes: Places, codes: Codes, is_latin: Mask) -> Places:
    """Leave out exclamation marks but single ones with a letter behind."""
    is_bang = codes.take(costumes) == ord("!")
    if not is_bang.any():
        return costumes
    following = np.minimum(costumes + 1, len(codes) - 1)
    is_doubled = (codes[costumes - 1] == ord("!")) & (costumes > 0)
    return costumes[where(~is_bang | (is_latin[following] & ~is_doubled))]
