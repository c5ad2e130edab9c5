"""What the orchestration code relies on in Semantic Kernel's agents, one fact per test.

A test's name states the fact, its docstring what our code does about it. An upgrade that changes one fails here first.
"""

import warnings
from typing import Any

import pytest
from semantic_kernel.agents import ChatCompletionAgent, HandoffOrchestration
from semantic_kernel.agents.orchestration.orchestration_base import DefaultTypeAlias
from semantic_kernel.agents.runtime import InProcessRuntime
from semantic_kernel.connectors.ai.function_choice_behavior import FunctionChoiceBehavior
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.contents import AuthorRole, ChatMessageContent
from semantic_kernel.exceptions import ServiceResponseException
from semantic_kernel.filters import AutoFunctionInvocationContext, FilterTypes
from semantic_kernel.functions import KernelArguments, KernelPlugin, kernel_function

from tests.contract.conftest import Filter, Next, deliver_directly, hand_to, make_agent, running, star
from tests.model_server import CallTools, Empty, Fail, ModelServer, RecordedRequest, Say, Silence, Step, ToolCall

FEW_SHOT = CallTools((ToolCall("technical-few_shot", {"topic": "Java"}),))


def filtered(agent: ChatCompletionAgent, function: Filter) -> ChatCompletionAgent:
    agent.kernel.add_filter(FilterTypes.AUTO_FUNCTION_INVOCATION, function)
    return agent


async def test_return_direct_streams_the_technique_and_ends_without_another_model_call(
    server: ModelServer, service: OpenAIChatCompletion, technique: KernelPlugin
) -> None:
    """The deliver filter: what the technique says is the answer."""
    emitted: list[str] = []
    arguments = KernelArguments(job_description="We use R&D.")
    technical = make_agent("technical", service, plugins=[technique], arguments=arguments)
    filtered(technical, deliver_directly(emitted.append))
    server.script(hand_to("technical"), FEW_SHOT, Say("Five questions.", pieces=5))
    async with running([make_agent("triage", service), technical]) as turn:
        assert await turn.summary() == "Task is completed with summary: delivered"
    assert [piece for piece in emitted if piece] == ["Fiv", "e q", "ues", "tio", "ns."]
    assert [request.is_technique for request in server.requests] == [False, False, True]
    assert "Five" not in "".join(chunk.content for chunk in turn.streamed)


async def test_a_technique_given_the_agents_own_arguments_inherits_all_its_tools(
    server: ModelServer, service: OpenAIChatCompletion, technique: KernelPlugin
) -> None:
    """The deliver filter copies the arguments without their settings: a technique must not call or hand off."""

    async def inherit(context: AutoFunctionInvocationContext, next: Next) -> None:  # noqa: A002, ARG001 - called by name
        async for _ in context.function.invoke_stream(context.kernel, context.arguments):
            pass
        context.terminate = True

    settings = OpenAIChatPromptExecutionSettings(parallel_tool_calls=False)
    arguments = KernelArguments(settings=settings, job_description="x")
    technical = make_agent("technical", service, plugins=[technique], arguments=arguments)
    server.script(FEW_SHOT, Say("Five."))
    async with running([filtered(technical, inherit), make_agent("triage", service)]):
        await server.until(lambda: len(server.requests) == 2)
    assert "technical-few_shot" in server.requests[1].tool_names


async def test_the_first_member_starts_and_a_list_seeds_the_history(
    server: ModelServer, service: OpenAIChatCompletion
) -> None:
    """A follow-up resumes on the conversation's active agent: it is put first, with the stored history."""
    history = [
        ChatMessageContent(role=AuthorRole.USER, content="Senior backend."),
        ChatMessageContent(role=AuthorRole.ASSISTANT, content="1. Why queues?", name="technical"),
        ChatMessageContent(role=AuthorRole.USER, content="Make it harder."),
    ]
    server.script(Say("1. Design a queue."))
    members = [make_agent(name, service) for name in ("technical", "triage")]
    async with running(members, history) as turn:
        await turn.summary()
    [request] = server.requests
    assert request.tool_names == ("Handoff-transfer_to_triage", "Handoff-complete_task")
    assert [message["content"] for message in request.messages] == [message.content for message in history]
    assert turn.text_of("technical") == "1. Design a queue."


