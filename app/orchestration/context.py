"""What the agents of a turn read first: the state of the conversation as fenced data, then the last messages.

It does not grow with the conversation, and keeps within the tokens a turn may send. Semantic Kernel's history reducers
are not used: they count messages, not tokens, and summarise with a model call of their own.
"""

import json
from typing import Any

from semantic_kernel.contents import AuthorRole, ChatMessageContent

from app.core.fences import fence
from app.core.tokens import cut_to_tokens, estimated_tokens
from app.orchestration.order import set_in_view
from app.orchestration.turn import TurnTask

INSTRUCTIONS_TOKENS = 4_000
"""What an agent's instructions and tools take of a call, roughly."""

PAST_MESSAGE_TOKENS = 400
TRIAGE_POSTING_TOKENS = 250
"""Of the job description, for triage: enough to choose an interview type. The technique gets the whole text."""
POSTING_TOKENS, RESUME_TOKENS = 1_500, 1_000
"""For a specialist that starts the turn and may answer from them."""
SUMMARY_TOKENS = 600


def opening_messages(task: TurnTask) -> list[ChatMessageContent]:
    """The history that every agent of the turn starts from."""
    room = max(task.context_tokens - INSTRUCTIONS_TOKENS, INSTRUCTIONS_TOKENS // 2) - estimated_tokens(task.message)
    state = "The conversation so far, as data:\n" + fence("conversation_state", _state(task, room), task.nonce)
    room -= estimated_tokens(state)
    messages = [ChatMessageContent(role=AuthorRole.USER, content=task.message)]
    for past in reversed(task.history):
        text = cut_to_tokens(past.text, PAST_MESSAGE_TOKENS)
        room -= estimated_tokens(text)
        if room < 0:
            break
        role = AuthorRole.USER if past.is_from_candidate else AuthorRole.ASSISTANT
        messages.append(ChatMessageContent(role=role, content=text))
    messages.append(ChatMessageContent(role=AuthorRole.USER, content=state))
    return messages[::-1]


def _state(task: TurnTask, room: int) -> str:
    """The brief, the current set and the running summary; texts are cut to shares of the room."""
    brief = task.brief
    posting = brief.job_description or ""
    excerpt = cut_to_tokens(posting, min(POSTING_TOKENS, room // 4) if task.agent else TRIAGE_POSTING_TOKENS)
    sets = list(task.question_sets.values())
    current = task.question_sets.get(task.agent or "") or (sets[-1] if sets else None)
    state: dict[str, Any] = {
        "active_agent": task.agent,
        "experience_level": brief.experience_level,
        "question_count": brief.question_count,
        "interviewer": dict(brief.interviewer) if brief.interviewer else None,
        "wishes": list(brief.wishes),
        "job_description": excerpt or None,
        "job_description_is_excerpt": excerpt != posting,
        "resume": cut_to_tokens(brief.resume, min(RESUME_TOKENS, room // 8)) if brief.resume and task.agent else None,
        "current_question_set": {
            "interview_type": current.interview_type,
            "revision": current.revision,
            "experience_level": current.experience_level,
            "questions": set_in_view(current.questions, room // 3),
        }
        if current
        else None,
        "other_question_sets": [
            {"interview_type": other.interview_type, "questions": len(other.questions)}
            for other in sets
            if other is not current
        ],
        "earlier_requests": _newest_within(task.earlier_requests, min(SUMMARY_TOKENS, room // 8)),
    }
    return json.dumps(state, ensure_ascii=False)


def _newest_within(lines: tuple[str, ...], tokens: int) -> list[str]:
    kept: list[str] = []
    for line in reversed(lines):
        tokens -= estimated_tokens(line) + 2
        if tokens < 0:
            break
        kept.append(line)
    return kept[::-1]
