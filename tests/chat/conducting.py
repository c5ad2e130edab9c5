"""One turn without HTTP or a database: the real conductor, agents and client, and the scripted provider."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from app.core.canary import canary_for
from app.core.config import Settings
from app.main import Plugins
from app.orchestration.conductor import Conductor
from app.orchestration.events import ModelCall, TextDelta, TurnAnswer, TurnEvent, UsageUpdated
from app.orchestration.ledger import Booking, PlannedCall
from app.orchestration.questions import Question, QuestionSet
from app.orchestration.turn import Brief, TurnLimits, TurnTask
from app.providers.base import Sampling
from app.providers.registry import active_provider
from plugins.cost.plugin import Spending
from tests.answers import JOB_DESCRIPTION, question
from tests.conftest import SHIPPED_PLUGINS, shipped_plugins

NOTHING_SPENT = Spending(cost_usd=Decimal(0), model_calls=0, input_tokens=0, output_tokens=0, question_sets=0)
CANARY = canary_for(b"key", UUID(int=1))


@dataclass(frozen=True)
class Conducted:
    """What a turn came to, and what happened on the way."""

    answer: TurnAnswer
    events: list[TurnEvent]

    @property
    def text_seen(self) -> str:
        """What a reader saw of the reply."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))

    @property
    def calls(self) -> list[ModelCall]:
        """The model calls in the order in which they ended."""
        return [event.call for event in self.events if isinstance(event, UsageUpdated)]

    @property
    def questions(self) -> QuestionSet:
        """The question set, which there must be."""
        assert self.answer.question_set is not None
        return self.answer.question_set


class Stage:
    """Conducts turns and keeps the events also of those that fail."""

    def __init__(self, conductor: Conductor, model: str) -> None:
        self.events: list[TurnEvent] = []
        self._conductor = conductor
        self._model = model

    async def turn(self, message: str = "I have a senior backend interview", **changes: Any) -> Conducted:
        """Conduct a first turn about `JOB_DESCRIPTION`, with `changes` to its task."""
        self.events = []
        task = task_of(**{"message": message, "model": self._model} | changes)
        answer = await self._conductor.run(task, self.events.append)
        return Conducted(answer, self.events)


@asynccontextmanager
async def stage(settings: Settings, **limits: Any) -> AsyncIterator[Stage]:
    """A conductor for the provider of these settings; `limits` are those of `TurnLimits`."""
    plugins = _plugins(settings.plugins_dir)
    provider = active_provider(settings, plugins.offline)
    try:
        conductor = Conductor(plugins.catalog, provider, TurnLimits(**limits))
        yield Stage(conductor, provider.default_model)
    finally:
        await provider.close()


@cache
def _plugins(plugins_dir: Path) -> Plugins:
    return shipped_plugins() if plugins_dir == SHIPPED_PLUGINS else Plugins.load(plugins_dir)


def brief(**changes: Any) -> Brief:
    """A conversation that knows its job and wants two questions."""
    return replace(Brief(job_description=JOB_DESCRIPTION, question_count=2), **changes)


def question_set(count: int, interview_type: str = "technical") -> QuestionSet:
    """The first revision of a set, as an earlier turn left it."""
    return QuestionSet(
        id=uuid4(),
        revision=1,
        interview_type=interview_type,
        technique="few_shot",
        experience_level=None,
        questions=tuple(Question(id=uuid4(), position=number, **question(number)) for number in range(1, count + 1)),
        recommendations=("Read the query plan of one slow query.",),
    )


class MemoryLedger:
    """A ledger without a database: it has room for everything, but for what `refusal` answers with an error."""

    def __init__(
        self,
        before: Spending = NOTHING_SPENT,
        refusal: Callable[[PlannedCall], Exception | None] = lambda _: None,
    ) -> None:
        self.planned: list[PlannedCall] = []
        self.settled: list[ModelCall] = []
        self._before = before
        self._refusal = refusal

    async def reserve(self, planned: PlannedCall) -> Booking:
        if (error := self._refusal(planned)) is not None:
            raise error
        self.planned.append(planned)
        return uuid4()

    async def settle(self, booking: Booking, call: ModelCall) -> None:
        assert booking is not None
        self.settled.append(call)

    async def spending(self) -> Spending:
        before, calls = self._before, self.settled
        costs = [before.cost_usd, *(call.cost_usd for call in calls)]
        known = [cost for cost in costs if cost is not None]
        return replace(
            before,
            cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None,
            model_calls=before.model_calls + len(calls),
            input_tokens=before.input_tokens + sum(call.input_tokens for call in calls),
            output_tokens=before.output_tokens + sum(call.output_tokens for call in calls),
        )


async def nothing_earlier(_question_set_id: UUID, _revision: int) -> QuestionSet | None:
    """A conversation without earlier revisions."""
    return None


def task_of(**changes: Any) -> TurnTask:
    """The task of a first turn; `spending` is what the conversation has cost before."""
    fields: dict[str, Any] = {
        "turn_id": uuid4(),
        "message": "I have a senior backend interview",
        "agent": None,
        "technique": None,
        "brief": brief(),
        "is_level_fixed": False,
        "is_count_fixed": False,
        "history": (),
        "earlier_requests": (),
        "question_sets": {},
        "seen_questions": (),
        "recall": nothing_earlier,
        "context_tokens": 24_000,
        "model": "gpt-4o",
        "sampling": Sampling(),
        "ledger": MemoryLedger(changes.pop("spending", NOTHING_SPENT)),
        "canary": CANARY,
    }
    return TurnTask(**fields | changes)
