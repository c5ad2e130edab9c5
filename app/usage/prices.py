"""The prices an operator has set, as the price table's functions take them."""

from collections.abc import Mapping

import structlog

from app.core.config import Settings
from app.providers.base import Provider
from plugins.cost.prices import PriceOverride, list_price

logger = structlog.get_logger(__name__)


def price_overrides(settings: Settings) -> Mapping[str, PriceOverride]:
    """`PRICE_OVERRIDES` by model name."""
    return {model: PriceOverride(**price.model_dump()) for model, price in settings.price_overrides.items()}


def warn_of_uncounted(settings: Settings, provider: Provider, prices: Mapping[str, PriceOverride]) -> None:
    """Log which models no budget can count, where there is a budget: their calls are held by the hourly limit only."""
    names = (name for name in Settings.model_fields if name.startswith("budget_usd_"))
    budgets = [name.upper() for name in names if getattr(settings, name) is not None]
    models = [model for model in provider.models if list_price(model, provider.name, overrides=prices) is None]
    if budgets and models:
        logger.warning(
            "budget_cannot_count", models=models, budgets=budgets, advice="say what they cost in PRICE_OVERRIDES"
        )
