"""Prices are exact, known or None; never a guess and never zero for a paid model."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, getcontext, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.cost.prices import PriceOverride, Tokens, list_price, price_usd

CALL = Tokens(input=1_000, cached_input=200, output=500, reasoning=100)
WHEN = datetime(2026, 1, 15, 12, tzinfo=UTC)
OVERRIDE = PriceOverride(Decimal(2), Decimal("0.5"), Decimal(8))

counts = st.integers(min_value=0, max_value=10_000_000)


@pytest.mark.parametrize(
    ("model", "provider", "cost"),
    [
        # gpt-4o: $2.50 input, $1.25 cached, $10 output for a million tokens.
        ("gpt-4o", "openai", "0.007250000"),
        ("gpt-4o-2024-08-06", "openai", "0.007250000"),
        ("GPT-4O", "openai", "0.007250000"),
        ("gpt-4o", "azure", "0.007250000"),
        ("gpt-4o", "compatible", "0.007250000"),
        ("gpt-4o", None, "0.007250000"),
        # mistral-large lists no cached price, so cached tokens cost what others do.
        ("mistral-large-latest", "compatible", "0.005000000"),
    ],
)
def test_known_models_are_priced_exactly(model: str, provider: str | None, cost: str) -> None:
    assert str(price_usd(model, CALL, provider=provider, at=WHEN)) == cost


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-99", "openai"),
        ("gpt-4o-mine", "openai"),
        ("our-deployment", "azure"),
        ("llama3.2", "compatible"),
        ("mistral", "compatible"),
        ("deepseek-r1:8b", "compatible"),
        ("", "openai"),
        ("", None),
        ("gpt-4o", "another-provider"),
        ("text-embedding-3-small", "openai"),
        ("phi-4-reasoning:free", "azure"),
    ],
)
def test_unknown_prices_are_none_and_never_zero(model: str, provider: str | None) -> None:
    assert price_usd(model, CALL, provider=provider) is None
    assert list_price(model, provider) is None


def test_the_offline_engine_is_free_whatever_its_model_is_called() -> None:
    assert price_usd("gpt-4o", CALL, provider="offline", overrides={"gpt-4o": OVERRIDE}) == Decimal(0)
    assert list_price("anything", "offline") == (Decimal(0), Decimal(0))


def test_an_override_wins_over_the_table_and_prices_unknown_models() -> None:
    expected = Decimal("0.005700000")
    for model in ("gpt-4o", "our-deployment"):
        assert price_usd(model, CALL, provider="azure", overrides={model: OVERRIDE}) == expected
        assert list_price(model, "azure", overrides={model: OVERRIDE}) == (Decimal(2), Decimal(8))


def test_without_a_cached_price_an_override_charges_cached_tokens_in_full() -> None:
    override = replace(OVERRIDE, cached_input_usd_per_million=None)
    assert price_usd("m", CALL, provider=None, overrides={"m": override}) == Decimal("0.006000000")


def test_half_of_the_ninth_place_is_rounded_up() -> None:
    override = PriceOverride(Decimal("0.0005"), None, Decimal(0))
    assert price_usd("m", Tokens(input=1), provider=None, overrides={"m": override}) == Decimal("0.000000001")


def test_the_callers_decimal_context_changes_nothing() -> None:
    with localcontext(prec=3):
        assert getcontext().prec == 3
        cost = price_usd("gpt-4o", Tokens(input=123_457), provider="openai", at=WHEN)
    assert cost == Decimal("0.308642500")


def test_reasoning_is_part_of_the_output_and_not_charged_twice() -> None:
    quiet = replace(CALL, reasoning=0)
    assert price_usd("gpt-5", CALL, provider="openai") == price_usd("gpt-5", quiet, provider="openai")


def test_a_long_prompt_is_charged_by_its_tier() -> None:
    base = list_price("claude-sonnet-4-5", None)
    assert base is not None
    cost = price_usd("claude-sonnet-4-5", Tokens(input=1_000_000), provider=None)
    assert cost is not None
    assert cost > base[0]


@pytest.mark.parametrize(
    "numbers", [(-1, 0, 0, 0), (0, 0, -1, 0), (1, 2, 0, 0), (0, 0, 1, 2), (1, -1, 0, 0), (0, 0, 1, -1)]
)
def test_impossible_token_counts_are_refused(numbers: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="cannot"):
        Tokens(*numbers)


@pytest.mark.parametrize("price", [Decimal(-1), Decimal("NaN"), Decimal("Infinity")])
def test_impossible_overrides_are_refused(price: Decimal) -> None:
    with pytest.raises(ValueError, match="finite"):
        PriceOverride(price, None, Decimal(1))


@given(plain=counts, cached=counts, output=counts)
def test_caching_never_costs_more_and_more_output_never_costs_less(plain: int, cached: int, output: int) -> None:
    def cost(tokens: Tokens) -> Decimal:
        found = price_usd("gpt-4o", tokens, provider="openai", at=WHEN)
        assert found is not None
        return found

    total = plain + cached
    with_cache = cost(Tokens(input=total, cached_input=cached, output=output))
    assert with_cache <= cost(Tokens(input=total, output=output))
    assert with_cache <= cost(Tokens(input=total, cached_input=cached, output=output + 1))
    assert with_cache.as_tuple().exponent == -9


def test_looking_up_prices_starts_no_thread() -> None:
    before = threading.active_count()
    price_usd("gpt-4o", CALL, provider="openai")
    assert threading.active_count() == before
