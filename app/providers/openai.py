"""OpenAI, and every server that speaks its chat-completions protocol, Azure OpenAI included."""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import structlog
from openai import (
    APIStatusError,
    AsyncAzureOpenAI,
    AsyncOpenAI,
    AsyncStream,
    Timeout,
)
from openai.types.chat import ChatCompletionChunk
from pydantic import PrivateAttr
from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
from semantic_kernel.connectors.ai.prompt_execution_settings import PromptExecutionSettings
from semantic_kernel.contents import ChatHistory, StreamingChatMessageContent
from semantic_kernel.exceptions import ServiceResponseException
from typing_extensions import override

from app.core.config import Settings
from app.providers.base import Sampling
from app.providers.circuit import Circuits
from app.providers.failures import provider_failure
from app.providers.retries import Retries

OPENAI_BASE_URL = "https://api.openai.com/v1"
OPENAI_DEFAULT_MODEL = "gpt-5-mini"

logger = structlog.get_logger(__name__)

# o1, o3-mini, gpt-5, gpt-5.1-codex …, but not the chat variants such as gpt-5-chat-latest. Gateways put a path before
# the name: openai/o3, openrouter/openai/gpt-5.
_REASONING_MODEL = re.compile(r"^(?:.*/)?(?:o\d|gpt-5(?!.*chat)|codex)[^/]*$", re.IGNORECASE)
_O_SERIES = re.compile(r"^(?:.*/)?o\d[^/]*$", re.IGNORECASE)


def is_reasoning_model(model: str) -> bool:
    """Whether the model rejects `temperature`, `top_p`, `frequency_penalty` and `max_tokens`."""
    return _REASONING_MODEL.match(model) is not None


def accepted_settings(
    model: str, sampling: Sampling, *, has_tools: bool, is_openai: bool
) -> OpenAIChatPromptExecutionSettings:
    """Return the request settings with only what the model accepts.

    OpenAI and Azure take `max_completion_tokens` for every model. Other servers know the older `max_tokens`.
    Parallel tool calls are switched off, because of two handoffs at once the last would win silently; the o-series
    rejects the switch and makes one call at a time anyway.
    """
    is_reasoning = is_reasoning_model(model)
    settings = OpenAIChatPromptExecutionSettings()
    if is_reasoning:
        # A model that reasons longer is silent longer, and the silence of a turn is limited.
        settings.reasoning_effort = "low"
    else:
        settings.temperature = sampling.temperature
        settings.top_p = sampling.top_p
        settings.frequency_penalty = sampling.frequency_penalty
    if is_openai or is_reasoning:
        settings.max_completion_tokens = sampling.max_output_tokens
    else:
        settings.max_tokens = sampling.max_output_tokens
    if has_tools and not _O_SERIES.match(model):
        settings.parallel_tool_calls = False
    return settings


class SchemaTolerantChatCompletion(OpenAIChatCompletion):
    """Sends the request again without its JSON schema to a model that refuses one, and remembers that.

    Older models and some compatible servers do; none says so beforehand. The prompt states the contract as well.
    """

    takes_schema: bool = True
    _answers: dict[int, AsyncStream[ChatCompletionChunk]] = PrivateAttr(default_factory=dict)
    """The answers that are being read, by the identity of their request's settings, which are made for each call."""

    @override
    async def _inner_get_streaming_chat_message_contents(
        self, chat_history: ChatHistory, settings: PromptExecutionSettings, function_invoke_attempt: int = 0
    ) -> AsyncGenerator[list[StreamingChatMessageContent], Any]:
        """Close the connection when the reader leaves, which Semantic Kernel leaves to the garbage collector."""
        pieces = super()._inner_get_streaming_chat_message_contents(chat_history, settings, function_invoke_attempt)
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
        finally:
            answer = self._answers.pop(id(settings), None)
            if answer is not None:
                await answer.close()

    @override
    async def _send_completion_request(self, settings: PromptExecutionSettings) -> Any:
        answer = await self._sent_with_or_without_schema(settings)
        if isinstance(answer, AsyncStream):
            self._answers[id(settings)] = answer
        return answer

    async def _sent_with_or_without_schema(self, settings: PromptExecutionSettings) -> Any:
        try:
            return await super()._send_completion_request(settings)  # type: ignore[arg-type]  # of this class
        except ServiceResponseException as error:
            if not isinstance(settings, OpenAIChatPromptExecutionSettings) or not settings.response_format:
                raise
            if not _may_refuse_schema(error.__cause__):
                raise
        settings.structured_json_response = False
        settings.response_format = None
        answer = await super()._send_completion_request(settings)
        if self.takes_schema:
            logger.info("schema_refused", model=self.ai_model_id)
        self.takes_schema = False
        return answer


