"""From the catalog to the agents of one turn, and who may hand off to whom."""

from collections.abc import Iterable

from semantic_kernel import Kernel
from semantic_kernel.agents import ChatCompletionAgent, OrchestrationHandoffs
from semantic_kernel.connectors.ai.function_choice_behavior import FunctionChoiceBehavior
from semantic_kernel.functions import KernelArguments, KernelPlugin

from app.orchestration.catalog import AgentSpec, Catalog
from app.orchestration.editing import EDITING_PLUGIN, EditingPlugin
from app.orchestration.filters import COMPLETE_TASK, HANDOFF_PLUGIN, add_filters
from app.orchestration.ledger import AGENT_OUTPUT_TOKENS
from app.orchestration.turn import TurnState
from app.providers.base import Sampling
from app.providers.metered import MeteredChatCompletion
from plugins.cost.plugin import CostPlugin
from plugins.security.plugin import SecurityPlugin

SERVICE_ID = "default"


def build_agents(catalog: Catalog, state: TurnState) -> list[ChatCompletionAgent]:
    """Make every agent for this turn, the one that starts first: the first member always does."""
    first = state.task.agent or catalog.entry.name
    names = sorted([catalog.entry.name, *catalog.specialists], key=lambda name: name != first)
    common = _common_plugins(state)
    return [_build_agent(catalog.agent(name), catalog, state, common=common) for name in names]


def build_handoffs(catalog: Catalog) -> OrchestrationHandoffs:
    """Everybody may hand to every specialist; nobody hands back to triage, which has nothing to add."""
    handoffs = OrchestrationHandoffs()
    for source in (catalog.entry, *catalog.specialists.values()):
        targets = {spec.name: spec.description for spec in catalog.specialists.values() if spec.name != source.name}
        if targets:
            # By name, `add` stores an empty description: only a dict keeps it.
            handoffs.add_many(source.name, targets)
    return handoffs


def build_kernel(agent: str, state: TurnState) -> Kernel:
    """A kernel whose model calls are measured, booked to the agent and watched for the canary."""
    kernel = Kernel()
    service = state.provider.service(state.task.model)
    kernel.add_service(
        MeteredChatCompletion(
            service_id=SERVICE_ID,
            ai_model_id=service.ai_model_id,
            inner=service,
            agent=agent,
            observer=state,
            canary=state.canary,
            circuit=state.provider.circuits.of(state.task.model),
            retries=state.provider.retries,
        )
    )
    return kernel


def _common_plugins(state: TurnState) -> tuple[KernelPlugin, ...]:
    """What every specialist has. Made once a turn: Semantic Kernel inspects each method that becomes a function."""
    task = state.task
    cost = CostPlugin(task.ledger.spending, model=task.model, provider=state.provider.name, overrides=state.prices)
    return (KernelPlugin.from_object("cost", cost), KernelPlugin.from_object("security", SecurityPlugin()))


def _build_agent(
    spec: AgentSpec, catalog: Catalog, state: TurnState, *, common: Iterable[KernelPlugin]
) -> ChatCompletionAgent:
    task = state.task
    kernel = build_kernel(spec.name, state)
    if spec.techniques:
        only = spec.techniques.get(task.technique or "")
        kernel.add_plugin(spec.plugin_of([only]) if only else spec.plugin)
        kernel.add_plugin(EditingPlugin(state, spec.name), EDITING_PLUGIN)
        for plugin in common:
            kernel.add_plugin(plugin)
    add_filters(kernel, catalog, state)
    sampling = Sampling(max_output_tokens=state.output_cap(AGENT_OUTPUT_TOKENS).sent)
    return ChatCompletionAgent(
        name=spec.name,
        description=spec.description,
        instructions=spec.instructions,
        kernel=kernel,
        function_choice_behavior=FunctionChoiceBehavior.Auto(
            # Offered, `complete_task` tempts models to end without a word; the delivery filter still calls it.
            filters={"excluded_functions": [f"{HANDOFF_PLUGIN}-{COMPLETE_TASK}"]}
        ),
        arguments=KernelArguments(settings=state.provider.execution_settings(task.model, sampling, has_tools=True)),
    )
