"""A set that stands: seen again, or kept where a wish cannot be met."""

from typing import Any

import pytest

from app.providers.offline.answers import SIGNATURE
from tests.providers.offline.calls import (
    POSTING,
    called,
    decide,
    history,
    question,
    real_engine,
    said,
    tools_of,
    triage,
    with_result,
)

EIGHT = {
    "interview_type": "technical",
    "revision": 1,
    "questions": [question(position) for position in range(1, 9)],
}


@pytest.mark.parametrize(
    ("message", "positions"),
    [
        ("show me the questions again", [1, 2, 3, 4, 5]),
        ("list the questions", [1, 2, 3, 4, 5]),
        ("list them", [1, 2, 3, 4, 5]),
        ("What were the questions?", [1, 2, 3, 4, 5]),
        ("give me the questions again", [1, 2, 3, 4, 5]),
        ("noch einmal anzeigen", [1, 2, 3, 4, 5]),
        ("back to technical please", [1, 2, 3, 4, 5]),
        ("question 3", [3]),
        ("Q2?", [2]),
        ("show question 3", [3]),
        ("show me 2 and 4", [2, 4]),
    ],
)
def test_questions_are_shown_word_for_word(message: str, positions: list[int]) -> None:
    text = said(decide(message, agent="technical"))
    assert text.endswith(SIGNATURE)
    assert [position for position in range(1, 6) if f"Question text {position}?" in text] == positions


@pytest.mark.parametrize(
    "message", ["show me new questions", "show me harder questions", "another set of questions", "questions about SQL"]
)
def test_other_questions_are_no_wish_to_see_these(message: str) -> None:
    assert called(decide(message, agent="technical")).name.startswith("technical-")


@pytest.mark.parametrize("message", ["what is the job again?", "what was the role", "show me the posting"])
def test_the_job_is_told_from_its_description(message: str) -> None:
    assert "Senior Backend Engineer" in said(decide(message, agent="technical", job_description=POSTING))
    assert "none given" in said(decide(message, agent="technical"))


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("remove question 9", ["has 5 questions"]),
        ("make question 0 harder", ["numbered 1 to 5"]),
        ("question 0", ["numbered 1 to 5"]),
        ("question 9", ["numbered 1 to 5"]),
        ("make questions 2 and 7 harder", ["numbered 1 to 5"]),
        ("Make Q1 easier and Q2 harder", ["One change at a time"]),
        ("replace 1 and make 3 harder", ["One change at a time"]),
        ("give me 0 questions", ["1 to 20"]),
        ("give me 50 questions", ["1 to 20"]),
        ("make question zero harder", ["numbered 1 to 5"]),
        ("explain question 3", ["Question text 3?", "Names 3"]),
        ("what does question 3 mean?", ["Question text 3?", "Names 3"]),
        ("tell me more about question 2", ["Question text 2?", "Names 2"]),
        ("what was the second question?", ["Question text 2?"]),
        ("technical please", ["still stands"]),
        ("what is SQL?", ["show me the questions"]),
        ("what does idempotent mean?", ["takes a language model"]),
        ("are these questions good?", ["show me the questions"]),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(message: str, parts: list[str]) -> None:
    text = said(decide(message, agent="technical"))
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("message", "positions"),
    [
        ("drop 2 and give me another", "2"),
        ("delete 3 and give me a new one", "3"),
        ("replace 1 and 4 with harder ones", "1,4"),
        ("give me another question for 3", "3"),
        ("3 is too hard, make it easier", "3"),
        ("Mach Frage 3 schwieriger", "3"),
        ("mach Frage 2 leichter", "2"),
    ],
)
def test_a_change_that_can_be_made_still_is(message: str, positions: str) -> None:
    assert called(decide(message, agent="technical")).arguments["positions"] == positions


@pytest.mark.parametrize(
    ("message", "count"),
    [
        ("add two more questions", "2"),
        ("give me one more", "1"),
        ("5 more", "5"),
        ("another question please", "1"),
        ("more questions", "5"),
        ("20 more questions", "15"),
        ("give me a harder one", "1"),
        ("two more like 4", "2"),
    ],
)
def test_further_questions_are_added(message: str, count: str) -> None:
    arguments = called(decide(message, agent="technical")).arguments
    assert (arguments["change"], arguments["count"], arguments["positions"]) == ("add", count, "")


@pytest.mark.parametrize(
    ("message", "tool", "positions"),
    [
        ("remove question 2", "drop", "2"),
        ("drop 1 and 5", "drop", "1,5"),
        ("keep 2 and 3", "keep", "2,3"),
        ("swap 2 and 3", "keep", "1,3,2,4,5"),
        ("start with 4", "keep", "4,1,2,3,5"),
    ],
)
def test_an_edit_names_its_positions_and_tells_what_changed(message: str, tool: str, positions: str) -> None:
    call = called(decide(message, agent="technical"))
    assert (call.name, call.arguments["positions"]) == (f"questions-{tool}", positions)
    assert call.arguments["note"]


def test_a_refused_edit_becomes_a_question() -> None:
    chat = history("drop 7", agent="technical", set_of="technical")
    refused = with_result(chat, "questions-drop", "Tell the candidate.")
    assert "Which one do you mean?" in said(real_engine().decide(refused, tools_of("technical")))
    chat = history("undo", agent="technical", set_of="technical")
    refused = with_result(chat, "questions-restore", "Not there.")
    assert "not there any more" in said(real_engine().decide(refused, tools_of("technical")))


def test_a_first_set_may_ask_for_more() -> None:
    assert called(decide("add two more questions", agent="technical", set_of=None, past=())).arguments["count"] == "2"


@pytest.mark.parametrize(
    "message", ["explain STAR", "what is STAR?", "What does STAR mean?", "what is the STAR method"]
)
def test_a_word_of_the_practice_is_explained_without_a_handoff(message: str) -> None:
    assert "Situation" in said(decide(message, agent="technical"))
    assert "Situation" in said(triage(message))


def test_star_questions_are_another_type() -> None:
    assert called(decide("now STAR questions", agent="technical")).name == "Handoff-transfer_to_behavioral"
    assert called(decide("jetzt Verhaltensfragen", agent="technical")).name == "Handoff-transfer_to_behavioral"


@pytest.mark.parametrize("message", ["back to technical please", "show me the technical questions", "technical again"])
def test_back_in_a_type_its_set_still_stands(message: str) -> None:
    options: dict[str, Any] = {
        "set_of": "behavioral",
        "other_question_sets": [{"interview_type": "technical", "questions": 4}],
    }
    assert called(decide(message, agent="behavioral", **options)).name == "Handoff-transfer_to_technical"
    chat = history(message, agent="behavioral", past=("x", "y"), **options)
    text = said(real_engine().decide(chat, tools_of("technical")))
    assert "still stands with 4 questions" in text
    assert "show me the questions" in text
    chat = history("10 new technical questions", agent="behavioral", past=("x", "y"), **options)
    assert called(real_engine().decide(chat, tools_of("technical"))).arguments["count"] == "10"


def test_a_new_set_is_as_long_as_the_one_before() -> None:
    arguments = called(decide("I'm more junior than that", agent="technical", current_question_set=EIGHT)).arguments
    assert arguments["count"] == "8"
    assert arguments["stated_level"] == "junior"
