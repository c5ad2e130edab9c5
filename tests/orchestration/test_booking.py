"""What a call is booked at when nobody says what it took: never nothing, and never more than was reserved."""

import json
import socket
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import AnswerBrokenOff, ProviderError, ProviderUnavailable, TurnTimeout
from app.core.tokens import estimated_tokens
from app.orchestration.events import ModelCall
from app.orchestration.ledger import booked_output_tokens
from app.providers.metered import MeasuredCall
from tests.chat.conducting import MemoryLedger, stage
from tests.conftest import MakeSettings
from tests.model_server import CutStream, Fail, ModelServer, Silence

CHINESE = "请帮我准备下周的后端面试，" * 40  # noqa: RUF001 - Chinese has its own comma


def stopped(seen: int, duration_ms: int, *, is_estimated: bool = True, is_complete: bool = False) -> MeasuredCall:
    return MeasuredCall(
        input_tokens=10,
        cached_input_tokens=0,
        output_tokens=seen,
        reasoning_tokens=0,
        is_estimated=is_estimated,
        is_complete=is_complete,
        duration_ms=duration_ms,
    )


@pytest.mark.parametrize(
    ("call", "booked"),
    [
        (stopped(0, 0), 0),
        (stopped(0, 1), 1),
        (stopped(0, 10_000), 2_000),
        (stopped(0, 60_000), 4_096),  # No more than was reserved.
        (stopped(3_000, 10_000), 3_000),
        (stopped(5_000, 10_000), 5_000),  # What was seen was written.
        (stopped(7, 10_000, is_complete=True), 7),
        (stopped(7, 10_000, is_estimated=False), 7),
    ],
)
def test_a_stopped_call_is_booked_by_the_time_it_took(call: MeasuredCall, booked: int) -> None:
    assert booked_output_tokens(call, output_bound=4_096) == booked


@given(seen=st.integers(0, 10**5), duration_ms=st.integers(0, 10**7), bound=st.integers(0, 10**5))
def test_no_less_than_what_was_seen_is_booked_and_no_guess_exceeds_the_reservation(
    seen: int, duration_ms: int, bound: int
) -> None:
    assert seen <= booked_output_tokens(stopped(seen, duration_ms), output_bound=bound) <= max(seen, bound)


async def failed_call(
    settings: MakeSettings, error: type[Exception], *, message: str = "Hello", **values: object
) -> tuple[ModelCall, MemoryLedger]:
    """The only call of a turn that this error ended, as it was booked."""
    ledger = MemoryLedger()
    silence = values.pop("silence_seconds", 20)
    async with stage(settings(provider_max_retries=0, **values), silence_seconds=silence) as conducted:
        with pytest.raises(error):
            await conducted.turn(ledger=ledger, message=message)
    (call,) = ledger.settled
    return call, ledger


async def test_a_connection_that_was_lost_after_the_request_was_sent_is_estimated(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(CutStream(after_pieces=0))
    call, ledger = await failed_call(openai_settings, ProviderUnavailable)

    (planned,) = ledger.planned
    assert (call.is_estimated, call.is_complete) == (True, False)
    assert 0 < call.input_tokens <= planned.input_tokens
    assert 0 < call.output_tokens <= planned.output_tokens
    assert call.cost_usd
    assert planned.bound_usd
    assert call.cost_usd <= planned.bound_usd


async def test_a_model_that_thought_in_silence_until_the_turn_timed_out_is_not_free(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Silence())
    call, _ = await failed_call(openai_settings, TurnTimeout, default_model="gpt-5-mini", silence_seconds=0.5)

    assert (call.is_estimated, call.is_complete) == (True, False)
    assert 90 <= call.output_tokens <= 4_096


async def test_without_a_price_only_what_was_seen_is_booked(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Silence())
    call, _ = await failed_call(openai_settings, TurnTimeout, default_model="house-model-1", silence_seconds=0.5)

    assert (call.output_tokens, call.cost_usd) == (0, None)
    assert call.input_tokens > 0


async def test_a_refusal_of_the_provider_costs_nothing(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Fail(500))
    call, _ = await failed_call(openai_settings, ProviderError)

    assert (call.input_tokens, call.output_tokens, call.cost_usd) == (0, 0, Decimal(0))
    assert (call.is_estimated, call.is_complete) == (False, False)


async def test_a_connection_that_was_never_made_costs_nothing(openai_settings: MakeSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    call, _ = await failed_call(openai_settings, ProviderUnavailable, openai_base_url=nobody)

    assert (call.input_tokens, call.output_tokens, call.cost_usd) == (0, 0, Decimal(0))
    assert not call.is_estimated


async def test_the_estimate_reads_tools_too_and_counts_chinese_as_what_it_is(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(CutStream(1, "…"))
    call, _ = await failed_call(openai_settings, AnswerBrokenOff, message=CHINESE)

    (request,) = model_server.requests
    messages = sum(estimated_tokens(str(message["content"])) for message in request.messages)
    tools = estimated_tokens(json.dumps(request.body["tools"], ensure_ascii=False))
    assert tools > 100
    assert call.input_tokens >= messages + tools
    assert messages > len(CHINESE)
