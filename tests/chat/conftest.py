"""The log of a test, in memory."""

from tests.core.conftest import start_log

__all__ = ["start_log"]
