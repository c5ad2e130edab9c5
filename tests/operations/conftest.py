"""What tests of telemetry share: a collector that the service is told of."""

from collections.abc import Iterator

import pytest

from tests.core.conftest import start_log
from tests.operations.collector import Collector, collecting

__all__ = ["start_log"]


@pytest.fixture(autouse=True)
def _no_ambient_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that whatever is served in this test sends to; complete once that has stopped."""
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.address)
        yield found
