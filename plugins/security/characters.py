"""Characters that show nothing: taken out of documents, and read where they spell something.

Every step is one pass of `str.translate`, `unicodedata` or a pattern that repeats within bounds: the work is linear.
"""

import re
import unicodedata

_TAG_RUN = re.compile(r"[\U000e0020-\U000e007e]{4,}+")
_FLAG = re.compile(r"\U0001f3f4[\U000e0061-\U000e007a]{2,6}\U000e007f")
_INVISIBLE_RUN = re.compile(r"[\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\U000e0100-\U000e01ef]{8,}+")
_TAG_BYTES = chr(0xE0000).encode()[:2]
# In UTF-8, what all of those begin with: bytes are found many times faster than characters of a class.
_SUSPECT_BYTES = (
    *(chr(code).encode() for code in (*range(0x200B, 0x2010), 0x202D, 0x202E, *range(0x2060, 0x2065))),
    chr(0xFE00).encode()[:2],
    _TAG_BYTES,
)
_BIDI_OVERRIDES = "\u202d\u202e"

# What shows nothing by itself. A joiner stays where a script or an emoji needs it, a selector behind a symbol.
_NEVER_SEEN = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    r"\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e007f\U000e0100-\U000e01ef"
)
_INVISIBLE = re.compile(rf"\U0001f3f4[\U000e0061-\U000e007a]{{2,6}}\U000e007f|[{_NEVER_SEEN}]")
_VISIBLE = re.compile(rf"[^\s{_NEVER_SEEN}]")
_JOINERS = "\u200c\u200d"
_PRESENTATION = "\ufe0e\ufe0f"


def without_invisible(text: str) -> str:
    """Return the text without characters that show nothing: format and bidirectional marks, fillers, tags.

    What is visible stays letter for letter, and so do flags and the joiners that emoji and Indic or Arabic words need.
    Idempotent.
    """
    if text.isascii():
        return text
    return _INVISIBLE.sub(_keep_what_shows, text)


def _keep_what_shows(found: re.Match[str]) -> str:
    sign, text, start = found.group(), found.string, found.start()
    before = text[start - 1] if start else ""
    after = text[found.end()] if found.end() < len(text) else ""
    if len(sign) > 1:
        return sign
    if sign in _JOINERS:
        return sign if _needs_joiner(before) and _needs_joiner(after) else ""
    if sign in _PRESENTATION:
        return sign if before and (unicodedata.category(before) == "So" or before in "#*0123456789©®‼⁉™↔") else ""
    return ""


def _needs_joiner(neighbour: str) -> bool:
    return bool(neighbour) and (
        "\u0600" <= neighbour <= "\u0dff" or unicodedata.category(neighbour) in {"So", "Sk"} or neighbour == "\ufe0f"
    )


def hidden_payload(text: str) -> str:
    """Return the ASCII text written in Unicode tag characters, which no screen shows; flags of regions do not count."""
    if not _has_tags(text) or not _TAG_RUN.search(text):
        return ""
    runs = _TAG_RUN.findall(_FLAG.sub("", text))
    return " ".join("".join(chr(ord(sign) - 0xE0000) for sign in run) for run in runs)


def _has_tags(text: str) -> bool:
    """Whether a text may have tag characters."""
    return not text.isascii() and _TAG_BYTES in text.encode("utf-8", "surrogatepass")


def _has_suspect(text: str) -> bool:
    """Whether a text may have characters that spell something unseen or turn round what is seen."""
    if text.isascii():
        return False
    signs = text.encode("utf-8", "surrogatepass")
    return any(sign in signs for sign in _SUSPECT_BYTES)


def hides_text(text: str) -> bool:
    """Whether the text carries characters that spell something unseen or turn round what is seen."""
    if not _has_suspect(text):
        return False
    return any(sign in text for sign in _BIDI_OVERRIDES) or bool(_INVISIBLE_RUN.search(text) or hidden_payload(text))


def shows_nothing(text: str) -> bool:
    """Whether a text is empty or made of spaces and invisible characters only."""
    return _VISIBLE.search(text) is None
