"""Turns, handoffs and model calls as spans and metrics, from the events of a turn.

All names of the GenAI semantic conventions (OpenTelemetry, as of 1.42) are here and nowhere else. A model call's span
is made when the call has ended, with the times it had: while it runs, its answer passes through generators of several
tasks, which no context follows.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from opentelemetry import trace
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from app.core.clock import utc_now
from app.core.telemetry import NAME, WITHOUT_MESSAGES, Telemetry, context_of
from app.orchestration.events import AgentActive, ConductedEvent, ModelCall, RestartReason, TurnRestarted, UsageUpdated

CALL_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
CALL_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
"""As the conventions ask for."""
TURN_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 180, 300, 600)
FIRST_EVENT_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

PROVIDER_NAMES = {"azure": "azure.ai.openai"}
"""Where the conventions have a name of their own for a provider."""

Attributes = dict[str, AttributeValue]


class TurnTelemetry:
    """The instruments of turns. One serves all turns of an application at once."""

    def __init__(self, tracer: Tracer, meter: Meter, *, records_content: bool = False) -> None:
        self.tracer = tracer
        self.records_content = records_content
        """Whether spans of model calls hold what was said."""
        self.handoffs = meter.create_counter("greenroom.handoffs", description="Handoffs, by who and to whom")
        self._restarts = meter.create_counter("greenroom.turn.restarts", description="Turns that began anew, by reason")
        self.retries = meter.create_counter("greenroom.model.retries", description="Model calls made again")
        self.cost = meter.create_counter("greenroom.cost.usd", description="Dollars spent on model calls")
        self.unpriced = meter.create_counter(
            "greenroom.model.unpriced_calls", description="Model calls whose price is unknown, which no sum has"
        )
        self.first_event = meter.create_histogram(
            "greenroom.turn.time_to_first_event",
            "s",
            "From the message to the first event after `turn.started`",
            explicit_bucket_boundaries_advisory=FIRST_EVENT_SECONDS,
        )
        self.call_seconds = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "Model calls",
            explicit_bucket_boundaries_advisory=CALL_SECONDS,
        )
        self.call_tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of model calls",
            explicit_bucket_boundaries_advisory=CALL_TOKENS,
        )
        self._turns = meter.create_counter("greenroom.turns", description="Turns that have ended, by outcome")
        self._turn_seconds = meter.create_histogram(
            "greenroom.turn.duration",
            "s",
            "From the message to the end of its turn",
            explicit_bucket_boundaries_advisory=TURN_SECONDS,
        )

    @classmethod
    def of(cls, telemetry: Telemetry) -> "TurnTelemetry":
        """With the application's tracer and meter."""
        return cls(telemetry.tracer, telemetry.meter, records_content=telemetry.records_content)

    def begin_at_zero(self, models: Iterable[str]) -> None:
        """Let the series that are known beforehand exist: of one that begins with 1, an increase misses that one."""
        for outcome in ("completed", "cancelled"):
            self._turns.add(0, {"outcome": outcome, "code": ""})
        for reason in RestartReason:
            self._restarts.add(0, {"reason": reason.value})
        for model in models:
            self.retries.add(0, {"model": model})
            self.unpriced.add(0, {"model": model})

    def restarted(self, reason: RestartReason) -> None:
        """Count a turn that began anew."""
        self._restarts.add(1, {"reason": reason.value})

    def ended(self, outcome: str, *, started_at: datetime, code: str = "") -> None:
        """Count a turn that has ended as `completed`, `failed` (a problem's code says why) or `cancelled`."""
        seconds = max((utc_now() - started_at).total_seconds(), 0)
        # A member of an enumeration would make a series of its own, beside the one of its text.
        outcome = str(outcome)
        self._turns.add(1, {"outcome": outcome, "code": code})
        self._turn_seconds.record(seconds, {"outcome": outcome})

    def attempt_ended(self, outcome: str, *, started_at: datetime, code: str = "") -> None:
        """Likewise, and say it on the attempt's span, which is the current one."""
        self.ended(outcome, started_at=started_at, code=code)
        span = trace.get_current_span()
        span.set_attribute("greenroom.turn.outcome", str(outcome))
        if code:
            span.set_attribute("error.type", code)
            span.set_status(Status(StatusCode.ERROR, code))

    def shown_first(self, *, started_at: datetime) -> None:
        """Readers of the turn are about to see something."""
        self.first_event.record(max((utc_now() - started_at).total_seconds(), 0))

    @contextmanager
    def attempt(self, *, turn_id: UUID, conversation_id: UUID, number: int, parent: str | None) -> Iterator[None]:
        """An attempt at a turn as the current span, under the request that started the turn, wherever that was."""
        attributes: Attributes = {
            "gen_ai.conversation.id": str(conversation_id),
            "greenroom.turn.id": str(turn_id),
            "greenroom.turn.attempt": number,
        }
        with self.tracer.start_as_current_span("turn", context_of(parent), attributes=attributes, **WITHOUT_MESSAGES):
            yield

    @contextmanager
    def watching(self, emit: Callable[[ConductedEvent], None]) -> Iterator[Callable[[ConductedEvent], None]]:
        """Make spans and figures of what is emitted inside the block, below the current span."""
        watch = _Watch(self, trace.get_current_span())

        def watched(event: ConductedEvent) -> None:
            watch.saw(event)
            emit(event)

        try:
            yield watched
        finally:
            watch.close()


