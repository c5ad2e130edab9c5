"""Structured logs: one JSON object or one console line per event, with the ids of the request and the turn.

No message text, resume or key is logged at INFO or above. Semantic Kernel logs message bodies and tool arguments at
INFO under the loggers below, so those are raised to WARNING, whatever level our own lines have. What libraries say of
errors quotes such text too: a driver the value that it could not store, Semantic Kernel the call that it did not
understand. Unless `DEBUG` is on, their lines and all tracebacks show the place and the type, but not the message.
"""

import logging
import sys
import traceback
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo

from app.core.config import LogFormat, Settings
from app.core.telemetry import span_id, trace_id

# These hold what people wrote, or the whole of what a model said.
TALKATIVE_LOGGERS = (
    "semantic_kernel",
    "in_process_runtime",
    "openai",
    "httpx",
    "httpx2",
    "httpcore2",
    "aiosqlite",
    "agent_runtime",
    # Of a task that died with an error nobody asked for, it prints the error.
    "asyncio",
)


def configure_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Send structlog's and the standard library's records through one formatter to standard error (or `stream`)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                *([] if settings.debug else [_place_for_message]),
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel("DEBUG" if settings.debug else settings.log_level)
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    # Our middleware writes one line per request, with its ids.
    logging.getLogger("uvicorn.access").disabled = True
    for name in TALKATIVE_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    # Seven lines at every start-up about what alembic is made of.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def _add_trace(_logger: Any, _method: str, event: EventDict) -> EventDict:
    if (found := trace_id()) is not None:
        event["trace_id"], event["span_id"] = found, span_id()
    return event


def _place_for_message(_logger: Any, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    if record.name.startswith(TALKATIVE_LOGGERS):
        event["event"] = f"{record.filename}:{record.lineno} (DEBUG shows the message)"
    return event


def _renderers(settings: Settings) -> list[structlog.typing.Processor]:
    def trace(exc_info: ExcInfo) -> str:
        return "".join(traceback.format_exception(exc_info[1])) if settings.debug else _places(exc_info[1])

    def print_trace(stream: TextIO, exc_info: ExcInfo) -> None:
        stream.write(trace(exc_info))

    if settings.log_format is LogFormat.JSON:
        return [structlog.processors.ExceptionRenderer(trace), structlog.processors.JSONRenderer()]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=print_trace)]


def _places(error: BaseException) -> str:
    """A traceback without messages: of each error in the chain, the outermost first, its type and where it was."""
    places = "".join(traceback.format_tb(error.__traceback__))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    below = f"\n\nbecause of\n\n{_places(cause)}" if cause else ""
    return f"{type(error).__module__}.{type(error).__qualname__}\n{places.rstrip()}{below}"
