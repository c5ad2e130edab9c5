# ruff: noqa: RUF001  # Other scripts are what is tested.
"""When two questions are the same, when one was copied, and which words stand in a posting."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.orchestration.questions import COPIED_WORDS, is_asked_in, is_copied_from, is_form_of, verbatim
from tests.answers import JOB_DESCRIPTION, TOPICS, question
from tests.orchestration.question_pairs import DIFFERENT, SAME

BANK = sorted(Path("plugins").glob("*/questions"))


def bank_texts(folder: Path) -> list[str]:
    """Every question of one type."""
    return [item["text"] for path in sorted(folder.glob("*.yaml")) for item in yaml.safe_load(path.read_text("utf-8"))]


# The two thresholds err on 7 of 80 pairs.

MISSED = {
    "Explain how you would shard this table.",
    "How would you test code that depends on the time of day?",
    "Tell me about a project that slipped by more than a month.",
    "팀에서 갈등을 어떻게 해결했습니까?",
    "Расскажите о конфликте в команде.",
}
MERGED = {"Explain optimistic locking to a newcomer.", "失敗した経験について教えてください。"}


def test_a_question_in_other_words_of_no_weight_was_asked_already() -> None:
    assert len(SAME) == 40
    assert {first for first, second in SAME if not is_asked_in(first, [second])} == MISSED


def test_questions_that_only_look_alike_stay_two() -> None:
    assert len(DIFFERENT) == 40
    assert {first for first, second in DIFFERENT if is_asked_in(first, [second])} == MERGED


@pytest.mark.parametrize("same", [is_asked_in, is_form_of])
def test_it_does_not_matter_which_question_came_first(same: Callable[[str, list[str]], bool]) -> None:
    for first, second in (*SAME, *DIFFERENT):
        assert same(first, [second]) == same(second, [first])


@given(st.text(min_size=1))
def test_letter_case_punctuation_and_markup_do_not_make_another_question(noise: str) -> None:
    text = question(1)["text"]

    assert is_asked_in(f"**{text.upper()}**", [noise, text.rstrip("?")])
    assert not is_asked_in(text, [])


def test_a_question_is_found_among_many_others() -> None:
    others = [text for pair in DIFFERENT for text in pair]

    assert all(is_asked_in(text, others) for text in others)
    assert not is_asked_in("What would you say to a pilot who flies too low?", others)


def test_questions_on_other_topics_are_no_forms_of_each_other() -> None:
    asked = [f"How would you {topic}?" for topic in TOPICS]

    assert not any(is_asked_in(first, [second]) for first, second in combinations(asked, 2))


@pytest.mark.parametrize(
    "longer",
    [
        "How would you shard this table, with two regions and one team?",
        "Now with a deadline: how would you shard this table?",
        "How would you shard this table if writes grew tenfold and half of them came from one tenant?",
    ],
)
def test_a_question_with_a_condition_added_is_a_form_of_it_but_not_the_same(longer: str) -> None:
    text = "How would you shard this table?"

    assert is_form_of(longer, [text])
    assert is_form_of(text, [longer])
    assert not is_asked_in(longer, [text])


@pytest.mark.parametrize("folder", BANK, ids=lambda folder: folder.parent.name)
def test_no_two_questions_of_the_bank_count_as_the_same(folder: Path) -> None:
    texts = bank_texts(folder)

    assert len(texts) > 100
    assert [text for at, text in enumerate(texts) if is_asked_in(text, texts[:at])] == []
    assert [text for at, text in enumerate(texts) if is_form_of(text, texts[:at])] == []


EXAMPLE = '[{"text": "A partner\'s API times out on one call in fifty. What do you change first, and why?"}]'


@pytest.mark.parametrize(
    ("text", "is_copied"),
    [
        ("A partner's API times out on one call in fifty. What do you change first, and why?", True),
        ("Our API times out on one call in fifty - what now?", True),
        ("API TIMES OUT, ON ONE CALL: IN FIFTY!", True),
        ("The API times out on one call in sixty. And now?", False),
        ("API times out on one call in", False),
        ("Xapi times out on one call in fifty", False),
        ("What do you change first, and why?", False),
        ("", False),
    ],
)
def test_eight_words_in_a_row_are_a_copy_and_seven_are_not(text: str, *, is_copied: bool) -> None:
    assert is_copied_from(text, ["another example", EXAMPLE]) is is_copied
    assert not is_copied_from(text, [])


def test_a_run_of_words_does_not_reach_over_two_examples() -> None:
    words = [f"word{number}" for number in range(COPIED_WORDS)]

    assert is_copied_from(" ".join(words), [" ".join(words)])
    assert not is_copied_from(" ".join(words), [" ".join(words[:4]), " ".join(words[4:])])


def test_questions_of_the_same_form_are_seldom_copies() -> None:
    copies = {first for first, second in DIFFERENT if is_copied_from(first, [second])}

    assert copies == {
        "How would you test code that depends on the time of day?",
        "What does success look like in this role after 90 days?",
    }


@pytest.mark.parametrize(
    ("requirement", "kept"),
    [
        ("Model shipments in PostgreSQL", "Model shipments in PostgreSQL"),
        ("MODEL  shipments\nin postgresql", "Model shipments in PostgreSQL"),
        ("caches honest: a < b && b < c must hold", "caches honest: a < b && b < c must hold"),
        ("`Map<String, List<Quote>>`", "`Map<String, List<Quote>>`"),
        ("\u2018Map<String, List<Quote>>\u2019", "`Map<String, List<Quote>>`"),
        ("Halden Freight (Rotterdam) You will own", "Halden Freight (Rotterdam)\n\nYou will own"),
        ("forwarders call all day. \u2013 Design and run", "forwarders call all day.\n- Design and run"),
        ("Model ships in PostgreSQL", None),
        ("Model shipments in PostgreSQL and Redis", None),
        (".*", None),
        ("", None),
        (None, None),
    ],
)
def test_a_requirement_is_what_stands_in_the_posting(requirement: str | None, kept: str | None) -> None:
    assert verbatim(requirement, JOB_DESCRIPTION) == kept


@pytest.mark.parametrize(
    ("posting", "requirement"),
    [
        ("Sie bringen Erfahrung mit „Kafka“ – oder ähnlichem – mit.", 'Erfahrung mit "Kafka" - oder ähnlichem - mit'),
        ("L\u2019expérience d\u2019une équipe", "l'expérience d'une équipe"),
        ("负责订单系统的设计。熟悉 Kubernetes。", "订单系统的设计。熟悉 kubernetes"),
        ("注文システムの設計と運用", "システムの設計"),
        ("خبرة في قواعد البيانات", "قواعد البيانات"),
        ("On\u2011call rotation every\u00a0six weeks", "on-call rotation every six weeks"),
    ],
)
def test_quotes_dashes_and_spaces_of_other_forms_are_the_same_words_in_every_script(
    posting: str, requirement: str
) -> None:
    kept = verbatim(requirement, posting)

    assert kept
    assert kept in posting
    assert verbatim(requirement, None) is None


@given(st.text(), st.text())
def test_what_is_kept_stands_in_the_posting_letter_for_letter(requirement: str, posting: str) -> None:
    kept = verbatim(requirement, posting)

    assert kept is None or kept in posting
    if requirement.strip():
        assert verbatim(requirement, f"{posting} {requirement}")
