"""Encoded runs in a text and what they decode to: base64, base32, hexadecimal, codes, percent signs, Morse.

Most texts hold none, so each encoding is looked for by a sign that is cheap to see before its pattern runs. Patterns
consume a run possessively, so the work grows linearly with the text.
"""

import base64
import binascii
import codecs
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_MIN_READABLE_SHARE = 0.9
_MIN_PAYLOAD = 8
_MOST_ENCODED = 1_600
"""Characters of a run that are decoded; nobody needs more to give an order."""

_MORSE_SIGNS = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
)
_MORSE_LETTERS = dict(zip(_MORSE_SIGNS.split(), "abcdefghijklmnopqrstuvwxyz", strict=True))
_LETTER_OF_CODE = {f"{code:0{digits}}": chr(code) for digits in (1, 2, 3) for code in range(9, 0x250)}


@dataclass(frozen=True)
class Payload:
    """What an encoded run says, and where the run stands in the text."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class _Encoding:
    """How an encoded run looks, and what it says."""

    is_likely: Callable[[bytes], bool]
    """Whether a text may hold a run: cheap, and true of every text that holds one. Other than ASCII is "?" in it."""
    pattern: re.Pattern[str]
    decode: Callable[[str], str]


def payloads(text: str) -> Iterator[Payload]:
    """Yield what encoded runs decode to, leaving out whatever does not decode to readable text."""
    signs = text.encode("ascii", "replace")
    for encoding in _ENCODINGS:
        if not encoding.is_likely(signs):
            continue
        for run in encoding.pattern.finditer(text):
            payload = encoding.decode(run.group()[:_MOST_ENCODED])
            if _is_readable(payload):
                yield Payload(payload, run.start(), run.end())


def _is_readable(payload: str) -> bool:
    if len(payload) < _MIN_PAYLOAD:
        return False
    if payload.isprintable():
        return True
    shown = "".join(payload.split())
    readable = len(payload) - len(shown) + sum(map(str.isprintable, shown))
    return readable >= _MIN_READABLE_SHARE * len(payload)


def _decode_base64(run: str) -> str:
    body = "".join(run.split()).rstrip("=").replace("-", "+").replace("_", "/")
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
    digits = run.replace("0x", "").translate(_NO_HEX_SEPARATORS)
    # The run may have been cut inside a pair.
    return bytes.fromhex(digits[: len(digits) // 2 * 2]).decode("utf-8", errors="ignore")


def _decode_percent(run: str) -> str:
    return re.sub(r"(?:%[0-9a-fA-F]{2})++", lambda signs: _decode_hex(signs.group().replace("%", "")), run)


def _decode_decimal(run: str) -> str:
    codes = run.replace(",", " ").replace(";", " ").split()
    return "".join([_LETTER_OF_CODE.get(code, "") for code in codes])


def _decode_binary(run: str) -> str:
    bits = run.replace(" ", "")
    letters = len(bits) // 8
    return int(bits[: letters * 8], 2).to_bytes(letters).decode("latin-1")


def _decode_unicode_escapes(run: str) -> str:
    return "".join([chr(int(code, 16)) for code in re.findall(r"[0-9a-fA-F]{4}", run.replace("\\u", " "))])


def _decode_morse(run: str) -> str:
    words = re.split(r" ?/ ?| {2,3}|\n", run)
    return " ".join("".join([_MORSE_LETTERS.get(sign, "") for sign in word.split()]) for word in words)


def _holds(least: int, *wanted: bytes) -> Callable[[bytes], bool]:
    """Return whether a text has one of some signs so many times."""
    return lambda signs: any(signs.count(sign) >= least for sign in wanted)


def _holds_run(least: int, alphabet: str, between: str = "") -> Callable[[bytes], bool]:
    """Return whether a text has so many characters of an alphabet in a row, whatever stands `between` them."""
    inside = bytes(chr(byte) in alphabet for byte in range(256))
    run, left_out = b"\1" * least, between.encode()
    return lambda signs: run in signs.translate(inside, left_out)


_NO_HEX_SEPARATORS = str.maketrans("", "", "\\x :")
_BASE64_LETTERS = string.ascii_letters + string.digits + "+/_-"

_ENCODINGS = (
    _Encoding(
        _holds_run(20, _BASE64_LETTERS),
        re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{20,}+(?:\r?\n[A-Za-z0-9+/_-]{20,}+)*+={0,2}"),
        _decode_base64,
    ),
    _Encoding(
        _holds_run(24, string.ascii_uppercase + "234567"),
        re.compile(r"(?<![A-Z2-7])[A-Z2-7]{24,}+={0,6}"),
        _decode_base32,
    ),
    _Encoding(
        _holds_run(24, string.hexdigits, between="\\x :"),
        re.compile(r"(?<![0-9a-zA-Z])(?:(?:\\x|0x|[ :])?+[0-9a-fA-F]{2}){12,}+"),
        _decode_hex,
    ),
    _Encoding(
        _holds(6, b"%"),
        re.compile(r"%[0-9a-fA-F]{2}[\w.+-]{0,3}+(?:%[0-9a-fA-F]{2}[\w.+-]{0,3}+){5,}+"),
        _decode_percent,
    ),
    _Encoding(
        _holds_run(24, string.digits, between=" ,;"),
        re.compile(r"[0-9](?<![0-9].)[0-9]{1,2}(?:[ ,;]{1,2}[0-9]{2,3}){11,}+"),
        _decode_decimal,
    ),
    _Encoding(
        _holds_run(64, "01", between=" "),
        re.compile(r"[01](?<![0-9].)[01]{7} ?(?:[01]{8} ?){7,}+"),
        _decode_binary,
    ),
    _Encoding(_holds(6, b"\\u"), re.compile(r"\\u[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4}){5,}+"), _decode_unicode_escapes),
    _Encoding(
        _holds(1, b".-", b"-."),
        re.compile(r"[.\-](?<![.\-].)[.\-]{0,4}(?:[ /\n]{1,3}[.\-]{1,5}){8,}+"),
        _decode_morse,
    ),
)