@pytest.mark.parametrize("steps", [(Silence(),), (Silence(after_pieces=2),), (hand_to("technical"), Silence())])
async def test_cancelling_the_tasks_of_the_runtime_ends_the_model_call(
    server: ModelServer, service: OpenAIChatCompletion, steps: tuple[Step, ...]
) -> None:
    """The conductor's one function that touches private names aborts a turn like this."""
    server.script(*steps)
    async with running([make_agent("triage", service), make_agent("technical", service)]) as turn:
        await server.until(lambda: len(server.requests) == len(steps) and server.answers_in_flight == 1)
        with pytest.raises(TimeoutError):
            await turn.summary(timeout_seconds=0.01)
        turn.result.cancel()
        with pytest.raises(TimeoutError):  # Neither a timeout nor cancel() stops the model call.
            await server.until(lambda: server.aborted_by_client > 0, timeout_seconds=0.1)
    await server.until(lambda: server.aborted_by_client == 1 and server.answers_in_flight == 0)


async def test_without_a_human_function_the_result_is_a_summary_and_never_the_answer(
    server: ModelServer, service: OpenAIChatCompletion
) -> None:
    """The conductor collects the text from the callbacks."""
    server.script(Say("Here is the answer."))
    async with running([make_agent("technical", service), make_agent("triage", service)]) as turn:
        summary = await turn.summary()
    assert summary.startswith("Task is completed with summary: ")
    assert "Here is" not in summary
    assert turn.text_of("technical") == "Here is the answer."


async def test_a_shared_runtime_keeps_every_turns_actors_and_subscriptions(
    server: ModelServer, service: OpenAIChatCompletion
) -> None:
    """One runtime per turn."""
    runtime = InProcessRuntime()
    runtime.start()
    server.script(*[Say("Hi.")] * 3)
    for _ in range(3):
        async with running([make_agent(name, service) for name in ("a", "b")], runtime=runtime) as turn:
            await turn.summary()
    await runtime.stop_when_idle()
    assert len(runtime._agent_factories) == 6
    assert len(runtime._instantiated_agents) == 6
    assert len(runtime._subscription_manager.subscriptions) == 12


async def test_two_agents_hand_back_and_forth_without_limit(server: ModelServer, service: OpenAIChatCompletion) -> None:
    """The conductor caps handoffs and model calls."""

    def bounce(request: RecordedRequest) -> Step:
        if len(server.requests) > 40:
            return Say("Enough.")
        return hand_to("b" if "Handoff-transfer_to_b" in request.tool_names else "a")

    server.respond_with(bounce)
    async with running([make_agent(name, service) for name in ("a", "b")]) as turn:
        await turn.summary()
    assert len(server.requests) == 41


async def test_parallel_tool_calls_false_reaches_the_wire(server: ModelServer, service: OpenAIChatCompletion) -> None:
    """Agents send it, because of the next test."""
    arguments = KernelArguments(settings=OpenAIChatPromptExecutionSettings(parallel_tool_calls=False))
    server.script(Say("Hi."))
    async with running([make_agent("a", service, arguments=arguments), make_agent("b", service)]) as turn:
        await turn.summary()
    assert server.requests[0].body["parallel_tool_calls"] is False


async def test_of_two_handoffs_in_one_answer_the_last_wins(server: ModelServer, service: OpenAIChatCompletion) -> None:
    """Agents ask for one call at a time."""
    both = CallTools((ToolCall("Handoff-transfer_to_b"), ToolCall("Handoff-transfer_to_c")))
    server.script(both, Say("I am c."))
    async with running([make_agent(name, service) for name in ("a", "b", "c")]) as turn:
        await turn.summary()
    assert (turn.text_of("b"), turn.text_of("c")) == ("", "I am c.")


