import json
from collections.abc import AsyncIterator

from semantic_kernel import Kernel
from semantic_kernel.connectors.ai.completion_usage import CompletionUsage
from semantic_kernel.contents import (
    ChatHistory,
    FinishReason,
    FunctionCallContent,
    StreamingChatMessageContent,
    StreamingTextContent,
)
from semantic_kernel.functions import KernelArguments, KernelFunctionFromPrompt

from app.core.config import Settings
from app.providers.base import Provider, Sampling
from app.providers.offline.order import read_order
from app.providers.offline.provider import (
    MODEL,
    PIECE_CHARACTERS,
    OfflineChatCompletion,
    OfflineExecutionSettings,
)
from app.providers.registry import active_provider
from tests.providers.offline.calls import POSTING, history, prompt, tools_of


def service() -> OfflineChatCompletion:
    found = active_provider(Settings(_env_file=None)).service(MODEL)
    assert isinstance(found, OfflineChatCompletion)
    return found


async def stream(chat: ChatHistory, settings: OfflineExecutionSettings) -> list[StreamingChatMessageContent]:
    pieces: AsyncIterator[list[StreamingChatMessageContent]] = service()._inner_get_streaming_chat_message_contents(
        chat, settings
    )
    return [message async for messages in pieces for message in messages]


def rendered() -> ChatHistory:
    chat = ChatHistory()
    chat.add_user_message(prompt())
    return chat


async def test_it_is_the_provider_when_nothing_else_is_configured() -> None:
    provider: Provider = active_provider(Settings(_env_file=None))
    assert (provider.name, provider.default_model, provider.models) == ("offline", MODEL, (MODEL,))
    assert isinstance(
        provider.execution_settings(MODEL, Sampling(temperature=1), has_tools=True), OfflineExecutionSettings
    )
    assert provider.service(MODEL) is provider.service(MODEL)
    await provider.close()


async def test_a_technique_streams_in_small_pieces_and_ends_like_a_model() -> None:
    messages = await stream(rendered(), OfflineExecutionSettings())
    assert len(messages) > 20
    assert all(len(str(message)) <= PIECE_CHARACTERS for message in messages)
    assert all(isinstance(message.items[0], StreamingTextContent) for message in messages)
    assert [message.finish_reason for message in messages[-2:]] == [None, FinishReason.STOP]
    usage = messages[-1].metadata["usage"]
    assert isinstance(usage, CompletionUsage)
    assert (usage.prompt_tokens, usage.completion_tokens) == (0, 0)
    assert {message.ai_model_id for message in messages} == {MODEL}
    assert len(json.loads("".join(map(str, messages)))["questions"]) == 5


async def test_a_tool_call_is_one_piece_without_text() -> None:
    (message,) = await stream(history("coding round"), OfflineExecutionSettings(tools=tools_of("triage")))
    (call,) = message.items
    assert isinstance(call, FunctionCallContent)
    assert (call.name, call.arguments) == ("Handoff-transfer_to_technical", "{}")
    assert message.finish_reason is FinishReason.TOOL_CALLS
    assert str(message) == ""


def test_tools_come_and_go_with_the_settings() -> None:
    settings = OfflineExecutionSettings(tools=tools_of("technical"), tool_choice="auto")
    engine = service()
    engine._reset_function_choice_settings(settings)
    assert (settings.tools, settings.tool_choice) == (None, None)
    assert engine.get_prompt_execution_settings_class() is OfflineExecutionSettings


async def test_a_prompt_function_brings_the_posting_as_it_was_written() -> None:
    seen: list[str] = []

    class Listening(OfflineChatCompletion):
        async def _inner_get_streaming_chat_message_contents(  # type: ignore[no-untyped-def]  # as in the base class
            self,
            chat_history,
            settings,
            function_invoke_attempt=0,  # noqa: ARG002
        ):
            seen.append(chat_history.messages[-1].content)
            async for messages in super()._inner_get_streaming_chat_message_contents(chat_history, settings):
                yield messages

    kernel = Kernel()
    kernel.add_service(Listening(ai_model_id=MODEL, engine=service().engine, service_id="default"))
    function = KernelFunctionFromPrompt(
        function_name="few_shot",
        plugin_name="technical",
        prompt='<message role="system">Write.</message><message role="user">{{$blocks}}</message>',
    )
    arguments = KernelArguments(blocks=prompt(), settings=OfflineExecutionSettings())
    text = ""
    async for pieces in function.invoke_stream(kernel, arguments):
        assert isinstance(pieces, list)
        text += "".join(map(str, pieces))
    assert read_order(seen[0]).posting == POSTING.strip()
    assert "List<String> & R&D" in text
