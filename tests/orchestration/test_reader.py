"""The reader gives the same questions however the text is cut, and survives whatever a model writes."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.bank.questions import Difficulty
from app.orchestration.images import without_images
from app.orchestration.questions import QuestionContent
from app.orchestration.reader import QuestionReader
from tests.answers import question, technique_output

TRICKY = 'a "b" {c} [d]} \\ \n\t `x` ```json {"questions": [{"text": "no"}]} é 漢 🎓 \u2028 <b> </b>'

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30) | st.just(TRICKY)
filled = texts.filter(str.strip)
asked = filled.filter(lambda text: text.strip() not in {"...", "\u2026"})  # Those stand for a question in the contract.
questions = st.fixed_dictionaries(
    {"text": asked},
    optional={
        "difficulty": st.sampled_from(list(Difficulty)),
        "category": filled,
        "time_minutes": st.integers(1, 120),
        "requirement": st.none() | filled,
        "level_signal": texts,
        "evaluation_criteria": st.lists(filled, max_size=3),
        "hints": st.lists(filled, max_size=3),
        "sample_framework": texts,
        "case": st.fixed_dictionaries({"scenario": texts, "data": st.lists(filled, max_size=2)}),
        "notes": st.recursive(texts, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner)),
    },
)
plans = st.lists(st.fixed_dictionaries({"requirement": texts, "positions": st.lists(st.integers(), max_size=2)}))


@st.composite
def outputs(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A valid technique output as text, with the document it holds."""
    document: dict[str, Any] = {}
    if draw(st.booleans()):
        document["coverage_plan"] = draw(plans | texts)
    document["summary"] = draw(texts)
    document["questions"] = draw(st.lists(questions, max_size=4))
    document["recommendations"] = draw(st.lists(filled, max_size=3))
    text = json.dumps(document, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 2])))
    before, after = draw(st.sampled_from([("", ""), ("```json\n", "\n```"), ("Here {you} go: ", " Good luck {x}!")]))
    return before + text + after, document


@st.composite
def pieces_of(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=12)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def read(*pieces: str) -> tuple[list[QuestionContent], str, tuple[str, ...]]:
    """Every question in the order of arrival, the summary and the recommendations."""
    reader = QuestionReader()
    found = [content for piece in pieces for content in reader.feed(piece)]
    output = reader.finish()
    return [*found, *output.late_questions], output.summary, output.recommendations


@st.composite
def cut_outputs(draw: st.DrawFn) -> tuple[list[str], dict[str, Any]]:
    """The pieces of a valid technique output, with the document it holds."""
    text, document = draw(outputs())
    return draw(pieces_of(text)), document


