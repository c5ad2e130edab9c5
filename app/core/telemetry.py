"""Traces and metrics with OpenTelemetry: what is set up once, and the ids that join logs, spans and problems.

Metrics are always counted, and `/metrics` shows them. Nothing is sent anywhere until `OTEL_EXPORTER_OTLP_ENDPOINT` (or
its `_TRACES_` and `_METRICS_` forms) names a collector; the other standard variables hold as well. Requests and turns
have a trace id in any case, so that a log line, a problem and a span can be found by one id.

What is measured of requests and statements is here; of turns and models, in `app/orchestration/telemetry.py`.
"""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from prometheus_client import CollectorRegistry, generate_latest
from sqlalchemy import Connection, Engine, event

from app import __version__

NAME = "greenroom"
CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""Of the GenAI conventions: only with `true` do spans hold what people and models wrote."""
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
OBSERVE_SECONDS = 2.0
"""How long a figure that has to be looked up may take; later, it is missing rather than old."""
STOP_SECONDS = 3.0
"""For what has not been sent yet, when the service stops."""
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked for every few seconds by machines: a span of each would bury the others."""

WITHOUT_MESSAGES: Mapping[str, Any] = {"record_exception": False, "set_status_on_exception": False}
"""Of spans that an exception may pass through: its message may quote people."""

_PROPAGATOR = TraceContextTextMapPropagator()

LookUp = Callable[[], Awaitable[float]]


def trace_id() -> str | None:
    """Of what is being done here and now: 32 hex digits, or None outside requests and turns."""
    found = trace.get_current_span().get_span_context()
    return trace.format_trace_id(found.trace_id) if found.is_valid else None


def span_id() -> str | None:
    """Likewise: 16 hex digits."""
    found = trace.get_current_span().get_span_context()
    return trace.format_span_id(found.span_id) if found.is_valid else None


