"""Questions as values, and the reader that turns a technique's streamed text into them while it is still talking."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json


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


def _text(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _texts(value: Any) -> Any:
    """Models write a lone string where a list is asked for, and empty strings as filler."""
    items = [value] if isinstance(value, str) else value
    return [item.strip() for item in items if isinstance(item, str) and item.strip()] if isinstance(items, list) else []


def _minutes(value: Any) -> Any:
    """`15`, `"15"` and `"10-15 minutes"` are all minutes; the last number counts."""
    if isinstance(value, str):
        numbers = re.findall(r"\d{1,3}", value)
        value = int(numbers[-1]) if numbers else 5
    return min(max(int(value), 1), 120) if isinstance(value, int | float) else 5


def _difficulty(value: Any) -> Any:
    return value.lower() if isinstance(value, str) and value.lower() in set(Difficulty) else Difficulty.MEDIUM


def _optional_text(value: Any) -> Any:
    return value.strip() or None if isinstance(value, str) else None


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
    category: Annotated[Text, Field(examples=["system_design"])] = "general"
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
    case: Case | None = None


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
    """Reads one technique output, piece by piece.

    Text before the JSON and code fences around it are skipped. A question counts as soon as its closing brace has
    arrived: the text so far, closed with `]}`, must then be valid JSON.
    """

    _text: str = ""
    _start: int = -1
    questions: list[QuestionContent] = field(default_factory=list)

    def feed(self, piece: str) -> list[QuestionContent]:
        """Take the next piece and return the questions it completed, in order."""
        self._text += piece
        if self._start < 0:
            self._start = self._text.find("{")
        if self._start < 0 or "}" not in piece:
            return []
        end = self._text.rfind("}") + 1
        return self._new_questions(_parse(self._text[self._start : end] + "]}"))

    def finish(self) -> "TechniqueOutput":
        """Read what is there as a whole; what was cut off is left out."""
        body = self._text[max(self._start, 0) :]
        document = _parse(body[: body.rfind("}") + 1]) or _parse(body, is_partial=True)
        late = self._new_questions(_parse(body[: body.rfind("}") + 1]))
        return TechniqueOutput(self.summary, tuple(late), tuple(_texts(document.get("recommendations", []))))

    @property
    def summary(self) -> str:
        """The sentence to the candidate that precedes the questions, or an empty string."""
        body = self._text[max(self._start, 0) :]
        document = _parse(body[: body.rfind("}") + 1]) or _parse(body, is_partial=True)
        value = document.get("summary", "")
        return value.strip() if isinstance(value, str) else ""

    def _new_questions(self, document: dict[str, Any]) -> list[QuestionContent]:
        items = document.get("questions")
        fresh = _valid_questions(items if isinstance(items, list) else [])[len(self.questions) :]
        self.questions.extend(fresh)
        return fresh


@dataclass(frozen=True)
class TechniqueOutput:
    """What is left when a technique has ended: the questions not yet returned by `feed`, and the closing advice."""

    summary: str
    late_questions: tuple[QuestionContent, ...]
    recommendations: tuple[str, ...]


def _parse(text: str, *, is_partial: bool = False) -> dict[str, Any]:
    """The JSON object that `text` is, or an empty one. A partial object keeps only what is complete."""
    try:
        document = from_json(text, allow_partial=is_partial)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _valid_questions(items: Sequence[Any]) -> list[QuestionContent]:
    questions = []
    for item in items:
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
