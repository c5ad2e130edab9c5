"""Whole turns through the real conductor, with the catalog that ships."""

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from app.core.config import REPOSITORY_ROOT
from app.orchestration.events import TurnAnswer
from app.orchestration.questions import QuestionSet
from app.orchestration.turn import Brief
from app.providers.offline.composition import DISCLOSURE
from tests.providers.offline.talk import shape, talking


def new_set(answer: TurnAnswer) -> QuestionSet:
    assert answer.question_set is not None
    return answer.question_set


async def test_three_turns_with_as_many_model_calls_as_designed() -> None:
    async with talking() as talk:
        first = await talk.say("I have a senior backend interview on Tuesday")
        assert talk.calls == [None, None, "few_shot"]
        assert (first.agent, len(new_set(first).questions), new_set(first).revision) == ("technical", 5, 1)
        assert first.reply.startswith(DISCLOSURE)
        assert first.experience_level == "senior"
        assert any(question.requirement for question in new_set(first).questions)

        second = await talk.say("make question 3 harder")
        assert talk.calls == [None, "few_shot"]
        assert new_set(second).revision == 2
        assert shape(new_set(first), new_set(second)) == (1, 2, 0, 4, 5)
        assert new_set(second).questions[2].text.startswith(new_set(first).questions[2].text + " ")
        assert "Question 3 is harder now: " in second.reply

        third = await talk.say("why would they ask that?")
        assert talk.calls == [None]
        assert third.question_set is None
        assert "**Question 3**" in third.reply
        assert "no language model was used" in third.reply


async def test_a_given_type_takes_two_model_calls() -> None:
    async with talking(agent="case_study") as talk:
        answer = await talk.say("I have an interview as a software engineer")
        assert [call is None for call in talk.calls] == [True, False]
        assert all(question.case is not None for question in new_set(answer).questions)


async def test_another_type_is_handed_over_without_a_word() -> None:
    async with talking() as talk:
        await talk.say("coding interview")
        answer = await talk.say("now behavioral questions for the same job")
        assert [(handoff.source, handoff.target) for handoff in answer.handoffs] == [("technical", "behavioral")]
        assert answer.reply.startswith(DISCLOSURE)


async def test_back_in_a_type_its_set_is_still_there_to_change() -> None:
    async with talking() as talk:
        first = await talk.say("coding interview")
        await talk.say("now behavioral questions")
        answer = await talk.say("make technical question 2 harder")
        assert (answer.agent, new_set(answer).revision) == ("technical", 2)
        assert shape(new_set(first), new_set(answer)) == (1, 0, 3, 4, 5)


async def test_the_parts_of_a_mixed_wish_come_one_after_the_other() -> None:
    async with talking() as talk:
        first = await talk.say("3 technical, 2 behavioral")
        assert (first.agent, len(new_set(first).questions)) == ("technical", 3)
        assert 'The 2 behavioral ones come from another coach: say "go on".' in first.reply
        second = await talk.say("go on")
        assert (second.agent, len(new_set(second).questions)) == ("behavioral", 2)
        assert set(talk.sets) == {"technical", "behavioral"}


async def test_a_set_can_grow_to_twenty_and_no_further() -> None:
    async with talking(agent="technical") as talk:
        await talk.say("10 questions please")
        grown = await talk.say("20 more")
        assert len(new_set(grown).questions) == 20
        assert len({question.text for question in new_set(grown).questions}) == 20
        full = await talk.say("5 more")
        assert full.question_set is None
        assert "The set is full" in full.reply


async def test_a_lasting_wish_holds_in_later_turns() -> None:
    async with talking(agent="technical") as talk:
        await talk.say("no SQL from now on, 5 questions please")
        assert any("SQL" in wish for wish in talk.brief.wishes)
        for message in ("5 more", "replace 1 and 2", "new questions"):
            answer = await talk.say(message)
            said = [f"{question.text} {question.category}".lower() for question in new_set(answer).questions]
            assert not [text for text in said if " sql" in text]


