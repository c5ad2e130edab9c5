"""Which back-end is active: the first entry that its settings switch on."""

from collections.abc import Callable, Mapping

from app.core.config import Settings
from app.providers.base import Provider
from app.providers.offline.provider import offline_provider
from app.providers.openai import azure_provider, compatible_provider, openai_provider

PROVIDERS: Mapping[str, Callable[[Settings], Provider | None]] = {
    "azure": azure_provider,
    "compatible": compatible_provider,
    "openai": openai_provider,
    "offline": offline_provider,
}


def active_provider(settings: Settings) -> Provider:
    """Return the configured back-end; with nothing configured, the offline engine."""
    for make in PROVIDERS.values():
        if (provider := make(settings)) is not None:
            return provider
    raise AssertionError("the offline engine is always available")
