"""One turn as values: what the conductor is given, and what it keeps while the turn runs."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

from app.bank.questions import ExperienceLevel
from app.core.canary import Canary
from app.core.errors import AnswerBrokenOff, EmptyAnswer, OutputWithheld, ProviderError
from app.orchestration.catalog import ENTRY_AGENT
from app.orchestration.events import (
    AgentActive,
    ConductedEvent,
    Handoff,
    ModelCall,
    RestartReason,
    TextDelta,
    TurnAnswer,
    TurnRestarted,
    UsageUpdated,
)
from app.orchestration.images import without_images
from app.orchestration.ledger import (
    AGENT_OUTPUT_TOKENS,
    Booking,
    Ledger,
    OutputCap,
    booked_output_tokens,
    output_cap,
    planned_call,
)
from app.orchestration.mending import storable
from app.orchestration.questions import QuestionSet
from app.providers.base import Provider, Sampling
from app.providers.metered import CallPlan, MeasuredCall
from plugins.cost.prices import NO_OVERRIDES, PriceOverride, Tokens, list_price, price_usd

Emit = Callable[[ConductedEvent], None]
Recall = Callable[[UUID, int], Awaitable[QuestionSet | None]]
"""An earlier revision of a question set, by the set's id and the revision's number."""

HELD_CHARACTERS = 200
"""What an agent says before a tool call ("let me hand you over …") is not for the candidate. Such lead-ins are short,
so this much is held back until it is clear that no call follows; an answer longer than that streams. Triage, whose job
is to hand over and whose answers are two sentences, is held back whole."""

NO_ANSWER = "The model came to no answer. Try again, or ask more simply."
STAND_IN_NOTICE = "*`{}` is not available at the moment, so `{}` answers.*\n\n"
LENGTH_NOTICE = "\n\n*The answer stops here: the model reached its limit of length.*\n"


@dataclass(frozen=True)
class Brief:
    """What the conversation has been told so far and keeps."""

    job_description: str | None = None
    resume: str | None = None
    experience_level: ExperienceLevel | None = None
    question_count: int = 5
    interviewer: Mapping[str, str] | None = None
    wishes: tuple[str, ...] = ()
    """Lasting wishes of the candidate, in their words, such as a language or a time limit; oldest first."""


@dataclass(frozen=True)
class PastMessage:
    """A message of an earlier turn."""

    is_from_candidate: bool
    text: str


@dataclass(frozen=True)
class StandIn:
    """A model that answers where the one before it in the chain is unavailable."""

    model: str
    context_tokens: int
    """As `TurnTask.context_tokens`."""


@dataclass(frozen=True)
class TurnTask:
    """Everything a turn starts from. Nothing else is read while it runs, but an earlier revision that is restored."""

    turn_id: UUID
    message: str
    agent: str | None
    """Who starts: the conversation's active agent or the interview type asked for; None is triage."""
    technique: str | None
    """The only technique this turn may use, or None to let the agent choose."""
    brief: Brief
    is_level_fixed: bool
    """The request itself named the level, so what the model makes of the message does not change it."""
    is_count_fixed: bool
    """The same for the number of questions."""
    history: tuple[PastMessage, ...]
    """The last messages."""
    earlier_requests: tuple[str, ...]
    """A running summary of the turns before those: what was asked and what came of it, a line each, oldest first."""
    question_sets: Mapping[str, QuestionSet]
    """The latest revision by interview type, for the job at hand; the one last worked on comes last."""
    seen_questions: tuple[str, ...]
    """Texts of the questions the conversation has had, the newest first, so that none is asked twice."""
    recall: Recall
    model: str
    context_tokens: int
    """The most a call of this model should be sent, roughly."""
    sampling: Sampling
    ledger: Ledger
    canary: str = field(repr=False)
    """The conversation's, from `canary_for`. Every model call gets it, and no answer may hold it."""
    stand_ins: tuple[StandIn, ...] = ()
    """In the order in which they are tried."""
    instead_of: str | None = None
    """The model that was asked for, where `model` stands in for it."""

    @property
    def nonce(self) -> str:
        """For this turn's fences; nobody outside knows it before the turn starts."""
        return self.turn_id.hex[:8]


@dataclass(frozen=True)
class TurnLimits:
    """What ends a turn that does not end by itself."""

    silence_seconds: float = 30
    deadline_seconds: float = 180
    handoffs: int = 3
    model_calls: int = 8
    """That come to an answer; how often each is tried is the provider's `retries`."""
    restarts: int = 0
    """After an answer that broke off."""


