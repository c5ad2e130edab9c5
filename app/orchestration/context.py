"""What the agents of a turn read first: the state of the conversation as fenced data, then the last messages."""

import json
from typing import Any

from semantic_kernel.contents import AuthorRole, ChatMessageContent

from app.core.fences import fence
from app.orchestration.questions import Question, QuestionSet
from app.orchestration.turn import TurnTask

PAST_MESSAGES = 8
PAST_MESSAGE_CHARACTERS = 1_500
EXCERPT_CHARACTERS = 1_000
"""Of the job description, for triage: enough to choose an interview type. The technique gets the whole text."""
POSTING_CHARACTERS = 6_000
"""Of the job description, for a specialist that starts the turn and may answer from it."""


def opening_messages(task: TurnTask) -> list[ChatMessageContent]:
    """The history that every agent of the turn starts from. Its size does not grow with the conversation."""
    state = "The conversation so far, as data:\n" + fence("conversation_state", _state(task), task.nonce)
    messages = [ChatMessageContent(role=AuthorRole.USER, content=state)]
    for past in task.history[-PAST_MESSAGES:]:
        role = AuthorRole.USER if past.is_from_candidate else AuthorRole.ASSISTANT
        messages.append(ChatMessageContent(role=role, content=past.text[:PAST_MESSAGE_CHARACTERS]))
    messages.append(ChatMessageContent(role=AuthorRole.USER, content=task.message))
    return messages


def _state(task: TurnTask) -> str:
    brief = task.brief
    posting = brief.job_description or ""
    limit = POSTING_CHARACTERS if task.agent else EXCERPT_CHARACTERS
    sets = list(task.question_sets.values())
    current = task.question_sets.get(task.agent or "") or (sets[-1] if sets else None)
    state: dict[str, Any] = {
        "active_agent": task.agent,
        "experience_level": brief.experience_level,
        "question_count": brief.question_count,
        "interviewer": dict(brief.interviewer) if brief.interviewer else None,
        "job_description": posting[:limit] or None,
        "job_description_is_excerpt": len(posting) > limit,
        "current_question_set": _set(current) if current else None,
        "other_question_sets": [
            {"interview_type": other.interview_type, "questions": len(other.questions)}
            for other in sets
            if other is not current
        ],
    }
    return json.dumps(state, ensure_ascii=False)


def _set(question_set: QuestionSet) -> dict[str, Any]:
    return {
        "interview_type": question_set.interview_type,
        "revision": question_set.revision,
        "experience_level": question_set.experience_level,
        "questions": [_question(question) for question in question_set.questions],
    }


def _question(question: Question) -> dict[str, Any]:
    return question.model_dump(mode="json", exclude={"id"}, exclude_none=True)
