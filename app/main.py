"""The application: everything is built in `lifespan`, nothing at import time."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import structlog
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app import __version__
from app.accounts.assembly import open_accounts
from app.accounts.audit import AuditLog
from app.accounts.endpoints import current_owner
from app.accounts.endpoints import router as accounts_router
from app.accounts.passwords import PasswordHasher
from app.accounts.retention import tidy
from app.apidocs.document import GreenroomApi
from app.apidocs.endpoints import add_documentation
from app.bank.endpoints import router as bank_router
from app.bank.questions import QuestionBank
from app.bank.search import BankSearch
from app.chat.briefing import Briefing
from app.chat.comparison import ComparisonService
from app.chat.endpoints import router as chat_router
from app.chat.service import ChatService
from app.chat.worker import TurnWorker
from app.conversations.endpoints import router as conversations_router
from app.conversations.leases import Leases
from app.conversations.retention import Retention
from app.conversations.service import ConversationService
from app.core.background import Housekeeping
from app.core.config import Role, Settings
from app.core.database import Database
from app.core.edge import add_edge
from app.core.errors import (
    FIELD_CHARACTERS,
    GreenroomError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    NotReady,
    Unauthorized,
    problems,
)
from app.core.middleware import problem_response
from app.core.signals import Signals
from app.core.telemetry import Telemetry
from app.exports.endpoints import router as exports_router
from app.exports.personal import PersonalExport
from app.exports.service import ExportService
from app.operations.endpoints import router as operations_router
from app.operations.readiness import ReadinessChecks
from app.orchestration.catalog import Catalog, load_catalog
from app.orchestration.conductor import Conductor
from app.orchestration.telemetry import TurnTelemetry
from app.orchestration.turn import TurnLimits
from app.providers.base import Provider
from app.providers.offline.provider import OfflineProvider
from app.providers.registry import active_provider
from app.usage.endpoints import router as usage_router
from app.usage.ledger import LedgerService
from app.usage.prices import price_overrides, warn_of_uncounted
from app.usage.service import UsageService

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Plugins:
    """What the plugin folders hold, and what is made of it. No turn changes it, so that applications may share it."""

    bank: QuestionBank
    search: BankSearch
    offline: OfflineProvider
    catalog: Catalog

    @classmethod
    def load(cls, plugins_dir: Path) -> "Plugins":
        """Read every folder.

        Raises:
            CatalogError: a plugin folder or the question bank has a gap.
        """
        bank = QuestionBank.load(plugins_dir)
        return cls(
            bank=bank,
            search=BankSearch(bank),
            offline=OfflineProvider(bank),
            catalog=load_catalog(plugins_dir, bank),
        )


def create_app(
    settings: Settings, *, plugins: Plugins | None = None, passwords: PasswordHasher | None = None
) -> FastAPI:
    """Make the application for these settings. It opens its database when it starts.

    `plugins` are those of `PLUGINS_DIR` where they have been read already. `passwords` replaces the usual hasher, for
    tests that have no time for it; no setting does.

    Raises:
        CatalogError: a plugin folder or the question bank has a gap.
        WrongTelemetry: a standard variable of OpenTelemetry asks for what there is not.
    """
    app = GreenroomApi(
        title="Greenroom",
        description="Prepares people for job interviews: agents that hand over to each other behind one chat endpoint.",
        version=__version__,
        lifespan=lifespan,
        # Short and stable: generated clients name their functions after it.
        generate_unique_id_function=lambda route: route.name,
        responses=problems(InternalError, NotReady),
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.telemetry = Telemetry.from_environment()
    app.state.passwords = passwords
    plugins = plugins or Plugins.load(settings.plugins_dir)
    app.state.bank_search = plugins.search
    app.state.catalog = plugins.catalog
    app.state.provider = active_provider(settings, plugins.offline)
    if settings.role is not Role.WORKER:
        _add_api(app)
    app.include_router(operations_router)
    app.add_exception_handler(GreenroomError, _answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    add_edge(app, settings, app.state.telemetry)
    return app


def _add_api(app: FastAPI) -> None:
    app.include_router(accounts_router)
    for router in (chat_router, conversations_router, bank_router, exports_router, usage_router):
        # Whoever adds a route here need not think of it: without a sign-in there is no answer.
        app.include_router(router, dependencies=[Depends(current_owner)], responses=problems(Unauthorized))
    add_documentation(app)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open what the application needs, in the order of need, and close it the other way round.

    What was opened is closed also when a later step of the start fails.
    """
    provider: Provider = app.state.provider
    catalog: Catalog = app.state.catalog
    async with AsyncExitStack() as opened:
        await _open(app, opened)
        logger.info("started", provider=provider.name, model=provider.default_model, agents=list(catalog.specialists))
        yield
    logger.info("stopped")


