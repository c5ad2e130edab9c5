"""Which set is exported: the one last worked on, the last of a type, an earlier revision of it."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.accounts.models import LOCAL_USER_ID
from app.conversations.service import ConversationService
from app.core.errors import NotFound
from app.exports.formats import ExportFormat
from app.exports.service import ExportService
from app.orchestration.questions import QuestionSet
from tests.conversations.stories import answer, finished_turn, opening, question, question_set


@pytest.fixture
def exports(conversations: ConversationService) -> ExportService:
    return ExportService(conversations, now=lambda: datetime(2026, 9, 7, tzinfo=UTC))


async def told(conversations: ConversationService, *sets: QuestionSet, **changes: Any) -> UUID:
    """A conversation in which these sets were made, in this order."""
    conversation_id = None
    for made in sets:
        given = opening(conversation_id=conversation_id, **changes)
        conversation_id = (await finished_turn(conversations, given, answer(question_set=made))).conversation_id
    assert conversation_id is not None
    return conversation_id


async def exported(exports: ExportService, conversation_id: UUID, **which: Any) -> dict[str, Any]:
    file = await exports.export(conversation_id, ExportFormat.JSON, owner_id=LOCAL_USER_ID, **which)
    read: dict[str, Any] = json.loads(file.content)
    return read


async def test_the_set_last_worked_on_is_exported_in_its_latest_revision(
    conversations: ConversationService, exports: ExportService
) -> None:
    technical = question_set(question(1))
    behavioral = question_set(question(1), interview_type="behavioral")
    harder = dataclasses.replace(technical, revision=2)
    conversation_id = await told(conversations, technical, behavioral, harder)

    def key(read: dict[str, Any]) -> tuple[str, int]:
        return read["interview_type"], read["revision"]

    assert key(await exported(exports, conversation_id)) == ("technical", 2)
    assert key(await exported(exports, conversation_id, interview_type="behavioral")) == ("behavioral", 1)
    assert key(await exported(exports, conversation_id, revision=1)) == ("technical", 1)
    assert key(await exported(exports, conversation_id, interview_type="technical", revision=1)) == ("technical", 1)


async def test_what_is_not_there_is_not_found_with_a_word_on_what_to_do(
    conversations: ConversationService, exports: ExportService
) -> None:
    silent = (await finished_turn(conversations)).conversation_id
    asked = await told(conversations, question_set(question(1)))
    absent: list[tuple[UUID, dict[str, Any], str]] = [
        (uuid4(), {}, "GET /api/v1/conversations lists"),
        (silent, {}, "ask for some first"),
        (asked, {"interview_type": "behavioral"}, "leave out `interview_type`"),
        (asked, {"revision": 2}, "leave out `revision`"),
    ]
    for conversation_id, which, advice in absent:
        with pytest.raises(NotFound) as raised:
            await exports.export(conversation_id, ExportFormat.PDF, owner_id=LOCAL_USER_ID, **which)
        assert advice in raised.value.detail


async def test_another_conversation_s_set_is_not_exported(
    conversations: ConversationService, exports: ExportService
) -> None:
    first, second = question_set(question(1, "First?")), question_set(question(1, "Second?"))
    first_id, _ = await told(conversations, first), await told(conversations, second)

    assert (await exported(exports, first_id))["questions"][0]["text"] == "First?"


async def test_a_set_is_not_named_after_a_job_it_was_not_made_for(
    conversations: ConversationService, exports: ExportService
) -> None:
    made = question_set(question(1))
    conversation_id = await told(conversations, made, job_description="Baker\nBake bread.")
    assert (await exported(exports, conversation_id))["job_title"] == "Baker"

    await finished_turn(conversations, opening(conversation_id=conversation_id, job_description="Pilot\nFly."))
    assert (await exported(exports, conversation_id))["job_title"] is None
