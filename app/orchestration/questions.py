"""Questions and question sets as values, and when two questions are the same."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from rapidfuzz import fuzz, process, utils

from app.bank.questions import Difficulty, ExperienceLevel
from app.orchestration.images import without_images

MAX_QUESTIONS = 20
"""In one set."""

SAME_QUESTION = 88
"""Of 100: how alike two texts are, the order of their words aside, that ask for the same thing. "A conflict with a
peer" and "a conflict with your manager" stay two questions."""

SAME_WORDS = 60
"""Of 100: how alike the words must be that two such texts do not share, as "would" and "do" around one question."""

COPIED_WORDS = 8
"""So many words in a row that also stand in an example were copied from it."""


def text_of(value: Any) -> str:
    """One text. Models write null, a list or an object where one is asked for."""
    if isinstance(value, dict):
        return ". ".join(f"{name}: {text}" for name, item in value.items() if (text := text_of(item)))
    return value.strip() if isinstance(value, str) else " ".join(texts_of(value))


def texts_of(value: Any) -> list[str]:
    """A list of texts. Models write a lone string, objects, and empty strings as filler."""
    items = value if isinstance(value, list) else list(value.values()) if isinstance(value, dict) else [value]
    return [text for item in items if isinstance(item, str | dict) and (text := _plain_item(item))]


def _plain_item(item: str | dict[str, Any]) -> str:
    """The text of a list's item; of an object with one text, such as `{"question": "Why?"}`, that text."""
    if isinstance(item, str):
        return item.strip()
    texts = [value.strip() for value in item.values() if isinstance(value, str) and value.strip()]
    return texts[0] if len(texts) == 1 else text_of(item)


def level_of(value: Any) -> ExperienceLevel | None:
    """The level that is named, also in "senior level" or "Mid-level."; None where none is, or more than one."""
    named = set(re.findall(rf"\b({'|'.join(ExperienceLevel)})\b", text_of(value).lower()))
    return ExperienceLevel(named.pop()) if len(named) == 1 else None


def _minutes(value: Any) -> int:
    """`15`, `"15"`, `"10-15 minutes"` and `"1 hour"` are all minutes; the last number counts."""
    if isinstance(value, str):
        numbers = re.findall(r"(\d{1,3})\s*(h(?:ou)?rs?\b|h\b)?", value.lower())
        value = int(numbers[-1][0]) * (60 if numbers[-1][1] else 1) if numbers else 5
    return int(min(max(value, 1), 120)) if isinstance(value, int | float) and not isnan(value) else 5


def _difficulty(value: Any) -> Difficulty:
    word = value.strip().lower() if isinstance(value, str) else ""
    return Difficulty(word) if word in set(Difficulty) else Difficulty.MEDIUM


def _category(value: Any) -> str:
    return without_images(text_of(value)) or "general"


def _optional_text(value: Any) -> str | None:
    return without_images(text_of(value)) or None


def _case(value: Any) -> Any:
    """Outside case studies, models fill the key with null, "n/a", an empty object or one of empty values."""
    if isinstance(value, dict):
        return value if any(texts_of(item) for item in value.values()) else None
    return value if isinstance(value, Case) else None


TEXT_CHARACTERS, TEXTS = 5_000, 20
"""More of one text or list than that is a model that runs away."""


def _text(value: Any) -> str:
    return without_images(text_of(value)[:TEXT_CHARACTERS])


def _texts(value: Any) -> list[str]:
    return [without_images(text[:TEXT_CHARACTERS]) for text in texts_of(value)[:TEXTS]]


Text = Annotated[str, BeforeValidator(_text)]
Texts = Annotated[list[str], BeforeValidator(_texts)]


class Case(BaseModel):
    """What a case study gives the candidate beside its primary question."""

    scenario: Annotated[Text, Field(examples=["A bakery chain with 40 shops loses lunch sales."])] = ""
    data: Annotated[Texts, Field(examples=[["Visitors are flat; lunch sales fell by 20 %."]])] = []
    expected_approach: Annotated[Texts, Field(examples=[["Split sales into visits, conversion and basket."]])] = []


