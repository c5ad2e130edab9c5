"""Markers that only a chat template or this service writes: who sends them forges a message of the system's.

Only what nobody needs to mention is a forgery: a marker that opens a line, one followed by a role, or the delimiter of
this service with its token. Anything softer is for the model to weigh.
"""

import re
from collections.abc import Iterator

_ROLE = r"(?:system|user|assistant|developer|tool|model|human|ai)"
# Each pattern begins with the one character that every match of it begins with: the search leaps from one to the next.
_ANYWHERE = re.compile(
    rf"<(?:\|(?:im_start|im_sep|start_header_id|header_start|message|start)\|>\s{{0,3}}{_ROLE}\b"
    rf"|start_of_turn>\s{{0,3}}{_ROLE}\b"
    r"|<?/?[a-z][a-z_ ]{1,29} [0-9a-f]{6,8}>>?)",
    re.IGNORECASE,
)
_OPENS_LINE = (
    rf"[ \t]{{0,4}}(?:<\|(?:{_ROLE}|endoftext|eot_id|end_of_turn|im_end|begin_of_text)\|>|\[/?INST\]|<</?SYS>>)"
)
_FIRST_LINE, _OTHER_LINES = (re.compile(before + _OPENS_LINE, re.IGNORECASE) for before in ("", "\n"))


def forgeries(text: str) -> Iterator[tuple[int, int]]:
    """Yield where forged markers start and end."""
    if "<" in text:
        yield from (found.span() for found in _ANYWHERE.finditer(text))
    if "<" in text or "[" in text:
        first = _FIRST_LINE.match(text)
        yield from (found.span() for found in (*filter(None, [first]), *_OTHER_LINES.finditer(text)))
