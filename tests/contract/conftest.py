"""Small builders that drive the real Semantic Kernel against the scripted provider."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from semantic_kernel import Kernel
from semantic_kernel.agents import ChatCompletionAgent, HandoffOrchestration, OrchestrationHandoffs
from semantic_kernel.agents.orchestration.orchestration_base import DefaultTypeAlias, OrchestrationResult
from semantic_kernel.agents.runtime import InProcessRuntime
from semantic_kernel.connectors.ai.chat_completion_client_base import ChatCompletionClientBase
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
from semantic_kernel.contents import ChatMessageContent, StreamingChatMessageContent
from semantic_kernel.filters import AutoFunctionInvocationContext
from semantic_kernel.functions import FunctionResult, KernelArguments, KernelPlugin

from tests.model_server import CallTools, ModelServer, ToolCall, Usage
from tests.model_wire import DEFAULT_USAGE

Next = Callable[[AutoFunctionInvocationContext], Awaitable[None]]
Filter = Callable[[AutoFunctionInvocationContext, Next], Awaitable[None]]

PROMPT = """<message role="system">You write interview questions.</message>
<message role="user">Topic: {{$topic}}
Job: {{$job_description}}</message>"""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """Give a scripted provider whose script must come out even."""
    with ModelServer() as server:
        yield server
        server.verify()


@pytest.fixture
async def service(server: ModelServer) -> AsyncIterator[OpenAIChatCompletion]:
    async with AsyncOpenAI(base_url=server.base_url, api_key="test", max_retries=0) as client:
        yield OpenAIChatCompletion(ai_model_id="test-model", async_client=client)


@pytest.fixture
def technique(tmp_path: Path) -> KernelPlugin:
    """Load the plugin ``technical``: one technique, ``few_shot``, whose job description the model does not see."""
    write_technique(tmp_path / "technical" / "few_shot")
    plugin = KernelPlugin.from_directory("technical", str(tmp_path))
    for parameter in plugin["few_shot"].metadata.parameters:
        if parameter.name == "job_description":
            parameter.include_in_function_choices = False
            parameter.is_required = False
    return plugin


def write_technique(folder: Path, prompt: str = PROMPT) -> None:
    """Write a prompt function with the arguments ``topic`` and ``job_description``."""
    folder.mkdir(parents=True)
    (folder / "skprompt.txt").write_text(prompt, encoding="utf-8")
    variables = [
        {"name": name, "description": name, "is_required": True, "json_schema": "str"}
        for name in ("topic", "job_description")
    ]
    config = {"schema": 1, "description": "Writes questions.", "input_variables": variables}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def hand_to(agent: str, preamble: str = "", usage: Usage | None = DEFAULT_USAGE) -> CallTools:
    return CallTools((ToolCall(f"Handoff-transfer_to_{agent}"),), preamble=preamble, usage=usage)


def make_agent(name: str, service: ChatCompletionClientBase, **options: Any) -> ChatCompletionAgent:
    options.setdefault("kernel", Kernel())
    return ChatCompletionAgent(name=name, description=f"The {name} agent.", service=service, **options)


def star(*members: ChatCompletionAgent) -> OrchestrationHandoffs:
    """Let every member hand off to every other."""
    handoffs = OrchestrationHandoffs()
    for member in members:
        handoffs.add_many(member.name, {other.name: f"Ask {other.name}." for other in members if other is not member})
    return handoffs


def deliver_directly(emit: Callable[[str], None]) -> Filter:
    """Build the return-direct filter: a technique's output goes to the user and ends the turn."""

    async def deliver(context: AutoFunctionInvocationContext, next: Next) -> None:  # noqa: A002 - called by this name
        if not context.function.is_prompt:
            await next(context)
            return
        text = ""
        # Without a copy the technique would inherit the agent's settings, and with them all its tools.
        arguments = KernelArguments(**context.arguments)
        async for messages in context.function.invoke_stream(context.kernel, arguments):
            assert isinstance(messages, list)
            for message in messages:
                emit(str(message))
                text += str(message)
        context.function_result = FunctionResult(function=context.function.metadata, value=text)
        complete_task = context.kernel.get_function("Handoff", "complete_task")
        await complete_task.invoke(context.kernel, task_summary="delivered")
        context.terminate = True

    return deliver


async def abort(result: OrchestrationResult[DefaultTypeAlias], runtime: InProcessRuntime) -> None:
    """Stop everything a turn has started, model calls included."""
    tasks = [task for task in (result.background_task, *runtime._background_tasks) if task]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await runtime.stop()


@dataclass
class Turn:
    """What one run of an orchestration showed."""

    result: OrchestrationResult[DefaultTypeAlias]
    runtime: InProcessRuntime
    streamed: list[StreamingChatMessageContent] = field(default_factory=list)
    messages: list[ChatMessageContent] = field(default_factory=list)

    async def summary(self, timeout_seconds: float = 5.0) -> str:
        """Wait for the end; what ``get`` returns, or raises."""
        message = await self.result.get(timeout_seconds)
        assert isinstance(message, ChatMessageContent)
        return message.content

    def text_of(self, agent: str) -> str:
        """All text that reached the streaming callback in this agent's name."""
        return "".join(chunk.content for chunk in self.streamed if chunk.name == agent)


@asynccontextmanager
async def running(
    members: Sequence[ChatCompletionAgent],
    task: str | list[ChatMessageContent] = "Hello",
    handoffs: OrchestrationHandoffs | None = None,
    runtime: InProcessRuntime | None = None,
) -> AsyncIterator[Turn]:
    """Start a turn; at the end everything it started is stopped (a shared runtime is left alone)."""
    streamed: list[StreamingChatMessageContent] = []
    messages: list[ChatMessageContent] = []

    async def on_chunk(chunk: StreamingChatMessageContent, is_final: bool) -> None:  # noqa: FBT001, ARG001 - its signature
        streamed.append(chunk)

    async def on_message(message: DefaultTypeAlias) -> None:
        messages.extend(message if isinstance(message, list) else [message])

    orchestration: HandoffOrchestration[DefaultTypeAlias, DefaultTypeAlias] = HandoffOrchestration(
        members=list(members),
        handoffs=handoffs or star(*members),
        streaming_agent_response_callback=on_chunk,
        agent_response_callback=on_message,
    )
    own = runtime or InProcessRuntime()
    if runtime is None:
        own.start()
    result = await orchestration.invoke(task=task, runtime=own)
    try:
        yield Turn(result, own, streamed, messages)
    finally:
        if runtime is None:
            await abort(result, own)
