"""Which questions a change brings: the same ones in other words, harder ones, further ones."""

from dataclasses import replace

import pytest

from app.bank.questions import ExperienceLevel
from app.orchestration.questions import MAX_QUESTIONS
from tests.answers import calls, question, says_questions
from tests.chat.conducting import question_set, stage
from tests.conftest import MakeSettings
from tests.model_server import ModelServer, Say
from tests.orchestration.techniques import functions_of, needs_of, texts_in, texts_written, writes

PROSE = "I would rather not write questions today"
REPAIRED = [None, "few_shot", "repair"]


async def test_a_reworded_question_stays_who_it_is(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    before = question_set(3)
    changed = {
        "difficulty": "hard",
        "category": "poetry",
        "time_minutes": 45,
        "requirement": "Mentor two junior engineers",
        "hints": ["Kurz."],
        "level_signal": "Nennt den Fehler.",
    }
    model_server.script(
        calls("technical-few_shot", change="reword", positions="2"), writes(question(2, text="Warum?", **changed))
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("in German", agent="technical", question_sets={"technical": before})

    first, second, third = turn.questions.questions
    assert (first, third) == (before.questions[0], before.questions[2])
    assert second == before.questions[1].model_copy(
        update={"text": "Warum?", "hints": ["Kurz."], "level_signal": "Nennt den Fehler."}
    )
    assert turn.questions.recommendations == before.recommendations


async def test_a_rewording_that_brings_nothing_but_text_needs_no_repair(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    before = question_set(2)
    model_server.script(
        calls("technical-few_shot", change="reword"), writes({"text": "Why twice?"}, {"text": "Why so slow?"})
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("shorter", agent="technical", question_sets={"technical": before})

    assert functions_of(turn) == [None, "few_shot"]
    expected = [
        found.model_copy(update={"text": text})
        for found, text in zip(before.questions, ["Why twice?", "Why so slow?"], strict=True)
    ]
    assert list(turn.questions.questions) == expected


async def test_a_replacement_that_is_lost_on_the_way_leaves_its_own_place_open(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    before = question_set(3)
    lost = writes(question(1, text="Eins, warum?"), question(2, text=""), question(3, text="Drei, warum?"))
    model_server.script(
        calls("technical-few_shot", change="replace"), lost, writes(question(2, text="Zwei, und weshalb denn?"))
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("others", agent="technical", question_sets={"technical": before})

    assert texts_in(turn.questions) == ["Eins, warum?", "Zwei, und weshalb denn?", "Drei, warum?"]
    replaced = needs_of(model_server.requests[-1])["replaces"]
    assert [question["text"] for question in replaced] == [before.questions[1].text]


async def test_a_rewording_that_is_lost_leaves_its_question_as_it_was(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    before = question_set(3)
    lost = writes(question(1, text="Eins, warum?"), question(2, text=""), question(3, text="Drei, warum?"))
    model_server.script(calls("technical-few_shot", change="reword"), lost)
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("in German", agent="technical", question_sets={"technical": before})

    assert texts_in(turn.questions) == ["Eins, warum?", before.questions[1].text, "Drei, warum?"]
    assert [found.id for found in turn.questions.questions] == [found.id for found in before.questions]
    assert "Only 2 of 3 questions came back. Unchanged: 2." in turn.answer.reply


@pytest.mark.parametrize("change", ["reword", "replace"])
async def test_of_an_echoed_set_only_what_was_asked_for_is_taken(
    openai_settings: MakeSettings, model_server: ModelServer, change: str
) -> None:
    before = question_set(4)
    echo = [question(1), question(2), question(3, text="Drei, kurz und hart: warum?"), question(4)]
    model_server.script(calls("technical-few_shot", change=change, positions="3"), writes(*echo))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("shorten 3", agent="technical", question_sets={"technical": before})

    one, two, _, four = texts_in(before)
    assert texts_in(turn.questions) == [one, two, "Drei, kurz und hart: warum?", four]


async def test_a_reworded_case_keeps_its_form(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    case = {"scenario": "Shop.\n\nIt rains.", "data": ["7 of 9"], "expected_approach": ["Divide"]}
    before = question_set(1)
    model_server.script(
        calls("technical-few_shot", change="reword"), writes(question(1, text="Kurz: warum?", case=case))
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("shorter", agent="technical", question_sets={"technical": before})

    (found,) = turn.questions.questions
    assert found.case is not None
    assert found.case.model_dump() == case
    assert "> Shop.\n> It rains.\n> - 7 of 9\n" in turn.answer.reply


@pytest.mark.parametrize(("change", "expected"), [("replace", "senior"), ("add", "senior"), ("new", "mid")])
async def test_one_question_of_another_level_does_not_relabel_the_set(
    openai_settings: MakeSettings, model_server: ModelServer, change: str, expected: str
) -> None:
    before = replace(question_set(3), experience_level=ExperienceLevel.SENIOR)
    positions = {"positions": "2"} if change == "replace" else {}
    model_server.script(
        calls("technical-few_shot", change=change, count="1", stated_level="mid", **positions),
        says_questions(1, first=9),
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("a mid-level one", agent="technical", question_sets={"technical": before})

    assert turn.questions.experience_level == expected
    assert turn.answer.experience_level == ("mid" if change == "new" else None)
    assert "Level: mid" in model_server.requests[-1].last_user_text


async def test_a_further_question_is_of_the_level_of_its_set(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    """Which the technique of then took from the posting: nobody has said it."""
    before = replace(question_set(2), experience_level=ExperienceLevel.LEAD)
    model_server.script(calls("technical-few_shot", change="add", count="1"), says_questions(1, first=9))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("one more", agent="technical", question_sets={"technical": before})

    assert "Level: lead" in model_server.requests[-1].last_user_text
    assert turn.questions.experience_level == "lead"
    assert turn.answer.experience_level is None, "the conversation keeps what it was told, not what was guessed"


async def test_harder_may_return_to_an_earlier_form(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    (plain,) = texts_written(1)
    twisted = f"{plain} Two regions write at once."
    before = question_set(2)
    current = replace(before, questions=(before.questions[0].model_copy(update={"text": twisted}), before.questions[1]))
    model_server.script(calls("technical-few_shot", change="replace", positions="1"), writes(question(1)))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(
            "easier again",
            agent="technical",
            question_sets={"technical": current},
            seen_questions=(twisted, plain, *texts_written(2)),
        )

    assert functions_of(turn) == [None, "few_shot"]
    assert texts_in(turn.questions) == texts_written(1, 2)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (texts_written(1)[0], "is the question it should replace"),
        (texts_written(1)[0].lower().rstrip("?"), "is the question it should replace"),
        (texts_written(7)[0], "was asked already"),
    ],
    ids=["itself", "itself in small letters", "one seen before"],
)
async def test_a_replacement_is_another_question(
    openai_settings: MakeSettings, model_server: ModelServer, written: str, reason: str
) -> None:
    model_server.script(
        calls("technical-few_shot", change="replace", positions="1"),
        writes(question(1, text=written)),
        says_questions(1, first=10),
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(
            "harder",
            agent="technical",
            question_sets={"technical": question_set(2)},
            seen_questions=(*texts_written(1, 2, 7),),
        )

    assert functions_of(turn) == REPAIRED
    assert texts_in(turn.questions) == texts_written(10, 2)
    needs = needs_of(model_server.requests[-1])
    assert needs["rejected"] == [f"{written} ({reason})"]
    assert [replaced["text"] for replaced in needs["replaces"]] == texts_written(1)


async def test_a_replacement_that_does_not_come_leaves_the_question(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    before = question_set(3)
    model_server.script(
        calls("technical-few_shot", change="replace", positions="1,3"), says_questions(1, first=10), Say(PROSE)
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("harder", agent="technical", question_sets={"technical": before})

    assert texts_in(turn.questions) == texts_written(10, 2, 3)
    assert turn.questions.questions[1:] == before.questions[1:]
    assert "Only 1 of 2 questions came back." in turn.answer.reply


@pytest.mark.parametrize(("size", "asked", "added"), [(3, 2, 2), (18, 5, 2), (19, 1, 1)])
async def test_further_questions_stand_behind_the_others_and_a_set_has_an_end(
    openai_settings: MakeSettings, model_server: ModelServer, *, size: int, asked: int, added: int
) -> None:
    before = question_set(size)
    model_server.script(
        calls("technical-few_shot", change="add", count=str(asked)), says_questions(asked, first=size + 1)
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("more", agent="technical", question_sets={"technical": before})

    after = turn.questions.questions
    assert after[:size] == before.questions
    assert [found.position for found in after] == list(range(1, size + added + 1))
    assert functions_of(turn) == [None, "few_shot"]
    assert ("The set is full now" in turn.answer.reply) is (size + added == MAX_QUESTIONS)
    assert turn.questions.recommendations == before.recommendations
    assert "To prepare" not in turn.answer.reply


async def test_a_full_set_takes_no_more_and_the_model_says_so(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("technical-few_shot", change="add", count="2"), Say("It is full. Shall I drop some?"))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(
            "two more", agent="technical", question_sets={"technical": question_set(MAX_QUESTIONS)}
        )

    (told,) = [message["content"] for message in model_server.requests[-1].messages if message["role"] == "tool"]
    assert told.startswith(f"A set holds at most {MAX_QUESTIONS} questions")
    assert (turn.answer.question_set, turn.answer.reply) == (None, "It is full. Shall I drop some?")
