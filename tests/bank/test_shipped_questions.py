"""The shipped question bank, item by item: complete, balanced, and nothing in it twice."""

import re
from collections import Counter

import pytest
from rapidfuzz import fuzz

from app.bank.questions import BankQuestion, Difficulty, ExperienceLevel, QuestionBank
from app.bank.skills import SkillFinder
from tests.conftest import shipped_plugins

TYPES = ("behavioral", "case_study", "reverse", "technical")
FIELDS = (
    *("software", "data", "product", "design", "marketing", "sales"),
    *("finance", "operations", "hr", "healthcare", "education", "support"),
)
MINUTES = {
    "behavioral": [(2, 5)],
    "case_study": [(8, 12), (20, 30)],
    "reverse": [(1, 2)],
    "technical": [(3, 5), (15, 25), (35, 45)],
}
REVERSE_CATEGORIES = {"role", "team", "growth", "culture", "technology", "balance"}
QUESTIONS_PER_LEVEL = 40
NEAR_DUPLICATE = 80
TRAITS = re.compile(r"\b(?:confident|passionate|enthusiastic|culture fit|likeable|natural leader)\b", re.IGNORECASE)
PROTECTED = re.compile(
    r"\b(?:pregnan\w+|married|religio\w+|ethnic\w*|nationality|disab\w+|your (?:age|health|family|children|origin))\b",
    re.IGNORECASE,
)


def shipped_bank() -> QuestionBank:
    return shipped_plugins().bank


def gaps_of(interview_type: str, question: BankQuestion) -> list[str]:
    """What the question lacks of a good one, in words."""
    said = " ".join([*question.evaluation_criteria, question.level_signal])
    is_ok = {
        "text of at most 45 words": len(question.text.split()) <= 45,
        "one ask": question.text.count("?") <= 1,
        "text that ends": question.text.rstrip("'\"")[-1] in "?.",
        "twist of at most 20 words": len(question.twist.split()) <= 20 and question.twist[-1] in ".?!",
        "minutes of its type": any(low <= question.time_minutes <= high for low, high in MINUTES[interview_type]),
        "3 to 5 criteria": 3 <= len(question.evaluation_criteria) <= 5,
        "2 or 3 follow-ups": 2 <= len(question.follow_ups) <= 3,
        "3 hints": len(question.hints) == 3,
        "blanks in the framework": "__" in question.sample_framework,
        "level signal of a sentence": len(question.level_signal.split()) >= 8,
        "category in snake case": re.fullmatch(r"[a-z][a-z0-9_]*", question.category) is not None,
        "known fields": set(question.fields) <= set(FIELDS),
        "lower-case skills": all(skill == skill.lower() for skill in question.skills),
        "a case, if and only if it is one": (question.case is not None) == (interview_type == "case_study"),
        "a withheld fact": question.case is None or "withheld" in " ".join(question.case.expected_approach).lower(),
        "a first hint that gives no criterion away": not _gives_away(question),
        "no trait": not TRAITS.search(said),
        "no protected topic": not PROTECTED.search(f"{question.text} {said}"),
    }
    if interview_type == "reverse":
        is_ok["one of the six categories"] = question.category in REVERSE_CATEGORIES
        is_ok["strong and worrying replies"] = {c.partition(":")[0] for c in question.evaluation_criteria} == {
            *("Strong", "Worrying")
        }
    return [name for name, holds in is_ok.items() if not holds]


def _gives_away(question: BankQuestion) -> bool:
    """Whether the nudge holds a run of four words of a criterion."""
    nudge = f" {' '.join(re.findall(r'[a-z0-9]+', question.hints[0].lower()))} "
    return any(
        f" {' '.join(words[start : start + 4])} " in nudge
        for words in (re.findall(r"[a-z0-9]+", text.lower()) for text in question.evaluation_criteria)
        for start in range(len(words) - 3)
    )


@pytest.mark.parametrize("interview_type", TYPES)
def test_every_question_is_complete(interview_type: str) -> None:
    gaps = {question.id: gaps_of(interview_type, question) for question in shipped_bank().of_type(interview_type)}
    assert {name: found for name, found in gaps.items() if found} == {}


@pytest.mark.parametrize("interview_type", TYPES)
def test_ids_say_type_and_level(interview_type: str) -> None:
    for question in shipped_bank().of_type(interview_type):
        assert re.fullmatch(rf"{interview_type}-{question.level}-\d{{2,3}}", question.id), question.id


@pytest.mark.parametrize("level", ExperienceLevel)
@pytest.mark.parametrize("interview_type", TYPES)
def test_every_level_has_its_share(interview_type: str, level: ExperienceLevel) -> None:
    questions = shipped_bank().at_level(interview_type, level)
    assert len(questions) >= QUESTIONS_PER_LEVEL
    assert sum(question.is_general for question in questions) >= 4
    difficulties = Counter(question.difficulty for question in questions)
    assert min(difficulties[difficulty] for difficulty in Difficulty) >= len(questions) // 6


@pytest.mark.parametrize("level", ExperienceLevel)
@pytest.mark.parametrize("interview_type", TYPES)
def test_every_field_has_its_questions(interview_type: str, level: ExperienceLevel) -> None:
    questions = shipped_bank().at_level(interview_type, level)
    by_field = Counter(field for question in questions for field in question.fields)
    least = 4 if interview_type == "technical" else 2
    assert {field: by_field[field] for field in FIELDS if by_field[field] < least} == {}


def test_nothing_is_asked_twice() -> None:
    questions = [q for interview_type in TYPES for q in shipped_bank().of_type(interview_type)]
    twins = [
        (first.id, second.id)
        for index, first in enumerate(questions)
        for second in questions[:index]
        if fuzz.token_set_ratio(first.text, second.text, score_cutoff=NEAR_DUPLICATE)
        and fuzz.token_sort_ratio(first.text, second.text) >= NEAR_DUPLICATE
    ]
    assert twins == []


@pytest.mark.parametrize(
    "request_text",
    [
        "Prepare me for the technical interview next week, please",
        "I have interviews for a senior role on Tuesday; give me five hard questions",
        "Another set of questions for this job: I am a lead, and my team is new to me",
        "behavioral questions, a case study, and what to ask the employer",
    ],
)
def test_what_everybody_says_is_no_skill(request_text: str) -> None:
    """A skill called `interviews` would make every request ask for recruiting."""
    finder = SkillFinder(shipped_bank().skill_names())

    assert [mention.skill for mention in finder.find(request_text, is_request=True)] == []
