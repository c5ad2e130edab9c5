"""Opening a turn: what the conversation keeps, what the turn gets to know, and who may not open one."""

import asyncio
from uuid import uuid4

import pytest

from app.accounts.models import LOCAL_USER_ID
from app.bank.questions import ExperienceLevel
from app.conversations.models import TurnStatus
from app.conversations.opening import OpenedTurn, TurnInput
from app.conversations.service import HISTORY_MESSAGES, SEEN_QUESTIONS, ConversationService
from app.core.database import Database
from app.core.errors import IdempotencyConflict, NotFound, TurnInProgress
from tests.conversations.stories import (
    CANCELLED,
    FAILED,
    answer,
    begun_turn,
    finished_turn,
    opening,
    question,
    question_set,
    row_counts,
)

STRICT = {"style": "strict"}


async def test_a_first_turn_stores_message_turn_and_first_line(
    conversations: ConversationService, database: Database
) -> None:
    opened = await begun_turn(conversations, opening("  I have an\ninterview " + "x" * 100))

    assert (opened.active_agent, opened.job_description, opened.question_count) == (None, None, 5)
    assert opened.history == []
    assert await row_counts(database) == {
        "conversation": 1,
        "turn": 1,
        "message": 1,
        "turn_event": 1,
        "question_set": 0,
        "question": 0,
        "model_call": 0,
    }
    detail = await conversations.detail(opened.conversation_id, owner_id=LOCAL_USER_ID)
    assert detail.title == "I have an interview " + "x" * 60
    assert (await conversations.turn(opened.turn_id, owner_id=LOCAL_USER_ID)).status == "running"


async def test_the_brief_is_kept_and_each_part_can_be_told_anew(conversations: ConversationService) -> None:
    told = opening(
        job_description="Backend engineer",
        experience_level=ExperienceLevel.SENIOR,
        question_count=3,
        interviewer=STRICT,
    )
    first = await finished_turn(conversations, told, answer(experience_level=ExperienceLevel.SENIOR))

    def brief(opened: TurnInput) -> tuple[object, ...]:
        return opened.job_description, opened.experience_level, opened.question_count, opened.interviewer

    same = opening(conversation_id=first.conversation_id)
    kept = await finished_turn(conversations, same, answer(experience_level=ExperienceLevel.LEAD))
    assert brief(kept) == ("Backend engineer", "senior", 3, STRICT)
    assert kept.active_agent == "technical"

    changed = opening(
        conversation_id=first.conversation_id,
        job_description="Data engineer",
        question_count=7,
        interviewer={"personality": "friendly"},
    )
    told_anew = await finished_turn(conversations, changed, answer(experience_level=ExperienceLevel.LEAD))
    # The level that the last turn came to counts, not the one first told.
    assert brief(told_anew) == ("Data engineer", "lead", 7, {"personality": "friendly"})


async def test_a_new_job_description_starts_new_question_sets_and_the_same_one_does_not(
    conversations: ConversationService,
) -> None:
    made = question_set(question(1, "Asked for the first job"))
    first = await finished_turn(conversations, opening(job_description="First job"), answer(question_set=made))

    again = opening(conversation_id=first.conversation_id, job_description="First job")
    same_job = await finished_turn(conversations, again)
    assert list(same_job.question_sets) == [made]

    other = opening(conversation_id=first.conversation_id, job_description="Second job")
    other_job = await finished_turn(conversations, other)
    assert other_job.question_sets == []
    assert other_job.seen_questions == ["Asked for the first job"]
    assert len((await conversations.detail(first.conversation_id, owner_id=LOCAL_USER_ID)).question_sets) == 1


async def test_a_turn_knows_the_latest_revision_of_each_set_the_last_worked_on_at_the_end(
    conversations: ConversationService,
) -> None:
    technical, behavioral = question_set(question(1)), question_set(question(1), interview_type="behavioral")
    revised = question_set(question(1, "Harder"), id=technical.id, revision=2)
    conversation_id = None
    for made in (technical, behavioral, revised):
        done = await finished_turn(conversations, opening(conversation_id=conversation_id), answer(question_set=made))
        conversation_id = done.conversation_id

    opened = await begun_turn(conversations, opening(conversation_id=conversation_id))
    assert list(opened.question_sets) == [behavioral, revised]


