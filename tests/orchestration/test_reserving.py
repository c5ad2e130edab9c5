"""Every model call of a turn is reserved as it is sent, settled as it ended, and may be refused at any point."""

import json
from decimal import Decimal
from typing import Any

import pytest

from app.core.errors import BudgetExhausted
from app.orchestration.ledger import OutputCap, PlannedCall, output_cap
from app.providers.base import Sampling
from plugins.cost.prices import PriceOverride, output_limit
from tests.answers import calls, hands_to, says_questions
from tests.chat.conducting import MemoryLedger, stage
from tests.conftest import MakeSettings
from tests.model_server import ModelServer, Say

FULL = BudgetExhausted("Today's budget is used up.", retry_after_seconds=60)
MADE_TWO = (hands_to("technical"), calls("technical-few_shot"), says_questions(2))


def refusing(nth: int) -> MemoryLedger:
    """A ledger that has room for the calls before the nth."""
    asked: list[PlannedCall] = []

    def refusal(planned: PlannedCall) -> Exception | None:
        asked.append(planned)
        return FULL if len(asked) == nth else None

    return MemoryLedger(refusal=refusal)


async def test_what_is_reserved_bounds_what_is_sent_and_what_it_costs(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*MADE_TWO)
    ledger = MemoryLedger()
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(ledger=ledger)

    assert [(call.agent, call.function) for call in ledger.planned] == [
        ("triage", None),
        ("technical", None),
        ("technical", "few_shot"),
    ]
    assert ledger.settled == turn.calls
    for planned, request in zip(ledger.planned, model_server.requests, strict=True):
        read = json.dumps([request.messages, request.body.get("tools") or []], ensure_ascii=False)
        # The densest text found takes 1.27 bytes a token.
        assert planned.input_tokens >= len(read.encode()) / 1.27
        assert planned.output_tokens == request.body["max_tokens"]
        price = planned.input_tokens * Decimal("2.5") + planned.output_tokens * 10
        assert planned.bound_usd == price / 1_000_000
    assert [request.body["max_tokens"] for request in model_server.requests] == [4_096, 4_096, 2 * 1_500 + 8_000]


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_refused_call_ends_the_turn_as_what_it_is_and_is_not_made(
    openai_settings: MakeSettings, model_server: ModelServer, nth: int
) -> None:
    model_server.script(*MADE_TWO[: nth - 1])
    ledger = refusing(nth)
    async with stage(openai_settings()) as conducted:
        with pytest.raises(BudgetExhausted) as refusal:
            await conducted.turn(ledger=ledger)

    assert refusal.value is FULL
    assert len(model_server.requests) == len(ledger.settled) == nth - 1


async def test_a_refused_repair_delivers_the_questions_at_hand(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*MADE_TWO[:2], says_questions(1))
    ledger = refusing(4)
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(ledger=ledger)

    assert len(turn.questions.questions) == 1
    assert "Only 1 of 2 questions came back." in turn.answer.reply
    assert [call.function for call in ledger.planned] == [None, None, "few_shot"]


async def test_a_refused_repair_without_a_question_at_hand_says_when_to_try_again(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*MADE_TWO[:2], Say("I would rather talk about the weather."))
    async with stage(openai_settings()) as conducted:
        with pytest.raises(BudgetExhausted):
            await conducted.turn(ledger=refusing(4))


async def test_a_ledger_that_fails_ends_the_turn(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    model_server.script(hands_to("technical"))
    broken = RuntimeError("no database")
    ledger = MemoryLedger(refusal=lambda planned: broken if planned.agent == "technical" else None)
    async with stage(openai_settings()) as conducted:
        with pytest.raises(RuntimeError, match="no database"):
            await conducted.turn(ledger=ledger)


@pytest.mark.parametrize(("asked", "sent"), [(500, 500), (100_000, 11_000), (None, 11_000)])
async def test_a_request_may_ask_for_less_than_the_cap(
    openai_settings: MakeSettings, model_server: ModelServer, asked: int | None, sent: int
) -> None:
    model_server.script(calls("technical-few_shot"), says_questions(2))
    async with stage(openai_settings()) as conducted:
        await conducted.turn(agent="technical", sampling=Sampling(max_output_tokens=asked))

    assert [request.body["max_tokens"] for request in model_server.requests] == [4_096, sent]


async def test_a_model_of_unknown_price_gets_no_maximum_and_no_bound(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("technical-few_shot"), says_questions(2))
    ledger = MemoryLedger()
    async with stage(openai_settings(default_model="house-model-1")) as conducted:
        await conducted.turn(agent="technical", ledger=ledger)

    assert [planned.bound_usd for planned in ledger.planned] == [None, None]
    assert not any({"max_tokens", "max_completion_tokens"} & set(request.body) for request in model_server.requests)


OURS = {"ours": PriceOverride(Decimal(1), None, Decimal(1))}


@pytest.mark.parametrize(
    ("model", "provider", "changes", "cap"),
    [
        ("gpt-4o", "openai", {}, OutputCap(11_000, 11_000)),
        ("gpt-4o", "openai", {"wanted": 38_000}, OutputCap(16_384, 16_384)),
        ("gpt-5-mini", "azure", {"wanted": 38_000}, OutputCap(38_000, 38_000)),
        ("gpt-4o", "openai", {"asked": 700}, OutputCap(700, 700)),
        # Beside the input a maximum might not fit the window, which then ends the answer.
        ("gpt-4", "openai", {"context_tokens": 4_096}, OutputCap(None, 8_192)),
        ("gpt-3.5-turbo", "openai", {"context_tokens": 8_192}, OutputCap(None, 4_096)),
        ("gpt-4", "openai", {"context_tokens": 4_096, "asked": 900}, OutputCap(900, 900)),
        # Priced by the operator, but of unknown size.
        ("ours", "compatible", {}, OutputCap(None, 11_000)),
        ("unknown", "compatible", {}, OutputCap(None, 11_000)),
        ("unknown", "compatible", {"asked": 900}, OutputCap(900, 900)),
        ("greenroom-offline-1", "offline", {}, OutputCap(None, 11_000)),
    ],
)
def test_a_maximum_is_sent_only_where_the_model_takes_it(
    model: str, provider: str, *, changes: dict[str, Any], cap: OutputCap
) -> None:
    fields: dict[str, Any] = {"wanted": 11_000, "context_tokens": 24_000, "overrides": OURS}
    assert output_cap(model, provider, **fields | changes) == cap


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("gpt-4o", 16_384),
        ("openai/gpt-4o-mini", 16_384),
        ("gpt-4o-2024-05-13", 4_096),
        ("gpt-4.1-nano", 32_768),
        ("gpt-4-turbo", 4_096),
        ("gpt-4", 8_192),
        ("gpt-5.1", 128_000),
        ("gpt-5-chat-latest", 16_384),
        ("o3-mini", 100_000),
        ("o1-mini", 65_536),
        ("claude-sonnet-4-5", None),
        ("llama3.2", None),
    ],
)
def test_the_longest_answer_of_a_model(model: str, limit: int | None) -> None:
    assert output_limit(model) == limit