class TurnState:
    """What is known of a running turn. Observes every model call; lives in one task's event loop."""

    def __init__(
        self,
        task: TurnTask,
        *,
        provider: Provider,
        limits: TurnLimits,
        emit: Emit,
        prices: Mapping[str, PriceOverride] = NO_OVERRIDES,
        records_content: bool = False,
    ) -> None:
        self.task = task
        self.records_content = records_content
        self.prices = prices
        self.provider = provider
        self.limits = limits
        self.emit = emit
        self.canary = Canary(task.canary)
        self.calls: list[ModelCall] = []
        self.handoffs: list[Handoff] = []
        self.active_agent: str | None = None
        self.experience_level = task.brief.experience_level
        self.wishes = task.brief.wishes
        self.question_set: QuestionSet | None = None
        self.failure: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.is_model_away = False
        """The turn failed because its model was not there, which another may be."""
        self.restarts_left = limits.restarts
        self.is_cut_by_length = False
        """The technique's output ends where the model's limit of length was."""
        self.silence: asyncio.Timeout | None = None
        self.deadline: asyncio.Timeout | None = None
        self._notice = STAND_IN_NOTICE.format(task.instead_of, task.model) if task.instead_of else ""
        self._reply: list[str] = []
        self._held = ""
        self._has_tool_call = False
        self._is_speaking = False
        """To the candidate: what comes now is passed on as it comes."""
        self._function: str | None = None
        self._output_bound = self.output_cap(AGENT_OUTPUT_TOKENS).bound
        self._is_optional = False
        self._has_decided = False
        self._has_left_out = False

    # What the filters and the conductor do.

    def say(self, text: str) -> None:
        """Add to the reply, and let the reader see it."""
        text = without_images(text, after=self._reply[-1] if self._reply else "")
        if self._notice and text.strip():
            # With the first words, and not before: a notice alone would be a reply.
            text, self._notice = self._notice + text, ""
        if text:
            self._reply.append(text)
            self.emit(TextDelta(text))

    def fail(self, error: BaseException, *, is_model_away: bool = False) -> None:
        """End the turn with this error; the first one counts."""
        if not self.failure.done():
            self.is_model_away = is_model_away
            self.failure.set_result(error)

    def restarted(self, error: BaseException) -> "TurnState | None":
        """The state of a new attempt at the turn, which readers are told of; None where this error ends it.

        All of it starts over, triage included: what a model has said so far is in the agents' histories as well as on
        the reader's screen. Only the time goes on.
        """
        task, restarts_left = self.task, self.restarts_left
        if self.is_model_away and task.stand_ins:
            reason, (first, *others) = RestartReason.MODEL_UNAVAILABLE, task.stand_ins
            task = replace(
                task,
                model=first.model,
                context_tokens=first.context_tokens,
                stand_ins=tuple(others),
                instead_of=task.instead_of or task.model,
            )
        elif isinstance(error, AnswerBrokenOff) and not self.is_model_away and restarts_left > 0:
            reason, restarts_left = RestartReason.ANSWER_BROKEN_OFF, restarts_left - 1
        else:
            return None
        fresh = TurnState(
            task,
            provider=self.provider,
            limits=self.limits,
            emit=self.emit,
            prices=self.prices,
            records_content=self.records_content,
        )
        fresh.deadline, fresh.silence, fresh.restarts_left = self.deadline, self.silence, restarts_left
        fresh.emit(TurnRestarted(reason, task.model))
        fresh._touch()
        return fresh

    def decide(self) -> bool:
        """Claim the agent's answer at hand for a handoff, a technique or an edit; False when it is claimed already.

        The calls of one answer run at the same time: two techniques would talk at once, and of two handoffs the last
        would win silently.
        """
        is_first = not self._has_decided
        self._has_decided = True
        self._has_left_out = self._has_left_out or not is_first
        return is_first

    def patience_ends(self) -> float:
        """When a call that the turn can do without is given up: in good time before silence or deadline end the turn.

        By the event loop's clock; later with each piece that arrives.
        """
        patience = asyncio.get_running_loop().time() + 0.9 * self.limits.silence_seconds
        deadline = self.deadline.when() if self.deadline is not None else None
        return patience if deadline is None else min(patience, deadline - 0.1 * self.limits.deadline_seconds)

    def output_cap(self, wanted: int, *, asked: int | None = None) -> OutputCap:
        """How long an answer of this turn's model may become; see `ledger.output_cap`."""
        return output_cap(
            self.task.model,
            self.provider.name,
            wanted=wanted,
            asked=asked,
            context_tokens=self.task.context_tokens,
            overrides=self.prices,
        )

    @contextmanager
    def calling(self, function: str, *, output_bound: int, is_optional: bool = False) -> Iterator[None]:
        """Book the model calls inside the block to a function. An optional one may fail without failing the turn."""
        before = self._function, self._output_bound, self._is_optional
        self._function, self._output_bound, self._is_optional = function, output_bound, is_optional
        try:
            yield
        finally:
            self._function, self._output_bound, self._is_optional = before

    def answer(self) -> TurnAnswer:
        """What the turn came to.

        Raises:
            EmptyAnswer: the model said nothing at all.
        """
        if self._has_left_out and self.question_set is not None:
            self.say("\nOne change at a time: what else you asked for follows with your next message.\n")
        reply = "".join(self._reply)
        if not reply.strip() or self.active_agent is None:
            raise EmptyAnswer(NO_ANSWER)
        return TurnAnswer(
            agent=self.active_agent,
            model=self.task.model,
            instead_of=self.task.instead_of,
            handoffs=tuple(self.handoffs),
            reply=reply,
            question_set=self.question_set,
            experience_level=self.experience_level,
            wishes=self.wishes,
        )

    # What the metered service reports (CallObserver).

    async def call_started(self, agent: str, plan: CallPlan) -> Booking:
        """See CallObserver. Refuses the call that would exceed the turn's limit, or that the ledger has no room for."""
        if sum(call.is_complete for call in self.calls) >= self.limits.model_calls:
            error = ProviderError(
                f"The agents came to no answer within {self.limits.model_calls} model calls. Try to ask more simply."
            )
            # After a handoff Semantic Kernel would swallow it, and the turn would wait for nothing.
            self.call_failed(error)
            raise error
        planned = planned_call(
            plan,
            provider=self.provider.name,
            model=self.task.model,
            agent=agent,
            function=self._function,
            output_bound=self._output_bound,
            overrides=self.prices,
        )
        try:
            booking = await self.task.ledger.reserve(planned)
        except Exception as error:
            self.call_failed(error)
            raise
        if agent != self.active_agent:
            if self.active_agent is not None:
                self.handoffs.append(Handoff(self.active_agent, agent))
            self.emit(AgentActive(agent=agent, source=self.active_agent))
            self.active_agent = agent
        if self._function is None:
            self._has_decided = False
        self._held, self._has_tool_call, self._is_speaking = "", False, False
        self._touch()
        return booking

    def call_progressed(self, agent: str, *, text: str, has_tool_call: bool) -> None:
        """See CallObserver. A technique's text goes through the reader instead of straight to the candidate."""
        self._touch()
        self._has_tool_call = self._has_tool_call or has_tool_call
        if self._function is None and text:
            self._held += text
            self._is_speaking = self._is_speaking or (agent != ENTRY_AGENT and len(self._held) > HELD_CHARACTERS)
            if self._is_speaking and not self._has_tool_call:
                self._release()

    async def call_ended(self, agent: str, booking: Booking, call: MeasuredCall) -> None:
        """See CallObserver. The row of the ledger is there before the event says so."""
        self._touch()
        output_tokens = self._output_tokens(call)
        tokens = Tokens(
            input=call.input_tokens,
            cached_input=call.cached_input_tokens,
            output=output_tokens,
            reasoning=call.reasoning_tokens,
        )
        measured = ModelCall(
            provider=self.provider.name,
            model=self.task.model,
            agent=agent,
            function=self._function,
            input_tokens=call.input_tokens,
            cached_input_tokens=call.cached_input_tokens,
            output_tokens=output_tokens,
            reasoning_tokens=call.reasoning_tokens,
            is_estimated=call.is_estimated,
            is_complete=call.is_complete,
            cost_usd=price_usd(self.task.model, tokens, provider=self.provider.name, overrides=self.prices),
            duration_ms=call.duration_ms,
            facts=call.facts,
        )
        await self._settle(booking, measured)
        if call.is_complete and not self._has_tool_call:
            self._answered(call)

    @property
    def has_lost_patience(self) -> bool:
        """See CallObserver."""
        return self.silence is not None and self.silence.expired()

    def call_failed(self, error: BaseException, *, is_model_away: bool = False) -> None:
        """See CallObserver. Withheld output fails the turn also where it could do without the call."""
        if not self._is_optional or isinstance(error, OutputWithheld):
            self.fail(error, is_model_away=is_model_away)

    def _output_tokens(self, call: MeasuredCall) -> int:
        """As many as to book. Without a price nothing is charged, so there an estimate is only what was seen."""
        price = list_price(self.task.model, self.provider.name, overrides=self.prices)
        return booked_output_tokens(call, output_bound=self._output_bound) if any(price or ()) else call.output_tokens

    async def _settle(self, booking: Booking, call: ModelCall) -> None:
        try:
            await self.task.ledger.settle(booking, call)
        except asyncio.CancelledError:
            # The row is written all the same.
            self._count(call)
            raise
        except Exception as error:
            self.fail(error)
            raise
        self._count(call)

    def _count(self, call: ModelCall) -> None:
        self.calls.append(call)
        self.emit(UsageUpdated(call))

    def _answered(self, call: MeasuredCall) -> None:
        """A call ended in text."""
        if self._function is not None:
            # A repair that is cut mends less, and the technique's own end is what the candidate is told of.
            self.is_cut_by_length = self.is_cut_by_length or (call.is_length_stop and not self._is_optional)
            return
        if not self._held and not self._reply:
            self.fail(EmptyAnswer(NO_ANSWER))
        self._release()
        if call.is_length_stop:
            self.say(LENGTH_NOTICE)

    def _release(self) -> None:
        held, self._held = self._held, ""
        self.say(storable(held))

    def _touch(self) -> None:
        if self.silence is not None and not self.silence.expired():
            self.silence.reschedule(asyncio.get_running_loop().time() + self.limits.silence_seconds)
