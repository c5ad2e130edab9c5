"""Markers that only a chat template or this service writes: who sends them forges a message of the system's.

Only what nobody needs to mention is a forgery: a marker that opens a line, one followed by a role, or the delimiter of
this service with its token. Anything softer is for the model to weigh.
"""

import re
from collections.abc import Iterator

_ROLE = r"(?:system|user|assistant|developer|tool|model|human|ai)"
_FORGERY = re.compile(
    rf"<\|(?:im_start|im_sep|start_header_id|header_start|message|start)\|>\s{{0,3}}{_ROLE}\b"
    rf"|(?:^|\n)[ \t]{{0,4}}<\|(?:{_ROLE}|endoftext|eot_id|end_of_turn|im_end|begin_of_text)\|>"
    rf"|<start_of_turn>\s{{0,3}}{_ROLE}\b"
    r"|(?:^|\n)[ \t]{0,4}(?:\[/?INST\]|<</?SYS>>)"
    r"|<<?/?[a-z][a-z_ ]{1,29} [0-9a-f]{6,8}>>?",
    re.IGNORECASE,
)


def forgeries(text: str) -> Iterator[tuple[int, int]]:
    """Yield where forged markers start and end."""
    if "<" in text or "[" in text:
        yield from (found.span() for found in _FORGERY.finditer(text))
