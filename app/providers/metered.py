"""A chat-completion service that measures every call of the one it wraps, and tries again what failed.

Usage is taken where the model is called, once per response: through Semantic Kernel's callbacks a turn with tools
counts double. Each attempt is a call of its own, reserved and booked. One instance belongs to one agent in one turn.
"""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import structlog
from pydantic import Field
from semantic_kernel.connectors.ai.chat_completion_client_base import ChatCompletionClientBase
from semantic_kernel.connectors.ai.completion_usage import CompletionUsage
from semantic_kernel.connectors.ai.prompt_execution_settings import PromptExecutionSettings
from semantic_kernel.contents import ChatHistory, StreamingChatMessageContent
from semantic_kernel.contents.utils.finish_reason import FinishReason
from typing_extensions import override

from app.core.errors import (
    AnswerBrokenOff,
    AnswerTooLong,
    ContentFiltered,
    OutputWithheld,
    ProviderUnavailable,
    TurnTimeout,
)
from app.core.tokens import estimated_tokens
from app.providers.circuit import Circuit, Passage
from app.providers.failures import BROKEN_OFF, FILTERED, Failure, costs_nothing, provider_failure
from app.providers.output import CanaryFound, Messages, OutputGuard, WholeCalls, contents, with_instruction
from app.providers.retries import Retries

CANCELLED = "cancelled"
"""The error code of a call that was stopped."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class CallContent:
    """What a call said, both ways."""

    sent: tuple[Mapping[str, Any], ...] = field(repr=False)
    """The messages, as the provider gets them."""
    answered: str = field(repr=False)
    """Text and tool calls, as far as they came."""


@dataclass(frozen=True)
class CallFacts:
    """What is watched of a call but not booked."""

    retry: int = 0
    """0 for the first attempt."""
    first_piece_ms: int | None = None
    """Until the first piece of the answer; None where there was none."""
    finish_reason: str | None = None
    error_code: str | None = None
    """Of a call that failed: the code of its problem, or `cancelled`."""
    content: CallContent | None = None
    """Only where it is asked for."""


NO_FACTS = CallFacts()


@dataclass(frozen=True)
class MeasuredCall:
    """What one attempt at a call took. Tokens are the provider's own count unless `is_estimated`.

    Of a call that broke off, an estimated output is what arrived; the model may have thought about more.
    """

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    is_estimated: bool
    is_complete: bool
    duration_ms: int
    is_length_stop: bool = False
    """The answer ends where the model's limit of length was, with something of use before it."""
    facts: CallFacts = NO_FACTS


@dataclass(frozen=True)
class CallPlan:
    """What is about to be sent."""

    request_bytes: int
    """Of everything the model reads: messages, tools and output schema, as JSON."""
    input_tokens: int
    """An estimate of the same, for a call whose usage the provider does not tell."""
    max_output_tokens: int | None
    """The maximum that the request sets."""
    messages: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """What is sent, without tools and schema."""


class CallObserver(Protocol):
    """The turn's side of a call. The synchronous methods are quick."""

    async def call_started(self, agent: str, plan: CallPlan) -> Any:
        """About to call the model, perhaps again. May raise to refuse it; returns what `call_ended` is to be given."""
        ...

    def call_progressed(self, agent: str, *, text: str, has_tool_call: bool) -> None:
        """A piece arrived."""
        ...

    async def call_ended(self, agent: str, booking: Any, call: MeasuredCall) -> None:
        """The call is over, well or not; also when it was cancelled."""
        ...

    def call_failed(self, error: BaseException, *, is_model_away: bool = False) -> None:
        """The last attempt raised; the error is the one the turn should end with, unless another model answers."""
        ...

    def patience_ends(self) -> float:
        """By the event loop's clock: no attempt is worth waiting for beyond."""
        ...

    @property
    def has_lost_patience(self) -> bool:
        """Whether the call is being stopped because the model said nothing for too long."""
        ...

    @property
    def records_content(self) -> bool:
        """Whether to keep what the call says, for its span."""
        ...


