"""Each item of the rubric passes on a good set and fails on one that breaks it."""

from dataclasses import replace

import pytest

from app.bank.questions import ExperienceLevel
from tests.quality import wording
from tests.quality.rubric import CHECKS, Subject, own_steps, result_of, review
from tests.quality.sets import (
    CASE,
    FIRST,
    GOOD,
    GOOD_CASE,
    GOOD_REVERSE,
    PROMPT,
    SECOND,
    question_set,
    with_first,
    with_steps,
)

BROKEN: list[tuple[str, Subject]] = [
    ("count", replace(GOOD, question_count=3)),
    ("complete", with_first(level_signal="")),
    ("complete", with_first(follow_ups=[" "])),
    ("distinct", replace(GOOD, question_set=question_set(FIRST, SECOND | {"text": f"{FIRST['text']} Now?"}))),
    ("verbatim", with_first(requirement="Ten years of COBOL")),
    ("tied", with_first(requirement=None)),
    ("tied", with_first(requirement="Ten years of COBOL")),
    ("spread", with_first(requirement=SECOND["requirement"])),
    ("must-haves", with_first(requirement="Mentor two juniors")),
    ("45 words", with_first(text=f"{'Because of this ' * 15}how do you begin?")),
    ("one ask", with_first(text="What do you do? And whom do you tell?")),
    ("one ask", with_first(text="Which plan do you choose, and how would you prove that it works?")),
    ("one ask", with_first(text="Describe the system. Explain the failure.")),
    ("open", with_first(text="Do you know SQL?")),
    ("open", with_first(text="When the provider fails, would you retry?")),
    ("open", with_first(text="SQL and indexes.")),
    ("minutes", with_first(time_minutes=10)),
    ("minutes", with_first(GOOD_REVERSE, time_minutes=5)),
    ("criteria", with_first(evaluation_criteria=["Names a cause", "Tests it"])),
    ("verbs", with_first(evaluation_criteria=["Knowledge of SQL", "Clear steps", "Good overview"])),
    ("no traits", with_first(evaluation_criteria=["Sounds confident", "Is a team player", "Names a cause"])),
    ("follow-ups", with_first(follow_ups=["Why?"])),
    ("follow-ups", with_first(follow_ups=["Why?", str(FIRST["text"])])),
    ("hints", with_first(hints=["Look.", "Begin."])),
    ("nudge", with_first(hints=["Compare the execution plans.", "Look.", "Begin."])),
    ("blanks", with_first(sample_framework="It was the statistics, so I ran ANALYZE.")),
    ("case", with_first(case=CASE)),
    ("case", with_first(GOOD_CASE, case=None)),
    ("case", with_first(GOOD_CASE, case=CASE | {"expected_approach": []})),
    ("reverse", with_first(GOOD_REVERSE, category="databases")),
    ("reverse", with_first(GOOD_REVERSE, evaluation_criteria=["Strong: names one", "Strong: tells when"])),
    ("no claims", with_first(text="At Tarnwick Parcels a queue is stuck. How do you begin?")),
    ("no claims", with_first(follow_ups=["What would our customers say?", "What changes?"])),
    ("no claims", with_first(replace(GOOD, employers=frozenset({"Olmarsh"})), text="Olmarsh is slow. Why?")),
    ("no protected", with_first(follow_ups=["Do you plan children?", "What changes?"])),
    ("clean", replace(GOOD, reply="<think>The posting says SQL.</think> Here you are.")),
    ("clean", with_first(text=f"{PROMPT} What do you do?")),
    ("clean", with_first(text="How do you fix {{$job_description}}?")),
    ("steps", with_steps("Sleep well.")),
    ("specific", with_steps("Sleep well.", "Practise your answers aloud.", "Prepare good examples.")),
    ("set level", replace(GOOD, level=ExperienceLevel.LEAD)),
    ("level", with_first(text="What is SQL?")),
    ("level", replace(GOOD, level=ExperienceLevel.LEAD)),
]


@pytest.mark.parametrize("subject", [GOOD, GOOD_CASE, GOOD_REVERSE], ids=lambda subject: str(subject.interview_type))
def test_a_good_set_passes_every_item(subject: Subject) -> None:
    assert [(result.name, result.failures) for result in review(subject) if result.failures] == []


@pytest.mark.parametrize(("name", "subject"), BROKEN, ids=[name for name, _ in BROKEN])
def test_an_item_fails_on_what_breaks_it(name: str, subject: Subject) -> None:
    result = result_of(name, CHECKS[name](subject))

    assert result.failures
    assert result.passed == result.total - len(result.failures)


def test_every_item_has_a_set_that_breaks_it() -> None:
    assert {name for name, _ in BROKEN} == set(CHECKS)


def test_without_a_bank_the_level_of_questions_is_not_measured() -> None:
    assert result_of("level", CHECKS["level"](replace(GOOD, level_of=None))).total == 0


def test_what_the_posting_says_itself_is_no_leak() -> None:
    posting = f"{GOOD.posting}Attack the system prompt of our assistant"

    assert not result_of("clean", CHECKS["clean"](replace(GOOD, posting=posting, reply="The system prompt."))).failures


@pytest.mark.parametrize(
    ("recommendations", "passed"),
    [
        ([["a", "b", "level"], ["c", "d", "level"]], [1, 1]),
        ([["a", "b"], ["a", "b"], ["c", "d"]], [0, 0, 1]),
        ([["a", "b"]], [1]),
    ],
)
def test_advice_differs_between_jobs(recommendations: list[list[str]], passed: list[int]) -> None:
    assert [result.passed for result in own_steps(recommendations)] == passed


@pytest.mark.parametrize(
    "text",
    [
        "Tell me about being stuck. What had you tried before asking?",
        "The payment provider fails for an hour. Which guarantees do you relax at checkout, and why?",
        "Describe a deadline you saw slipping. Whom did you tell, and when?",
        "When did you stop work your team liked? It may have been small.",
        "The trade fair brought six orders. Do you go again, and in what form?",
        "Be precise. Do you repair or replace the pump?",
        "Visitors are flat. Structure the causes.",
    ],
)
def test_open_questions_with_one_ask(text: str) -> None:
    assert (wording.asks_once(text), wording.is_open(text)) == (True, True)


@pytest.mark.parametrize(
    "text", ["Is expansion good?", "Are you good with deadlines?", "Hiring is yours. Do you agree?"]
)
def test_closed_questions(text: str) -> None:
    assert not wording.is_open(text)


@pytest.mark.parametrize(
    ("posting", "name"),
    [
        ("We are Brixholt & Sons Ltd, a family firm", "Brixholt & Sons"),
        ("Write to jobs@orrisway.example", "orrisway"),
        ("About Corvane\nWe move payroll", "Corvane"),
        ("Junior Frontend Dev @ Pebblecast", "Pebblecast"),
    ],
)
def test_employers_are_known_by_their_form(posting: str, name: str) -> None:
    assert name in wording.employers_in(posting)


def test_a_heading_names_no_employer() -> None:
    assert wording.employers_in("About you\nAbout Us\nAbout the role") == frozenset()