async def test_an_agent_without_answer_after_a_handoff_hangs_silently(
    server: ModelServer, service: OpenAIChatCompletion, technique: KernelPlugin
) -> None:
    """Every wait has a timeout, and the deliver filter always completes the task."""

    async def forget_to_complete(context: AutoFunctionInvocationContext, next: Next) -> None:  # noqa: A002, ARG001
        context.terminate = True

    technical = filtered(make_agent("technical", service, plugins=[technique]), forget_to_complete)
    server.script(hand_to("technical"), CallTools(FEW_SHOT.calls, usage=None))
    async with running([make_agent("triage", service), technical]) as turn:
        await server.until(lambda: len(server.requests) == 2 and server.answers_in_flight == 0)
        with pytest.raises(TimeoutError):
            await turn.summary(timeout_seconds=0.2)


@pytest.mark.parametrize(("has_usage", "heard"), [(True, "Hello"), (False, "")])
async def test_without_usage_a_hand_back_loses_the_users_message(
    server: ModelServer, service: OpenAIChatCompletion, *, has_usage: bool, heard: str
) -> None:
    """The conversation's history is ours, and a turn against a provider without usage is tested."""
    usage = FEW_SHOT.usage if has_usage else None
    server.script(hand_to("b", usage=usage), hand_to("a", usage=usage), Say("Back again."))
    members = [make_agent(name, service, instructions=f"You are {name}.") for name in ("a", "b")]
    async with running(members) as turn:
        await turn.summary()
    assert server.requests[2].system_text == "You are a."
    assert server.requests[2].last_user_text == heard


async def test_text_before_a_handoff_is_reported_twice_and_never_reaches_the_target(
    server: ModelServer, service: OpenAIChatCompletion
) -> None:
    """Only the final agent's text is emitted."""
    server.script(hand_to("b", preamble="One moment."), Say("I am b."))
    async with running([make_agent(name, service) for name in ("a", "b")]) as turn:
        await turn.summary()
    assert turn.text_of("a") == "One moment." * 2
    assert "One moment." not in str(server.requests[1].messages)


class NativePlugin:
    """Counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    @kernel_function(name="look_up", description="Looks something up.")
    def look_up(self) -> str:
        self.calls += 1
        return "found"


async def test_the_tool_loop_ends_after_five_calls_without_an_answer(
    server: ModelServer, service: OpenAIChatCompletion
) -> None:
    """A turn without text is an error."""
    plugin = NativePlugin()
    server.script(*[CallTools((ToolCall("NativePlugin-look_up"),))] * 5)
    async with running([make_agent("a", service, plugins=[plugin]), make_agent("b", service)]) as turn:
        await turn.summary()
    assert plugin.calls == 5
    assert "".join(chunk.content for chunk in turn.streamed) == ""


async def test_an_async_callable_object_is_never_awaited(server: ModelServer, service: OpenAIChatCompletion) -> None:
    """Callbacks are ``async def`` functions."""
    awaited: list[str] = []

    class Callback:
        async def __call__(self, message: DefaultTypeAlias) -> None:
            awaited.append(str(message))

    members = [make_agent("a", service), make_agent("b", service)]
    orchestration: HandoffOrchestration[Any, Any] = HandoffOrchestration(
        members=list(members),
        handoffs=star(*members),
        agent_response_callback=Callback(),
    )
    server.script(Say("Hi."))
    runtime = InProcessRuntime()
    runtime.start()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = await orchestration.invoke("Hello", runtime=runtime)
        await result.get(5)
        await runtime.stop_when_idle()
    assert awaited == []
    assert any("never awaited" in str(warning.message) for warning in caught)


async def test_complete_task_is_offered_and_ends_a_turn_without_visible_text(
    server: ModelServer, service: OpenAIChatCompletion
) -> None:
    """The tool is hidden from the model; see the test on excluded functions."""
    server.script(CallTools((ToolCall("Handoff-complete_task", {"task_summary": "all done"}),)))
    async with running([make_agent("a", service), make_agent("b", service)]) as turn:
        assert await turn.summary() == "Task is completed with summary: all done"
    assert "Handoff-complete_task" in server.requests[0].tool_names
    assert "".join(chunk.content for chunk in turn.streamed) == ""


async def test_an_empty_answer_is_no_error(server: ModelServer, service: OpenAIChatCompletion) -> None:
    """Only the conductor can tell that nothing was said."""
    server.script(Empty())
    async with running([make_agent("a", service), make_agent("b", service)]) as turn:
        assert "no human response function" in await turn.summary()
    assert "".join(chunk.content for chunk in turn.streamed) == ""


async def test_our_filter_runs_outside_the_handoff_filter_and_may_refuse_a_handoff(
    server: ModelServer, service: OpenAIChatCompletion
) -> None:
    """Past the cap the conductor's filter does not call ``next`` and the same agent goes on."""

    async def refuse(context: AutoFunctionInvocationContext, next: Next) -> None:  # noqa: A002, ARG001 - called by name
        assert context.function_result is not None
        context.function_result.value = "No more handoffs: answer yourself."

    server.script(hand_to("b"), Say("I answer myself."))
    async with running([filtered(make_agent("a", service), refuse), make_agent("b", service)]) as turn:
        await turn.summary()
    assert (turn.text_of("a"), turn.text_of("b")) == ("I answer myself.", "")
    assert server.requests[1].messages[-1]["content"] == "No more handoffs: answer yourself."


