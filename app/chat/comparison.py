"""One request through several techniques at the same time, so that a person can see what each makes of it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import structlog

from app.accounts.audit import AuditLog
from app.chat.checks import (
    Documents,
    check_names,
    check_texts,
    context_tokens,
    documents_for_models,
    interviewer_of,
    stand_ins,
)
from app.chat.schemas import Compared, ComparePublic, CompareRequest
from app.conversations.schemas import QuestionSetPublic
from app.core.canary import canary_for
from app.core.config import Settings
from app.core.errors import GreenroomError, InternalError, NotFound, TurnInterrupted
from app.core.signals import Signals, Topic
from app.core.telemetry import trace_id
from app.orchestration.catalog import Catalog
from app.orchestration.conductor import Conductor
from app.orchestration.events import ConductedEvent, ModelCall, TurnAnswer, UsageUpdated
from app.orchestration.ledger import Ledger, PlannedCall
from app.orchestration.questions import QuestionSet
from app.orchestration.turn import Brief, TurnTask
from app.providers.base import Provider
from app.usage import service as usage_service
from app.usage.ledger import LedgerService
from plugins.cost.prices import Tokens, price_usd

ACCOUNT_DELETED = "The account was deleted."

logger = structlog.get_logger(__name__)


class ComparisonService:
    """Runs techniques side by side. Stores nothing but the ledger's rows."""

    def __init__(
        self,
        *,
        settings: Settings,
        catalog: Catalog,
        provider: Provider,
        conductor: Conductor,
        ledger: LedgerService,
        audit: AuditLog,
        canary_key: bytes,
        signals: Signals,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._catalog = catalog
        self._provider = provider
        self._conductor = conductor
        self._canary_key = canary_key
        self._audit = audit
        self._running: set[_Running] = set()
        signals.subscribe(Topic.OWNER, self._hear_of_deletion)

    async def stop(self) -> None:
        """End every running comparison: the server stops."""
        await _end(list(self._running), TurnInterrupted("The server stopped. Send the request again."))

    async def cancel_all_of(self, owner_id: UUID) -> None:
        """Stop what runs here for this user, who is being deleted, and wait until it has stopped."""
        await _end(self._of(owner_id), NotFound(ACCOUNT_DELETED))

    def _hear_of_deletion(self, owner_id: UUID | None) -> None:
        """The same, where another server deletes the account: nobody here waits for it."""
        for comparison in self._of(owner_id):
            comparison.end(NotFound(ACCOUNT_DELETED))

    def _of(self, owner_id: UUID | None) -> list["_Running"]:
        return [comparison for comparison in self._running if comparison.owner_id == owner_id]

    async def compare(self, request: CompareRequest, *, owner_id: UUID) -> ComparePublic:
        """The sets in the order asked for; a technique that failed has a problem instead.

        Raises:
            InvalidRequest: a type, technique or model that the catalog does not have.
            InputRejected: the security screen refused a text.
            RateLimited, BudgetExhausted: no room for the model calls.
            TurnInterrupted: the server stopped.
            NotFound: the account was deleted.
            GreenroomError: every technique failed; the first one's problem.
        """
        check_names(
            self._catalog,
            self._provider,
            interview_type=request.interview_type,
            techniques={f"techniques.{place}": name for place, name in enumerate(request.techniques)},
            model=request.model,
        )
        await check_texts(request, self._audit, owner_id=owner_id)
        documents = documents_for_models(job_description=request.job_description, resume=request.resume)
        started = time.monotonic()
        places = [self._place(request, name) for name in request.techniques]
        # At once: of two comparisons that look at the ledger together, one may be too many.
        async with self._ledger.of_comparison(places, owner_id=owner_id) as ledgers:
            trials = self._trials(request, documents, ledgers)
            await self._run(trials, owner_id)
        if all(trial.error for trial in trials):
            raise next(trial.error for trial in trials if trial.error)
        model = trials[0].task.model
        return ComparePublic(
            interview_type=request.interview_type,
            results=[trial.result() for trial in trials],
            usage=usage_service.turn_usage([call for trial in trials for call in trial.calls], model=model),
            duration_ms=round((time.monotonic() - started) * 1000),
            flags=list(documents.flags),
        )

    async def limit_headers(self, *, owner_id: UUID) -> dict[str, str]:
        """See `LedgerService.headers`."""
        return await self._ledger.headers(owner_id=owner_id, provider=self._provider.name)

    def _trials(self, request: CompareRequest, documents: Documents, ledgers: Sequence[Ledger]) -> list["_Trial"]:
        canary = canary_for(self._canary_key, uuid4())
        return [
            _Trial(
                self._conductor,
                self._task(request, documents, technique=name, ledger=ledger, canary=canary),
                request.interview_type,
            )
            for name, ledger in zip(request.techniques, ledgers, strict=True)
        ]

    async def _run(self, trials: Sequence["_Trial"], owner_id: UUID) -> None:
        """Run them at the same time."""
        running = _Running(owner_id, asyncio.gather(*(trial.run() for trial in trials)))
        self._running.add(running)
        try:
            await running.trials
        except asyncio.CancelledError:
            if running.ended_by is None:
                raise
            raise running.ended_by from None
        finally:
            self._running.discard(running)

    def _place(self, request: CompareRequest, technique: str) -> PlannedCall:
        """The technique's first call, before its prompt is written and so of unknown size."""
        model, provider = request.model or self._provider.default_model, self._provider.name
        return PlannedCall(
            provider=provider,
            model=model,
            agent=request.interview_type,
            function=technique,
            input_tokens=0,
            output_tokens=0,
            bound_usd=price_usd(model, Tokens(0), provider=provider, overrides=self._ledger.prices),
        )

    def _task(
        self, request: CompareRequest, documents: Documents, *, technique: str, ledger: Ledger, canary: str
    ) -> TurnTask:
        model = request.model or self._provider.default_model
        return TurnTask(
            turn_id=uuid4(),
            message=request.message,
            agent=request.interview_type,
            technique=technique,
            brief=Brief(
                job_description=documents.job_description,
                resume=documents.resume,
                experience_level=request.experience_level,
                question_count=request.question_count or Brief.question_count,
                interviewer=interviewer_of(request),
            ),
            is_level_fixed=request.experience_level is not None,
            is_count_fixed=True,
            history=(),
            earlier_requests=(),
            question_sets={},
            seen_questions=(),
            recall=_nothing_earlier,
            model=model,
            context_tokens=context_tokens(self._settings, self._provider, model),
            stand_ins=stand_ins(self._settings, self._provider, model),
            sampling=request.sampling(),
            ledger=ledger,
            canary=canary,
        )


@dataclass(eq=False)
class _Running:
    """A comparison that runs."""

    owner_id: UUID
    trials: asyncio.Future[list[None]]
    ended_by: GreenroomError | None = None
    """What its reader is told, if we end it."""

    def end(self, error: GreenroomError) -> None:
        """Stop it; the first reason counts."""
        self.ended_by = self.ended_by or error
        self.trials.cancel()


async def _end(comparisons: Sequence[_Running], error: GreenroomError) -> None:
    for comparison in comparisons:
        comparison.end(error)
    if comparisons:
        await asyncio.wait([comparison.trials for comparison in comparisons])


class _Trial:
    """One technique's run."""

    def __init__(self, conductor: Conductor, task: TurnTask, interview_type: str) -> None:
        self.task = task
        self.calls: list[ModelCall] = []
        self.answer: TurnAnswer | None = None
        self.error: GreenroomError | None = None
        self._conductor = conductor
        self._interview_type = interview_type
        self._duration_ms = 0

    async def run(self) -> None:
        """Run the technique; a failure stays its own."""
        started = time.monotonic()
        try:
            self.answer = await self._conductor.run_technique(self.task, self._interview_type, self._take)
        except GreenroomError as error:
            self.error = error
            logger.warning("comparison_failed", technique=self.task.technique, code=error.code)
        except Exception as error:
            logger.exception("comparison_crashed", technique=self.task.technique, error=type(error).__name__)
            self.error = InternalError("This is our fault. Try again.")
        self._duration_ms = round((time.monotonic() - started) * 1000)

    def result(self) -> Compared:
        """As the API shows it."""
        made = self.answer.question_set if self.answer else None
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        return Compared(
            technique=self.task.technique or "",
            question_set=QuestionSetPublic.of(made) if made else None,
            reply=self.answer.reply if self.answer else None,
            problem=self.error.problem(request_id, trace_id()) if self.error else None,
            usage=usage_service.turn_usage(
                self.calls,
                model=self.answer.model if self.answer else self.task.model,
                instead_of=self.answer.instead_of if self.answer else None,
            ),
            duration_ms=self._duration_ms,
        )

    def _take(self, event: ConductedEvent) -> None:
        if isinstance(event, UsageUpdated):
            self.calls.append(event.call)


async def _nothing_earlier(_question_set_id: UUID, _revision: int) -> QuestionSet | None:
    """A comparison has no history."""
    return None
