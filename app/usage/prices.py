"""The prices an operator has set, as the price table's functions take them."""

from collections.abc import Mapping

from app.core.config import Settings
from plugins.cost.prices import PriceOverride


def price_overrides(settings: Settings) -> Mapping[str, PriceOverride]:
    """`PRICE_OVERRIDES` by model name."""
    return {model: PriceOverride(**price.model_dump()) for model, price in settings.price_overrides.items()}
