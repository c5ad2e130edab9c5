"""The one further model call that mends a technique's output, and what is thrown away before it."""

import json
from typing import Any

import pytest

from app.core.errors import ProviderError
from app.orchestration.events import QuestionReady
from app.orchestration.questions import COPIED_WORDS, Question
from tests.answers import calls, question, says_questions, technique_output
from tests.chat.conducting import Conducted, question_set, stage
from tests.conftest import MakeSettings, shipped_plugins
from tests.model_server import (
    Empty,
    Fail,
    LengthStop,
    ModelServer,
    Say,
    Step,
)
from tests.orchestration.techniques import functions_of, needs_of, texts_in, texts_written, writes

PROSE = "They could ask how a booking is kept from being stored twice and why a query became slow overnight"
REPAIRED = [None, "few_shot", "repair"]


def _ready(turn: Conducted) -> list[Question]:
    return [event.question for event in turn.events if isinstance(event, QuestionReady)]


# Too few and too many.


@pytest.mark.parametrize(("delivered", "repaired"), [(1, 1), (1, 4)])
async def test_too_few_questions_are_topped_up_to_the_count_by_one_further_call(
    openai_settings: MakeSettings, model_server: ModelServer, delivered: int, repaired: int
) -> None:
    model_server.script(
        calls("technical-few_shot"), says_questions(delivered), says_questions(repaired, first=10, summary="More.")
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert functions_of(turn) == REPAIRED
    assert texts_in(turn.questions) == texts_written(1, 10)
    assert _ready(turn) == list(turn.questions.questions)
    needs = needs_of(model_server.requests[-1])
    assert (needs["missing_count"], needs["known"]) == (1, texts_written(1))
    assert (needs["incomplete"], needs["rejected"], needs["unreadable"]) == ([], [], "")
    assert turn.text_seen == turn.answer.reply
    assert "Only" not in turn.answer.reply
    assert "More." not in turn.answer.reply
    assert turn.answer.reply.index(texts_written(10)[0]) < turn.answer.reply.index("**To prepare**")


async def test_a_repair_that_brings_too_few_as_well_is_not_repaired(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("technical-few_shot", count="5"), says_questions(2), says_questions(1, first=10))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert functions_of(turn) == REPAIRED
    assert texts_in(turn.questions) == texts_written(1, 2, 10)
    assert "Only 3 of 5 questions came back." in turn.answer.reply


async def test_a_whole_answer_needs_no_repair_and_what_is_too_much_is_cut(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("technical-few_shot"), says_questions(7))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert functions_of(turn) == [None, "few_shot"]
    assert texts_in(turn.questions) == texts_written(1, 2)


async def test_an_answer_cut_by_its_length_is_topped_up(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    whole = technique_output(2)
    model_server.script(
        calls("technical-few_shot"), LengthStop(whole[: whole.rindex('"hints"')]), says_questions(1, first=10)
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert functions_of(turn) == REPAIRED
    assert texts_in(turn.questions) == texts_written(1, 10)


# What is thrown away.


DUPLICATES: dict[str, tuple[dict[str, str], dict[str, Any], list[int | str], list[int]]] = {
    "inside the set": ({}, {}, [1, 1], [1]),
    "of a kept question": (
        {"change": "add", "count": "2"},
        {"question_sets": {"technical": question_set(3)}},
        [2, 9],
        [9],
    ),
    "of an earlier set": ({"change": "new"}, {"seen_questions": tuple(texts_written(4))}, [4, 9], [9]),
    "in other words": ({}, {}, [1, "How would you keep a booking from being stored twice? Question 1"], [1]),
}


@pytest.mark.parametrize("case", DUPLICATES)
async def test_a_question_that_was_asked_already_is_replaced_by_the_repair(
    openai_settings: MakeSettings, model_server: ModelServer, case: str
) -> None:
    choices, task, written, kept = DUPLICATES[case]
    output = [question(item) if isinstance(item, int) else question(1, text=item) for item in written]
    model_server.script(calls("technical-few_shot", **choices), writes(*output), says_questions(1, first=10))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical", **task)

    assert functions_of(turn) == REPAIRED
    assert [found.text for found in _ready(turn)] == texts_written(*kept, 10)
    needs = needs_of(model_server.requests[-1])
    (rejected,) = needs["rejected"]
    assert rejected.endswith("(was asked already)")
    assert needs["missing_count"] == 1


async def test_a_duplicate_from_the_repair_is_thrown_away_too(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("technical-few_shot"), says_questions(1), writes(question(1), question(4)))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical", seen_questions=tuple(texts_written(4)))

    assert texts_in(turn.questions) == texts_written(1)
    assert "Only 1 of 2 questions came back." in turn.answer.reply


@pytest.mark.parametrize(
    ("technique", "words", "is_thrown_away"),
    [
        ("few_shot", COPIED_WORDS, True),
        ("few_shot", COPIED_WORDS - 1, False),
        ("zero_shot", COPIED_WORDS, False),
    ],
)
async def test_a_run_of_words_copied_from_an_example_is_thrown_away(
    openai_settings: MakeSettings, model_server: ModelServer, technique: str, words: int, *, is_thrown_away: bool
) -> None:
    few_shot = shipped_plugins().catalog.technique("technical", "few_shot")
    assert few_shot is not None
    example = json.loads(few_shot.examples_at(None).splitlines()[0])
    run = " ".join(str(example["text"]).split()[:words])
    copied = question(1, text=f"Zeppelins aside, {run} Zanzibar?")
    model_server.script(calls(f"technical-{technique}"), writes(question(2), copied))
    if is_thrown_away:
        model_server.script(says_questions(1, first=10))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert (copied["text"] in texts_in(turn.questions)) is not is_thrown_away
    if is_thrown_away:
        assert texts_in(turn.questions) == texts_written(2, 10)
        assert needs_of(model_server.requests[-1])["rejected"] == [f"{copied['text']} (was copied from an example)"]


# Empty fields.


async def test_missing_fields_are_filled_in_under_the_same_id(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    bare = question(1, hints=[], sample_framework="", level_signal=" ", time_minutes=7)
    model_server.script(
        calls("technical-few_shot"),
        writes(bare, question(2)),
        writes(question(1, difficulty="hard", time_minutes=40)),
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    first, second, again = _ready(turn)
    assert functions_of(turn) == REPAIRED
    assert again.id == first.id
    assert [first.gaps, second.gaps, again.gaps] == [("level_signal", "hints", "sample_framework"), (), ()]
    filled = {name: getattr(again, name) for name in first.gaps}
    assert again == first.model_copy(update=filled), "what was there stays"
    assert turn.questions.questions == (again, second)
    assert turn.answer.reply.count(first.text) == 1, "the reply does not show them, so it is not said again"
    needs = needs_of(model_server.requests[-1])
    assert [found["text"] for found in needs["incomplete"]] == texts_written(1)
    assert needs["missing_count"] == 0


async def test_one_repair_completes_and_tops_up(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    model_server.script(
        calls("technical-few_shot", count="3"),
        writes(question(1, follow_ups=None), question(2, evaluation_criteria=[])),
        writes(question(10), question(2), question(1)),
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert functions_of(turn) == REPAIRED
    assert texts_in(turn.questions) == texts_written(1, 2, 10)
    assert [found.gaps for found in turn.questions.questions] == [(), (), ()]
    assert [found.position for found in _ready(turn)] == [1, 2, 3, 2, 1]


async def test_fields_that_stay_empty_do_not_cost_the_question(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(
        calls("technical-few_shot"), writes(question(1, hints=[]), question(2)), writes(question(1, hints=[]))
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert texts_in(turn.questions) == texts_written(1, 2)
    assert len(_ready(turn)) == 2
    assert "Only" not in turn.answer.reply


# Nothing readable.


async def test_prose_becomes_questions_by_the_repair(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    model_server.script(calls("technical-few_shot"), Say(PROSE), says_questions(2))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert functions_of(turn) == REPAIRED
    assert texts_in(turn.questions) == texts_written(1, 2)
    needs = needs_of(model_server.requests[-1])
    assert (needs["unreadable"], needs["missing_count"]) == (PROSE, 2)
    assert PROSE not in turn.answer.reply


@pytest.mark.parametrize("repair", [Say(PROSE), writes(), Empty(), Fail(500)], ids=lambda step: type(step).__name__)
async def test_what_stays_unreadable_fails_the_turn_after_one_repair(
    openai_settings: MakeSettings, model_server: ModelServer, repair: Step
) -> None:
    model_server.script(calls("technical-few_shot"), Say(PROSE), repair)
    async with stage(openai_settings(provider_max_retries=0)) as conducted:
        with pytest.raises(ProviderError, match="could not be read"):
            await conducted.turn(agent="technical")

    assert len(model_server.requests) == 3


@pytest.mark.parametrize("silence", [Empty(), Say(" \n\t")], ids=["nothing", "white space"])
async def test_an_empty_output_fails_the_turn_without_a_repair(
    openai_settings: MakeSettings, model_server: ModelServer, silence: Step
) -> None:
    model_server.script(calls("technical-few_shot"), silence)
    async with stage(openai_settings()) as conducted:
        with pytest.raises(ProviderError, match="could not be read"):
            await conducted.turn(agent="technical")

    assert len(model_server.requests) == 2


async def test_a_turn_whose_questions_were_all_asked_before_fails_and_says_so(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("technical-few_shot"), says_questions(2), says_questions(2))
    async with stage(openai_settings()) as conducted:
        with pytest.raises(ProviderError, match="had been asked before"):
            await conducted.turn(agent="technical", seen_questions=tuple(texts_written(1, 2)))

        assert [event for event in conducted.events if isinstance(event, QuestionReady)] == []
    assert len(model_server.requests) == 3
