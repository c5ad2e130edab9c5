"""What turns are made of, with everything that a test does not care about filled in."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select
from sqlmodel import SQLModel

from app.accounts.models import LOCAL_USER_ID
from app.conversations.opening import OpenedTurn, TurnInput, TurnOpening
from app.conversations.service import ConversationService
from app.conversations.turn_log import LoggedEvent
from app.core.clock import utc_now
from app.core.database import Database
from app.orchestration.events import ModelCall, TurnAnswer
from app.orchestration.questions import Question, QuestionSet
from app.usage.models import ModelCallRow

COMPLETED = ("turn.completed", {"reply": "Good luck."})
CANCELLED: tuple[str, dict[str, Any]] = ("turn.cancelled", {})
FAILED = ("turn.failed", {"code": "provider_error", "status": 502})

ACCOUNT_TABLES = {"user", "refresh_token", "attempt_counter", "reset_code", "external_identity", "audit_event"}


def opening(message: str = "I have an interview", **changes: Any) -> TurnOpening:
    return TurnOpening(
        **{"owner_id": LOCAL_USER_ID, "message": message, "model": "gpt-4o", "request_hash": "a" * 64, **changes}
    )


def delta(text: str) -> tuple[str, dict[str, Any]]:
    return "text.delta", {"text": text}


def question(position: int, text: str = "How would you do it?", **changes: Any) -> Question:
    return Question(**{"id": uuid4(), "position": position, "text": text, "hints": ["Think."], **changes})


def question_set(*questions: Question, **changes: Any) -> QuestionSet:
    fields: dict[str, Any] = {
        "id": uuid4(),
        "revision": 1,
        "interview_type": "technical",
        "technique": "few_shot",
        "experience_level": None,
        "questions": questions,
        "recommendations": ("Rehearse.",),
    }
    return QuestionSet(**fields | changes)


def answer(reply: str = "Good luck.", **changes: Any) -> TurnAnswer:
    fields: dict[str, Any] = {"agent": "technical", "model": "gpt-4o", "handoffs": (), "question_set": None}
    fields["experience_level"] = None
    return TurnAnswer(reply=reply, **fields | changes)


def call(**changes: Any) -> ModelCall:
    fields: dict[str, Any] = {
        "provider": "openai",
        "model": "gpt-4o",
        "agent": "technical",
        "function": None,
        "input_tokens": 10,
        "cached_input_tokens": 4,
        "output_tokens": 5,
        "reasoning_tokens": 0,
        "is_estimated": False,
        "is_complete": True,
        "cost_usd": Decimal("0.000075"),
        "duration_ms": 12,
    }
    return ModelCall(**fields | changes)


async def book(database: Database, opened: OpenedTurn, *calls: ModelCall) -> None:
    """Model calls of the turn, as the ledger books them."""
    async with database.transaction() as session:
        for made in calls:
            row = ModelCallRow(
                id=uuid4(),
                owner_id=LOCAL_USER_ID,
                conversation_id=opened.conversation_id,
                turn_id=opened.turn_id,
                created_at=utc_now(),
                ended_at=utc_now(),
                **made.booked(),
            )
            session.add(row)


async def begun_turn(service: ConversationService, given: TurnOpening | None = None) -> TurnInput:
    """A turn that was opened, as whoever runs it finds it."""
    opened = await service.open_turn(given or opening())
    return await service.turn_input(opened.turn_id)


async def finished_turn(
    service: ConversationService, given: TurnOpening | None = None, said: TurnAnswer | None = None
) -> TurnInput:
    """A turn from its opening to its answer."""
    opened = await begun_turn(service, given)
    await service.complete_turn(opened.turn_id, said or answer(), COMPLETED)
    return opened


async def log_of(service: ConversationService, turn_id: UUID, *, after: int = 0) -> list[LoggedEvent]:
    """The log of an ended turn."""
    return [
        event async for event in await service.follow(turn_id, after=after, owner_id=LOCAL_USER_ID) if event is not None
    ]


async def row_counts(database: Database) -> dict[str, int]:
    """How many rows each table of the conversations and the ledger has."""
    async with database.engine.connect() as connection:
        return {
            name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for name, table in SQLModel.metadata.tables.items()
            if name not in ACCOUNT_TABLES
        }