class _Watch:
    """Sees the events of one attempt, in their order."""

    def __init__(self, telemetry: TurnTelemetry, span: Span) -> None:
        self._telemetry = telemetry
        self._span = span
        self._agent: Span | None = None
        self._agent_ns = 0

    def saw(self, event: ConductedEvent) -> None:
        """Take the next event, at once."""
        match event:
            case AgentActive(agent=agent, source=source):
                self._begin_agent(agent, source)
            case UsageUpdated(call=call):
                self._called(call)
            case TurnRestarted(reason=reason, model=model):
                self._telemetry.restarted(reason)
                self._span.add_event("turn.restarted", {"reason": reason.value, "gen_ai.request.model": model})

    def close(self) -> None:
        """Nothing more comes."""
        if self._agent is not None:
            self._agent.end()
            self._agent = None

    def _begin_agent(self, agent: str, source: str | None) -> None:
        self.close()
        if source is not None:
            self._telemetry.handoffs.add(1, {"from": source, "to": agent})
        attributes: Attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": agent,
            **({"greenroom.handoff.from": source} if source else {}),
        }
        self._agent_ns = time.time_ns()
        self._agent = self._telemetry.tracer.start_span(
            f"invoke_agent {agent}",
            trace.set_span_in_context(self._span),
            start_time=self._agent_ns,
            attributes=attributes,
        )

    def _called(self, call: ModelCall) -> None:
        common: Attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": PROVIDER_NAMES.get(call.provider, call.provider),
            "gen_ai.request.model": call.model,
        }
        failed: Attributes = {"error.type": call.facts.error_code} if call.facts.error_code else {}
        self._count(call, common, failed)
        ended_ns = time.time_ns()
        span = self._telemetry.tracer.start_span(
            f"chat {call.model}",
            trace.set_span_in_context(self._agent or self._span),
            kind=SpanKind.CLIENT,
            start_time=max(ended_ns - call.duration_ms * 1_000_000, self._agent_ns),
            attributes={**common, **failed, **_attributes(call)},
        )
        if not call.is_complete:
            span.set_status(Status(StatusCode.ERROR, call.facts.error_code or "cancelled"))
        span.end(ended_ns)

    def _count(self, call: ModelCall, common: Attributes, failed: Attributes) -> None:
        telemetry = self._telemetry
        telemetry.call_seconds.record(call.duration_ms / 1000, {**common, **failed})
        for kind, tokens in (("input", call.input_tokens), ("output", call.output_tokens)):
            telemetry.call_tokens.record(tokens, {**common, "gen_ai.token.type": kind})
        if call.cost_usd is None:
            telemetry.unpriced.add(1, {"model": call.model})
        else:
            telemetry.cost.add(float(call.cost_usd), {"model": call.model, "agent": call.agent})
        if call.facts.retry:
            telemetry.retries.add(1, {"model": call.model})


def _attributes(call: ModelCall) -> Attributes:
    """What a span of this call has beside what metrics have."""
    facts = call.facts
    known: Mapping[str, AttributeValue | None] = {
        "gen_ai.agent.name": call.agent,
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": call.cached_input_tokens,
        "gen_ai.response.finish_reasons": [facts.finish_reason] if facts.finish_reason else None,
        "greenroom.function": call.function,
        "greenroom.retry": facts.retry,
        "greenroom.usage.is_estimated": call.is_estimated,
        "greenroom.cost_usd": None if call.cost_usd is None else float(call.cost_usd),
        "greenroom.first_piece_ms": facts.first_piece_ms,
    }
    attributes: Attributes = {name: value for name, value in known.items() if value is not None}
    if facts.content is not None:
        attributes["gen_ai.input.messages"] = json.dumps([_message(each) for each in facts.content.sent])
        attributes["gen_ai.output.messages"] = json.dumps(
            [{"role": "assistant", "parts": [{"type": "text", "content": facts.content.answered}]}]
        )
    return attributes


def _message(sent: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message as the provider gets it, in the conventions' form."""
    parts: Sequence[Mapping[str, Any]] = [{"type": "text", "content": str(sent.get("content") or "")}]
    calls = [
        {"type": "tool_call", "id": call.get("id"), **(call.get("function") or {})}
        for call in sent.get("tool_calls") or ()
    ]
    return {"role": sent.get("role"), "parts": [*parts, *calls]}


UNWATCHED = TurnTelemetry(NoOpTracer(), NoOpMeter(NAME))
"""For turns of which nobody keeps figures, such as a test's."""
