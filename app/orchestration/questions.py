"""Questions as values, and the reader that turns a technique's streamed text into them while it is still talking."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from math import isnan
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

MAX_QUESTIONS = 20
"""In one set."""


class ExperienceLevel(StrEnum):
    """Scope x ambiguity x autonomy x influence, from least to most."""

    JUNIOR = "junior"
    MID = "mid"
    SENIOR = "senior"
    LEAD = "lead"


class Difficulty(StrEnum):
    """How hard a question is for its level."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


def _text(value: Any) -> str:
    """Models write null or a list where one text is asked for."""
    return value.strip() if isinstance(value, str) else " ".join(_texts(value))


def _texts(value: Any) -> list[str]:
    """Models write a lone string where a list is asked for, and empty strings as filler."""
    items = [value] if isinstance(value, str) else value
    return [item.strip() for item in items if isinstance(item, str) and item.strip()] if isinstance(items, list) else []


def _minutes(value: Any) -> int:
    """`15`, `"15"` and `"10-15 minutes"` are all minutes; the last number counts."""
    if isinstance(value, str):
        numbers = re.findall(r"\d{1,3}", value)
        value = int(numbers[-1]) if numbers else 5
    return int(min(max(value, 1), 120)) if isinstance(value, int | float) and not isnan(value) else 5


def _difficulty(value: Any) -> Difficulty:
    word = value.strip().lower() if isinstance(value, str) else ""
    return Difficulty(word) if word in set(Difficulty) else Difficulty.MEDIUM


def _level(value: Any) -> ExperienceLevel | None:
    word = _text(value).lower()
    return ExperienceLevel(word) if word in set(ExperienceLevel) else None


def _category(value: Any) -> str:
    return _text(value) or "general"


def _optional_text(value: Any) -> str | None:
    return _text(value) or None


def _case(value: Any) -> Any:
    """Outside case studies, models fill the key with null, an empty object or "n/a"."""
    return value if isinstance(value, Case | dict) and value else None


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[list[str], BeforeValidator(_texts)]


class Case(BaseModel):
    """What a case study gives the candidate beside its primary question."""

    scenario: Annotated[Text, Field(examples=["A bakery chain with 40 shops loses lunch sales."])] = ""
    data: Annotated[Texts, Field(examples=[["Visitors are flat; lunch sales fell by 20 %."]])] = []
    expected_approach: Annotated[Texts, Field(examples=[["Split sales into visits, conversion and basket."]])] = []


class QuestionContent(BaseModel):
    """One question as a technique wrote it. Tolerant of form, strict about there being a question."""

    model_config = ConfigDict(extra="ignore")

    text: Annotated[Text, Field(min_length=1, description="The question itself, one ask")]
    difficulty: Annotated[Difficulty, BeforeValidator(_difficulty)] = Difficulty.MEDIUM
    category: Annotated[str, BeforeValidator(_category), Field(examples=["system_design"])] = "general"
    time_minutes: Annotated[int, BeforeValidator(_minutes), Field(description="Time to answer, in minutes")] = 5
    requirement: Annotated[
        str | None,
        BeforeValidator(_optional_text),
        Field(description="Verbatim fragment of the job description; null for a general question"),
    ] = None
    level_signal: Annotated[Text, Field(description="What tells this level from the one below")] = ""
    evaluation_criteria: Texts = []
    follow_ups: Texts = []
    hints: Annotated[Texts, Field(description="A ladder: nudge, where to look, first step")] = []
    sample_framework: Annotated[Text, Field(description="An outline with blanks, never a canned answer")] = ""
    case: Annotated[Case | None, BeforeValidator(_case)] = None


class Question(QuestionContent):
    """A question in a set. The id stays while the question stays, through every revision."""

    id: UUID
    position: Annotated[int, Field(ge=1, description="Place in the set, from 1")]


@dataclass(frozen=True)
class QuestionSet:
    """The questions of one interview type in a conversation, at one revision."""

    id: UUID
    revision: int
    interview_type: str
    technique: str
    experience_level: ExperienceLevel | None
    questions: tuple[Question, ...]
    recommendations: tuple[str, ...]


