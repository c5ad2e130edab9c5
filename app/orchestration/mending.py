"""JSON as models write it: what of it can be parsed, mended or read otherwise, without finishing what was cut off."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Any

import json_repair
from pydantic_core import from_json

from app.orchestration.markdown import is_whole_question
from app.orchestration.questions import QuestionContent

MARK = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)
_VALUE_ENDS = re.compile(r"\s*(?:[,:}\]]|$)")
_ESCAPED = re.compile(
    r'(?:^\s*"?|"(?:arguments|input|parameters|content|output|answer|response|result)"\s*:\s*")([{\[](?:\s|\\[nrt])*\\")'
)
_ESCAPE = re.compile(r'\\(["\\/nrt])')
_THOUGHTS_END = re.compile(r"</(?:think|thinking|reasoning|thought|reflection)>", re.IGNORECASE)
_HEX = "[0-9a-fA-F]"
_FLAW = re.compile(
    rf"""(\\["\\/bfnrt]|\\u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}}|\\u(?!0000|[dD][89a-fA-F]){_HEX}{{4}})"""
    rf"|\\u{_HEX}{{4}}|\\|[\x00-\x1f]"
)
"""An escape that JSON and PostgreSQL take, as a group; or else one of NUL or half a surrogate pair, a backslash that
escapes nothing, a raw control character."""

_COMMENT = re.compile(r"(^|[,\[{])[ \t]*(?://|#).*$", re.MULTILINE)
_SMART_OPENING = re.compile(r"\{\s*[\u201c\u201d]")
_FULL_WIDTH = re.compile(r"(?<=\")\s*([\uff1a\uff0c])\s*(?=[\"{\[])")
_SMART_QUOTE = re.compile(r"([{\[,:\uff1a]\s*)[\u201c\u201d]|[\u201c\u201d](?=\s*[,:}\]\uff1a])")


def _mended(match: re.Match[str]) -> str:
    flaw = match.group()
    if match.group(1):
        return flaw
    if flaw == "\\":
        return "\\\\"
    return "\ufffd" if flaw[0] == "\\" else " "


def storable(text: str) -> str:
    """What a model wrote, without NUL and halves of surrogate pairs, which no database takes; two halves are joined."""
    return text.replace("\0", " ").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def json_value(text: str, *, is_partial: bool = False) -> Any:
    """The JSON value that `text` is, or None. Of a partial one, what is complete; of any, only what can be stored."""
    try:
        return from_json(_FLAW.sub(_mended, storable(text)), allow_partial=is_partial)
    except ValueError:
        return None


@dataclass
class Mender:
    """Reads the objects of one output. Mending takes time that grows faster than the text, and so has its limits."""

    characters_left: int = 400_000

    def value(self, text: str) -> Any:
        """A complete value, mended if it has trailing commas, single quotes or comments; never a cut one, completed."""
        document = json_value(text)
        if document is not None or len(text) > min(MENDED_CHARACTERS, self.characters_left):
            return document
        self.characters_left -= len(text)
        if _SMART_OPENING.match(text):
            text = _SMART_QUOTE.sub(r'\1"', text)
        text = _FULL_WIDTH.sub(lambda sign: ":" if sign.group(1) == "\uff1a" else ",", text)
        text = _COMMENT.sub(r"\1", text)
        text = _FLAW.sub(_mended, storable(text))
        document = json_repair.loads(text)
        asked = document if isinstance(document, list) else [QuestionContent.text_in(document)]
        is_whole = all(isinstance(question, str) and _is_mended_whole(question, text) for question in asked)
        return document if is_whole else None


MENDED_CHARACTERS = 20_000
"""A question is shorter."""


def _is_mended_whole(question: str, text: str) -> bool:
    """Whether mending took the question as it stands: a stray quote inside of it may have cut it in two."""
    source = _ESCAPE.sub(r"\1", text)
    start = source.find(question)
    is_cut = start > 0 and (source[start - 1].isalnum() or not _TEXT_ENDS.match(source, start + len(question)))
    is_cut = is_cut or _KEY_WITHIN.search(question) is not None
    is_quoted = question.endswith(("'", '"')) and len(_OUTER_QUOTE.findall(question)) % 2 == 1
    return is_whole_question(question) and not (is_cut or is_quoted)


_QUOTE = r"[\\\"'`\u201c\u201d]"
_TEXT_ENDS = re.compile(
    rf"{_QUOTE}{{0,2}}\s*(?:$|[}}\]]|[,;]?\s*(?:$|[}}\]]|{_QUOTE}{{1,2}}\w|\w+{_QUOTE}{{0,2}}\s*:|[/#]))"
)
_KEY_WITHIN = re.compile(rf"{_QUOTE}\s*:\s*{_QUOTE}")
_OUTER_QUOTE = re.compile(r"(?<!\w)['\"]|['\"](?!\w)")


def loose_objects(text: str, start: int) -> Iterator[str]:
    """The objects that follow in a list, where a quote counts only at the ends of a key or a value."""
    depth, first, is_in_string = 0, start, False
    for mark in MARK.finditer(text, start):
        sign, at = mark.group(), mark.start()
        if sign == '"':
            may_turn = _VALUE_ENDS.match(text, at + 1) if is_in_string else _follows_sign(text, at)
            is_in_string = is_in_string != bool(may_turn)
        elif is_in_string or sign not in "{}]":
            continue
        elif sign == "{":
            first = first if depth else at
            depth += 1
        elif depth == 0:
            return
        elif sign == "}":
            depth -= 1
            if depth == 0:
                yield text[first : at + 1]


def _follows_sign(text: str, at: int) -> bool:
    """Whether a key or a value may begin here."""
    while at and text[at - 1].isspace():
        at -= 1
    return at == 0 or text[at - 1] in "{[,:"


def without_thoughts(text: str) -> str:
    """What follows thoughts whose opening tag is missing."""
    ends = [closing.end() for closing in _THOUGHTS_END.finditer(text)]
    return text[ends[-1] :] if ends else text


def other_readings(text: str) -> Iterator[str]:
    """What the answer may be where its thoughts have no beginning, or where all of it is escaped."""
    answer = without_thoughts(text)
    if answer != text:
        yield answer
    if escaped := _ESCAPED.search(answer):
        yield _ESCAPE.sub(lambda sign: _ESCAPES.get(sign.group(1), sign.group(1)), answer[escaped.start(1) :])
    if "&quot;" in answer:
        yield unescape(answer)


_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
