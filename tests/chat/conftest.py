"""The log of a test, in memory, and a database without a server."""

from tests.conversations.conftest import database
from tests.core.conftest import start_log

__all__ = ["database", "start_log"]