@dataclass
class QuestionReader:
    """Reads one technique output, piece by piece, in time linear in its length.

    It follows brackets and strings and looks for the list under `"questions"`. An object in it counts as soon as its
    closing brace has arrived, and is read by itself: prose and fences around the JSON, one broken question or a cut-off
    end do not cost the others. How the text is cut into pieces makes no difference.
    """

    questions: list[QuestionContent] = field(default_factory=list)
    _text: str = ""
    _seen: int = 0
    """Everything before this has been followed."""
    _open: list[int] = field(default_factory=list)
    """Where the brackets stand that are still open."""
    _is_in_string: bool = False
    _start: int = -1
    """Of the object that holds the list."""
    _list_start: int = -1
    _list_end: int = -1

    def feed(self, piece: str) -> list[QuestionContent]:
        """Take the next piece and return the questions it completed, in order."""
        self._text += piece
        known = len(self.questions)
        for mark in _MARK.finditer(self._text, self._seen):
            if mark.group() == "\\":
                self._seen = mark.start()  # What it escapes has not arrived.
                break
            self._follow(mark.group(), mark.start())
        else:
            self._seen = len(self._text)
        return self.questions[known:]

    def finish(self) -> "TechniqueOutput":
        """Read what surrounds the questions; what was cut off is left out."""
        late: list[QuestionContent] = []
        if not self.questions:
            # Asked to replace one question, models also answer with a bare object, or with a bare list.
            late = _valid_questions(_parse(f"[{self._text[self._text.find('{') : self._text.rfind('}') + 1]}]"))
            self.questions.extend(late)
        envelope = self._envelope()
        return TechniqueOutput(
            summary=_text(envelope.get("summary")),
            experience_level=_level(envelope.get("experience_level")),
            late_questions=tuple(late),
            recommendations=tuple(_texts(envelope.get("recommendations"))),
        )

    @property
    def summary(self) -> str:
        """The sentence to the candidate that precedes the questions, or an empty string."""
        return _text(self._envelope().get("summary"))

    def _follow(self, mark: str, at: int) -> None:
        if mark == '"':
            # Outside the JSON, a quote is prose.
            self._is_in_string = not self._is_in_string and bool(self._open)
        elif self._is_in_string or mark[0] == "\\":
            return
        elif mark in "{[":
            is_new_list = not self.questions and (self._list_start < 0 or self._list_end >= 0)
            if mark == "[" and is_new_list and self._open and _LIST_KEY.search(self._text, max(at - 40, 0), at):
                self._start, self._list_start, self._list_end = self._open[-1], at, -1
            if len(self._open) < MAX_DEPTH:
                self._open.append(at)
        else:
            self._close("{" if mark == "}" else "[", at)

    def _close(self, opening: str, at: int) -> None:
        """Close the innermost bracket of this kind, and what was left open inside it."""
        if not any(self._text[start] == opening for start in self._open):
            return
        is_closed = False
        while not is_closed:
            start = self._open.pop()
            is_closed = self._text[start] == opening
            if start == self._list_start:
                self._list_end = at
        if opening == "{" and self._open and self._open[-1] == self._list_start:
            self.questions.extend(_valid_questions([_parse(self._text[start : at + 1])]))

    def _envelope(self) -> dict[str, Any]:
        """The object that holds the list, without the list's items."""
        if self._list_start < 0:
            opening = _OBJECT.search(self._text)
            text = self._text[opening.start() :] if opening else ""
        else:
            rest = self._text[self._list_end :] if self._list_end >= 0 else ""
            text = self._text[self._start : self._list_start + 1] + rest
        document = _parse(text, is_partial=True)
        return document if isinstance(document, dict) else {}


@dataclass(frozen=True)
class TechniqueOutput:
    """What is left when a technique has ended: the questions not yet returned by `feed`, and the closing advice."""

    summary: str
    experience_level: ExperienceLevel | None
    """What the technique took the level to be, which nobody may have told it."""
    late_questions: tuple[QuestionContent, ...]
    recommendations: tuple[str, ...]


MAX_DEPTH = 40
"""A technique's output is six levels deep; brackets below this are garbage."""

_MARK = re.compile(r'\\.?|["{}\[\]]', re.DOTALL)
_LIST_KEY = re.compile(r'"questions"\s*:\s*$')
_OBJECT = re.compile(r'\{\s*"')

_HEX = "[0-9a-fA-F]"
_FLAW = re.compile(
    rf"""(\\["\\/bfnrt]|\\u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}}|\\u(?!0000|[dD][89a-fA-F]){_HEX}{{4}})"""
    rf"|\\u{_HEX}{{4}}|\\|[\x00-\x1f]"
)
"""An escape that JSON and PostgreSQL take, as a group; or else one of NUL or half a surrogate pair, a backslash that
escapes nothing, a raw control character."""


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


def _parse(text: str, *, is_partial: bool = False) -> Any:
    """The JSON value that `text` is, or None. Of a partial one, what is complete; of any, only what can be stored."""
    try:
        return from_json(_FLAW.sub(_mended, storable(text)), allow_partial=is_partial)
    except ValueError:
        return None


def _valid_questions(items: Any) -> list[QuestionContent]:
    questions = []
    for item in items if isinstance(items, list) else []:
        try:
            questions.append(QuestionContent.model_validate(item))
        except ValidationError:
            continue
    return questions


def verbatim(requirement: str | None, job_description: str | None) -> str | None:
    """Return the requirement only if it really stands in the job description, white space aside."""
    if not requirement or not job_description:
        return None
    found = re.search(r"\s+".join(re.escape(word) for word in requirement.split()), job_description)
    return found.group(0) if found else None