def uncut(*questions: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    document = {"summary": "", "questions": list(questions), "recommendations": []}
    return [json.dumps(document)], document


@settings(deadline=None)
@given(cut_outputs())
@example(uncut({"text": TRICKY, "notes": ["", TRICKY]}))
@example(uncut({"text": "Why?", "notes": {"text": "Why?", "also": [1]}}))
@example(uncut({"prompt": "Ask why", "text": "Why?"}, {"text": "How?"}))
def test_any_cutting_of_a_valid_output_gives_what_the_whole_gives(output: tuple[list[str], dict[str, Any]]) -> None:
    pieces, document = output

    found, summary, recommendations = read(*pieces)

    assert found == [QuestionContent.model_validate(item) for item in document["questions"]]
    assert summary == document["summary"].strip()
    assert recommendations == tuple(without_images(item.strip()) for item in document["recommendations"])


@settings(deadline=None)
@given(st.data())
def test_a_cut_off_output_never_gives_half_a_question(data: st.DataObject) -> None:
    text, document = data.draw(outputs())
    whole = [QuestionContent.model_validate(item) for item in document["questions"]]

    found, _, recommendations = read(text[: data.draw(st.integers(0, len(text)))])

    assert found == whole[: len(found)]
    assert set(recommendations) <= {without_images(item.strip()) for item in document["recommendations"]}


@pytest.mark.parametrize("part", ['{"prompt": "Why?"}', '{"questions": ["Why would you?"]}', '[{"text": "Why?"}]'])
def test_a_part_of_a_question_that_is_cut_off_is_no_question(part: str) -> None:
    assert read(f'{{"questions": [{{"notes": [{part}], "text": "Half of')[0] == []


@settings(deadline=None)
@given(st.data())
def test_garbage_reads_the_same_in_any_pieces(data: st.DataObject) -> None:
    fragments = st.sampled_from(
        [
            '"questions": [',
            "{",
            "}",
            "[",
            "]",
            '"',
            "\\",
            '{"text": "Why?"}',
            ",",
            ":",
            "\\u0000",
            "\\ud83d",
            "NaN",
            "\0",
        ]
    )
    text = "".join(data.draw(st.lists(fragments | st.text(max_size=5), max_size=25)))

    assert read(*data.draw(pieces_of(text))) == read(text)


def test_each_question_arrives_with_its_closing_brace() -> None:
    text = technique_output(3, first=1)
    reader = QuestionReader()
    arrivals = [(text[: at + 1], content) for at, letter in enumerate(text) for content in reader.feed(letter)]

    assert [content.text[:10] for _, content in arrivals] == ["Question 1", "Question 2", "Question 3"]
    for before, content in arrivals:
        assert before.endswith("}")
        assert before.count('"text"') == int(content.text[9])
    assert reader.finish().late_questions == ()


ONE = json.dumps(question(7))

READABLE = {
    "a fence with prose before": f'Sure! Here they are:\n```json\n{{"questions": [{ONE}]}}\n```\nGood luck!',
    "a brace in the prose before": f'As {{asked}}, and {{ so on: {{"questions": [{ONE}]}}',
    "an odd quote in the prose": f'The 5" pipe: {{"questions": [{ONE}]}}',
    "a shape repeated before": f'Shape: {{"questions": []}} {{"summary": "s", "questions": [{ONE}]}}',
    "another object around": f'{{"result": {{"questions": [{ONE}]}}}}',
    "the plan as text, holding braces": f'{{"coverage_plan": "{{1}} \\"questions\\": [", "questions": [{ONE}]}}',
    "the plan as objects": f'{{"coverage_plan": [{{"text": "no question"}}], "questions": [{ONE}]}}',
    "questions last": f'{{"recommendations": ["x"], "summary": "s", "questions": [{ONE}]}}',
    "a bare question": ONE,
    "a bare list": f"[{ONE}]",
    "cut off in the next": f'{{"summary": "s", "questions": [{ONE}, {{"text": "Half of',
    "cut off in an escape": f'{{"questions": [{ONE}, {{"text": "Half \\u12',
    "a list that is not closed": f'{{"questions": [{ONE}}}',
    "a broken one before": f'{{"questions": [{{"text": "Say "hi" now", "hints": ["x"}}, {ONE}]}}',
    "no question before": f'{{"questions": [{{}}, null, 3, "text", {{"text": " "}}, {{"text": null}}, {ONE}]}}',
    "raw line breaks in the text": f'{{"questions": [{ONE.replace("Question 7", "Question" + chr(10) + "7")}]}}',
    "an escape that JSON does not know": f'{{"questions": [{ONE.replace("(", chr(92) + "(")}]}}',
    "a number of minutes beyond all numbers": f'{{"questions": [{ONE.replace(": 15", ": 1e999")}]}}',
    "no number of minutes": f'{{"questions": [{ONE.replace(": 15", ": NaN")}]}}',
}


@pytest.mark.parametrize("form", READABLE)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_question_is_found_in_every_form_models_write(form: str, size: int) -> None:
    text = READABLE[form]

    found, _, _ = read(*(text[start : start + size] for start in range(0, len(text), size)))

    assert [content.text[:10] for content in found] == ["Question 7"]
    assert len(found[0].hints) == 3


def test_what_surrounds_the_questions_survives_a_broken_one_and_a_cut() -> None:
    text = f'{{"summary": "s", "questions": [{{"text": bad}}, {ONE}], "recommendations": ["one", "two", "thr'

    assert read(text)[1:] == ("s", ("one", "two"))


@pytest.mark.parametrize(
    ("field", "written", "understood"),
    [
        ("difficulty", " Hard ", Difficulty.HARD),
        ("difficulty", "brutal", Difficulty.MEDIUM),
        ("difficulty", None, Difficulty.MEDIUM),
        ("category", None, "general"),
        ("category", " ", "general"),
        ("time_minutes", "10-15 minutes", 15),
        ("time_minutes", "soon", 5),
        ("time_minutes", None, 5),
        ("time_minutes", -3, 1),
        ("time_minutes", 10**30, 120),
        ("time_minutes", 12.9, 12),
        ("requirement", " ", None),
        ("requirement", 5, None),
        ("level_signal", None, ""),
        ("evaluation_criteria", "Names one", ["Names one"]),
        ("evaluation_criteria", ["a", None, 3, " ", {"b": 1}], ["a"]),
        ("follow_ups", None, []),
        ("hints", {"1": "a", "2": "b"}, ["a", "b"]),
        ("follow_ups", [{"question": "Why?"}], ["Why?"]),
        ("sample_framework", {"situation": "___", "task": "___"}, "situation: ___. task: ___"),
        ("sample_framework", ["Clarify ___", "solve ___"], "Clarify ___ solve ___"),
        ("sample_framework", 5, ""),
        ("case", None, None),
        ("case", {}, None),
        ("case", "n/a", None),
        ("case", [], None),
    ],
)
def test_a_field_of_another_form_does_not_cost_the_question(field: str, written: object, understood: object) -> None:
    found, _, _ = read(json.dumps({"questions": [question(1) | {field: written}]}))

    assert [getattr(content, field) for content in found] == [understood]


def test_a_case_keeps_what_it_has() -> None:
    case = {"scenario": None, "data": "one number", "expected_approach": ["split", None], "exhibit": {"x": [1]}}
    found, _, _ = read(json.dumps({"questions": [question(1) | {"case": case}]}))

    assert found[0].case is not None
    assert found[0].case.model_dump() == {"scenario": "", "data": ["one number"], "expected_approach": ["split"]}


UNSTORABLE = ["\\u0000", "\0", "\\ud83d", "\\udf93", "\ud83d", "\\ud83d\\u0041", "\\udf93\\ud83d", "\\uD800"]


@pytest.mark.parametrize("bad", UNSTORABLE, ids=ascii)
def test_what_no_database_can_store_is_replaced(bad: str) -> None:
    """PostgreSQL refuses NUL, and half a surrogate pair has no UTF-8; the rest of the text is kept."""
    asked = f'{{"text": "Why{bad} so?", "hints": ["h{bad}"]}}'
    text = f'{{"summary": "s{bad}", "questions": [{asked}], "recommendations": ["r{bad}"]}}'

    found, summary, recommendations = read(text)

    assert len(found) == 1
    written = [found[0].text, *found[0].hints, summary, *recommendations]
    assert found[0].text.startswith("Why")
    assert found[0].text.endswith(" so?")
    for part in written:
        assert "\0" not in part
        part.encode()


def test_whole_surrogate_pairs_are_one_character() -> None:
    """Escaped, or as two halves that came in two pieces of the stream."""
    escaped = '{"questions": [{"text": "a \\ud83c\\udf93"}]}'
    halves = ('{"questions": [{"text": "a \ud83c', '\udf93"}]}')

    assert read(escaped)[0][0].text == read(*halves)[0][0].text == "a 🎓"


@settings(deadline=None)
@given(st.text(max_size=200))
@example("[" * 100_000)
@example("{" * 100_000 + "}" * 100_000)
@example('{"questions": [' * 5_000)
@example('{"questions": [' + "}" * 100_000)
@example('{"questions": [' + '{"text": "x"},' * 2_000)
@example('{"a' + "}" * 100_000)
@example('{"questions": [{"time_minutes": ' + "9" * 10_000 + "}]}")
def test_nothing_crashes_it(text: str) -> None:
    reader = QuestionReader()
    for piece in (text, "", "}", "]}"):
        reader.feed(piece)

    assert isinstance(reader.summary, str)
    assert all(content.text for content in [*reader.questions, *reader.finish().late_questions])