def _may_refuse_schema(error: BaseException | None) -> bool:
    """Whether the schema may be what the request was refused for; every server words that in its own way."""
    return (
        isinstance(error, APIStatusError)
        and error.status_code in {400, 415, 422, 501}
        and error.code not in {"content_filter", "context_length_exceeded"}
    )


class OpenAIProvider:
    """One client, and so one connection pool, for all models and turns.

    The client makes one attempt only. Its own retries would be one call in the ledger, blind to budgets, and waits of
    up to two minutes that no turn has.
    """

    def __init__(
        self, *, name: str, client: AsyncOpenAI, settings: Settings, models: tuple[str, ...], deployment: str | None
    ) -> None:
        self.name = name
        self.models = models
        self.default_model = models[0]
        self.retries = Retries(count=settings.provider_max_retries, first_wait_seconds=settings.provider_retry_seconds)
        self.circuits = Circuits(failures=settings.circuit_failures, rest_seconds=settings.circuit_rest_seconds)
        self._client = client
        self._deployment = deployment
        self._services: dict[str, SchemaTolerantChatCompletion] = {}

    def service(self, model: str) -> SchemaTolerantChatCompletion:
        """The service for `model`; behind Azure the request names the deployment instead."""
        if model not in self._services:
            self._services[model] = SchemaTolerantChatCompletion(  # type: ignore[call-arg]  # pydantic's view of fields
                ai_model_id=self._deployment or model, async_client=self._client
            )
        return self._services[model]

    def execution_settings(
        self, model: str, sampling: Sampling, *, has_tools: bool, output_schema: Mapping[str, Any] | None = None
    ) -> PromptExecutionSettings:
        """See `accepted_settings`. The schema is left out for a model that has refused one."""
        settings = accepted_settings(model, sampling, has_tools=has_tools, is_openai=self.name in {"openai", "azure"})
        if output_schema is not None and self.service(model).takes_schema:
            settings.response_format = {
                "type": "json_schema",
                "json_schema": {"name": "question_set", "strict": True, "schema": dict(output_schema)},
            }
            settings.structured_json_response = True
        return settings

    async def served_models(self) -> Sequence[str]:
        """See `Provider.served_models`. Azure names models there, not deployments."""
        try:
            return [model.id async for model in self._client.models.list()]
        except Exception as error:
            raise provider_failure(error).error from error

    async def close(self) -> None:
        """Close the connection pool."""
        await self._client.close()


def openai_provider(settings: Settings) -> OpenAIProvider | None:
    """OpenAI itself, when only a key is given."""
    if settings.openai_api_key is None or settings.openai_base_url:
        return None
    return OpenAIProvider(
        name="openai",
        client=AsyncOpenAI(
            api_key=settings.openai_api_key.get_secret_value(),
            base_url=OPENAI_BASE_URL,
            max_retries=0,
            timeout=_timeout(settings),
        ),
        settings=settings,
        models=_models(settings, OPENAI_DEFAULT_MODEL),
        deployment=None,
    )


def compatible_provider(settings: Settings) -> OpenAIProvider | None:
    """Any OpenAI-compatible server; most local ones want no key, but the client must send one."""
    if not settings.openai_base_url:
        return None
    key = settings.openai_api_key.get_secret_value() if settings.openai_api_key else "none"
    is_openai = settings.openai_base_url.rstrip("/") == OPENAI_BASE_URL
    return OpenAIProvider(
        name="openai" if is_openai else "compatible",
        client=AsyncOpenAI(
            api_key=key,
            base_url=settings.openai_base_url,
            max_retries=0,
            timeout=_timeout(settings),
        ),
        settings=settings,
        models=_models(settings, OPENAI_DEFAULT_MODEL),
        deployment=None,
    )


def azure_provider(settings: Settings) -> OpenAIProvider | None:
    """Azure OpenAI: one deployment. `DEFAULT_MODEL` says which model it serves, if its own name does not."""
    deployment = settings.azure_openai_deployment
    if not settings.azure_openai_endpoint or not settings.azure_openai_api_key or not deployment:
        return None
    return OpenAIProvider(
        name="azure",
        client=AsyncAzureOpenAI(
            api_key=settings.azure_openai_api_key.get_secret_value(),
            azure_endpoint=settings.azure_openai_endpoint,
            azure_deployment=deployment,
            api_version=settings.azure_openai_api_version,
            max_retries=0,
            timeout=_timeout(settings),
        ),
        settings=settings,
        models=(settings.default_model or deployment,),
        deployment=deployment,
    )


def _models(settings: Settings, fallback: str) -> tuple[str, ...]:
    default = settings.default_model or fallback
    return (default, *(model for model in settings.allowed_models if model != default))


def _timeout(settings: Settings) -> Timeout:
    # The turn's own clock notices silence first; the client's is only there so that nothing waits for ever.
    return Timeout(settings.turn_deadline_seconds, connect=5.0)
