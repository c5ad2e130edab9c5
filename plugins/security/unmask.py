"""Readings of a text: what it says once its disguises are taken off.

Matching works on *readings*, never on the text that is stored or sent to a model. A reading is the text itself
with case, accents, whitespace, quotes and invisible characters folded, or what a disguised part of it decodes to
(base64, hexadecimal, character codes, percent signs, ROT13, reversed, digits for letters, s p a c e d letters).

Every pattern has bounded repetition or consumes disjoint character classes, so the work grows linearly with the text.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

MAX_DECODE_DEPTH = 2
"""A payload inside a payload is decoded once more; nobody writes a third layer that a model would unpack by itself."""

_QUOTES = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "「": '"', "」": '"', "\u2018": "'", "\u2019": "'"}
)
_ACCENTS = re.compile(r"[\u0300-\u036f]")
_SPACES = re.compile(r"\s+")
_VARIATION_SELECTORS = re.compile(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5")

# Letters of other alphabets that look Latin; folded only inside words that mix alphabets, so Russian stays Russian.
_LOOKALIKES = str.maketrans("аеорсухіѕјһԁԛԝкмтνοαρτικε", "aeopcyxisjhdqwkmtvoaptike")
_SMALL_CAPITALS = str.maketrans("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz")
_WORD = re.compile(r"\w+")
_LATIN = re.compile(r"[a-z]")
_LOOKALIKE = re.compile(r"[а-яіѕјһԁԛԝα-ω]")  # noqa: RUF001 - matches the lookalikes themselves

_LEET_WORD = re.compile(r"(?<!\S)(?=[^\s\d]{0,25}[0-9@$!|])(?=[^\sa-z]{0,25}[a-z])\S{2,30}(?!\S)")
_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i", "|": "l"}
_LEET_TABLES = (str.maketrans(_LEET), str.maketrans({**_LEET, "1": "l"}))
_MIN_LEET_WORDS = 2

_SPACED_RUN = re.compile(r"(?<![^\W_])(?:[^\W_][ .\-_*|/,]{1,3}){3,400}[^\W_](?![^\W_])")
_WORD_GAP = re.compile(r" {2,}|[.,] +| ?\| ?")
_NOT_LETTERS = re.compile(r"[\W_]+")

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,}={0,2}")
_HEX = re.compile(r"(?<![0-9a-z])(?:(?:\\x|0x|[ :])?[0-9a-f]{2}){12,}(?![0-9a-z])", re.IGNORECASE)
_PERCENT = re.compile(r"(?:%[0-9a-f]{2}){4}", re.IGNORECASE)
_DECIMAL = re.compile(r"(?<!\d)(?:\d{2,3}[ ,;]{1,2}){11,}\d{2,3}(?!\d)")
_BINARY = re.compile(r"(?<!\d)(?:[01]{8} ?){8,}(?!\d)")
_UNICODE_ESCAPE = re.compile(r"(?:\\u[0-9a-f]{4}){6,}", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")

# A turned text without any of these words is not worth matching: it would double the work for every honest text.
_TELLTALE = re.compile(
    r"ignore|disregard|forget|overrid|bypass|instruct|prompt|reveal|repeat|anything now|rules|without"
)

_TAG_RUN = re.compile(r"[\U000e0020-\U000e007e]{4,}")
_FLAG = re.compile(r"\U0001f3f4[\U000e0061-\U000e007a]{2,6}\U000e007f")
_MIN_READABLE_SHARE = 0.9


@dataclass(frozen=True)
class Reading:
    """One way to read the text. `words` is folded to single spaces; `lines` keeps line breaks and case."""

    words: str
    lines: str
    is_disguised: bool = False
    has_no_word_breaks: bool = False


def visible(text: str) -> str:
    """Return the text in compatibility form without invisible characters: format marks, fillers, tags, selectors."""
    composed = unicodedata.normalize("NFKC", text)
    kept = (c for c in composed if c not in _FILLERS and unicodedata.category(c) != "Cf")
    return _VARIATION_SELECTORS.sub("", "".join(kept))


def fold(text: str) -> str:
    """Return lower-case text with accents, quotes, lookalikes and spaces folded: what signals are matched on."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFD", text.casefold()))
    plain = unicodedata.normalize("NFC", plain).translate(_QUOTES).translate(_SMALL_CAPITALS)
    plain = _WORD.sub(_fold_lookalikes, plain)
    return _SPACES.sub(" ", plain).strip()