async def test_history_is_the_last_messages_in_order_without_the_new_one(conversations: ConversationService) -> None:
    conversation_id = None
    for number in range(HISTORY_MESSAGES):
        done = await finished_turn(
            conversations, opening(f"ask {number}", conversation_id=conversation_id), answer(f"say {number}")
        )
        conversation_id = done.conversation_id

    opened = await begun_turn(conversations, opening("now", conversation_id=conversation_id))
    expected = [text for number in range(HISTORY_MESSAGES // 2, HISTORY_MESSAGES) for text in _exchange(number)]
    assert [message.text for message in opened.history] == expected


def _exchange(number: int) -> tuple[str, str]:
    return f"ask {number}", f"say {number}"


async def test_seen_questions_are_the_newest_each_once(conversations: ConversationService) -> None:
    old = question_set(*(question(number, f"old {number:02}") for number in range(1, 21)))
    conversation_id = (await finished_turn(conversations, said=answer(question_set=old))).conversation_id
    for batch in range(21):
        texts = (f"batch {batch} {number:02}" for number in range(1, 20))
        made = question_set(*(question(index, text) for index, text in enumerate(texts, 1)), question(20, "old 01"))
        await finished_turn(conversations, opening(conversation_id=conversation_id), answer(question_set=made))

    opened = await begun_turn(conversations, opening(conversation_id=conversation_id))
    assert len(opened.seen_questions) == SEEN_QUESTIONS == len(set(opened.seen_questions))
    assert "old 01" in opened.seen_questions, "it was asked again lately"
    assert {text for text in opened.seen_questions if text.startswith("batch")} == {
        f"batch {batch} {number:02}" for batch in range(21) for number in range(1, 20)
    }
    assert opened.seen_questions.index("batch 20 01") < opened.seen_questions.index("batch 0 01"), "the newest first"


async def test_an_unknown_conversation_is_not_found_and_stores_nothing(
    conversations: ConversationService, database: Database
) -> None:
    with pytest.raises(NotFound):
        await conversations.open_turn(opening(conversation_id=uuid4()))
    assert not any((await row_counts(database)).values())


async def test_of_many_turns_opened_at_once_exactly_one_runs(
    conversations: ConversationService, replica: ConversationService, database: Database
) -> None:
    conversation_id = (await finished_turn(conversations)).conversation_id
    before = await row_counts(database)
    results = await asyncio.gather(
        *(
            service.open_turn(opening(conversation_id=conversation_id, job_description=f"Job {number}"))
            for number, service in enumerate((conversations, replica) * 8)
        ),
        return_exceptions=True,
    )

    won = [result for result in results if isinstance(result, OpenedTurn)]
    assert len(won) == 1
    assert [type(result) for result in results if not isinstance(result, OpenedTurn)] == [TurnInProgress] * 15
    after = await row_counts(database)
    assert {name: after[name] - before[name] for name in ("turn", "message", "turn_event")} == {
        "turn": 1,
        "message": 1,
        "turn_event": 1,
    }
    kept = await conversations.turn_input(won[0].turn_id)
    assert (await conversations.detail(conversation_id, owner_id=LOCAL_USER_ID)).job_description == kept.job_description


async def test_a_turn_that_has_ended_lets_the_next_one_in(conversations: ConversationService) -> None:
    first = await finished_turn(conversations)
    for status, line in ((TurnStatus.FAILED, FAILED), (TurnStatus.CANCELLED, CANCELLED)):
        opened = await conversations.open_turn(opening(conversation_id=first.conversation_id))
        await conversations.end_turn(opened.turn_id, status, line)
    again = await begun_turn(conversations, opening(conversation_id=first.conversation_id))
    assert again.active_agent == "technical"


async def test_a_known_key_returns_its_turn_running_or_ended(
    conversations: ConversationService, database: Database
) -> None:
    first = await conversations.open_turn(opening(idempotency_key="k"))
    running = await conversations.open_turn(opening(idempotency_key="k"))
    await conversations.complete_turn(first.turn_id, answer(), ("turn.completed", {}))
    ended = await conversations.open_turn(opening(idempotency_key="k"))

    assert running.is_replay
    assert ended.is_replay
    assert first.turn_id == running.turn_id == ended.turn_id
    assert (await row_counts(database))["message"] == 2


async def test_a_key_with_another_request_is_a_conflict(conversations: ConversationService) -> None:
    await conversations.open_turn(opening(idempotency_key="k"))
    with pytest.raises(IdempotencyConflict):
        await conversations.open_turn(opening(idempotency_key="k", request_hash="b" * 64))


@pytest.mark.parametrize("in_conversation", [False, True])
async def test_a_key_sent_many_times_at_once_starts_one_turn(
    conversations: ConversationService, replica: ConversationService, database: Database, *, in_conversation: bool
) -> None:
    conversation_id = (await finished_turn(conversations)).conversation_id if in_conversation else None
    before = await row_counts(database)
    results = await asyncio.gather(
        *(
            service.open_turn(opening(conversation_id=conversation_id, idempotency_key="k"))
            for service in (conversations, replica) * 8
        )
    )

    assert len({result.turn_id for result in results}) == 1
    assert [result.is_replay for result in results].count(False) == 1
    after = await row_counts(database)
    assert after["turn"] - before["turn"] == 1
    assert after["conversation"] - before["conversation"] == (0 if in_conversation else 1)


async def test_what_a_turn_starts_from_can_be_read_by_another_server(
    conversations: ConversationService, replica: ConversationService
) -> None:
    told = opening(
        "Now harder",
        job_description="Backend engineer",
        request={"technique": "few_shot", "temperature": 0.2},
        request_id="r1",
    )
    given = await begun_turn(conversations, told)

    assert await replica.turn_input(given.turn_id) == given
    assert (given.message, given.model, given.owner_id) == ("Now harder", "gpt-4o", LOCAL_USER_ID)
    assert (given.request, given.request_id) == ({"technique": "few_shot", "temperature": 0.2}, "r1")
