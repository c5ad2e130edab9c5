"""Follow-ups through the real conductor: which questions stay, whether a revision is made, and what the reply says."""

from dataclasses import replace
from typing import Any

import pytest

from app.orchestration.questions import Question, QuestionSet
from app.orchestration.turn import Brief, PastMessage
from tests.providers.offline.calls import POSTING
from tests.providers.offline.follow_ups import BEHAVIORAL, BY_HAND, NEW_FIVE, ON_A_SET_BY_HAND, Row
from tests.providers.offline.talk import Talk, made_by_hand, shape, talking


@pytest.mark.parametrize("row", ON_A_SET_BY_HAND, ids=lambda row: row.name)
async def test_a_follow_up_to_a_set(row: Row) -> None:
    async with talking(agent=row.agent, brief=replace(Brief(job_description=POSTING), **row.brief)) as talk:
        before = held(talk, BY_HAND)
        answer = await talk.say(row.message)
        if row.target:
            assert answer.agent == row.target
            assert talk.sets["technical"] is before, "the set of the other type stands"
        else:
            assert shape(before, answer.question_set) == row.becomes, answer.reply
            revision = before.revision + (row.becomes is not None)
            assert talk.own_set.revision == revision
        for part in row.says:
            assert part in answer.reply


def held(talk: Talk, items: tuple[dict[str, Any], ...], interview_type: str = "technical") -> QuestionSet:
    """The set that the conversation is about."""
    before = made_by_hand(items, interview_type, talk.brief.experience_level)
    talk.hold(before)
    listed = "\n\n".join(f"**{question.position}.** {question.text}" for question in before.questions)
    talk.history = (PastMessage(True, "questions please"), PastMessage(False, listed))  # noqa: FBT003 - its one flag
    return before


@pytest.mark.parametrize(
    "message", ["only leadership ones", "keep the leadership questions", "just the leadership ones"]
)
async def test_row_4_filters_by_competency(message: str) -> None:
    async with talking(agent="behavioral") as talk:
        before = held(talk, BEHAVIORAL, "behavioral")
        answer = await talk.say(message)
        assert shape(before, answer.question_set) == (1, 3)
        assert 'Say "1 more on leadership" to fill up to 3 again' in answer.reply


async def test_row_4_leads_to_the_type_that_has_the_topic() -> None:
    async with talking(agent="technical") as talk:
        held(talk, BY_HAND)
        answer = await talk.say("only conflict ones")
        assert answer.question_set is None
        assert 'say "switch to behavioral"' in answer.reply


@pytest.mark.parametrize("message", ["make 3 harder", "3 harder please"])
@pytest.mark.parametrize("agent", ["technical", "behavioral", "case_study", "reverse"])
async def test_row_1_adds_a_constraint_then_takes_another_question_and_never_the_same(agent: str, message: str) -> None:
    async with talking(agent=agent) as talk:
        await talk.say("questions please")
        texts = [talk.own_set.questions[2].text]
        for _ in range(3):
            before = talk.own_set
            answer = await talk.say(message)
            assert shape(before, answer.question_set) == (1, 2, 0, 4, 5)
            texts.append(talk.own_set.questions[2].text)
        assert texts[1].startswith(texts[0])
        assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("message", ["the wording's too long", "shorter", "make them shorter"])
async def test_row_8_rewords_what_has_a_shorter_form_and_leaves_the_rest(message: str) -> None:
    async with talking(agent="technical") as talk:
        await talk.say("make them hard, 5 questions")
        await talk.say("make 2 and 4 harder")
        before = talk.own_set
        answer = await talk.say(message)
        assert shape(before, answer.question_set) == (1, 2, 3, 4, 5)
        pairs = list(zip(before.questions, talk.own_set.questions, strict=True))
        shorter = [old.position for old, new in pairs if len(new.text) < len(old.text)]
        assert {2, 4} <= set(shorter)
        assert all(kept(old) == kept(new) for old, new in pairs)


def kept(question: Question) -> tuple[Any, ...]:
    """What no rewording touches."""
    return question.id, question.difficulty, question.category, question.time_minutes, question.requirement


@pytest.mark.parametrize("message", ["shorter", "the wording's too long", "reword 1"])
async def test_row_8_says_so_where_there_is_no_shorter_form(message: str) -> None:
    async with talking(agent="technical") as talk:
        held(talk, BY_HAND)
        answer = await talk.say(message)
        assert answer.question_set is None
        assert "takes a language model" in answer.reply
        assert "Nothing has changed" in answer.reply


async def test_row_8_in_an_interviewers_voice_is_a_rewording() -> None:
    async with talking(agent="technical") as talk:
        await talk.say("questions please")
        before = talk.own_set
        answer = await talk.say("ask these like a strict interviewer")
        assert shape(before, answer.question_set) == (1, 2, 3, 4, 5)
        assert talk.calls == [None, "role_based"]
        assert all(question.follow_ups[0].startswith("Be exact.") for question in talk.own_set.questions)


@pytest.mark.parametrize(
    ("message", "revision_wanted"),
    [
        ("go back to the first version", 1),
        ("back to the original", 1),
        ("undo", 2),
        ("the version before", 2),
        ("version 2 please", 2),
    ],
)
async def test_row_17_brings_a_version_back(message: str, revision_wanted: int) -> None:
    async with talking(agent="technical") as talk:
        first = await talk.say("questions please")
        await talk.say("drop 1")
        await talk.say("drop 1")
        assert first.question_set is not None
        wanted = talk.revisions[first.question_set.id, revision_wanted]
        answer = await talk.say(message)
        assert answer.question_set is not None
        assert [q.id for q in answer.question_set.questions] == [q.id for q in wanted.questions]
        assert answer.question_set.revision == 4


@pytest.mark.parametrize("message", ["just 'data analyst'", "data analyst", "a data analyst interview"])
async def test_row_22_a_bare_title_is_enough_and_the_assumption_is_said(message: str) -> None:
    async with talking(brief=Brief()) as talk:
        answer = await talk.say(message)
        assert answer.question_set is not None
        assert len(answer.question_set.questions) == 5
        assert "at mid level, assumed because none was named" in answer.reply
        assert "work in data" in answer.reply


@pytest.mark.parametrize(
    "message",
    ["same for product manager", "the same for a product manager please", "what about a product manager role?"],
)
async def test_another_role_makes_a_new_set_that_no_longer_quotes_the_posting(message: str) -> None:
    async with talking(agent="technical") as talk:
        await talk.say("questions please")
        before = talk.own_set
        answer = await talk.say(message)
        assert shape(before, answer.question_set) == NEW_FIVE
        assert "for the role of" in answer.reply
        assert all(question.requirement is None for question in talk.own_set.questions)


async def test_a_time_limit_for_good_is_kept_by_later_sets() -> None:
    async with talking(agent="behavioral") as talk:
        await talk.say("questions please")
        await talk.say("I have 16 minutes in all")
        for message in ("new questions", "4 questions"):
            await talk.say(message)
            assert sum(question.time_minutes for question in talk.own_set.questions) <= 16


async def test_the_wish_for_another_posting_comes_with_the_posting() -> None:
    async with talking(agent="technical") as talk:
        await talk.say("questions please")
        nursing = "Registered Nurse\n- Medication rounds on a surgical ward\n- Handover at the bedside"
        talk.brief = replace(talk.brief, job_description=nursing, experience_level=None)
        talk.sets = {}
        answer = await talk.say("new job description")
        assert answer.question_set is not None
        quoted = {question.requirement for question in answer.question_set.questions} - {None}
        assert quoted
        assert quoted <= set(nursing.replace("- ", "").splitlines())