async def test_complete_task_can_be_hidden_from_the_model_and_still_be_called(
    server: ModelServer, service: OpenAIChatCompletion, technique: KernelPlugin
) -> None:
    """The model may answer, hand off or use a technique, and nothing else."""
    behavior = FunctionChoiceBehavior.Auto(filters={"excluded_functions": ["Handoff-complete_task"]})
    triage = make_agent("triage", service, function_choice_behavior=behavior)
    arguments = KernelArguments(job_description="x")
    options = {"plugins": [technique], "arguments": arguments, "function_choice_behavior": behavior}
    technical = filtered(make_agent("technical", service, **options), deliver_directly(lambda _: None))
    server.script(hand_to("technical"), FEW_SHOT, Say("Five questions."))
    async with running([triage, technical]) as turn:
        assert await turn.summary() == "Task is completed with summary: delivered"
    assert server.requests[0].tool_names == ("Handoff-transfer_to_technical",)
    assert server.requests[1].tool_names == ("technical-few_shot", "Handoff-transfer_to_triage")


async def test_a_hidden_function_called_all_the_same_is_refused(
    server: ModelServer, service: OpenAIChatCompletion
) -> None:
    """The filter holds even when a model invents the name."""
    behavior = FunctionChoiceBehavior.Auto(filters={"excluded_functions": ["Handoff-complete_task"]})
    invented = CallTools((ToolCall("Handoff-complete_task", {"task_summary": "done"}),))
    server.script(invented, Say("Sorry."))
    members = [make_agent("a", service, function_choice_behavior=behavior), make_agent("b", service)]
    async with running(members) as turn:
        await turn.summary()
    assert "not part of the provided tools" in server.requests[1].messages[-1]["content"]


@pytest.mark.parametrize("is_handed_off", [False, True])
async def test_an_exception_of_our_filter_is_what_the_result_raises(
    server: ModelServer, service: OpenAIChatCompletion, technique: KernelPlugin, *, is_handed_off: bool
) -> None:
    """Filters may raise to end a turn, before and after a handoff."""

    async def refuse(context: AutoFunctionInvocationContext, next: Next) -> None:  # noqa: A002, ARG001 - called by name
        raise LookupError

    technical = filtered(make_agent("technical", service, plugins=[technique]), refuse)
    triage = make_agent("triage", service)
    if is_handed_off:
        server.script(hand_to("technical"))
    server.script(FEW_SHOT)
    async with running([triage, technical] if is_handed_off else [technical, triage]) as turn:
        with pytest.raises(LookupError):
            await turn.summary()


@pytest.mark.parametrize("is_handed_off", [False, True])
async def test_a_provider_failure_is_what_the_result_raises(
    server: ModelServer, service: OpenAIChatCompletion, *, is_handed_off: bool
) -> None:
    """The conductor maps it to a provider error, before and after a handoff."""
    if is_handed_off:
        server.script(hand_to("b"))
    server.script(Fail(401, "invalid_api_key", "bad key"))
    async with running([make_agent("a", service), make_agent("b", service)]) as turn:
        with pytest.raises(ServiceResponseException):
            await turn.summary()
