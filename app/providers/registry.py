"""Which back-end is active: the first entry that its settings switch on."""

from collections.abc import Callable, Mapping

from app.bank.questions import QuestionBank
from app.core.config import Settings
from app.providers.base import Provider
from app.providers.offline.provider import OfflineProvider
from app.providers.openai import azure_provider, compatible_provider, openai_provider

PROVIDERS: Mapping[str, Callable[[Settings], Provider | None]] = {
    "azure": azure_provider,
    "compatible": compatible_provider,
    "openai": openai_provider,
}


def active_provider(settings: Settings, offline: OfflineProvider | None = None) -> Provider:
    """Return the configured back-end; with nothing configured, the offline engine, which draws on the bank.

    `offline` is that engine where it has been made already, with the bank of `PLUGINS_DIR`.

    Raises:
        CatalogError: a file of the question bank is broken; names it and the item.
    """
    for make in PROVIDERS.values():
        if (provider := make(settings)) is not None:
            return provider
    return offline or OfflineProvider(QuestionBank.load(settings.plugins_dir))
