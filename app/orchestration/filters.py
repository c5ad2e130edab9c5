"""Filters of a turn, as closures: every handoff actor deep-copies its kernel, and a bound method's `self` with it."""

from collections.abc import Awaitable, Callable

import structlog
from semantic_kernel import Kernel
from semantic_kernel.filters import AutoFunctionInvocationContext, FilterTypes
from semantic_kernel.functions import FunctionResult, KernelArguments

from app.core.fences import fence
from app.orchestration.catalog import Catalog, Technique
from app.orchestration.contract import template_value
from app.orchestration.editing import DONE, EDITING_PLUGIN
from app.orchestration.order import plan_order
from app.orchestration.technique import run_technique
from app.orchestration.turn import TurnState

HANDOFF_PLUGIN = "Handoff"
COMPLETE_TASK = "complete_task"

Next = Callable[[AutoFunctionInvocationContext], Awaitable[None]]
AutoFunctionFilter = Callable[[AutoFunctionInvocationContext, Next], Awaitable[None]]

logger = structlog.get_logger(__name__)


def add_filters(kernel: Kernel, catalog: Catalog, state: TurnState) -> None:
    """Register the turn's filters; they run outside the ones that the handoff actor adds to its own copy."""
    for make in (deliver, edit, limit_handoffs):
        kernel.add_filter(FilterTypes.AUTO_FUNCTION_INVOCATION, make(catalog, state))


def deliver(catalog: Catalog, state: TurnState) -> AutoFunctionFilter:
    """Return-direct: the technique's output is the answer, streamed as it comes; no further model call repeats it."""

    async def deliver_technique(context: AutoFunctionInvocationContext, next: Next) -> None:  # noqa: A002 - by keyword
        interview_type = context.function.plugin_name
        technique = catalog.technique(interview_type, context.function.name)
        if technique is None:
            await next(context)
            return
        order = plan_order(state, interview_type, technique, context.arguments)
        if isinstance(order, str):
            _answer_model(context, order)
            return
        if not state.decide():
            # A model may ask for two things at once, although told not to.
            _answer_model(context, "Only the first technique or handoff of an answer is carried out.")
            return
        try:
            await run_technique(context.kernel, order, state, _free_choices(technique, context.arguments, state))
        except Exception as error:
            state.fail(error)
            raise
        _answer_model(context, "Delivered to the candidate.")
        await _end_turn(context)

    return deliver_technique


def edit(_catalog: Catalog, state: TurnState) -> AutoFunctionFilter:
    """An edit that was carried out has been told to the candidate: the turn is over, as after a technique."""

    async def edit_set(context: AutoFunctionInvocationContext, next: Next) -> None:  # noqa: A002 - by keyword
        if context.function.plugin_name != EDITING_PLUGIN:
            await next(context)
            return
        if not state.decide():
            _answer_model(context, "Only the first change of an answer is carried out.")
            return
        await next(context)
        if context.function_result is not None and str(context.function_result) == DONE:
            await _end_turn(context)

    return edit_set


def limit_handoffs(_catalog: Catalog, state: TurnState) -> AutoFunctionFilter:
    """Semantic Kernel has no hop limit, and would carry out every handoff of an answer."""

    async def limit(context: AutoFunctionInvocationContext, next: Next) -> None:  # noqa: A002 - by keyword
        is_handoff = context.function.plugin_name == HANDOFF_PLUGIN and context.function.name != COMPLETE_TASK
        if is_handoff and (len(state.handoffs) >= state.limits.handoffs or not state.decide()):
            logger.warning("handoff_refused", function=context.function.name, handoffs=len(state.handoffs))
            _answer_model(context, "No further handoff in this turn: answer the candidate yourself.")
            return
        await next(context)

    return limit


async def _end_turn(context: AutoFunctionInvocationContext) -> None:
    """End the orchestration without a further model call."""
    complete = context.kernel.get_function(HANDOFF_PLUGIN, COMPLETE_TASK)
    await complete.invoke(context.kernel, KernelArguments(task_summary="The candidate has been answered."))
    context.terminate = True


def _free_choices(technique: Technique, chosen: KernelArguments, state: TurnState) -> dict[str, str]:
    """What the model filled in of the variables that the technique's own config.json declares, fenced as data."""
    names = {parameter.name for parameter in technique.function.parameters if parameter.include_in_function_choices}
    return {
        name: template_value(fence(name, str(value), state.task.nonce))
        for name, value in chosen.items()
        if name in names and value is not None
    }


def _answer_model(context: AutoFunctionInvocationContext, text: str) -> None:
    context.function_result = FunctionResult(function=context.function.metadata, value=text)
