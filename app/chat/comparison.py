"""One request through several techniques at the same time, so that a person can see what each makes of it."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import structlog

from app.chat.checks import Documents, check_names, check_texts, context_tokens, documents_for_models, interviewer_of
from app.chat.schemas import Compared, ComparePublic, CompareRequest
from app.conversations.schemas import QuestionSetPublic
from app.core.config import Settings
from app.core.database import Database
from app.core.errors import GreenroomError, InternalError, TurnInterrupted
from app.orchestration.catalog import Catalog
from app.orchestration.conductor import Conductor
from app.orchestration.events import ConductedEvent, ModelCall, TurnAnswer, UsageUpdated
from app.orchestration.questions import QuestionSet
from app.orchestration.turn import Brief, TurnTask
from app.providers.base import Provider
from app.usage import service as usage_service
from plugins.cost.plugin import NOTHING_SPENT

logger = structlog.get_logger(__name__)


class ComparisonService:
    """Runs techniques side by side. Stores nothing but the ledger's rows."""

    def __init__(
        self, *, settings: Settings, database: Database, catalog: Catalog, provider: Provider, conductor: Conductor
    ) -> None:
        self._settings = settings
        self._database = database
        self._catalog = catalog
        self._provider = provider
        self._conductor = conductor
        self._running: set[asyncio.Future[list[None]]] = set()
        self._calls_ahead = 0
        """Of comparisons that are not in the ledger yet."""
        self._is_stopping = False

    async def stop(self) -> None:
        """End every running comparison: the server stops."""
        self._is_stopping = True
        for running in self._running:
            running.cancel()

    async def compare(self, request: CompareRequest) -> ComparePublic:
        """The sets in the order asked for; a technique that failed has a problem instead.

        Raises:
            InvalidRequest: a type, technique or model that the catalog does not have.
            InputRejected: the security screen refused a text.
            RateLimited, BudgetExhausted: no room for the model calls.
            TurnInterrupted: the server stopped.
            GreenroomError: every technique failed; the first one's problem.
        """
        names = request.techniques
        check_names(
            self._catalog,
            self._provider,
            interview_type=request.interview_type,
            techniques={f"techniques.{place}": name for place, name in enumerate(names)},
            model=request.model,
        )
        check_texts(request)
        documents = documents_for_models(job_description=request.job_description, resume=request.resume)
        started = time.monotonic()
        trials = [
            _Trial(self._conductor, self._task(request, name, documents), request.interview_type) for name in names
        ]
        # Reserved at once: of two comparisons that look at the ledger together, one may be too many.
        self._calls_ahead += len(names)
        try:
            async with self._database.reading() as session:
                await usage_service.check_limits(
                    session, self._settings, provider=self._provider.name, calls=self._calls_ahead
                )
            await self._run(trials)
        finally:
            self._calls_ahead -= len(names)
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

    async def _run(self, trials: Sequence["_Trial"]) -> None:
        """Run them at the same time, and book what they took, however they end."""
        running = asyncio.gather(*(trial.run() for trial in trials))
        self._running.add(running)
        try:
            await running
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
            raise TurnInterrupted("The server stopped. Send the request again.") from None
        finally:
            self._running.discard(running)
            await self._book([call for trial in trials for call in trial.calls])

    async def _book(self, calls: Sequence[ModelCall]) -> None:
        async with self._database.transaction() as session:
            usage_service.record_calls(session, calls, conversation_id=None, turn_id=None)

    def _task(self, request: CompareRequest, technique: str, documents: Documents) -> TurnTask:
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
            sampling=request.sampling(),
            spending=NOTHING_SPENT,
        )


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
            problem=self.error.problem(request_id) if self.error else None,
            usage=usage_service.turn_usage(self.calls, model=self.task.model),
            duration_ms=self._duration_ms,
        )

    def _take(self, event: ConductedEvent) -> None:
        if isinstance(event, UsageUpdated):
            self.calls.append(event.call)


async def _nothing_earlier(_question_set_id: UUID, _revision: int) -> QuestionSet | None:
    """A comparison has no history."""
    return None
