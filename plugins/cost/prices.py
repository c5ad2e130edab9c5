"""What model calls cost: pure arithmetic over the price table that ships with genai-prices, without any network.

Money is `Decimal` dollars, exact to nine places. A price that is not known is `None`, never zero: zero is a fact about
the offline engine, not a guess about a model.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from types import MappingProxyType

from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, PriceCalculation, TieredPrices

OFFLINE = "offline"
MILLION = 1_000_000
NINE_PLACES = Decimal("0.000000001")
FREE = Decimal(0)

_LIBRARY_PROVIDERS: Mapping[str, str | None] = MappingProxyType(
    {"openai": "openai", "azure": "azure", "compatible": None}
)
"""Our provider names and the library's; None looks the model up by its name alone."""

_PRECISION = 60
"""Digits for intermediate results: far beyond any bill, so that only the final rounding rounds."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of one model call. `cached_input` is part of `input`, `reasoning` is part of `output`.

    Raises `ValueError` when a count is negative or a part is larger than its whole.
    """

    input: int
    cached_input: int = 0
    output: int = 0
    reasoning: int = 0

    def __post_init__(self) -> None:
        if min(self.input, self.cached_input, self.output, self.reasoning) < 0:
            raise ValueError("token counts cannot be negative")
        if self.cached_input > self.input:
            raise ValueError("cached_input is part of input and cannot exceed it")
        if self.reasoning > self.output:
            raise ValueError("reasoning is part of output and cannot exceed it")


@dataclass(frozen=True)
class PriceOverride:
    """A price from settings, in dollars per million tokens; without a cached price, cached tokens cost full price."""

    input_usd_per_million: Decimal
    cached_input_usd_per_million: Decimal | None
    output_usd_per_million: Decimal

    def __post_init__(self) -> None:
        prices = (self.input_usd_per_million, self.cached_input_usd_per_million, self.output_usd_per_million)
        if any(price is not None and not (price.is_finite() and price >= 0) for price in prices):
            raise ValueError("prices must be finite and not negative")


NO_OVERRIDES: Mapping[str, PriceOverride] = MappingProxyType({})


def price_usd(
    model: str,
    tokens: Tokens,
    *,
    provider: str | None,
    overrides: Mapping[str, PriceOverride] = NO_OVERRIDES,
    at: datetime | None = None,
) -> Decimal | None:
    """Return what one call cost, or None when the price is not known. Never raises for a model or provider name.

    Price one call at a time: some models charge all tokens more once a *call* passes a size. `overrides` are keyed by
    model name and win over the table, except that the offline engine is always free. `at` is the time of the call
    (now when left out), because prices change on dates and, for a few providers, by the hour.
    """
    if provider == OFFLINE:
        return FREE
    override = overrides.get(model)
    if override is not None:
        return _override_price(override, tokens)
    found = _calculation(model, tokens, provider=provider, at=at)
    return None if found is None else _rounded(found.total_price)


def list_price(
    model: str,
    provider: str | None,
    *,
    overrides: Mapping[str, PriceOverride] = NO_OVERRIDES,
) -> tuple[Decimal, Decimal] | None:
    """Return dollars per million (input, output) tokens, None when not known; the lowest where prices have tiers."""
    if provider == OFFLINE:
        return (FREE, FREE)
    override = overrides.get(model)
    if override is not None:
        return (override.input_usd_per_million, override.output_usd_per_million)
    found = _calculation(model, Tokens(input=0), provider=provider, at=None)
    if found is None:
        return None
    return (_base(found.model_price.input_mtok), _base(found.model_price.output_mtok))


def context_window(model: str, provider: str | None) -> int | None:
    """Return how many tokens the model can take in, None when not known."""
    if provider is not None and provider not in _LIBRARY_PROVIDERS:
        return None
    library_provider = None if provider is None else _LIBRARY_PROVIDERS[provider]
    if library_provider is None and _names_a_variant(model):
        return None
    try:
        _, info = get_snapshot().find_provider_model(model, None, library_provider, None)
    except LookupError:
        return None
    return info.context_window


_OUTPUT_LIMITS = (
    (r"gpt-3\.5-turbo", 4_096),
    (r"gpt-4o-2024-05-13", 4_096),
    (r"(chatgpt-|gpt-)4o|gpt-4\.5|gpt-5[\w.]*-chat", 16_384),
    (r"gpt-4\.1", 32_768),
    (r"gpt-4-(turbo|1106|0125|vision)", 4_096),
    (r"gpt-4(-0613|-0314)?$", 8_192),
    (r"o1-preview", 32_768),
    (r"o1-mini", 65_536),
    (r"o[134]|codex-mini", 100_000),
    (r"gpt-5", 128_000),
)
"""As documented by OpenAI; the first that the name begins with counts."""


def output_limit(model: str) -> int | None:
    """Return the most tokens the model can answer with, None when not known; asked for more, it refuses the call.

    The price table does not have it. A gateway's path before the name ("openai/gpt-4o") does not matter.
    """
    name = model.rpartition("/")[2].lower()
    return next((limit for pattern, limit in _OUTPUT_LIMITS if re.match(pattern, name)), None)


def _override_price(override: PriceOverride, tokens: Tokens) -> Decimal:
    cached_price = override.cached_input_usd_per_million
    cached_price = override.input_usd_per_million if cached_price is None else cached_price
    with localcontext(prec=_PRECISION):
        total = (
            (tokens.input - tokens.cached_input) * override.input_usd_per_million
            + tokens.cached_input * cached_price
            + tokens.output * override.output_usd_per_million
        )
        return _rounded(total / MILLION)


def _calculation(model: str, tokens: Tokens, *, provider: str | None, at: datetime | None) -> PriceCalculation | None:
    """Ask the library; None unless it knows the model *and* charges for both directions of a chat.

    The library bills cached tokens at the input price where it lists no cached one, reads dated names, and lets Azure
    fall back on OpenAI's list. It would answer zero for a model whose entry is empty, hence the second condition.
    """
    if provider is not None and provider not in _LIBRARY_PROVIDERS:
        return None
    library_provider = None if provider is None else _LIBRARY_PROVIDERS[provider]
    if library_provider is None and _names_a_variant(model):
        return None
    usage = Usage(
        input_tokens=tokens.input,
        cache_read_tokens=tokens.cached_input,
        output_tokens=tokens.output,
        output_reasoning_tokens=tokens.reasoning,
    )
    try:
        with localcontext(prec=_PRECISION):
            found = get_snapshot().calc(usage, model, library_provider, None, at)
    except (LookupError, ValueError):
        return None
    return found if _charges_for_chat(found.model_price) else None


def _names_a_variant(model: str) -> bool:
    """Whether a name carries a tag, as local servers and routers write it ("deepseek-r1:8b", "...:free").

    The library would match such a name by its beginning and charge a hosted model's price for a local one.
    """
    return ":" in model


def _charges_for_chat(price: ModelPrice) -> bool:
    return bool(_base(price.input_mtok) or _base(price.output_mtok)) and None not in (
        price.input_mtok,
        price.output_mtok,
    )


def _base(price: Decimal | TieredPrices | None) -> Decimal:
    if price is None:
        return FREE
    return price.base if isinstance(price, TieredPrices) else price


def _rounded(amount: Decimal) -> Decimal:
    with localcontext(prec=_PRECISION):
        return amount.quantize(NINE_PLACES, rounding=ROUND_HALF_UP)
