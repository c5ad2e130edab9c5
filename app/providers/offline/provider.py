"""The offline engine as a provider: a chat-completion service that needs no language model, no network and no money."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from pydantic import Field
from semantic_kernel.connectors.ai.chat_completion_client_base import ChatCompletionClientBase
from semantic_kernel.connectors.ai.completion_usage import CompletionUsage
from semantic_kernel.connectors.ai.function_calling_utils import update_settings_from_function_call_configuration
from semantic_kernel.connectors.ai.prompt_execution_settings import PromptExecutionSettings
from semantic_kernel.contents import (
    AuthorRole,
    ChatHistory,
    FinishReason,
    FunctionCallContent,
    StreamingChatMessageContent,
    StreamingTextContent,
)
from typing_extensions import override

from app.bank.questions import QuestionBank
from app.providers.base import Sampling
from app.providers.circuit import Circuits
from app.providers.offline.decisions import Call
from app.providers.offline.engine import Engine, arguments_json
from app.providers.retries import NO_RETRIES

NAME = "offline"
MODEL = "greenroom-offline-1"
PIECE_CHARACTERS = 80
"""Of a streamed text: so small that questions arrive one by one."""


class OfflineExecutionSettings(PromptExecutionSettings):
    """A request to the offline engine. Sampling does not apply: the same request always gets the same answer."""

    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None


class OfflineChatCompletion(ChatCompletionClientBase):
    """Answers like a model that streams and calls tools. Stateless, so concurrent turns may share it."""

    SUPPORTS_FUNCTION_CALLING: ClassVar[bool] = True

    engine: Any = Field(exclude=True)

    @override
    def get_prompt_execution_settings_class(self) -> type[PromptExecutionSettings]:
        return OfflineExecutionSettings

    @override
    def _update_function_choice_settings_callback(self) -> Callable[..., None]:
        return update_settings_from_function_call_configuration

    @override
    def _reset_function_choice_settings(self, settings: PromptExecutionSettings) -> None:
        if isinstance(settings, OfflineExecutionSettings):
            settings.tools, settings.tool_choice = None, None

    @override
    async def _inner_get_streaming_chat_message_contents(
        self, chat_history: ChatHistory, settings: PromptExecutionSettings, function_invoke_attempt: int = 0
    ) -> AsyncGenerator[list[StreamingChatMessageContent], Any]:
        engine: Engine = self.engine
        decision = engine.decide(chat_history, getattr(settings, "tools", None))
        if isinstance(decision, Call):
            call = FunctionCallContent(
                id=f"call_{function_invoke_attempt}", index=0, name=decision.name, arguments=arguments_json(decision)
            )
            yield [self._message(call, function_invoke_attempt, FinishReason.TOOL_CALLS)]
            return
        *pieces, last = _pieces(decision.text)
        for piece in pieces:
            yield [self._message(_text(piece), function_invoke_attempt)]
            await asyncio.sleep(0)
        yield [self._message(_text(last), function_invoke_attempt, FinishReason.STOP)]

    def _message(
        self,
        item: FunctionCallContent | StreamingTextContent,
        function_invoke_attempt: int,
        finish_reason: FinishReason | None = None,
    ) -> StreamingChatMessageContent:
        """One piece; the one with a finish reason is the last and carries the usage, which is nothing."""
        usage = {"usage": CompletionUsage(prompt_tokens=0, completion_tokens=0)} if finish_reason else {}
        return StreamingChatMessageContent(
            role=AuthorRole.ASSISTANT,
            items=[item],
            choice_index=0,
            ai_model_id=self.ai_model_id,
            finish_reason=finish_reason,
            metadata=usage,
            function_invoke_attempt=function_invoke_attempt,
        )


class OfflineProvider:
    """One engine and one service for all turns."""

    name = NAME
    default_model = MODEL
    models: tuple[str, ...] = (MODEL,)
    retries = NO_RETRIES

    def __init__(self, bank: QuestionBank) -> None:
        # Of the protocol: there is nothing here that could be unavailable.
        self.circuits = Circuits(failures=1, rest_seconds=0)
        self._service = OfflineChatCompletion(ai_model_id=MODEL, engine=Engine(bank))

    def service(self, model: str) -> ChatCompletionClientBase:  # noqa: ARG002 - the protocol's; there is only one
        """The engine, whatever the model is called."""
        return self._service

    def execution_settings(
        self,
        model: str,  # noqa: ARG002 - of the protocol
        sampling: Sampling,  # noqa: ARG002
        *,
        has_tools: bool,  # noqa: ARG002
        output_schema: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> PromptExecutionSettings:
        """Settings without sampling and schema, which the engine has no use for."""
        return OfflineExecutionSettings()

    async def served_models(self) -> Sequence[str]:
        """The one there is."""
        return self.models

    async def close(self) -> None:
        """Nothing to close."""


def _pieces(text: str) -> Iterator[str]:
    return (text[start : start + PIECE_CHARACTERS] for start in range(0, max(len(text), 1), PIECE_CHARACTERS))


def _text(piece: str) -> StreamingTextContent:
    return StreamingTextContent(choice_index=0, text=piece, ai_model_id=MODEL)
