"""The log of a test, in memory."""

import io
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from app.core.logging import configure_logging
from tests.conftest import MakeSettings

StartLog = Callable[..., io.StringIO]


@pytest.fixture
def start_log(make_settings: MakeSettings) -> Iterator[StartLog]:
    """Configure logging as the server does, but into memory; everything is as before when the test is over."""
    root, configuration = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in root.manager.loggerDict}

    def start(**values: Any) -> io.StringIO:
        stream = io.StringIO()
        configure_logging(make_settings(**{"log_format": "json", **values}), stream)
        return stream

    yield start
    root.handlers, root.level = handlers, level
    logging.getLogger("uvicorn.access").disabled = False
    for name in list(root.manager.loggerDict):
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    structlog.configure(**configuration)
