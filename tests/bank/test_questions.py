from pathlib import Path

import pytest

from app.bank.questions import Difficulty, ExperienceLevel, QuestionBank
from app.core.errors import CatalogError
from tests.providers.offline.calls import TYPES, real_bank

ITEM = """
- id: salary-mid-01
  text: What would you answer to a low offer?
  twist: It ends today.
  difficulty: easy
  category: offers
  skills: []
  fields: []
  time_minutes: 3
  level_signal: below and above
  evaluation_criteria: [names a figure, compares two offers, states a limit]
  follow_ups: [why, what if]
  hints: [nudge, look, step]
  sample_framework: I ask for ___
"""


def write_bank(plugins: Path, text: str, interview_type: str = "salary", file: str = "mid.yaml") -> Path:
    folder = plugins / interview_type / "questions"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text, encoding="utf-8")
    return plugins


def test_reads_a_type_from_its_folder(tmp_path: Path) -> None:
    bank = QuestionBank.load(write_bank(tmp_path, ITEM))
    assert [question.id for question in bank.at_level("salary", ExperienceLevel.MID)] == ["salary-mid-01"]
    assert bank.at_level("salary", ExperienceLevel.LEAD) == ()
    assert bank.general_of_others("other") == bank.of_type("salary")


def test_a_type_without_a_file_has_no_questions(tmp_path: Path) -> None:
    (tmp_path / "salary").mkdir()
    assert QuestionBank.load(tmp_path).of_type("salary") == ()


def test_an_empty_file_holds_no_questions(tmp_path: Path) -> None:
    assert QuestionBank.load(write_bank(tmp_path, "# none yet")).of_type("salary") == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ITEM.replace("  category: offers\n", ""), r"item 1 \(salary-mid-01\): category: Field required"),
        (ITEM + "  colour: red\n", r"item 1 \(salary-mid-01\): colour"),
        (ITEM + "  level: mid\n", r"item 1 \(salary-mid-01\): the file says the level"),
        (ITEM.replace("- id: salary-mid-01\n  text", "- text"), r"item 1 \(without id\)"),
        (ITEM + ITEM, "stands twice"),
        ("- [", "not valid YAML"),
        ("a: 1", "must be a list"),
        ("- 7", r"item 1 \(without id\)"),
    ],
)
def test_a_broken_file_is_named_with_its_item(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(CatalogError, match=complaint) as caught:
        QuestionBank.load(write_bank(tmp_path, text))
    assert "salary/questions" in str(caught.value)


@pytest.mark.parametrize("interview_type", TYPES)
@pytest.mark.parametrize("level", ExperienceLevel)
def test_the_shipped_bank_has_enough_for_every_type_and_level(interview_type: str, level: ExperienceLevel) -> None:
    questions = real_bank().at_level(interview_type, level)
    assert len(questions) >= 12
    assert sum(not question.skills for question in questions) >= 4
    assert {question.difficulty for question in questions} == set(Difficulty)