def hidden_payload(text: str) -> str:
    """Return the ASCII text written in Unicode tag characters, which no screen shows; flags of regions do not count."""
    runs = _TAG_RUN.findall(_FLAG.sub("", text))
    return " ".join("".join(chr(ord(c) - 0xE0000) for c in run) for run in runs)


def readings(text: str) -> tuple[Reading, ...]:
    """Return every reading of the text, the plain one first. Only the plain reading is always there."""
    return tuple(_readings(text, depth=0))


def _readings(text: str, *, depth: int) -> Iterator[Reading]:
    shown = visible(html.unescape(text))
    words = fold(shown)
    yield Reading(words, shown, is_disguised=depth > 0)
    for turned in (codecs.encode(words, "rot13"), words[::-1]):
        if _TELLTALE.search(turned):
            yield Reading(turned, "", is_disguised=True)
    yield from _leet_readings(words)
    yield from _joined_readings(shown, had_invisible=len(shown) < len(unicodedata.normalize("NFKC", text)))
    if depth < MAX_DECODE_DEPTH:
        for payload in _payloads(text):
            yield from _readings(payload, depth=depth + 1)


def _fold_lookalikes(word: re.Match[str]) -> str:
    found = word.group()
    if _LATIN.search(found) and _LOOKALIKE.search(found):
        return found.translate(_LOOKALIKES)
    return found


def _leet_readings(words: str) -> Iterator[Reading]:
    if len(_LEET_WORD.findall(words)) < _MIN_LEET_WORDS:
        return
    for table in _LEET_TABLES:
        plain = " ".join(word.translate(table) if _LEET_WORD.fullmatch(word) else word for word in words.split(" "))
        yield Reading(plain, "", is_disguised=True)


def _joined_readings(shown: str, *, had_invisible: bool) -> Iterator[Reading]:
    """Yield the text with spaced-out words closed up, and the letters alone where word breaks cannot be told."""
    text = shown.translate(_QUOTES)
    runs = _SPACED_RUN.findall(text)
    if runs:
        yield Reading(fold(_SPACED_RUN.sub(lambda run: _close_up(run.group()), text)), "", is_disguised=True)
    letters = runs or ([text] if had_invisible else [])
    for run in letters:
        yield Reading(_NOT_LETTERS.sub("", fold(run)), "", is_disguised=True, has_no_word_breaks=True)


def _close_up(run: str) -> str:
    return " ".join(_NOT_LETTERS.sub("", word) for word in _WORD_GAP.split(run))


def _payloads(text: str) -> Iterator[str]:
    """Yield what encoded runs decode to, leaving out whatever does not decode to readable text."""
    for pattern, decode in _DECODERS:
        for run in pattern.finditer(text):
            payload = decode(run.group())
            if _is_readable(payload):
                yield payload
    if _PERCENT.search(text):
        yield unquote(text, errors="ignore")
    hidden = hidden_payload(text)
    if hidden:
        yield hidden


def _is_readable(payload: str) -> bool:
    if len(payload) < 8:
        return False
    readable = sum(c.isprintable() or c.isspace() for c in payload)
    return readable >= _MIN_READABLE_SHARE * len(payload)


def _decode_base64(run: str) -> str:
    body = run.rstrip("=").replace("-", "+").replace("_", "/")
    body = body[: len(body) - 1] if len(body) % 4 == 1 else body
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _decode_hex(run: str) -> str:
    digits = re.sub(r"\\x|0x|[ :]", "", run, flags=re.IGNORECASE)
    return bytes.fromhex(digits).decode("utf-8", errors="ignore")


def _decode_codes(run: str, *, base: int) -> str:
    codes = (int(number, base) for number in _NUMBER.findall(run))
    return "".join(chr(code) for code in codes if 9 <= code < 0x250)


def _decode_binary(run: str) -> str:
    bits = run.replace(" ", "")
    return "".join(chr(int(bits[i : i + 8], 2)) for i in range(0, len(bits), 8))


def _decode_unicode_escapes(run: str) -> str:
    return "".join(chr(int(code, 16)) for code in re.findall(r"[0-9a-fA-F]{4}", run.replace("\\u", " ")))


_DECODERS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (_BASE64, _decode_base64),
    (_HEX, _decode_hex),
    (_DECIMAL, lambda run: _decode_codes(run, base=10)),
    (_BINARY, _decode_binary),
    (_UNICODE_ESCAPE, _decode_unicode_escapes),
)