def trace_parent() -> str | None:
    """The place here and now as a `traceparent` (W3C Trace Context), for work that goes on elsewhere."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def trace_id_of(parent: str | None) -> str | None:
    """The trace id within a `traceparent`."""
    return parent.split("-")[1] if parent else None


def context_of(parent: str | None) -> Context:
    """The context that a `traceparent` describes; an empty one for None or for what is none."""
    return _PROPAGATOR.extract({"traceparent": parent} if parent else {}, Context())


class WrongTelemetry(ValueError):
    """A standard variable asks for what this service cannot do; names it."""


class Telemetry:
    """The tracer and the meter of one application. Made once, stopped with it."""

    def __init__(
        self, tracer_provider: TracerProvider, readers: Iterable[MetricReader], resource: Resource, *, is_traced: bool
    ) -> None:
        self.registry = CollectorRegistry()
        prometheus = PrometheusMetricReader(scope_info_enabled=False, registry=self.registry)
        self._tracer_provider = tracer_provider
        self._meter_provider = MeterProvider([prometheus, *readers], resource, shutdown_on_exit=False)
        self.tracer: Tracer = tracer_provider.get_tracer(NAME)
        self.meter: Meter = self._meter_provider.get_meter(NAME)
        self._is_stopped = False
        self.is_traced = is_traced
        """Whether spans go anywhere."""
        self.records_content = is_traced and os.environ.get(CONTENT_VARIABLE, "").lower() == "true"
        self._requests = self.meter.create_histogram(
            "http.server.request.duration",
            "s",
            "Requests, by route and status; a stream's ends with the stream",
            explicit_bucket_boundaries_advisory=REQUEST_SECONDS,
        )

    @classmethod
    def from_environment(cls) -> "Telemetry":
        """As the standard variables say.

        Raises:
            WrongTelemetry: they ask for gRPC, which is not on board.
        """
        is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        resource = _resource()
        is_traced = not is_off and _is_exported("TRACES")
        # A sampler that takes nothing still gives every span its ids.
        traces = TracerProvider(None if is_traced else ALWAYS_OFF, resource=resource, shutdown_on_exit=False)
        if is_traced:
            traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        readers = []
        if not is_off and _is_exported("METRICS"):
            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        return cls(traces, readers, resource, is_traced=is_traced)

    @contextmanager
    def request(self, scope: Mapping[str, Any], parent: str | None) -> Iterator[Callable[[int], None]]:
        """A request (an ASGI scope) as a span, under the caller's `traceparent` if there is one.

        Gives what is to be told the answer's status, in whose absence the request counts as broken off.
        """
        if scope["path"] in QUIET_PATHS:
            yield lambda _: None
            return
        status, started, method = 0, time.monotonic(), _method(scope)

        def answered(given: int) -> None:
            nonlocal status
            status = given

        with self.tracer.start_as_current_span(method, context_of(parent), SpanKind.SERVER, **WITHOUT_MESSAGES) as span:
            try:
                yield answered
            finally:
                route = getattr(scope.get("route"), "path", None)
                attributes: dict[str, AttributeValue] = {
                    "http.request.method": method,
                    "http.response.status_code": status,
                }
                if route is not None:
                    span.update_name(f"{method} {route}")
                    attributes["http.route"] = route
                span.set_attributes(attributes)
                if status == 0 or status >= 500:
                    span.set_status(Status(StatusCode.ERROR))
                self._requests.record(time.monotonic() - started, attributes)

    def watch_statements(self, engine: Engine) -> None:
        """Make a span of every statement this engine executes, with its text as it was written, never its values."""
        if not self.is_traced:
            return
        # The conventions' names are SQLAlchemy's, for both.
        system = engine.dialect.name
        spans: dict[int, Span] = {}

        def before(
            _connection: Connection, _cursor: Any, statement: str, _values: Any, context: Any, _many: Any
        ) -> None:
            # Only within requests and turns: the worker's looking for work would make a trace every second.
            if trace_id() is None:
                return
            operation = statement.lstrip().partition(" ")[0].upper()
            attributes = {"db.system.name": system, "db.operation.name": operation, "db.query.text": statement}
            spans[id(context)] = self.tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=attributes)

        def after(
            _connection: Connection, _cursor: Any, _statement: str, _values: Any, context: Any, _many: Any
        ) -> None:
            if (span := spans.pop(id(context), None)) is not None:
                span.end()

        def failed(error: Any) -> None:
            if (span := spans.pop(id(error.execution_context), None)) is not None:
                # The driver's message quotes values.
                span.set_status(Status(StatusCode.ERROR, type(error.original_exception).__name__))
                span.end()

        event.listen(engine, "before_cursor_execute", before)
        event.listen(engine, "after_cursor_execute", after)
        event.listen(engine, "handle_error", failed)

    def observe(self, name: str, description: str, look_up: LookUp, *, unit: str = "") -> None:
        """A gauge that is looked up on this event loop whenever somebody asks for it; missing if that fails.

        Asked for from another thread: here, it would wait for itself.
        """
        loop = asyncio.get_running_loop()

        def look(_options: CallbackOptions) -> Iterable[Observation]:
            if self._is_stopped:
                return []
            looking = asyncio.run_coroutine_threadsafe(_found(look_up), loop)
            try:
                found = looking.result(OBSERVE_SECONDS)
            except TimeoutError:
                looking.cancel()
                return []
            return [] if found is None else [Observation(found)]

        self.meter.create_observable_gauge(name, [look], unit, description)

    def exposition(self) -> bytes:
        """Every metric in Prometheus' text format. Not on the event loop: gauges are looked up there."""
        return generate_latest(self.registry)

    async def stop(self) -> None:
        """Send what has not been sent, as far as there is somebody to take it within a few seconds."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._tracer_provider.shutdown()
            self._meter_provider.shutdown(timeout_millis=STOP_SECONDS * 1000)
            # The loop may be gone by now.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(ended.set)

        # A thread that the process does not wait for: a collector that is away is tried for much longer.
        threading.Thread(target=shut_down, name="telemetry-stop", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await ended.wait()
        self._is_stopped = True


async def _found(look_up: LookUp) -> float | None:
    try:
        return await look_up()
    except Exception:  # noqa: BLE001 - a figure that cannot be had is missing; readiness says what is wrong
        return None


def _is_exported(signal: str) -> bool:
    """Whether the variables name a place for traces, or for metrics.

    Raises:
        WrongTelemetry: they do, with a protocol that is not on board.
    """
    if os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp").lower() != "otlp":
        return False
    if not (os.environ.get(ENDPOINT) or os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")):
        return False
    for name in (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if (protocol := os.environ.get(name)) and protocol != "http/protobuf":
            raise WrongTelemetry(f"{name}: {protocol} is not supported; use http/protobuf, on port 4318 usually")
    return True


def _resource() -> Resource:
    """Who we are; what the standard variables say of it wins."""
    ours = {"service.name": NAME, "service.version": __version__, "service.instance.id": str(uuid4())}
    return Resource.create().merge(Resource(ours)).merge(OTELResourceDetector().detect())


def _method(scope: Mapping[str, Any]) -> str:
    """A method that there is: names that callers invent would each make a series of their own."""
    known = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
    return scope["method"] if scope["method"] in known else "_OTHER"
