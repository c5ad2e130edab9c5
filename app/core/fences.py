"""Fences: what people wrote reaches a model only between markers it can be told to treat as data (spotlighting).

The marker carries a nonce that the writer of the text cannot know, and look-alikes inside the text are broken up.
"""

import re

_LOOK_ALIKE = re.compile(r"<<(/?[\w-]{1,40} [0-9a-f]{8}>>)")


def fence(name: str, text: str, nonce: str) -> str:
    """Wrap `text` as the data block `name`. `nonce` is eight lower-case hexadecimal digits, new for every turn."""
    body = _LOOK_ALIKE.sub(r"< <\1", text)
    return f"<<{name} {nonce}>>\n{body}\n<</{name} {nonce}>>"


def read_fence(name: str, text: str) -> str | None:
    """Return the text of the first block `name`, or None. The offline engine reads its input this way."""
    match = re.search(rf"<<{name} ([0-9a-f]{{8}})>>\n(.*?)\n<</{name} \1>>", text, re.DOTALL)
    return match.group(2) if match else None
