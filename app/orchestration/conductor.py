"""One turn: build the agents, run them, stream what happens, and leave nothing behind. Start reading here.

This package is the only one that touches Semantic Kernel's agents, runtime and callbacks.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from opentelemetry.trace import NoOpTracerProvider
from semantic_kernel.agents import HandoffOrchestration
from semantic_kernel.agents.orchestration.orchestration_base import OrchestrationResult
from semantic_kernel.agents.runtime import InProcessRuntime

from app.core.errors import GreenroomError, TurnTimeout
from app.orchestration.agents import build_agents, build_handoffs, build_kernel
from app.orchestration.catalog import Catalog
from app.orchestration.context import opening_messages
from app.orchestration.events import TurnAnswer
from app.orchestration.order import plan_order
from app.orchestration.technique import run_technique
from app.orchestration.telemetry import UNWATCHED, TurnTelemetry
from app.orchestration.turn import Emit, TurnLimits, TurnState, TurnTask
from app.providers.base import Provider
from plugins.cost.prices import NO_OVERRIDES, PriceOverride

logger = structlog.get_logger(__name__)


class Conductor:
    """Runs turns. Holds no state of any turn, so one instance serves them all at once."""

    def __init__(
        self,
        catalog: Catalog,
        provider: Provider,
        limits: TurnLimits,
        prices: Mapping[str, PriceOverride] = NO_OVERRIDES,
        *,
        telemetry: TurnTelemetry = UNWATCHED,
    ) -> None:
        self._catalog = catalog
        self._provider = provider
        self._limits = limits
        self._prices = prices
        self._telemetry = telemetry

    async def run(self, task: TurnTask, emit: Emit) -> TurnAnswer:
        """Carry out the turn and return what it came to; `emit` gets every event on the way, at once and in order.

        However it ends, also when it is cancelled, every model call has stopped when this returns.

        Raises:
            TurnTimeout: the model was silent too long, or the turn took too long.
            ProviderError, ProviderUnavailable, AnswerBrokenOff: the model failed.
            EmptyAnswer, ContentFiltered, AnswerTooLong: it gave nothing usable.
            OutputWithheld: a model wrote the canary.
            RateLimited, BudgetExhausted: the ledger had no room for a call.
        """
        return await self._carry_out(task, emit, self._orchestrate)

    async def run_technique(self, task: TurnTask, interview_type: str, emit: Emit) -> TurnAnswer:
        """Run `task.technique` of the interview type by itself, without agents: one model call, two with a repair.

        Raises:
            GreenroomError: as `run`.
        """
        technique = self._catalog.specialists[interview_type].techniques[task.technique or ""]

        async def run(state: TurnState) -> None:
            order = plan_order(state, interview_type, technique, {})
            if isinstance(order, str):
                # Without choices of a model there is nothing that cannot be carried out.
                raise AssertionError(order)  # noqa: TRY004 - no wrong type, but a state that there is not
            await run_technique(build_kernel(interview_type, state), order, state, {})

        return await self._carry_out(task, emit, run)

    async def _carry_out(self, task: TurnTask, emit: Emit, work: Callable[[TurnState], Awaitable[None]]) -> TurnAnswer:
        """Do the work, again where an answer broke off or another model stands in, all within the turn's limits."""
        with self._telemetry.watching(emit) as watched:
            state = TurnState(
                task,
                provider=self._provider,
                limits=self._limits,
                emit=watched,
                prices=self._prices,
                records_content=self._telemetry.records_content,
            )
            return await self._to_its_end(state, work)

    async def _to_its_end(self, state: TurnState, work: Callable[[TurnState], Awaitable[None]]) -> TurnAnswer:
        async with _within(state):
            while True:
                try:
                    await work(state)
                    return state.answer()
                except GreenroomError as error:
                    fresh = state.restarted(error)
                    if fresh is None:
                        raise
                    logger.warning("turn_restarted", code=error.code, model=fresh.task.model)
                    state = fresh

    async def _orchestrate(self, state: TurnState) -> None:
        orchestration: HandoffOrchestration[Any, Any] = HandoffOrchestration(
            members=list(build_agents(self._catalog, state)), handoffs=build_handoffs(self._catalog)
        )
        # One runtime per turn: a shared one keeps every turn's actors and subscriptions.
        # Its own spans are one for each message between actors, which nobody could read a turn in.
        runtime = InProcessRuntime(tracer_provider=NoOpTracerProvider())
        runtime.start()
        result: OrchestrationResult[Any] | None = None
        try:
            result = await orchestration.invoke(opening_messages(state.task), runtime)
            await _ended(result, state.failure)
            if state.failure.done():
                raise state.failure.result()
            if result.exception is not None:
                raise result.exception
        finally:
            await _stop(result, runtime)


@asynccontextmanager
async def _within(state: TurnState) -> AsyncIterator[None]:
    """Hold the block to the turn's limits."""
    limits = state.limits
    try:
        async with (
            asyncio.timeout(limits.deadline_seconds) as state.deadline,
            asyncio.timeout(limits.silence_seconds) as state.silence,
        ):
            yield
    except TimeoutError as error:
        is_silent = state.silence is not None and state.silence.expired()
        limit = limits.silence_seconds if is_silent else limits.deadline_seconds
        reason = "said nothing for" if is_silent else "did not finish within"
        raise TurnTimeout(f"The model {reason} {limit:g} seconds. Try again.") from error


async def _ended(result: OrchestrationResult[Any], failure: asyncio.Future[Any]) -> None:
    """Wait for the orchestration or for a failure: after a handoff, Semantic Kernel swallows some and never ends."""
    ended = asyncio.ensure_future(result.event.wait())
    try:
        await asyncio.wait({ended, failure}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()


async def _stop(result: OrchestrationResult[Any] | None, runtime: InProcessRuntime) -> None:
    """Stop every task of the turn, model calls included. `OrchestrationResult.cancel()` stops none of them."""
    tasks = [task for task in runtime._background_tasks if not task.done()]
    if result is not None and result.background_task is not None and not result.background_task.done():
        tasks.append(result.background_task)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await runtime.stop()
