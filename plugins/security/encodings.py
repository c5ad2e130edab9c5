"""Encoded runs in a text and what they decode to: base64, base32, hexadecimal, codes, percent signs, Morse.

Patterns consume a run possessively, so the work grows linearly with the text.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,}+(?:\r?\n[A-Za-z0-9+/_-]{20,}+)*+={0,2}")
_BASE32 = re.compile(r"(?<![A-Z2-7])[A-Z2-7]{24,}+={0,6}")
_HEX = re.compile(r"(?<![0-9a-zA-Z])(?:(?:\\x|0x|[ :])?+[0-9a-fA-F]{2}){12,}+")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}[\w.+-]{0,3}){6,}+")
_DECIMAL = re.compile(r"\d(?<!\d.)\d{1,2}(?:[ ,;]{1,2}\d{2,3}){11,}+")
_BINARY = re.compile(r"[01](?<!\d.)[01]{7} ?(?:[01]{8} ?){7,}+")
_UNICODE_ESCAPE = re.compile(r"(?:\\u[0-9a-fA-F]{4}){6,}+")
_MORSE = re.compile(r"[.\-](?<![.\-].)[.\-]{0,4}(?:[ /\n]{1,3}[.\-]{1,5}){8,}+")
_MIN_READABLE_SHARE = 0.9
_MIN_PAYLOAD = 8
_LONG_WORD, _MANY_DIGITS = 20, 16
_MOST_ENCODED = 1_600
"""Characters of a run that are decoded; nobody needs more to give an order."""

_MORSE_SIGNS = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
)
_MORSE_LETTERS = dict(zip(_MORSE_SIGNS.split(), "abcdefghijklmnopqrstuvwxyz", strict=True))


@dataclass(frozen=True)
class Payload:
    """What an encoded run says, and where the run stands in the text."""

    text: str
    start: int
    end: int


def payloads(text: str) -> Iterator[Payload]:
    """Yield what encoded runs decode to, leaving out whatever does not decode to readable text."""
    hints = _hints(text)
    for needed, pattern, decode in _DECODERS:
        if needed.isdisjoint(hints):
            continue
        for run in pattern.finditer(text):
            payload = decode(run.group()[:_MOST_ENCODED])
            if _is_readable(payload):
                yield Payload(payload, run.start(), run.end())


def _is_readable(payload: str) -> bool:
    if len(payload) < _MIN_PAYLOAD:
        return False
    readable = sum(sign.isprintable() or sign.isspace() for sign in payload)
    return readable >= _MIN_READABLE_SHARE * len(payload)


def _decode_base64(run: str) -> str:
    body = re.sub(r"[\s=]", "", run).replace("-", "+").replace("_", "/")
    body = body[: len(body) - 1] if len(body) % 4 == 1 else body
    try:
        # A letter that was cut at the end is left out.
        return codecs.utf_8_decode(base64.b64decode(body + "=" * (-len(body) % 4)), "strict", False)[0]  # noqa: FBT003
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _decode_base32(run: str) -> str:
    body = run.rstrip("=")
    try:
        return base64.b32decode(body + "=" * (-len(body) % 8)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _decode_hex(run: str) -> str:
    digits = re.sub(r"\\x|0x|[^0-9a-fA-F]", "", run)
    # The run may have been cut inside a pair.
    return bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("utf-8", errors="ignore")


def _decode_percent(run: str) -> str:
    return re.sub(r"(?:%[0-9a-fA-F]{2})++", lambda signs: _decode_hex(signs.group().replace("%", "")), run)


def _decode_decimal(run: str) -> str:
    codes = (int(number) for number in re.findall(r"\d+", run))
    return "".join(chr(code) for code in codes if 9 <= code < 0x250)


def _decode_binary(run: str) -> str:
    bits = run.replace(" ", "")
    return "".join(chr(int(bits[i : i + 8], 2)) for i in range(0, len(bits), 8))


def _decode_unicode_escapes(run: str) -> str:
    return "".join(chr(int(code, 16)) for code in re.findall(r"[0-9a-fA-F]{4}", run.replace("\\u", " ")))


def _decode_morse(run: str) -> str:
    words = re.split(r" ?/ ?| {2,3}|\n", run)
    return " ".join("".join(_MORSE_LETTERS.get(sign, "") for sign in word.split()) for word in words)


def _hints(text: str) -> set[str]:
    """Return what makes encodings likely, and is cheap to see."""
    hints = {sign for sign in ("%", "\\u", ".-", "-.", "\\x", "0x") if sign in text}
    if max(map(len, text.split()), default=0) >= _LONG_WORD:
        hints.add("long")
    if sum(map(text.count, "0123456789")) >= _MANY_DIGITS:
        hints.update(name for name, pattern in _NUMBERS if pattern.search(text))
    return hints


_NUMBERS = (
    ("hex", re.compile(r"\d[0-9a-fA-F](?:[ :][0-9a-fA-F]{2}){5}")),
    ("codes", re.compile(r"\d{2,3}(?:[ ,;]{1,2}\d{2,3}){5}")),
    ("bits", re.compile(r"[01]{8}")),
)

_DECODERS: tuple[tuple[frozenset[str], re.Pattern[str], Callable[[str], str]], ...] = (
    (frozenset({"long"}), _BASE64, _decode_base64),
    (frozenset({"long"}), _BASE32, _decode_base32),
    (frozenset({"long", "hex", "\\x", "0x"}), _HEX, _decode_hex),
    (frozenset({"%"}), _PERCENT, _decode_percent),
    (frozenset({"codes"}), _DECIMAL, _decode_decimal),
    (frozenset({"bits"}), _BINARY, _decode_binary),
    (frozenset({"\\u"}), _UNICODE_ESCAPE, _decode_unicode_escapes),
    (frozenset({".-", "-."}), _MORSE, _decode_morse),
)
"""The hints one of which there must be, how an encoded run looks, and what it says."""
