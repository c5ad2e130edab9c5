"""A chat-completion service that measures every call of the one it wraps.

Usage is taken where the model is called, once per response: through Semantic Kernel's callbacks a turn with tools
counts double. One instance belongs to one agent in one turn.
"""

import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import structlog
from pydantic import Field
from semantic_kernel.connectors.ai.chat_completion_client_base import ChatCompletionClientBase
from semantic_kernel.connectors.ai.completion_usage import CompletionUsage
from semantic_kernel.connectors.ai.prompt_execution_settings import PromptExecutionSettings
from semantic_kernel.contents import ChatHistory, StreamingChatMessageContent
from semantic_kernel.contents.utils.finish_reason import FinishReason
from typing_extensions import override

from app.core.errors import OutputWithheld, ProviderError
from app.core.tokens import estimated_tokens
from app.providers.failures import costs_nothing, provider_failure
from app.providers.output import CanaryFound, Messages, OutputGuard, WholeCalls, contents, with_instruction

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class MeasuredCall:
    """What one call took. Tokens are the provider's own count unless `is_estimated`.

    Of a call that broke off, an estimated output is what arrived; the model may have thought about more.
    """

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    is_estimated: bool
    is_complete: bool
    duration_ms: int


@dataclass(frozen=True)
class CallPlan:
    """What is about to be sent."""

    request_bytes: int
    """Of everything the model reads: messages, tools and output schema, as JSON."""
    input_tokens: int
    """An estimate of the same, for a call whose usage the provider does not tell."""
    max_output_tokens: int | None
    """The maximum that the request sets."""


class CallObserver(Protocol):
    """The turn's side of a call. The synchronous methods are quick."""

    async def call_started(self, agent: str, plan: CallPlan) -> Any:
        """About to call the model. May raise to refuse the call; returns what `call_ended` is to be given."""
        ...

    def call_progressed(self, agent: str, *, text: str, has_tool_call: bool) -> None:
        """A piece arrived."""
        ...

    async def call_ended(self, agent: str, booking: Any, call: MeasuredCall) -> None:
        """The call is over, well or not; also when it was cancelled."""
        ...

    def call_failed(self, error: BaseException) -> None:
        """The call raised; the error is the one the turn should end with."""
        ...


class MeteredChatCompletion(ChatCompletionClientBase):
    """Delegates to `inner` and tells `observer` what happens. Only streams: Greenroom makes no other calls.

    Every call carries the canary at the end of its instructions, and an answer that holds it ends with OutputWithheld.
    """

    SUPPORTS_FUNCTION_CALLING: ClassVar[bool] = True

    inner: ChatCompletionClientBase
    agent: str
    observer: Any = Field(exclude=True)
    canary: Any = Field(exclude=True, repr=False)

    @override
    def get_prompt_execution_settings_class(self) -> type[PromptExecutionSettings]:
        return self.inner.get_prompt_execution_settings_class()

    @override
    def _verify_function_choice_settings(self, settings: PromptExecutionSettings) -> None:
        self.inner._verify_function_choice_settings(settings)

    @override
    def _update_function_choice_settings_callback(self) -> Callable[..., None]:
        return self.inner._update_function_choice_settings_callback()

    @override
    def _reset_function_choice_settings(self, settings: PromptExecutionSettings) -> None:
        self.inner._reset_function_choice_settings(settings)

    @override
    async def _inner_get_streaming_chat_message_contents(
        self, chat_history: ChatHistory, settings: PromptExecutionSettings, function_invoke_attempt: int = 0
    ) -> AsyncGenerator[list[StreamingChatMessageContent], Any]:
        observer: CallObserver = self.observer
        marked = with_instruction(chat_history, self.canary.instruction)
        plan = _plan(self.inner, marked, settings)
        booking = await observer.call_started(self.agent, plan)
        meter, guard, calls = _Meter(plan), OutputGuard(self.canary), WholeCalls()
        try:
            stream = self.inner._inner_get_streaming_chat_message_contents(marked, settings, function_invoke_attempt)
            # Closed here: a reader that leaves early would leave the connection to the garbage collector.
            async with aclosing(stream):
                async for messages in stream:
                    meter.read(messages)
                    for passed in guard.take(messages):
                        self._report(passed)
                        yield calls.without(passed)
            for passed in guard.rest():
                self._report(passed)
                yield calls.without(passed)
            if whole := calls.messages():
                yield whole
            meter.close()
        except CanaryFound as found:
            logger.warning("output_withheld", agent=self.agent, form=str(found))
            withheld = OutputWithheld("The model wrote something confidential. Put it differently, or try again.")
            observer.call_failed(withheld)
            raise withheld from None
        except Exception as error:
            meter.is_refused = not meter.has_begun and costs_nothing(error)
            failure = provider_failure(error, has_begun=meter.has_begun)
            observer.call_failed(failure)
            raise failure from error
        finally:
            await observer.call_ended(self.agent, booking, meter.measured())

    def _report(self, messages: Messages) -> None:
        observer: CallObserver = self.observer
        for message in messages:
            text, calls = contents(message)
            observer.call_progressed(self.agent, text=text, has_tool_call=bool(calls))


