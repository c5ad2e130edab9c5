"""Whatever a model made of the contract: no crash, no half question, no invented one, and as many as can be had."""

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.orchestration.markdown import markdown_questions
from app.orchestration.reader import QuestionReader
from tests.orchestration.malformed_outputs import ALL, COLLECTED, DETAILED, DOCUMENT, NUMBERED, YAML
from tests.orchestration.mutated_outputs import ACCIDENTS, BASES, IS_JSON, base, mutated

ROUNDS = 30
"""Of every accident, for each valid output."""

FORMS = [(kind, form) for kind, forms in COLLECTED.items() for form in forms]


def questions_in(text: str, size: int | None = None) -> list[str]:
    """The questions of an output that came in pieces of so many characters."""
    reader = QuestionReader()
    size = size or len(text) or 1
    found = [content for start in range(0, len(text), size) for content in reader.feed(text[start : start + size])]
    return [content.text for content in (*found, *reader.finish().late_questions)]


def outcome(found: list[str], whole: tuple[str, ...]) -> str:
    """What became of an output."""
    if not whole:
        return "nothing to read" if not found else "invented"
    if not found:
        return "none: needs repair"
    return "all read" if set(found) >= set(whole) else "some read"


def plain(text: str) -> str:
    """A text without the white space that a reader may change."""
    return " ".join(text.replace("\0", " ").split())


@pytest.mark.parametrize(("kind", "form"), FORMS)
def test_what_is_read_are_whole_questions_of_the_output_and_the_same_in_any_pieces(kind: str, form: str) -> None:
    output = COLLECTED[kind][form]

    found = questions_in(output.text)

    assert set(found) <= set(output.whole)
    assert found == questions_in(output.text, 1) == questions_in(output.text, 7)


def test_the_forms_that_models_write_are_read() -> None:
    outcomes = {
        (kind, form): outcome(questions_in(output.text), output.whole)
        for kind, forms in COLLECTED.items()
        for form, output in forms.items()
    }

    assert Counter(outcomes.values()) == {
        "all read": 105,
        "some read": 1,
        "none: needs repair": 2,
        "nothing to read": 20,
    }
    assert {
        form: result for (_, form), result in outcomes.items() if result in {"some read", "none: needs repair"}
    } == {
        "strings and objects": "some read",
        "xml": "none: needs repair",
        "plain lines": "none: needs repair",
    }


MUTATED = {
    "cut": (14, 155, 71),
    "dropped": (198, 28, 14),
    "inserted": (218, 18, 4),
    "exchanged": (171, 55, 14),
    "requoted": (213, 9, 18),
    "wrapped": (218, 22, 0),
    "renamed": (222, 0, 18),
    "repeated": (204, 34, 2),
    "split": (234, 6, 0),
}
"""Of 240 outputs with this accident: all questions read, some read, none read."""


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_an_accident_costs_questions_but_never_makes_one(accident: str) -> None:
    outcomes: Counter[str] = Counter()
    for name, output in mutated(accident, ROUNDS):
        found = [plain(text) for text in questions_in(output.text)]
        assert set(found) <= {plain(text) for text in (*output.whole, *output.also)}, name
        outcomes["all" if len(set(found)) >= len(output.whole) else "some" if found else "none"] += 1

    assert (outcomes["all"], outcomes["some"], outcomes["none"]) == MUTATED[accident]


@pytest.mark.parametrize("name", BASES)
def test_a_cut_at_any_place_leaves_the_first_questions_whole(name: str) -> None:
    source = base(name)
    counts = []
    for end in [*range(0, len(source.text), 5), len(source.text)]:
        found = questions_in(source.text[:end])
        assert found == list(source.whole[: len(found)])
        counts.append(len(found))

    assert counts[-1] == 3
    if name in IS_JSON:
        assert all(before <= after for before, after in pairwise(counts))


def test_what_stands_around_the_questions_is_read_in_other_forms_too() -> None:
    for kind, form in (
        ("shapes", "tool call"),
        ("shapes", "html entities"),
        ("fences and prose", "two equal documents"),
    ):
        reader = QuestionReader()
        reader.feed(COLLECTED[kind][form].text)
        output = reader.finish()

        assert output.summary == DOCUMENT["summary"], form
        assert list(output.recommendations) == DOCUMENT["recommendations"], form


def test_details_below_a_question_of_a_list_are_its_fields() -> None:
    for text in (DETAILED, YAML):
        found = markdown_questions(text)

        assert [item["text"] for item in found] == list(ALL)
        assert [item["difficulty"].lower() for item in found] == ["medium"] * 3
        assert {item["follow_ups"][0] for item in found if item["follow_ups"]} == {"How do you know?"}


def test_a_list_gives_no_text_that_a_database_cannot_store() -> None:
    assert questions_in("1. How would you\0 keep \ud83d it?\n") == ["How would you  keep \ufffd it?"]


LINES = st.sampled_from(
    [
        *NUMBERED.splitlines(),
        *DETAILED.splitlines(),
        *YAML.splitlines(),
        "",
        "# Questions",
        "**Follow-ups:**",
        "### Question 3",
        "To prepare:",
        "Could you tell me:",
        "| Question | Time |",
        "|---|---|",
        "| How would you do it? | 5 |",
        "Good luck!",
        "   - Hints:",
        "- Question: Why is it so?",
        '"How is it so?"',
    ]
)
TEXTS = st.lists(LINES | st.text(max_size=20), max_size=15).map("\n".join)


@settings(deadline=None)
@given(TEXTS | st.text(max_size=200))
def test_a_list_gives_nothing_that_is_not_in_the_text(text: str) -> None:
    """Word for word and in one piece, emphasis and white space aside."""

    def bare(part: str) -> str:
        return re.sub(r"[\s*_]+", "", part)

    for item in markdown_questions(text):
        assert bare(item["text"]) in bare(text)
        assert item["text"].strip()


@settings(deadline=None)
@given(TEXTS)
def test_lists_read_the_same_in_any_pieces(text: str) -> None:
    assert questions_in(text) == questions_in(text, 3)
