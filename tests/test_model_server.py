"""The scripted provider as the real openai clients see it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from tests.model_server import (
    CallTools,
    ContentFilter,
    CutStream,
    Empty,
    Fail,
    LengthStop,
    Malformed,
    ModelServer,
    RecordedRequest,
    Say,
    Silence,
    Step,
    ToolCall,
    Usage,
)

MESSAGES: Any = [{"role": "system", "content": "You coach."}, {"role": "user", "content": "Hello"}]
TOOL: Any = {"type": "function", "function": {"name": "technical-few_shot", "parameters": {"type": "object"}}}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture
async def client(server: ModelServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=server.base_url, api_key="test", max_retries=0) as client:
        yield client


async def stream(client: AsyncOpenAI, **options: Any) -> list[ChatCompletionChunk]:
    answer = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, **options)
    async with answer:
        return [chunk async for chunk in answer]


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def finish_of(chunks: list[ChatCompletionChunk]) -> list[str]:
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


async def test_text_arrives_in_pieces(server: ModelServer, client: AsyncOpenAI) -> None:
    server.script(Say("Tell me about a hard bug.", pieces=5))
    chunks = await stream(client)
    contents = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert len(contents) == 5
    assert "".join(contents) == "Tell me about a hard bug."
    assert finish_of(chunks) == ["stop"]
    server.verify()


async def test_a_whole_answer_without_streaming(server: ModelServer, client: AsyncOpenAI) -> None:
    server.script(Say("Hi."))
    answer = await client.chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hi."
    assert answer.usage
    assert answer.usage.total_tokens == 15


async def test_the_azure_client_is_served_on_its_own_route(server: ModelServer) -> None:
    server.script(Say("Hi."), Say("Hi."))
    async with AsyncAzureOpenAI(
        azure_endpoint=server.azure_endpoint, azure_deployment="dep", api_key="test", api_version="2024-10-21"
    ) as client:
        chunks = await stream(client)
        whole = await client.chat.completions.create(model="dep", messages=MESSAGES)
    assert chunks[0].choices == []
    assert text_of(chunks) == whole.choices[0].message.content == "Hi."
    request = server.requests[0]
    assert (request.path, request.model) == ("/openai/deployments/dep/chat/completions", "dep")
    assert request.query == {"api-version": "2024-10-21"}
    assert request.headers["api-key"] == "test"


async def test_tool_calls_arrive_name_first_then_argument_fragments(server: ModelServer, client: AsyncOpenAI) -> None:
    calls = (ToolCall("technical-few_shot", {"topic": "List<String>"}), ToolCall("other", "{broken", id="call_x"))
    server.script(CallTools(calls, preamble="One moment."))
    chunks = await stream(client, tools=[TOOL])
    deltas = [call for chunk in chunks for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    first = [delta for delta in deltas if delta.index == 0]
    assert (first[0].id, first[0].function and first[0].function.name) == ("call_2", "technical-few_shot")
    assert all(delta.id is None and delta.function and delta.function.name is None for delta in first[1:])
    assert len(first) == 4
    assert "".join(d.function.arguments or "" for d in first if d.function) == '{"topic": "List<String>"}'
    second = [delta for delta in deltas if delta.index == 1]
    assert second[0].id == "call_x"
    assert "".join(d.function.arguments or "" for d in second if d.function) == "{broken"
    assert text_of(chunks) == "One moment."
    assert finish_of(chunks) == ["tool_calls"]


async def test_tool_calls_without_streaming(server: ModelServer, client: AsyncOpenAI) -> None:
    server.script(CallTools((ToolCall("technical-few_shot", {"n": 1}),)))
    answer = await client.chat.completions.create(model="m", messages=MESSAGES, tools=[TOOL])
    [call] = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("technical-few_shot", '{"n": 1}')
    assert answer.choices[0].message.content is None


async def test_usage_comes_in_a_last_chunk_when_asked_for(server: ModelServer, client: AsyncOpenAI) -> None:
    server.script(Say("Hi.", usage=Usage(input=100, cached_input=60, output=40, reasoning=30)))
    chunks = await stream(client, stream_options={"include_usage": True})
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    usage = chunks[-1].usage
    assert chunks[-1].choices == []
    assert usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (100, 40, 140)
    assert usage.prompt_tokens_details
    assert usage.prompt_tokens_details.cached_tokens == 60
    assert usage.completion_tokens_details
    assert usage.completion_tokens_details.reasoning_tokens == 30


@pytest.mark.parametrize(("usage", "asked"), [(None, True), (Usage(), False)])
async def test_no_usage_chunk_when_unasked_or_not_provided(
    server: ModelServer, client: AsyncOpenAI, usage: Usage | None, *, asked: bool
) -> None:
    server.script(Say("Hi.", usage=usage))
    chunks = await stream(client, stream_options={"include_usage": asked})
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


@pytest.mark.parametrize(
    ("step", "text", "finish"),
    [
        (Empty(), "", "stop"),
        (ContentFilter(), "", "content_filter"),
        (ContentFilter("I can"), "I can", "content_filter"),
        (LengthStop("1. What is"), "1. What is", "length"),
    ],
)
async def test_other_endings(server: ModelServer, client: AsyncOpenAI, *, step: Step, text: str, finish: str) -> None:
    server.script(step, step)
    chunks = await stream(client)
    whole = await client.chat.completions.create(model="m", messages=MESSAGES)
    assert (text_of(chunks), finish_of(chunks)) == (text, [finish])
    assert (whole.choices[0].message.content or "", whole.choices[0].finish_reason) == (text, finish)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
async def test_failures_carry_status_code_and_message(
    server: ModelServer, client: AsyncOpenAI, status: int, error: type[openai.APIStatusError]
) -> None:
    server.script(Fail(status, "some_code", "some message"))
    with pytest.raises(error) as raised:
        await stream(client)
    assert (raised.value.status_code, raised.value.code) == (status, "some_code")
    assert "some message" in raised.value.message


async def test_the_client_retries_after_what_the_server_says(server: ModelServer, client: AsyncOpenAI) -> None:
    server.script(Fail(429, "rate_limit_exceeded", "slow down", retry_after=1), Say("Hi."))
    assert text_of(await stream(client.with_options(max_retries=1))) == "Hi."
    first, second = server.requests
    # Not earlier; the client's own back-off would be half a second at most.
    assert second.received_at_seconds - first.received_at_seconds >= 1
    server.verify()


@pytest.mark.parametrize("is_stream", [True, False])
async def test_a_malformed_answer_is_no_json(server: ModelServer, client: AsyncOpenAI, *, is_stream: bool) -> None:
    server.script(Malformed())
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        await (stream(client) if is_stream else client.chat.completions.create(model="m", messages=MESSAGES))


async def test_a_cut_stream_raises_after_the_pieces(server: ModelServer, client: AsyncOpenAI) -> None:
    server.script(CutStream(after_pieces=2, text="half an ans"))
    answer = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    heard = []
    with pytest.raises(openai.APIConnectionError):  # noqa: PT012 - the pieces before the cut count
        async for chunk in answer:
            heard.append(chunk)  # noqa: PERF401 - a comprehension would lose them
    assert text_of(heard) == "half an ans"
    await server.until(lambda: server.open_connections == 0)
    assert server.aborted_by_client == 0


@pytest.mark.parametrize(("after_pieces", "is_stream"), [(0, True), (0, False), (1, False)])
async def test_a_cut_before_the_answer_is_a_connection_error(
    server: ModelServer, client: AsyncOpenAI, after_pieces: int, *, is_stream: bool
) -> None:
    server.script(CutStream(after_pieces=after_pieces))
    with pytest.raises(openai.APIConnectionError):
        await client.chat.completions.create(model="m", messages=MESSAGES, stream=is_stream)


@pytest.mark.parametrize("after_pieces", [0, 2])
async def test_a_client_that_leaves_a_silent_answer_is_noticed(
    server: ModelServer, client: AsyncOpenAI, after_pieces: int
) -> None:
    server.script(Silence(after_pieces=after_pieces))
    waiting = asyncio.create_task(stream(client))
    await server.until(lambda: server.answers_in_flight == 1)
    assert server.open_connections == 1
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await server.until(lambda: server.aborted_by_client == 1 and server.open_connections == 0)
    assert server.answers_in_flight == 0


async def test_a_client_that_leaves_between_slow_pieces_is_noticed(server: ModelServer, client: AsyncOpenAI) -> None:
    server.script(Say("word " * 100, pieces=100, delay_seconds_per_piece=30))
    waiting = asyncio.create_task(stream(client))
    await server.until(lambda: server.answers_in_flight == 1)
    waiting.cancel()
    await server.until(lambda: server.aborted_by_client == 1)


async def test_the_server_answers_while_the_loop_of_the_test_is_blocked(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    server.script(Say("Hi.", delay_seconds_per_piece=0.02))
    waiting = asyncio.create_task(stream(client))
    await server.until(lambda: server.answers_in_flight == 1)
    deadline = time.monotonic() + 10
    while server.answers_in_flight and time.monotonic() < deadline:
        pass  # This loop runs nothing else meanwhile.
    assert server.answers_in_flight == 0
    assert text_of(await waiting) == "Hi."


async def test_a_connection_is_kept_for_the_next_request(server: ModelServer, client: AsyncOpenAI) -> None:
    server.script(Say("One."), Fail(500), Say("Two."))
    await stream(client)
    with pytest.raises(openai.InternalServerError):
        await stream(client)
    await stream(client)
    assert server.open_connections == 1


async def test_many_streams_at_once(server: ModelServer, client: AsyncOpenAI) -> None:
    server.respond_with(lambda request: Say(request.last_user_text, delay_seconds_per_piece=0.002))
    answers = await asyncio.gather(*(stream(client) for _ in range(50)))
    assert {text_of(chunks) for chunks in answers} == {"Hello"}
    assert len(server.requests) == 50
    server.verify()


async def test_a_request_is_recorded_with_what_tests_ask_for(server: ModelServer, client: AsyncOpenAI) -> None:
    server.script(Say("Hi."), Say("Hi."))
    parts: Any = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "A"}]},
    ]
    await client.chat.completions.create(model="gpt-5", messages=parts, tools=[TOOL])
    await stream(client)
    agent, technique = server.requests
    assert (agent.model, agent.system_text, agent.last_user_text) == ("gpt-5", "Be brief.", "A")
    assert (agent.tool_names, agent.is_technique, agent.is_stream) == (("technical-few_shot",), False, False)
    assert (technique.system_text, technique.is_technique, technique.is_stream) == ("You coach.", True, True)
    assert technique.headers["authorization"] == "Bearer test"


async def test_verify_reports_a_request_nothing_was_scripted_for(server: ModelServer, client: AsyncOpenAI) -> None:
    with pytest.raises(openai.InternalServerError, match="no step left"):
        await stream(client)
    assert [request.last_user_text for request in server.unexpected] == ["Hello"]
    with pytest.raises(AssertionError, match="unexpected request"):
        server.verify()


def test_verify_reports_an_unconsumed_step(server: ModelServer) -> None:
    server.script(Say("never"))
    with pytest.raises(AssertionError, match=r"unconsumed step: Say\(.*never"):
        server.verify()


def raises_key_error(request: RecordedRequest) -> bool:
    return bool(request.body["no such key"])


@pytest.mark.parametrize("expect", [lambda _: False, raises_key_error])
async def test_verify_reports_a_failed_expectation(
    server: ModelServer, client: AsyncOpenAI, expect: Callable[[RecordedRequest], bool]
) -> None:
    server.script(Say("Hi.", expect=expect))
    assert text_of(await stream(client)) == "Hi."
    with pytest.raises(AssertionError, match="Hello"):
        server.verify()


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        ([{"role": "tool", "tool_call_id": "c", "content": "x"}], "must answer a preceding tool call"),
        (
            [
                {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {}}]},
                {"role": "user", "content": "x"},
            ],
            "without a tool message",
        ),
    ],
)
async def test_a_broken_conversation_is_refused(
    server: ModelServer, client: AsyncOpenAI, messages: Any, problem: str
) -> None:
    server.script(Say("Hi."))
    with pytest.raises(openai.BadRequestError, match=problem):
        await client.chat.completions.create(model="m", messages=messages)
    with pytest.raises(AssertionError, match="unexpected request"):
        server.verify()


async def test_another_route_is_not_found(server: ModelServer, client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.models.list()
    assert [request.path for request in server.unexpected] == ["/v1/models"]


async def test_closing_ends_silent_answers() -> None:
    with ModelServer() as server:
        server.script(Silence())
        async with AsyncOpenAI(base_url=server.base_url, api_key="test", max_retries=0) as client:
            waiting = asyncio.create_task(stream(client))
            await server.until(lambda: server.answers_in_flight == 1)
            server.close()
            with pytest.raises(openai.APIConnectionError):
                await waiting
            assert (server.open_connections, server.answers_in_flight, server.aborted_by_client) == (0, 0, 0)
