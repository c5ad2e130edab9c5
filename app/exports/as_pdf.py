"""The printed page: A4, one card per question with room for notes, set by typst.

The text of people and models reaches the template as JSON and is shown there as strings; typst evaluates none of it.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import typst

from app.exports.document import ExportDocument, tags
from app.exports.typefaces import Typefaces, typefaces

TEMPLATE = Path(__file__).with_name("template.typ")

_KEPT_MARKS = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2066\u2067\u2068\u2069")
"""Of the invisible format characters, those that shape or break honest text. Overrides of direction are not among them:
they let a line read otherwise than it is stored."""

_JOINERS = "\u200d\ufe0e\ufe0f"
_REGIONAL_A = 0x1F1E6


def as_pdf(document: ExportDocument, *, faces: Typefaces | None = None) -> bytes:
    """The document as a PDF. `faces` defaults to every font there is."""
    faces = faces or typefaces()
    content = _content(document)
    missing = faces.missing({character for character in _all_text(content) if not _is_invisible(character)})
    inputs = {"document": json.dumps(_readable(content, missing))}
    pdf: bytes = typst.compile(
        _template(),
        font_paths=faces.fonts,
        # Those are in `faces` already, or left out on purpose.
        ignore_system_fonts=True,
        sys_inputs=inputs,
        timestamp=int(document.exported_at.timestamp()),
    )
    return pdf


@cache
def _template() -> bytes:
    return TEMPLATE.read_bytes()


def _content(document: ExportDocument) -> dict[str, Any]:
    question_set = document.question_set
    questions = [question.model_dump(mode="json") | {"tags": tags(question)} for question in question_set.questions]
    return {
        "title": document.title,
        "subject": "Interview preparation by Greenroom",
        "job_title": document.job_title or "",
        "facts": document.facts,
        "footer": " · ".join(filter(None, (document.title, document.job_title))),
        "questions": questions,
        "recommendations": list(question_set.recommendations),
    }


def _all_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _readable(value: Any, missing: frozenset[str]) -> Any:
    """The same value, its texts in characters that can be printed."""
    if isinstance(value, str):
        return printable(value, missing)
    if isinstance(value, list):
        return [_readable(item, missing) for item in value]
    if isinstance(value, dict):
        return {name: _readable(item, missing) for name, item in value.items()}
    return value


def printable(text: str, missing: frozenset[str] = frozenset()) -> str:
    """The text in lines, without control characters, and with words where no font has the character.

    An emoji becomes its name in brackets; a stretch in a script without a font becomes a remark that names the script.
    """
    lines = (re.sub("[ \t]+", " ", _without_controls(line)).strip() for line in text.splitlines())
    joined = "\n".join(filter(None, lines))
    if letters := _character_class(character for character in missing if _is_letter(character)):
        stretch = rf"[{letters}](?:[{letters}{_JOINERS}]|\s+(?=[{letters}]))*"
        joined = re.sub(stretch, lambda match: f"[{_script(match.group()[0])} text, no font]", joined)
    if signs := _character_class(character for character in missing if not _is_letter(character)):
        joined = re.sub(f"[{signs}][{_JOINERS}]*", lambda match: _name(match.group()[0]), joined)
    return joined


def _without_controls(line: str) -> str:
    kinds = ((character, unicodedata.category(character)) for character in line)
    return "".join(
        " " if kind == "Cc" else character for character, kind in kinds if kind != "Cf" or character in _KEPT_MARKS
    )


def _character_class(characters: Iterable[str]) -> str:
    """The inside of a regular expression's brackets."""
    return re.escape("".join(sorted(characters)))


def _is_letter(character: str) -> bool:
    """Or a mark on one."""
    return unicodedata.category(character)[0] in "LM"


def _is_invisible(character: str) -> bool:
    """What needs no glyph: controls, format characters, variation selectors."""
    return unicodedata.category(character) in {"Cc", "Cf"} or "\ufe00" <= character <= "\ufe0f"


def _script(letter: str) -> str:
    """Unicode begins the name of a letter with its script."""
    return unicodedata.name(letter, "other").split()[0].title()


def _name(sign: str) -> str:
    if 0 <= (letter := ord(sign) - _REGIONAL_A) < 26:
        return chr(ord("A") + letter)  # Two of them are a flag.
    name = unicodedata.name(sign, f"U+{ord(sign):04X}")
    return "" if name.startswith("EMOJI MODIFIER") else f"[{name.lower()}]"