async def _open(app: FastAPI, opened: AsyncExitStack) -> None:
    settings: Settings = app.state.settings
    provider: Provider = app.state.provider
    telemetry: Telemetry = app.state.telemetry
    turns = TurnTelemetry.of(telemetry)
    turns.begin_at_zero(provider.models)
    prices = price_overrides(settings)
    database = app.state.database = Database(settings.async_database_url)
    opened.push_async_callback(database.dispose)
    # Of all the others the last to stop, so that what they do to the end is told; its gauges look into the database.
    opened.push_async_callback(telemetry.stop)
    telemetry.watch_statements(database.engine.sync_engine)
    opened.push_async_callback(provider.close)
    await database.migrate()
    signals = app.state.signals = Signals(database)
    opened.push_async_callback(signals.stop)
    conversations = app.state.conversations = ConversationService(database, signals, turns)
    ledger = LedgerService(database, settings, prices)
    await ledger.settle_lost_calls(is_starting=True)
    warn_of_uncounted(settings, provider, prices)
    conductor = Conductor(app.state.catalog, provider, _turn_limits(settings), prices, telemetry=turns)
    _add_turns(app, conductor, ledger, turns)
    telemetry.observe("greenroom.queue.depth", "Turns that wait for a worker, on all servers", conversations.waiting)
    oldest = conversations.longest_wait_seconds
    telemetry.observe("greenroom.queue.oldest", "How long the turn has waited that waits longest", oldest, unit="s")
    telemetry.observe(
        "greenroom.streams.open", "Streams and waiting requests that follow a turn", conversations.readers
    )
    app.state.readiness = ReadinessChecks(
        database=database,
        conversations=conversations,
        signals=signals,
        provider=provider,
        worker=app.state.worker,
    )
    cancel_work = [conversations.stop_turns_of, app.state.comparison.cancel_all_of]
    accounts = open_accounts(settings, database, cancel_work=cancel_work, passwords=app.state.passwords)
    app.state.accounts = accounts
    opened.push_async_callback(accounts.stop)
    app.state.exports = ExportService(conversations)
    app.state.usage = UsageService(database, settings, provider=provider.name)
    app.state.personal_export = PersonalExport(conversations, accounts)
    retention = Retention.of(database, settings)
    housekeeping = Housekeeping([lambda: tidy(database), ledger.settle_lost_calls, retention.tidy])
    opened.push_async_callback(housekeeping.stop)
    housekeeping.start()
    await signals.start()
    # Last, and so the first to stop: turns and comparisons use all the others.
    opened.push_async_callback(wind_down, app)
    if app.state.worker is not None:
        await app.state.worker.start()


async def wind_down(app: FastAPI) -> None:
    """Let turns end or hand them over, then send away whoever still waits. A second time it does nothing."""
    if app.state.worker is not None:
        await app.state.worker.stop()
    await app.state.comparison.stop()
    app.state.conversations.close_readers()


def _add_turns(app: FastAPI, conductor: Conductor, ledger: LedgerService, turns: TurnTelemetry) -> None:
    """The services that call models."""
    settings: Settings = app.state.settings
    # Without a lasting key, a conversation has another canary after a restart: its prompts miss the cache once.
    secret = settings.secret_key
    canary_key = secret.get_secret_value().encode() if secret else secrets.token_bytes(32)
    audit = AuditLog(app.state.database)
    briefing = Briefing(
        settings=settings,
        catalog=app.state.catalog,
        provider=app.state.provider,
        conversations=app.state.conversations,
        ledger=ledger,
        canary_key=canary_key,
    )
    app.state.worker = None
    if settings.role is not Role.API:
        app.state.worker = TurnWorker(
            leases=Leases(
                app.state.database,
                app.state.signals,
                uuid4(),
                seconds=settings.turn_lease_seconds,
                telemetry=turns,
            ),
            signals=app.state.signals,
            conductor=conductor,
            conversations=app.state.conversations,
            briefing=briefing,
            drain_seconds=settings.drain_seconds,
            telemetry=turns,
        )
    app.state.chat = ChatService(
        catalog=app.state.catalog,
        provider=app.state.provider,
        conversations=app.state.conversations,
        ledger=ledger,
        audit=audit,
    )
    app.state.comparison = ComparisonService(
        settings=settings,
        catalog=app.state.catalog,
        provider=app.state.provider,
        conductor=conductor,
        ledger=ledger,
        audit=audit,
        canary_key=canary_key,
        signals=app.state.signals,
    )


def _turn_limits(settings: Settings) -> TurnLimits:
    return TurnLimits(
        silence_seconds=settings.turn_timeout_seconds,
        deadline_seconds=settings.turn_deadline_seconds,
        handoffs=settings.max_handoffs_per_turn,
        model_calls=settings.max_model_calls_per_turn,
        restarts=settings.max_restarts_per_turn,
    )


async def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, GreenroomError)  # noqa: S101 - registered for this class only
    return problem_response(error)


async def _answer_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
    errors = [{"field": _field(gap), "message": gap["msg"]} for gap in error.errors()]
    fields = ", ".join(gap["field"] for gap in errors)
    return problem_response(InvalidRequest(f"Correct and send again: {fields}.", errors=errors))


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
    if error.status_code == 405:
        response = problem_response(MethodNotAllowed("See /docs for what this path takes."))
        response.headers["Allow"] = ", ".join(_methods(request))
        return response
    if error.status_code == 404:
        return problem_response(NotFound("There is nothing at this address; see /docs."))
    detail = str(error.detail)
    return problem_response(InvalidRequest(detail, errors=[{"field": "body", "message": detail}]))


def _methods(request: Request) -> list[str]:
    """What the path takes; Starlette's own answer names the methods of the first of its routes only."""
    return [method for method in METHODS if _is_taken(request, method)]


def _is_taken(request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)


def _field(gap: Mapping[str, Any]) -> str:
    """Where the gap is, without the leading `body` or `query`; broken JSON has a place in the text, but no field."""
    where, *parts = gap["loc"]
    is_whole = not parts or gap["type"] == "json_invalid"
    return str(where) if is_whole else ".".join(str(part) for part in parts)[:FIELD_CHARACTERS]