def _plan(inner: ChatCompletionClientBase, history: ChatHistory, settings: PromptExecutionSettings) -> CallPlan:
    """The request as `inner` will send it."""
    sent = settings.prepare_settings_dict()
    messages = inner._prepare_chat_history_for_request(history)
    text = json.dumps([messages, sent], ensure_ascii=False, default=str)
    return CallPlan(
        request_bytes=len(text.encode("utf-8", "surrogatepass")),
        input_tokens=estimated_tokens(text),
        max_output_tokens=sent.get("max_completion_tokens") or sent.get("max_tokens"),
    )


class _Meter:
    """Adds up one response."""

    def __init__(self, plan: CallPlan) -> None:
        self.is_complete = False
        self.has_begun = False
        self.is_refused = False
        """The provider refused the call or was never reached, for which nobody is charged."""
        self._plan = plan
        self._usage: CompletionUsage | None = None
        self._finish_reason: FinishReason | None = None
        self._output: list[str] = []
        self._started = time.monotonic()

    def read(self, messages: Messages) -> None:
        """Take the next pieces."""
        for message in messages:
            self.has_begun = True
            usage = message.metadata.get("usage")
            if isinstance(usage, CompletionUsage):
                self._usage = usage
            self._finish_reason = message.finish_reason or self._finish_reason
            text, calls = contents(message)
            self._output.append(text)
            self._output.extend(f"{call.name or ''}{call.arguments or ''}" for call in calls)

    def close(self) -> None:
        """The stream ended. Without a finish reason it was cut, and what came must not pass for an answer.

        Raises:
            ProviderError: the stream was cut, or the provider's content filter stopped it.
        """
        if self._finish_reason is None:
            raise ProviderError("The model provider broke off in the middle of its answer. Try again.")
        if self._finish_reason is FinishReason.CONTENT_FILTER:
            raise ProviderError("The model provider's content filter stopped the answer. Try to put it differently.")
        self.is_complete = True

    def measured(self) -> MeasuredCall:
        """The call as far as it came."""
        duration_ms = round((time.monotonic() - self._started) * 1000)
        usage = self._usage
        if usage is None:
            return MeasuredCall(
                input_tokens=0 if self.is_refused else self._plan.input_tokens,
                cached_input_tokens=0,
                output_tokens=estimated_tokens("".join(self._output)),
                reasoning_tokens=0,
                is_estimated=not self.is_refused,
                is_complete=self.is_complete,
                duration_ms=duration_ms,
            )
        input_tokens, output_tokens = max(usage.prompt_tokens or 0, 0), max(usage.completion_tokens or 0, 0)
        cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else 0
        reasoning = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else 0
        return MeasuredCall(
            input_tokens=input_tokens,
            # Some servers count the parts beside the whole; a part is never more than its whole.
            cached_input_tokens=min(cached or 0, input_tokens),
            output_tokens=output_tokens,
            reasoning_tokens=min(reasoning or 0, output_tokens),
            is_estimated=False,
            is_complete=self.is_complete,
            duration_ms=duration_ms,
        )