async def test_undo_goes_back_and_forth() -> None:
    async with talking(agent="technical") as talk:
        first = await talk.say("questions please")
        await talk.say("drop 2")
        undone = await talk.say("undo")
        assert shape(new_set(first), undone.question_set) == (1, 2, 3, 4, 5)
        assert new_set(undone).revision == 3
        again = await talk.say("version 2")
        assert shape(new_set(first), again.question_set) == (1, 3, 4, 5)


async def test_no_question_comes_back_in_a_long_conversation() -> None:
    async with talking(agent="technical") as talk:
        given = [question.text for question in new_set(await talk.say("5 questions")).questions]
        for message in (
            "5 more",
            "replace 2 and 3",
            "new questions",
            "make all harder",
            "two more like 1",
            "replace 1",
        ):
            before = talk.own_set
            answer = await talk.say(message)
            places = shape(before, answer.question_set)
            assert places is not None
            fresh = [q.text for q, place in zip(new_set(answer).questions, places, strict=True) if not place]
            assert not set(fresh) & set(given), message
            assert "came back" not in answer.reply
            given += fresh


async def test_spending_is_told_from_the_ledger() -> None:
    async with talking() as talk:
        await talk.say("coding interview")
        answer = await talk.say("what have I spent?")
        assert talk.calls == [None, None]
        assert "$0" in answer.reply


@pytest.mark.parametrize("technique", ["few_shot", "chain_of_thought", "zero_shot", "role_based", "structured_output"])
@pytest.mark.parametrize("agent", ["technical", "behavioral", "case_study", "reverse"])
async def test_a_technique_asked_for_in_the_request_is_the_one_used_and_gives_all_it_should(
    agent: str, technique: str
) -> None:
    async with talking(agent=agent) as talk:
        answer = await talk.say("questions please", technique=technique)
        assert new_set(answer).technique == technique
        assert talk.calls == [None, technique], "nothing had to be mended"
        assert len(new_set(answer).questions) == 5


async def test_questions_arrive_one_by_one_and_the_reply_is_what_was_streamed() -> None:
    async with talking(agent="reverse") as talk:
        answer = await talk.say("8 questions please")
        assert tuple(talk.ready) == new_set(answer).questions
        assert len(talk.ready) == 8
        assert talk.last is not None
        assert talk.last.text_seen == answer.reply


@pytest.mark.parametrize("agent", ["technical", "behavioral", "case_study", "reverse"])
async def test_a_wrong_position_is_asked_back(agent: str) -> None:
    async with talking(agent=agent) as talk:
        await talk.say("questions please")
        answer = await talk.say("make question 9 harder")
        assert talk.calls == [None]
        assert "has 5 questions" in answer.reply


async def test_a_fifth_type_works_without_a_line_of_python(tmp_path: Path) -> None:
    plugins: Any = copytree(REPOSITORY_ROOT / "plugins", tmp_path / "plugins")
    folder = copytree(plugins / "behavioral" / "zero_shot", plugins / "salary_negotiation" / "plain").parent
    (folder / "agent.yaml").write_text(
        "name: salary_negotiation\ntitle: Salary\ndescription: The talk about money, offers and counter-offers.\n"
        "instructions: You practise the talk about money.\n",
        encoding="utf-8",
    )
    async with talking(plugins) as talk:
        answer = await talk.say("they made me a counter-offer, help")
        assert talk.calls == [None, None, "plain"]
        assert (answer.agent, len(new_set(answer).questions)) == ("salary_negotiation", 5)
        assert "no bank for salary negotiation yet" in answer.reply


async def test_a_greeting_is_answered_by_triage() -> None:
    async with talking(brief=Brief()) as talk:
        answer = await talk.say("hi")
        assert (answer.agent, answer.question_set) == ("triage", None)
        assert "Which interview" in answer.reply
