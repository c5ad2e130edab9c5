"""Questions in Markdown: how they are shown, and how they are read where a model wrote a list instead of JSON."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.orchestration.questions import Question

_QUESTION_WORD = (
    r"Q(?:uestion)?|Frage|Pregunta|Domanda|Pergunta|Vraag|Pytanie|Вопрос|\u95ee\u9898|\u554f\u984c|\u8cea\u554f|"
    r"\uc9c8\ubb38|(?:\u0627\u0644)?\u0633\u0624\u0627\u0644"
)
_BOLD = r"(?:\*\*|__)?"
_NUMBERED = re.compile(
    rf"^\s{{0,3}}(?P<style>(?:#{{1,6}}\s+)?{_BOLD}(?:(?P<word>{_QUESTION_WORD})\.?\s*#?\s*)?)(?P<number>\d{{1,2}})"
    rf"{_BOLD}\s*(?:[.):\u3001\uff0e\uff1a\uff09](?!\d)|(?(word)(?:\s[-\u2013\u2014]\s|(?=[*_]*\s*$))|(?!)))"
    rf"\s*{_BOLD}\s*(?(word)|(?=\S))",
    re.IGNORECASE,
)
_BULLETED = re.compile(r"^\s{0,3}(?P<style>[-*\u2022+])\s+(?=\S)")
_NAMED = re.compile(
    rf"^\s{{0,3}}(?P<style>{_BOLD}(?:{_QUESTION_WORD}|text)){_BOLD}\s*[:\uff1a]\s*{_BOLD}\s*(?=\S)", re.IGNORECASE
)
_EMPHASISED = re.compile(r"^(?P<style>\*\*|__)(?=\S[^*]*[?\uff1f\u061f][\"'\u201d]?(?:\*\*|__)\s*$)")
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+")
_LABEL = re.compile(r"^(?:\*\*|__)?[^\W\d][^:.?!\n]{2,40}:(?:\*\*|__)?\s*$")
_DETAIL = re.compile(
    r"^\s*(?:[-*\u2022+]\s+)?(?:\*\*|__|\*|_)?([A-Za-z][A-Za-z _-]{2,30}?)(?:\*\*|__|\*|_)?\s*:\s*(?:\*\*|__)?\s*(.*)$"
)
_PART = re.compile(
    r"follow|hint|criteri|evaluat|look|signal|framework|outline|difficult|categor|topic|time|minute|duration|"
    r"require|scenario|level|sample|answer",
    re.IGNORECASE,
)
"""What a line below a question names when it is a part of that question."""
_QUESTION_KEY = re.compile(r"(?:the |primary |interview )?(?:question|text|prompt)(?: text)?", re.IGNORECASE)
_BROKEN_KEY = re.compile(r"text\b|[:;,]|[a-z][^\s:]*\s?[^\s:]*:\s")
_SUB_ITEM = re.compile(r"^\s*(?:[-*\u2022+]|\d{1,2}[.)])\s+(.*)$")
_ASK = re.compile(
    r"\b(?:describe|tell|walk|explain|design|compare|sketch|outline|estimate|give|imagine|suppose|draft|write|show|plan|"
    r"beschreib\w*|erz\u00e4hl\w*|erkl\u00e4r\w*|d\u00e9cri\w+|expli\w+|parle\w*|cu\u00e9nt\w*|describ\w+|"
    r"\u043e\u043f\u0438\u0448\w+|\u0440\u0430\u0441\u0441\u043a\u0430\u0436\w+)\b"
    r"|\u8bf7|\u8acb|\u63cf\u8ff0|\u8bf4\u8bf4|\u8ac7\u8ac7|\u6559\u3048\u3066|\u8aac\u660e\u3057|\uc124\uba85|\u0635\u0641",
    re.IGNORECASE,
)
_ASKS = "?\uff1f\u061f"
_END = re.compile(r"(?:[.?!\u2026\u3002\uff1f\uff01\u061f]|[\u0370-\u03ff];)[\"'\u201d\u2019)*_]*$")
_NEXT_INLINE = re.compile(r"(?<=[.?!\u3002\uff1f\u061f])\s*(?=(?P<number>\d{1,2})[.)]\s+\S)")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")

_ADVICE = (
    r"recommend|prepar|tips?\b|notes?\b|summary|advice|empfehl|vorbereit|conseil|recomend|consejo|follow[- ]?up|"
    r"hints?\b|criteri|evaluat|what to look|you (?:can|could|might|may)\b|coverage"
)
_ADVISES = re.compile(rf"^\W*(?:some |possible |optional |to |how to )?(?:{_ADVICE})", re.IGNORECASE)
_MENTIONS_ADVICE = re.compile(_ADVICE, re.IGNORECASE)
_INQUIRES = re.compile(
    r"(?:could|can|would) you (?:please |kindly )?(?:tell|share|provide|clarify|confirm|like)|please (?:share|provide|"
    r"tell|confirm|answer|clarify)|let me know|(?:I|I'd|I\u2019d|I'll) need|need (?:some|more|a few|a little)|clarif|"
    r"before I ",
    re.IGNORECASE,
)
_GIVES = re.compile(r"\bhere (?:are|is)\b|\bhere's\b", re.IGNORECASE)
_NAMES_QUESTIONS = re.compile(r"question|frage|pregunt|domand|pergunt", re.IGNORECASE)


MAX_LINES = 30
"""Of a question; what goes on for longer is none."""


def question_markdown(question: Question) -> str:
    """The question as the reply shows it."""
    case = question.case
    given = [case.scenario, *(f"- {item}" for item in case.data)] if case else []
    scenario = "".join(f"> {line}\n" for text in given for line in text.splitlines() if line.strip())
    setting = f"{scenario}\n" if scenario else ""
    category = " ".join(question.category.replace("_", " ").split())
    about = f"{question.difficulty} · {category} · {question.time_minutes} min"
    return f"**{question.position}.** {' '.join(question.text.split())}\n\n{setting}*{about}*\n\n"


def markdown_questions(text: str) -> list[dict[str, Any]]:
    """The items of a numbered list that ask something, else of a bulleted one, with the details named below each.

    Where there is no list, lines such as `Question: ...`, questions that are bold as a whole, and the rows of a table
    are taken. An item that does not end as a sentence was cut off and is left out; a list below words such as "To
    prepare" is advice, and one below "Could you tell me" is for the candidate. Keys are as the text has them.
    """
    lines = [part for line in text.splitlines() for part in _inline_items(line)]
    for opening in (_NUMBERED, _BULLETED, _NAMED, _EMPHASISED):
        items = (item.fields() for item in _items(lines, opening))
        if found := [fields for fields in items if is_whole_question(fields["text"])]:
            return found
    return [row for row in _rows(lines) if is_whole_question(row["text"])]


def _items(lines: list[str], opening: re.Pattern[str]) -> Iterator["_Item"]:
    item: _Item | None = None
    above, is_after_blank = _Above(), False
    style: str | None = None
    indent = 3
    for line in lines:
        if not line.strip():
            is_after_blank = True
            continue
        start = opening.match(line)
        is_alike = start is not None and _indent(line) <= indent + 1 and style in {None, _style(start)}
        is_item = is_alike and not (item and start and item.goes_on_with(_number(start)))
        if item and (is_item or item.ends_before(line, is_after_blank=is_after_blank)):
            yield item
            item = None
        if start and is_item and not above.is_advice:
            item, style, indent = _Item.opened(start, line), _style(start), min(indent, _indent(line))
        elif item:
            item.add(line, is_alike=is_alike)
        elif not is_item:
            above.read(line)
        is_after_blank = False
    if item:
        yield item


@dataclass
class _Above:
    """What the lines above a list say of it."""

    is_advice: bool = False
    """Whether what follows is no list of interview questions."""
    _is_sticky: bool = False
    """A heading counts until the next one, a sentence until the next sentence."""

    def read(self, line: str) -> None:
        """Take a line that is in no item."""
        is_heading = bool(_HEADING.match(line) or _LABEL.match(line))
        if is_heading or not (self._is_sticky or _SUB_ITEM.match(line)):
            self.is_advice = _is_advice(line)
            self._is_sticky = is_heading and self.is_advice


@dataclass
class _Item:
    """An item of a list while its lines arrive."""

    indent: int
    is_title: bool
    """Whether the first line may be a title, with the question below it."""
    first: str = ""
    rest: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    key: str = "text"
    """What the next line goes on with."""
    next_sub: int | None = None
    """The number that an item of a list within this one would have, where such a list may stand."""

    @classmethod
    def opened(cls, start: re.Match[str], line: str) -> "_Item":
        """The item that this line opens."""
        remainder = line[start.end() :].strip()
        is_title = not remainder or bool(_HEADING.match(line)) or remainder.endswith(("**", "__", "**:"))
        item = cls(_indent(line), is_title)
        if _names_part(remainder):
            item.add(remainder)
        else:
            item.first = _value(remainder)
        return item

    @property
    def text(self) -> str:
        """The question, as far as it has come."""
        if len(self.rest) >= MAX_LINES:
            return ""
        body = " ".join(self.rest)
        is_below = self.is_title and not _END.search(self.first) and is_whole_question(body)
        return (body if is_below else f"{self.first} {body}").strip("*_ ")

    def fields(self) -> dict[str, Any]:
        """The question with its details."""
        return {**self.details, "text": "" if _BROKEN_KEY.match(self.text) else self.text}

    def goes_on_with(self, number: int) -> bool:
        """Whether what looks like the next item stands in a list within this one."""
        return self.next_sub is not None and number == self.next_sub

    def ends_before(self, line: str, *, is_after_blank: bool) -> bool:
        """Whether the line is no part of this item."""
        if _HEADING.match(line):
            return True
        if _names_part(line) or _SUB_ITEM.match(line) or _indent(line) > self.indent + 1:
            return False
        if _LABEL.match(line):
            return True
        if is_after_blank or line[0].isdigit():
            return is_whole_question(self.text) and self.next_sub is None
        return self.key == "text" and self.text.endswith(tuple(_ASKS)) and not any(mark in line for mark in _ASKS)

    def add(self, line: str, *, is_alike: bool = False) -> None:
        """Take a line below the opening; it may look like an opening."""
        detail, sub = _DETAIL.match(line), _SUB_ITEM.match(line)
        if detail and (self.next_sub is None or not sub):
            self.key = _key(detail.group(1))
            value = _value(detail.group(2))
            if value and self.key == "text":
                self.first, self.rest, self.is_title = value, [], False
            elif value:
                self.details[self.key] = value
            self.next_sub = None if value else 1
        elif self.key == "text" and sub and is_whole_question(self.text):
            self.key = ""  # What is listed below a question is no part of its text.
        elif self.key == "text":
            self.rest = [*self.rest, _plain(line)][:MAX_LINES]
            self.next_sub = None
        elif sub:
            before = self.details.setdefault(self.key, [])
            if not isinstance(before, list):
                before = self.details[self.key] = [before]
            before.append(_value(sub.group(1)))
            self.next_sub = self.next_sub + 1 if self.next_sub and is_alike else None
        elif self.next_sub == 1:
            self.details[self.key], self.next_sub = _value(line), None


def _rows(lines: list[str]) -> Iterator[dict[str, str]]:
    """The rows of tables with a column of questions."""
    names: list[str] = []
    for line in lines:
        cells = [_plain(cell) for cell in line.strip().split("|")[1:-1]]
        if "text" in names and len(cells) == len(names):
            yield dict(zip(names, cells, strict=True))
        elif not names or not cells:
            names = [_key(cell) for cell in cells]


def _inline_items(line: str) -> Iterator[str]:
    """The line, cut where the next numbers of a list stand within it."""
    start = _NUMBERED.match(line)
    number, at = (_number(start) if start else 0), 0
    for found in _NEXT_INLINE.finditer(line) if start else ():
        if int(found.group("number")) == number + 1:
            yield line[at : found.start()]
            number, at = number + 1, found.end()
    yield line[at:]


def _is_advice(line: str) -> bool:
    """Whether a list below this line is advice, or asks the candidate for something."""
    if _GIVES.search(line):
        return False
    is_mentioned = _MENTIONS_ADVICE.search(line) is not None and _NAMES_QUESTIONS.search(line) is None
    is_announced = is_mentioned or _ADVISES.match(line) is not None
    return _INQUIRES.search(line) is not None or (is_announced and not line.rstrip().endswith("."))


def _names_part(line: str) -> bool:
    """Whether the line gives, or heads, a part of the question."""
    detail = _DETAIL.match(line)
    return bool(detail and (_PART.search(detail.group(1)) or _QUESTION_KEY.fullmatch(detail.group(1).strip())))


def _key(name: str) -> str:
    return "text" if _QUESTION_KEY.fullmatch(name.strip()) else re.sub(r"[ -]+", "_", name.strip().lower())


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _style(start: re.Match[str]) -> str:
    """How an item is opened, its number aside; in YAML, those of the list begin with a key."""
    has_key = start.re is _BULLETED and _names_part(start.string[start.end() :])
    return re.sub(r"[\s#]+", "", start.group("style")).lower() + ":" * has_key


def _number(start: re.Match[str]) -> int:
    return int(start.groupdict().get("number") or 0)


def _plain(text: str) -> str:
    """Without emphasis around the whole of it or its parts."""
    return re.sub(r"\*\*|__", "", text).strip().strip("*_").strip()


def _value(text: str) -> str:
    """Plain, without the quotes around it and the signs of a YAML block."""
    plain = re.sub(r"^[>|][+-]?\s*$", "", _plain(text))
    quoted = re.fullmatch(r"([\"'])(.+)\1|\u201c(.+)\u201d|\u300c(.+)\u300d", plain)
    inner = next((group for group in quoted.groups()[1:] if group), "") if quoted else ""
    return inner if inner and not re.search(r"[\"\u201c\u201d]", inner) else plain


def is_whole_question(text: str) -> bool:
    """Whether the text asks something and ends as a sentence does."""
    asks = any(mark in text for mark in _ASKS) or _ASK.search(text) is not None
    return asks and _END.search(text) is not None and len(_WORD.findall(text)) >= 3
