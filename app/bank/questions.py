"""The built-in question bank: `questions/<level>.yaml` of each interview type, read once and checked item by item."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from app.core.errors import CatalogError
from app.core.yaml_text import parsed_yaml

BANK_FOLDER = "questions"

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ExperienceLevel(StrEnum):
    """Scope x ambiguity x autonomy x influence, from least to most."""

    JUNIOR = "junior"
    MID = "mid"
    SENIOR = "senior"
    LEAD = "lead"

    def stepped(self, steps: int) -> "ExperienceLevel":
        """The level that many steps up or down, held at the ends."""
        ladder = list(ExperienceLevel)
        return ladder[min(max(ladder.index(self) + steps, 0), len(ladder) - 1)]

    def distance(self, other: "ExperienceLevel") -> int:
        """How many steps lie between the two."""
        ladder = list(ExperienceLevel)
        return abs(ladder.index(self) - ladder.index(other))


class Difficulty(StrEnum):
    """How hard a question is for its level."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"

    @property
    def rank(self) -> int:
        """0 for easy, 2 for hard."""
        return list(Difficulty).index(self)

    @property
    def harder(self) -> "Difficulty":
        """One step up, hard at most."""
        return list(Difficulty)[min(self.rank + 1, 2)]


class BankCase(BaseModel):
    """What a case study hands out beside its primary question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scenario: Text
    data: tuple[Text, ...]
    expected_approach: tuple[Text, ...]


class BankQuestion(BaseModel):
    """One question as written for the bank. Empty `skills` and `fields` mean any job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text
    level: ExperienceLevel
    text: Text
    twist: Text
    """A constraint that makes this very question harder when appended."""
    difficulty: Difficulty
    category: Text
    skills: tuple[Text, ...]
    fields: tuple[Text, ...]
    time_minutes: Annotated[int, Field(ge=1, le=120)]
    level_signal: Text
    evaluation_criteria: Annotated[tuple[Text, ...], Field(min_length=1)]
    follow_ups: Annotated[tuple[Text, ...], Field(min_length=1)]
    hints: Annotated[tuple[Text, ...], Field(min_length=1)]
    sample_framework: Text
    case: BankCase | None = None

    @property
    def is_general(self) -> bool:
        """Whether the question fits any job."""
        return not self.skills and not self.fields


@dataclass(frozen=True)
class QuestionBank:
    """All questions by interview type, in the order of their files."""

    by_type: Mapping[str, tuple[BankQuestion, ...]]

    @classmethod
    def load(cls, plugins_dir: Path) -> "QuestionBank":
        """Read every `<type>/questions/<level>.yaml` below `plugins_dir`. A type without any has no own questions.

        Raises:
            CatalogError: a file is broken; names the file and the item.
        """
        folders = sorted(plugins_dir.glob(f"*/{BANK_FOLDER}"))
        return cls({folder.parent.name: _read_type(folder) for folder in folders if folder.is_dir()})

    def of_type(self, interview_type: str) -> tuple[BankQuestion, ...]:
        """The questions of one type; empty where the type brings none."""
        return self.by_type.get(interview_type, ())

    def at_level(self, interview_type: str, level: ExperienceLevel) -> tuple[BankQuestion, ...]:
        """The questions of one type and level."""
        return tuple(question for question in self.of_type(interview_type) if question.level is level)

    def general_of_others(self, interview_type: str) -> tuple[BankQuestion, ...]:
        """Questions of the other types that fit any job: what a type without a bank borrows."""
        return tuple(
            question
            for other, questions in self.by_type.items()
            if other != interview_type
            for question in questions
            if question.is_general
        )

    def skill_names(self) -> frozenset[str]:
        """Every skill a question names."""
        return frozenset(skill for question in self._all() for skill in question.skills)

    def categories(self) -> frozenset[str]:
        """Every category there is."""
        return frozenset(question.category for question in self._all())

    def _all(self) -> Iterator[BankQuestion]:
        for questions in self.by_type.values():
            yield from questions


def _read_type(folder: Path) -> tuple[BankQuestion, ...]:
    """The questions of a type, its levels in the order of the ladder."""
    for path in sorted(folder.glob("*.y*ml")):
        if path.name not in {f"{level}.yaml" for level in ExperienceLevel}:
            raise CatalogError(
                f"{path}: the name says the level, so it must be one of {', '.join(ExperienceLevel)} and .yaml"
            )
    paths = [(folder / f"{level}.yaml", level) for level in ExperienceLevel]
    questions = tuple(question for path, level in paths if path.is_file() for question in _read(path, level))
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise CatalogError(f"{folder}: the id {question.id!r} stands twice; give each question its own")
        seen.add(question.id)
    return questions


def _read(path: Path, level: ExperienceLevel) -> tuple[BankQuestion, ...]:
    try:
        items = parsed_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path} is not valid YAML: {error}") from error
    if items is None:
        return ()
    if not isinstance(items, list):
        raise CatalogError(f"{path}: must be a list of questions")
    return tuple(_question(path, number, item, level) for number, item in enumerate(items, start=1))


def _question(path: Path, number: int, item: Any, level: ExperienceLevel) -> BankQuestion:
    if isinstance(item, dict) and "level" in item:
        raise CatalogError(f"{path}: item {number} ({item.get('id')}): the file says the level; take `level` out")
    try:
        return BankQuestion.model_validate(item | {"level": level} if isinstance(item, dict) else item)
    except ValidationError as error:
        name = item.get("id") if isinstance(item, dict) else None
        gaps = "; ".join(f"{'.'.join(map(str, gap['loc'])) or 'item'}: {gap['msg']}" for gap in error.errors())
        raise CatalogError(f"{path}: item {number} ({name or 'without id'}): {gaps}") from error
