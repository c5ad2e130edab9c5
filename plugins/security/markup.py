"""HTML that a reader of the page would not see: comments, scripts, styles and elements styled to be invisible.

One pass over the tags and plain searches for what closes them; a search that failed is not repeated, so the work is
linear. What is visible stays letter for letter, tags included.
"""

import re

_TAG = re.compile(r"<(?:!--|([a-zA-Z][a-zA-Z0-9]{0,14})((?:\s[^<>]{0,400}|/?))>)")
_NEVER_SHOWN = frozenset({"script", "style", "template", "noscript"})
_HIDING = re.compile(
    r"display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden|font-size\s{0,3}:\s{0,3}[0-3](?:\.\d)?(?:px|pt|em|%|;|\"|')"
    r"|opacity\s{0,3}:\s{0,3}0(?:\.0)?(?![.\d])|(?:left|top|text-indent)\s{0,3}:\s{0,3}-\d{3,5}px|(?:^|\s)hidden(?:\s|=|$)"
)
_WHITE = r"\s{0,3}:\s{0,3}(?:#f{3}(?:f{3})?|white)\b"
_WHITE_ON_WHITE = re.compile(
    rf"(?<!-)color{_WHITE}.{{0,200}}background(?:-color)?{_WHITE}|background(?:-color)?{_WHITE}.{{0,200}}(?<!-)color{_WHITE}"
)


def without_hidden_markup(text: str) -> str:
    """Return the text without what a browser would not show. Text without such markup comes back unchanged."""
    if "<" not in text:
        return text
    lowered, kept, shown = text.lower(), [], 0
    if len(lowered) != len(text):  # A letter whose lower case is two: offsets must fit.
        lowered = text
    unclosed: set[str] = set()
    for tag in _TAG.finditer(text):
        closing = _closing(tag)
        if tag.start() < shown or not closing or closing in unclosed:
            continue
        end = lowered.find(closing, tag.end())
        if end < 0:
            unclosed.add(closing)
            continue
        kept.append(text[shown : tag.start()])
        shown = lowered.find(">", end) + 1 or len(text)
    return "".join([*kept, text[shown:]])


def _closing(tag: re.Match[str]) -> str:
    """Return what closes the tag if its content is not shown."""
    if tag.group(1) is None:
        return "-->"
    name, attributes = tag.group(1).lower(), tag.group(2).lower()
    if name in _NEVER_SHOWN or _HIDING.search(attributes) or _WHITE_ON_WHITE.search(attributes):
        return f"</{name}"
    return ""