class AttemptFailed(Exception):
    """An attempt came to nothing, and nothing of it was passed on: another may follow."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


class MeteredChatCompletion(ChatCompletionClientBase):
    """Delegates to `inner` and tells `observer` what happens. Only streams: Greenroom makes no other calls.

    Every call carries the canary at the end of its instructions, and an answer that holds it ends with OutputWithheld.
    A call that fails in a way that may pass is made again, as long as no text of its answer was passed on: whoever
    reads that would read its beginning twice. What had begun to be read is the turn's to start over.
    """

    SUPPORTS_FUNCTION_CALLING: ClassVar[bool] = True

    inner: ChatCompletionClientBase
    agent: str
    observer: Any = Field(exclude=True)
    canary: Any = Field(exclude=True, repr=False)
    circuit: Any = Field(exclude=True)
    retries: Retries

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
        marked = with_instruction(chat_history, self.canary.instruction)
        plan = _plan(self.inner, marked, settings)
        for retry in itertools.count():
            try:
                async with aclosing(
                    self._attempt(plan, marked, settings, function_invoke_attempt, retry=retry)
                ) as attempt:
                    async for messages in attempt:
                        yield messages
            except AttemptFailed as failed:
                await self._wait(retry, failed.failure)
            else:
                return

    async def _attempt(
        self,
        plan: CallPlan,
        history: ChatHistory,
        settings: PromptExecutionSettings,
        function_invoke_attempt: int,
        *,
        retry: int,
    ) -> AsyncGenerator[Messages, None]:
        observer: CallObserver = self.observer
        passage = self._enter()
        meter = _Meter(plan, retry=retry, keeps_content=observer.records_content)
        try:
            booking = await observer.call_started(self.agent, plan)
            try:
                stream = self.inner._inner_get_streaming_chat_message_contents(
                    history, settings, function_invoke_attempt
                )
                # Closed here: a reader that leaves early would leave the connection to the garbage collector.
                async with aclosing(stream), aclosing(self._checked(stream, meter, passage)) as checked:
                    async for messages in checked:
                        yield messages
            finally:
                await observer.call_ended(self.agent, booking, meter.measured())
        finally:
            passage.leave()

    async def _checked(
        self, stream: AsyncGenerator[Messages, Any], meter: "_Meter", passage: Passage
    ) -> AsyncGenerator[Messages, None]:
        """The answer as it may be passed on; what goes wrong with it becomes an error of ours.

        Raises:
            AttemptFailed: the call may be made again.
            GreenroomError: it may not; the observer knows.
        """
        observer: CallObserver = self.observer
        has_passed_text = False
        try:
            async with aclosing(self._guarded(stream, meter, passage)) as guarded:
                async for messages in guarded:
                    has_passed_text = has_passed_text or any(contents(message)[0] for message in messages)
                    yield messages
        except CanaryFound as found:
            logger.warning("output_withheld", agent=self.agent, form=str(found))
            withheld = OutputWithheld("The model wrote something confidential. Put it differently, or try again.")
            meter.error_code = withheld.code
            observer.call_failed(withheld)
            raise withheld from None
        except asyncio.CancelledError:
            meter.error_code = TurnTimeout.code if observer.has_lost_patience else CANCELLED
            if observer.has_lost_patience and not meter.has_begun:
                passage.failed()
            raise
        except Exception as error:
            meter.is_refused = not meter.has_begun and costs_nothing(error)
            failure = provider_failure(error, has_begun=meter.has_begun)
            meter.error_code = failure.error.code
            if not meter.has_begun:
                # A refusal is an answer, too.
                (passage.failed if failure.is_passing else passage.answered)()
            if failure.is_passing and not has_passed_text:
                raise AttemptFailed(failure) from error
            observer.call_failed(failure.error, is_model_away=failure.is_model_away and not has_passed_text)
            raise failure.error from error

    async def _guarded(
        self, stream: AsyncGenerator[Messages, Any], meter: "_Meter", passage: Passage
    ) -> AsyncGenerator[Messages, None]:
        """The answer, measured, without the canary and with its tool calls whole, at the end."""
        guard, calls = OutputGuard(self.canary), WholeCalls()
        async for messages in stream:
            passage.answered()
            meter.read(messages)
            for passed in guard.take(messages):
                self._report(passed)
                yield calls.without(passed)
        for passed in guard.rest():
            self._report(passed)
            yield calls.without(passed)
        # Before the calls are acted on: of an answer that was cut, none may be.
        meter.close()
        if whole := calls.messages():
            yield whole

    def _enter(self) -> Passage:
        circuit: Circuit = self.circuit
        try:
            return circuit.enter()
        except ProviderUnavailable as error:
            logger.info("circuit_refuses", model=self.ai_model_id)
            self.observer.call_failed(error, is_model_away=True)
            raise

    async def _wait(self, retry: int, failure: Failure) -> None:
        """Wait until the call may be made again.

        Raises:
            GreenroomError: it may not: there were enough attempts, or the turn would end in the meantime.
        """
        observer: CallObserver = self.observer
        seconds = self.retries.wait_seconds(retry, failure.wait_seconds)
        has_time = asyncio.get_running_loop().time() + seconds < observer.patience_ends()
        if retry >= self.retries.count or not has_time:
            observer.call_failed(failure.error, is_model_away=True)
            raise failure.error
        logger.info("model_call_retried", agent=self.agent, code=failure.error.code, wait_seconds=round(seconds, 3))
        await asyncio.sleep(seconds)

    def _report(self, messages: Messages) -> None:
        observer: CallObserver = self.observer
        for message in messages:
            text, calls = contents(message)
            observer.call_progressed(self.agent, text=text, has_tool_call=bool(calls))


def _plan(inner: ChatCompletionClientBase, history: ChatHistory, settings: PromptExecutionSettings) -> CallPlan:
    """The request as `inner` will send it."""
    sent = settings.prepare_settings_dict()
    # Those of the call before, where the settings are used again.
    sent.pop("messages", None)
    messages = inner._prepare_chat_history_for_request(history)
    text = json.dumps([messages, sent], ensure_ascii=False, default=str)
    return CallPlan(
        request_bytes=len(text.encode("utf-8", "surrogatepass")),
        input_tokens=estimated_tokens(text),
        max_output_tokens=sent.get("max_completion_tokens") or sent.get("max_tokens"),
        messages=tuple(messages),
    )


class _Meter:
    """Adds up one response."""

    def __init__(self, plan: CallPlan, *, retry: int, keeps_content: bool) -> None:
        self.is_complete = False
        self.error_code: str | None = None
        """Why the call failed."""
        self.has_begun = False
        self.is_refused = False
        """The provider refused the call or was never reached, for which nobody is charged."""
        self._plan = plan
        self._retry = retry
        self._keeps_content = keeps_content
        self._first_piece_ms: int | None = None
        self._usage: CompletionUsage | None = None
        self._finish_reason: FinishReason | None = None
        self._output: list[str] = []
        self._has_calls = False
        self._is_length_stop = False
        self._started = time.monotonic()

    def read(self, messages: Messages) -> None:
        """Take the next pieces."""
        if messages and self._first_piece_ms is None:
            self._first_piece_ms = self._duration_ms()
        for message in messages:
            self.has_begun = True
            usage = message.metadata.get("usage")
            if isinstance(usage, CompletionUsage):
                self._usage = usage
            self._finish_reason = message.finish_reason or self._finish_reason
            text, calls = contents(message)
            self._has_calls = self._has_calls or bool(calls)
            self._output.append(text)
            self._output.extend(f"{call.name or ''}{call.arguments or ''}" for call in calls)

    def close(self) -> None:
        """The stream ended. What was cut or stopped must not pass for an answer.

        Raises:
            AnswerBrokenOff: there is no finish reason, so the stream was cut.
            ContentFiltered: the provider's content filter stopped it.
            AnswerTooLong: it reached its limit of length within a tool call, or before a word.
        """
        if self._finish_reason is None:
            raise AnswerBrokenOff(BROKEN_OFF)
        if self._finish_reason is FinishReason.CONTENT_FILTER:
            raise ContentFiltered(FILTERED)
        self._is_length_stop = self._finish_reason is FinishReason.LENGTH
        if self._is_length_stop and (self._has_calls or not "".join(self._output).strip()):
            raise AnswerTooLong(
                "The model reached its limit of length too early. Ask for less, or for fewer questions."
            )
        self.is_complete = True

    def measured(self) -> MeasuredCall:
        """The call as far as it came."""
        duration_ms, facts = self._duration_ms(), self._facts()
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
                is_length_stop=self._is_length_stop,
                facts=facts,
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
            is_length_stop=self._is_length_stop,
            facts=facts,
        )

    def _facts(self) -> CallFacts:
        return CallFacts(
            retry=self._retry,
            first_piece_ms=self._first_piece_ms,
            finish_reason=self._finish_reason.value if self._finish_reason else None,
            error_code=self.error_code,
            content=CallContent(self._plan.messages, "".join(self._output)) if self._keeps_content else None,
        )

    def _duration_ms(self) -> int:
        return round((time.monotonic() - self._started) * 1000)
