"""What can happen in a turn: a closed union of events.

`log_line` in `app/conversations/turn_log.py` says how they are stored, and `app/chat/sse.py` how they are sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from app.bank.questions import ExperienceLevel
from app.core.errors import GreenroomError
from app.orchestration.questions import Question, QuestionSet
from app.providers.metered import NO_FACTS, CallFacts


@dataclass(frozen=True)
class Handoff:
    """The conversation went from one agent to another."""

    source: str
    target: str


@dataclass(frozen=True)
class ModelCall:
    """One model call, measured where it was made; a row of the ledger."""

    provider: str
    model: str
    agent: str
    function: str | None
    """The technique that made the call, `repair`, or None for the agent's own decision."""
    input_tokens: int
    cached_input_tokens: int
    """Part of `input_tokens`."""
    output_tokens: int
    reasoning_tokens: int
    """Part of `output_tokens`."""
    is_estimated: bool
    """The provider sent no usage, so the tokens are an estimate from the length of the texts."""
    is_complete: bool
    """False when the call failed or was stopped."""
    cost_usd: Decimal | None
    """None where the price of the model is unknown."""
    duration_ms: int
    facts: CallFacts = NO_FACTS

    def booked(self) -> dict[str, Any]:
        """What a row of the ledger has of it."""
        return {name: value for name, value in vars(self).items() if name != "facts"}


@dataclass(frozen=True)
class TurnAnswer:
    """What a completed turn leaves behind."""

    agent: str
    """The agent that spoke last; the next turn starts with it."""
    model: str
    """The model that answered."""
    handoffs: tuple[Handoff, ...]
    reply: str
    """Markdown; equal to all `TextDelta` texts since the last `TurnRestarted`, joined."""
    question_set: QuestionSet | None
    experience_level: ExperienceLevel | None
    """The level the conversation is at now, which the candidate may have changed in this turn."""
    wishes: tuple[str, ...] = ()
    """The lasting wishes as they are now."""
    instead_of: str | None = None
    """The model that was asked for and was not available, where another one answered."""


@dataclass(frozen=True)
class TurnStarted:
    """The turn exists and its message is stored."""

    kind: ClassVar = "turn.started"
    conversation_id: UUID
    turn_id: UUID
    trace_id: str | None = None
    """Of everything that is done about the turn."""


@dataclass(frozen=True)
class AgentActive:
    """An agent took the turn; `source` handed it over, or is None for the first."""

    kind: ClassVar = "agent.active"
    agent: str
    source: str | None


class RestartReason(StrEnum):
    """Why a turn starts over."""

    ANSWER_BROKEN_OFF = "answer_broken_off"
    """The provider's stream ended in the middle of an answer that was being passed on."""
    MODEL_UNAVAILABLE = "model_unavailable"
    """The model is not there; the next one of the chain answers instead."""
    SERVER_LOST = "server_lost"
    """The server that ran the turn died or was stopped; another one, or the same one started again, has taken it."""


@dataclass(frozen=True)
class TurnRestarted:
    """The turn starts over: whatever was shown of its reply and questions counts no longer. Calls stay booked."""

    kind: ClassVar = "turn.restarted"
    reason: RestartReason
    model: str
    """The model that answers now."""
    attempt: int | None = None
    """Where a server begins the turn again: how often it has been begun by then."""


@dataclass(frozen=True)
class QuestionReady:
    """A question is complete, while its technique may still be talking.

    It comes again, under its id, when a repair filled in fields that had been left empty.
    """

    kind: ClassVar = "question.ready"
    question: Question


@dataclass(frozen=True)
class TextDelta:
    """The next piece of the reply, which begins anew with each `turn.restarted`."""

    kind: ClassVar = "text.delta"
    text: str


@dataclass(frozen=True)
class UsageUpdated:
    """A model call ended, well or not."""

    kind: ClassVar = "usage.updated"
    call: ModelCall


@dataclass(frozen=True)
class TurnCompleted:
    """The last event of a turn that worked."""

    kind: ClassVar = "turn.completed"
    reply: Mapping[str, Any]
    """The reply of `POST /chat`, ready for JSON."""


@dataclass(frozen=True)
class TurnFailed:
    """The last event of a turn that did not."""

    kind: ClassVar = "turn.failed"
    error: GreenroomError
    request_id: str | None = None
    """The request that waited for the turn, or None where there is none any more."""
    trace_id: str | None = None


@dataclass(frozen=True)
class TurnCancelled:
    """The last event of a turn that somebody stopped."""

    kind: ClassVar = "turn.cancelled"
    turn_id: UUID


ConductedEvent = AgentActive | TurnRestarted | QuestionReady | TextDelta | UsageUpdated
"""What the conductor emits; the others mark a turn's beginning and end, and belong to whoever keeps its log."""

TurnEvent = TurnStarted | TurnRestarted | ConductedEvent | TurnCompleted | TurnFailed | TurnCancelled
TERMINAL_KINDS = frozenset({TurnCompleted.kind, TurnFailed.kind, TurnCancelled.kind})
