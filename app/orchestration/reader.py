"""The reader that turns a technique's text into questions while it is still talking, however it is written."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from app.bank.questions import ExperienceLevel
from app.orchestration.contract import OUTPUT_CONTRACT
from app.orchestration.images import without_images
from app.orchestration.markdown import is_whole_question, markdown_questions
from app.orchestration.mending import (
    MARK,
    Mender,
    json_value,
    loose_objects,
    other_readings,
    storable,
    without_thoughts,
)
from app.orchestration.questions import QuestionContent, level_of, text_of, texts_of

MAX_DEPTH = 40
"""A technique's output is six levels deep; brackets below this are garbage."""


@dataclass(frozen=True)
class TechniqueOutput:
    """What is left when a technique has ended: the questions not yet returned by `feed`, and the closing advice."""

    summary: str
    experience_level: ExperienceLevel | None
    """What the technique took the level to be, which nobody may have told it."""
    late_questions: tuple[QuestionContent, ...]
    recommendations: tuple[str, ...]


@dataclass
class QuestionReader:
    """Reads one technique output, piece by piece, in time linear in its length.

    It follows brackets and strings and looks for the list under `"questions"`. An object in it counts as soon as its
    closing brace has arrived, and is read by itself: prose and fences around the JSON, one broken question or a cut-off
    end do not cost the others. A string that asks something counts too. How the text is cut into pieces makes no
    difference. Where no such list came, `finish` takes every complete object that holds a question, and where there is
    none, the items of a Markdown list.
    """

    questions: list[QuestionContent] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    """Of each question in the list it came in, from 0; what could not be read has a place, too."""
    text: str = ""
    """Everything so far, without what the model thought aloud."""
    _seen: int = 0
    """Everything before this has been followed."""
    _thoughts: str = ""
    """Held back while it may be, or is, thinking aloud at the start of the answer."""
    _tag: str = ""
    """The tag in which it thinks aloud."""
    _has_spoken: bool = False
    _open: list[int] = field(default_factory=list)
    """Where the brackets stand that are still open."""
    _closed: list[tuple[int, int, int]] = field(default_factory=list)
    """Every bracket that has been closed: where it opens, where it closes, and where the one around it opens, or -1."""
    _mark_at: int = -1
    """Of the last bracket or quote that belongs to the JSON."""
    _is_in_string: bool = False
    _is_item: bool = False
    """Whether the string follows a bracket or a comma, and so is no key and no value of one."""
    _start: int = -1
    """Of the object that holds the list."""
    _list_start: int = -1
    _list_end: int = -1
    _has_objects: bool = False
    """Whether the list holds objects; a string among them fell out of one."""
    _items: int = 0
    """How many items of the list have ended."""
    _text_key: str = ""
    """Under which the first object that was read has its question; those of follow-ups have another."""
    _read_end: int = -1
    """Of the last object or string of the list that was read as a question."""
    _first_list: tuple[int, int, int] | None = None
    """Start of the object, start and end of the list, of an earlier document that held questions."""
    _mender: Mender = field(default_factory=Mender)
    _inner: "QuestionReader | None" = None
    """The reader of the answer in another reading, in which there were questions."""

    def feed(self, piece: str) -> list[QuestionContent]:
        """Take the next piece and return the questions it completed, in order."""
        self.text += self._spoken(piece)
        known = len(self.questions)
        for mark in MARK.finditer(self.text, self._seen):
            if mark.group() == "\\":
                self._seen = mark.start()  # What it escapes has not arrived.
                break
            self._follow(mark.group(), mark.start())
        else:
            self._seen = len(self.text)
        return self.questions[known:]

    def finish(self) -> TechniqueOutput:
        """Read what surrounds the questions; what was cut off is left out."""
        late: list[QuestionContent] = []
        if self._list_start >= 0 and self._list_end < 0:
            # The end is missing, or a stray quote has turned the strings inside out.
            loose = loose_objects(self.text, max(self._list_start, self._read_end) + 1)
            late = self._valid(map(self._mender.value, loose))
        if not (self.questions or late):
            late = (
                self._scattered()
                or self._reread()
                or self._valid(markdown_questions(storable(without_thoughts(self.text))))
            )
        first = self._items if self.questions else 0
        self._add(late, first=first)
        envelope = self._envelope()
        return TechniqueOutput(
            summary=text_of(envelope.get("summary")),
            experience_level=level_of(envelope.get("experience_level")),
            late_questions=tuple(late),
            recommendations=tuple(map(without_images, texts_of(envelope.get("recommendations")))),
        )

    @property
    def summary(self) -> str:
        """The sentence to the candidate that precedes the questions, or an empty string."""
        return text_of(self._envelope().get("summary"))

    def _spoken(self, piece: str) -> str:
        """The piece without thinking aloud, which some models put before the answer, with drafts of it inside."""
        if self._has_spoken:
            return piece
        self._thoughts += piece
        while self._is_thinking():
            closing = re.search(rf"</\s{{0,9}}{self._tag}\s{{0,9}}>", self._thoughts, re.IGNORECASE)
            if closing is None:
                self._thoughts = self._thoughts[-40:]  # The end may have begun.
                return ""
            self._thoughts, self._tag = self._thoughts[closing.end() :], ""
        if any(tag.startswith(self._thoughts[: len(tag)].lower()) for tag in _THINKING_TAGS):
            return ""  # Not yet to be told from a tag.
        self._has_spoken = True
        return self._thoughts

    def _is_thinking(self) -> bool:
        """Whether a tag is open, or opens at the start of what is held back."""
        if not self._tag:
            self._thoughts = self._thoughts.lstrip()
            if opening := _THINKING.match(self._thoughts):
                self._tag, self._thoughts = opening.group(1), self._thoughts[opening.end() :]
        return bool(self._tag)

    def _follow(self, mark: str, at: int) -> None:
        if mark[0] == "\\":
            return
        if mark == '"':
            # Outside the JSON, a quote is prose.
            if self._is_in_string:
                self._take_string(at)
            else:
                self._is_item = self.text[self._mark_at + 1 : at].strip() in {"", ","}
            self._is_in_string = not self._is_in_string and bool(self._open)
        elif self._is_in_string:
            return
        elif mark in "{[":
            self._open_at(mark, at)
        elif mark == "]" or self._list_end >= 0 or not self._open or self._open[-1] != self._list_start:
            self._close("{" if mark == "}" else "[", at)  # Any other is a brace too many among the questions.
        self._mark_at = at

    def _take_string(self, at: int) -> None:
        """The string that ends here, if it is an item of the list and asks something."""
        if self._is_item and not self._has_objects and self._open[-1] == self._list_start:
            text = json_value(self.text[self._mark_at : at + 1])
            if isinstance(text, str) and is_whole_question(text.strip()):
                self._add([QuestionContent(text=text)], first=self._items)
                self._read_end = at
            self._items += 1

    def _open_at(self, mark: str, at: int) -> None:
        between = self.text[self._mark_at + 1 : at]
        if mark == "[" and self._open and self._may_begin_list() and _LIST_KEY.search(self.text, max(at - 40, 0), at):
            if self.questions and self._first_list is None:
                self._first_list = (self._start, self._list_start, self._list_end)
            self._start, self._list_start, self._list_end = self._open[-1], at, -1
            self._has_objects = False
        elif mark == "{" and self._list_start in self._open[-2:-1] and between.rstrip().endswith(","):
            self._open.pop()  # The question before was never closed.
            self._items += 1
        self._has_objects |= mark == "{" and self._open[-1:] == [self._list_start]
        if len(self._open) < MAX_DEPTH:
            self._open.append(at)

    def _may_begin_list(self) -> bool:
        """Once there are questions, only the list of a further document brings more."""
        if self._list_start >= 0 and self._list_end < 0:
            return False
        return not self.questions or (len(self._open) == 1 and self._open[0] > self._list_end)

    def _close(self, opening: str, at: int) -> None:
        """Close the innermost bracket of this kind, and what was left open inside it."""
        if not any(self.text[start] == opening for start in self._open):
            return
        is_closed = False
        while not is_closed:
            start = self._open.pop()
            is_closed = self.text[start] == opening
            if start == self._list_start:
                self._list_end = at
        self._closed.append((start, at, self._open[-1] if self._open else -1))
        if opening == "{" and self._open and self._open[-1] == self._list_start:
            questions = self._valid([self._mender.value(self.text[start : at + 1])])
            self._add(questions, first=self._items)
            self._items += 1
            self._read_end = at if questions else self._read_end

    def _add(self, questions: list[QuestionContent], *, first: int) -> None:
        self.questions.extend(questions)
        self.places.extend(range(first, first + len(questions)))

    def _valid(self, items: Iterable[Any]) -> list[QuestionContent]:
        questions = []
        for item in items:
            key = QuestionContent.text_key(item)
            if key is None:
                continue
            try:
                content = QuestionContent.model_validate(_unwrapped(item, key))
            except ValidationError:
                continue
            if not _PLACEHOLDER.fullmatch(content.text) and self._text_key in {"", key}:
                questions.append(content)
                self._text_key = key
        return questions

    def _scattered(self) -> list[QuestionContent]:
        """The questions of complete objects wherever they stand: bare, in a bare list, or under another key."""
        found: list[QuestionContent] = []
        end = -1
        complete = sorted(closed for closed in self._closed if not self._is_in_cut_item(closed[0]))
        for start, last, around in complete:
            if start <= end or self.text[start] != "{" or self._is_part(start, around):
                continue
            questions = self._valid([self._mender.value(self.text[start : last + 1])])
            if questions:
                found, end = found + questions, last
        return found or [question for start, last, around in complete for question in self._texts(start, last, around)]

    def _is_in_cut_item(self, start: int) -> bool:
        """Whether what opens here is a part of the list's last item, which has no end."""
        return self._list_start in self._open[:-1] and start > self._open[self._open.index(self._list_start) + 1]

    def _texts(self, start: int, last: int, around: int) -> list[QuestionContent]:
        """The questions of a list of strings that stands by itself or under a key that says what they are."""
        is_named = _LISTS_KEY.search(self.text, max(start - 60, 0), start) is not None
        if self.text[start] != "[" or self._is_part(start, around) or not (is_named or around < 0):
            return []
        items = self._mender.value(self.text[start : last + 1])
        if not isinstance(items, list):
            return []
        return [
            QuestionContent(text=item) for item in items if isinstance(item, str) and is_whole_question(item.strip())
        ]

    def _is_part(self, start: int, around: int) -> bool:
        """Whether what opens here is a part of a question, or of the plan, to go by its key or that of its list."""
        ends = [start, around] if around >= 0 and self.text[around] == "[" else [start]
        return any(_PART_KEY.search(self.text, max(end - 60, 0), end) for end in ends)

    def _reread(self) -> list[QuestionContent]:
        """The questions of an answer that is escaped as a whole, or follows thoughts whose beginning is missing."""
        for text in other_readings(self.text):
            reader = QuestionReader()
            reader.feed(text)
            if found := reader.questions or reader._scattered():
                self._inner = reader
                return found
        return []

    def _envelope(self) -> dict[str, Any]:
        """The object that holds the list, without the list's items."""
        if self._inner:
            return self._inner._envelope()
        start, list_start, list_end = self._first_list or (self._start, self._list_start, self._list_end)
        if list_start < 0:
            opening = _OBJECT.search(self.text)
            text = self.text[opening.start() :] if opening else ""
        else:
            text = self.text[start : list_start + 1] + (self.text[list_end:] if list_end >= 0 else "")
        document = json_value(text, is_partial=True)
        return document if isinstance(document, dict) else {}


