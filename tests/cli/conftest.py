"""A running server for the command to talk to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server_process import ServerProcess, forked
from tests.model_server import ModelServer


@pytest.fixture
def server(tmp_path: Path, model_server: ModelServer) -> Iterator[ServerProcess]:
    """A real server on the scripted model."""
    settings = {"OPENAI_BASE_URL": model_server.base_url, "DEFAULT_MODEL": "gpt-4o", "PROVIDER_MAX_RETRIES": "0"}
    with forked(tmp_path / "server", **settings) as found:
        found.wait_until_ready()
        yield found


@pytest.fixture(scope="module")
def offline_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A real server with the offline engine; the tests of a module share it."""
    with forked(tmp_path_factory.mktemp("server")) as found:
        found.wait_until_ready()
        yield found
