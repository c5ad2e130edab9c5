"""How turns end: all of an answer is stored or none of it, and a turn ends once."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import StatementError
from sqlmodel import col

from app.accounts.models import LOCAL_USER_ID
from app.bank.questions import Difficulty, ExperienceLevel
from app.conversations.models import TurnStatus
from app.conversations.service import ConversationService
from app.core.database import Database
from app.core.errors import NotFound
from app.orchestration.questions import Case
from app.usage.models import ModelCallRow
from tests.conversations.stories import (
    CANCELLED,
    COMPLETED,
    FAILED,
    answer,
    book,
    call,
    delta,
    finished_turn,
    log_of,
    opening,
    question,
    question_set,
    row_counts,
)


async def test_an_answer_leaves_message_set_agent_level_and_last_line(conversations: ConversationService) -> None:
    made = question_set(question(1), question(2))
    said = answer("Two questions.", question_set=made, experience_level=ExperienceLevel.MID)
    opened = await finished_turn(conversations, said=said)

    detail = await conversations.detail(opened.conversation_id, owner_id=LOCAL_USER_ID)
    assert [(message.role, message.agent, message.text) for message in detail.messages] == [
        ("user", None, "I have an interview"),
        ("assistant", "technical", "Two questions."),
    ]
    assert (detail.active_agent, detail.experience_level) == ("technical", "mid")
    assert [found.id for found in detail.question_sets] == [made.id]
    turn = await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)
    assert (turn.status, turn.agent, turn.reply, turn.problem) == ("completed", "technical", COMPLETED[1], None)
    assert turn.finished_at is not None
    assert turn.finished_at >= turn.started_at


async def test_an_answer_that_cannot_be_stored_whole_leaves_nothing(
    conversations: ConversationService, database: Database
) -> None:
    opened = await conversations.open_turn(opening())
    before = await row_counts(database)
    unstorable = ("turn.completed", {"reply": object()})
    with pytest.raises(StatementError):
        await conversations.complete_turn(opened.turn_id, answer(question_set=question_set(question(1))), unstorable)

    assert await row_counts(database) == before
    assert (await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)).status == "running"
    assert (await conversations.detail(opened.conversation_id, owner_id=LOCAL_USER_ID)).active_agent is None


@pytest.mark.parametrize("status", [TurnStatus.FAILED, TurnStatus.CANCELLED])
async def test_an_ended_turn_takes_no_answer(
    conversations: ConversationService, database: Database, status: TurnStatus
) -> None:
    opened = await conversations.open_turn(opening())
    line = FAILED if status is TurnStatus.FAILED else CANCELLED
    await conversations.end_turn(opened.turn_id, status, line)
    before = await row_counts(database)
    await conversations.complete_turn(opened.turn_id, answer(), COMPLETED)
    await conversations.end_turn(opened.turn_id, TurnStatus.FAILED, FAILED)

    assert await row_counts(database) == before
    turn = await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)
    assert (turn.status, turn.reply) == (status, None)
    assert (turn.problem is None) == (status is TurnStatus.CANCELLED)


async def test_of_many_ends_at_once_one_counts(
    conversations: ConversationService, replica: ConversationService
) -> None:
    opened = await conversations.open_turn(opening())
    await asyncio.gather(
        *(service.complete_turn(opened.turn_id, answer(), COMPLETED) for service in (conversations, replica) * 3),
        *(
            service.end_turn(opened.turn_id, TurnStatus.CANCELLED, CANCELLED)
            for service in (conversations, replica) * 3
        ),
    )

    turn = await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)
    log = await log_of(conversations, opened.turn_id)
    assert [event.kind for event in log] == ["turn.started", f"turn.{turn.status}"]
    detail = await conversations.detail(opened.conversation_id, owner_id=LOCAL_USER_ID)
    assert len(detail.messages) == (2 if turn.status == "completed" else 1)


async def test_every_revision_stays_with_the_ids_of_what_it_kept(conversations: ConversationService) -> None:
    first = question_set(question(1), question(2), question(3))
    opened = await finished_turn(conversations, said=answer(question_set=first))
    harder = question(2, "Harder", difficulty=Difficulty.HARD)
    kept = first.questions
    second = question_set(kept[0], harder, kept[2], id=first.id, revision=2)
    await finished_turn(conversations, opening(conversation_id=opened.conversation_id), answer(question_set=second))

    sets = (await conversations.detail(opened.conversation_id, owner_id=LOCAL_USER_ID)).question_sets
    assert [found.revision for found in sets] == [1, 2]
    assert [tuple(found.questions) for found in sets] == [first.questions, second.questions]


@pytest.mark.parametrize(
    "text",
    [
        "Größe, naïve, žluťoučký kůň",
        "採用面接の準備をしたいです",
        "أريد التحضير لمقابلة عمل",
        "मैं साक्षात्कार की तैयारी कर रहा हूँ",
        "👩🏽‍💻🏳️‍🌈 e\u0301 \u202e right to left",
        "x" * 5_000,
        "`List<String>` a < b && c; R&D 100% 'quoted' \"twice\" \\n {{$input}} ; DROP TABLE turn; --",
        "tab\t lines\r\nand\u2028ends \x7f\x1b[31m",
    ],
)
async def test_text_is_stored_as_it_was_written(conversations: ConversationService, text: str) -> None:
    case = Case(scenario=text, data=[text], expected_approach=[text])
    asked = question(1, category=text, requirement=text, level_signal=text, sample_framework=text, case=case)
    listed = {"evaluation_criteria": [text], "follow_ups": [text], "hints": [text]}
    made = question_set(asked.model_copy(update={"text": text, **listed}), recommendations=(text,))
    told = opening(text, job_description=text, interviewer={"style": text})
    opened = await conversations.open_turn(told)
    await conversations.append(opened.turn_id, [delta(text)])
    await conversations.complete_turn(opened.turn_id, answer(text, question_set=made), COMPLETED)

    detail = await conversations.detail(opened.conversation_id, owner_id=LOCAL_USER_ID)
    assert (detail.job_description, detail.interviewer) == (text, {"style": text})
    assert [message.text for message in detail.messages] == [text, text]
    assert tuple(detail.question_sets[0].questions) == made.questions
    assert detail.question_sets[0].recommendations == [text]
    assert (await log_of(conversations, opened.turn_id))[1].data == {"text": text}


async def test_deleting_takes_everything_but_the_ledger(conversations: ConversationService, database: Database) -> None:
    def made() -> dict[str, Any]:
        return {"question_set": question_set(question(1), question(2))}

    kept = await finished_turn(conversations, said=answer(**made()))
    once = await row_counts(database)
    opened = await conversations.open_turn(opening())
    await conversations.append(opened.turn_id, [delta("a")])
    booked = [call(), call(agent="triage", cost_usd=None)]
    await book(database, opened, *booked)
    await conversations.complete_turn(opened.turn_id, answer(**made()), COMPLETED)
    assert all((await row_counts(database)).values())

    await conversations.delete(opened.conversation_id, owner_id=LOCAL_USER_ID)

    assert await row_counts(database) == once | {"model_call": 2}
    for gone in (
        conversations.detail(opened.conversation_id, owner_id=LOCAL_USER_ID),
        conversations.delete(opened.conversation_id, owner_id=LOCAL_USER_ID),
    ):
        with pytest.raises(NotFound):
            await gone
    with pytest.raises(NotFound):
        await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)
    with pytest.raises(NotFound):
        await conversations.follow(opened.turn_id, owner_id=LOCAL_USER_ID)
    assert len((await conversations.detail(kept.conversation_id, owner_id=LOCAL_USER_ID)).question_sets) == 1
    async with database.engine.connect() as connection:
        query = select(*ModelCallRow.__table__.columns).order_by(col(ModelCallRow.agent))  # type: ignore[attr-defined]  # sqlmodel does not type it
        rows = (await connection.execute(query)).mappings().all()
    assert [row["agent"] for row in rows] == ["technical", "triage"]
    for row, model_call in zip(rows, booked, strict=True):
        assert (row["conversation_id"], row["turn_id"]) == (None, None)
        assert {name: row[name] for name in model_call.booked()} == model_call.booked()


async def test_a_revision_is_found_in_its_own_conversation_only(conversations: ConversationService) -> None:
    made = question_set(question(1))
    own = await finished_turn(conversations, said=answer(question_set=made))
    other = await finished_turn(conversations)

    assert await conversations.revision(own.conversation_id, made.id, 1) == made
    assert await conversations.revision(own.conversation_id, made.id, 2) is None
    assert await conversations.revision(other.conversation_id, made.id, 1) is None