_LIST_KEY = re.compile(r'"(?:interview[ _]?)?questions"\s*:\s*$', re.IGNORECASE)
_LISTS_KEY = re.compile(r"questions?[\"'\u201d]?\s*:\s*$", re.IGNORECASE)
_PART_KEY = re.compile(
    r"(?<!\w)(?:follow[\w -]*|hints?|case|[\w ]*criteria|coverage[\w ]*|recommendations|[\w ]*framework)"
    r"(?:\s*[^\w\s]){0,5}\s*$",
    re.IGNORECASE,
)
"""What stands below it is a part of a question, of the plan, of the advice, or of a schema."""
_OBJECT = re.compile(r'\{\s*"')
_ECHO = re.compile(r'"text": "([^"]+)"').findall(OUTPUT_CONTRACT)
_PLACEHOLDER = re.compile("|".join([r"\.{3}", "\u2026", *map(re.escape, _ECHO)]))
"""What stands for a question where a model repeats the contract before it answers."""
_THINKING_TAGS = ("<think>", "<thinking>", "<reasoning>", "<thought>", "<reflection>")
_THINKING = re.compile(r"<(think|thinking|reasoning|thought|reflection)>", re.IGNORECASE)


def _unwrapped(item: dict[str, Any], key: str) -> dict[str, Any]:
    """The question in an object such as `{"question": {"text": "Why?"}}`; empty for a schema, or a list, of them.

    `key` is the one under which it has its text. What else it has may repeat that text.
    """
    match item[key]:
        case dict(inner):
            return item | inner if isinstance(inner.get("text", inner.get("question")), str) else {}
        case [_, _, *_]:
            return {}
    return item
