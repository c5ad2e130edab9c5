"""What a scripted technique writes and is asked for, and what became of it."""

import json
from typing import Any

from app.core.fences import read_fence
from app.orchestration.questions import QuestionSet
from tests.answers import question
from tests.chat.conducting import Conducted
from tests.model_server import RecordedRequest, Say


def writes(*questions: dict[str, Any]) -> Say:
    """A technique, or a repair, that answers with these questions."""
    return Say(json.dumps({"summary": "Here.", "questions": list(questions), "recommendations": ["Rest."]}), pieces=9)


def texts_written(*numbers: int) -> list[str]:
    """The texts of the questions with these numbers."""
    return [str(question(number)["text"]) for number in numbers]


def texts_in(found: QuestionSet) -> list[str]:
    return [one.text for one in found.questions]


def functions_of(turn: Conducted) -> list[str | None]:
    """What each model call of the turn was for."""
    return [call.function for call in turn.calls]


def needs_of(request: RecordedRequest) -> dict[str, Any]:
    """What a repair is asked for."""
    asked: dict[str, Any] = json.loads(read_fence("needs", request.last_user_text) or "")
    return asked