OTHER_KEYS = {
    "text": ("question", "questiontext", "primaryquestion", "prompt"),
    "time_minutes": ("time", "minutes", "estimatedtime", "duration", "timeinminutes"),
    "evaluation_criteria": ("criteria", "evaluation", "assessmentcriteria", "whattolookfor"),
    "follow_ups": ("followup", "followupquestions"),
    "hints": ("hint",),
    "sample_framework": ("framework", "answerframework", "answeroutline", "sampleanswerframework"),
    "requirement": ("jobrequirement", "source"),
    "level_signal": ("signal",),
    "category": ("topic", "competency"),
}
"""How models call a key when they forget the contract, in lower case without signs."""


def _keys(value: dict[str, Any]) -> dict[str, str]:
    """Under which of its keys a question has what the contract calls by each name."""
    plain = {re.sub(r"[^a-z]", "", key.lower()): key for key in value}
    found = {}
    for name, others in OTHER_KEYS.items():
        written = (plain[other] for other in (name.replace("_", ""), *others) if other in plain)
        if (key := name if name in value else next(written, None)) is not None:
            found[name] = key
    return found


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

    @model_validator(mode="before")
    @classmethod
    def _with_contract_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return value | {name: value[key] for name, key in _keys(value).items()}

    @classmethod
    def text_key(cls, value: Any) -> str | None:
        """The key under which the question stands in what a model wrote, or None."""
        return _keys(value).get("text") if isinstance(value, dict) else None

    @classmethod
    def text_in(cls, value: Any) -> str:
        """The question in what a model wrote, or an empty string."""
        key = cls.text_key(value)
        return text_of(value[key]) if key is not None else ""

    @property
    def gaps(self) -> tuple[str, ...]:
        """The fields a candidate needs and the technique left empty."""
        needed = ("level_signal", "evaluation_criteria", "follow_ups", "hints", "sample_framework")
        return tuple(name for name in needed if not getattr(self, name))


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


_QUOTES, _DASHES = "'\"`\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u00b4", "-\u2010\u2011\u2012\u2013\u2014"
_FORMS = {sign: f"[{re.escape(signs)}]" for signs in (_QUOTES, _DASHES) for sign in signs}
"""What stands for a quote or a dash: all the forms it is written in."""


def verbatim(requirement: str | None, job_description: str | None) -> str | None:
    """Return the fragment of the job description that the requirement is, as it stands there; else None.

    White space, case and the form of quotes and dashes do not count.
    """
    if not requirement or not job_description:
        return None
    words = ["".join(_FORMS.get(sign) or re.escape(sign) for sign in word) for word in requirement.split()]
    found = re.search(r"\s+".join(words), job_description, re.IGNORECASE)
    return found.group(0) if found else None


def is_asked_in(text: str, others: Iterable[str]) -> bool:
    """Whether one of the other texts asks for the same thing."""
    alike = process.extract(
        text,
        others,
        scorer=fuzz.token_sort_ratio,
        processor=utils.default_process,
        score_cutoff=SAME_QUESTION,
        limit=None,
    )
    return any(not _turns_on_a_word(text, other) for other, *_ in alike)


def _turns_on_a_word(text: str, other: str) -> bool:
    """Whether the words that only one of two texts has mean something else: "roll out" and "roll back"."""
    mine, theirs = (set(utils.default_process(each).split()) for each in (text, other))
    only_mine, only_theirs = (
        " ".join(sorted(word for word in words if len(word) > 2)) for words in (mine - theirs, theirs - mine)
    )
    return bool(only_mine and only_theirs) and fuzz.ratio(only_mine, only_theirs) < SAME_WORDS


def is_same_text(text: str, others: Iterable[str]) -> bool:
    """Whether the text is one of the others, case and signs aside."""
    words = utils.default_process(text).split()
    return any(words == utils.default_process(other).split() for other in others)


def is_form_of(text: str, others: Iterable[str]) -> bool:
    """Whether the text is one of the others with something added or taken away."""
    return (
        process.extractOne(
            text, others, scorer=fuzz.token_set_ratio, processor=utils.default_process, score_cutoff=SAME_QUESTION
        )
        is not None
    )


def is_copied_from(text: str, examples: Iterable[str]) -> bool:
    """Whether a run of `COPIED_WORDS` words stands in one of the examples too."""
    words = utils.default_process(text).split()
    runs = [f" {' '.join(words[start : start + COPIED_WORDS])} " for start in range(len(words) - COPIED_WORDS + 1)]
    plain = [f" {' '.join(utils.default_process(example).split())} " for example in examples]
    return any(run in example for run in runs for example in plain)
