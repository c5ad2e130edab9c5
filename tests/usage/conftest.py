from tests.conversations.conftest import conversations, database, signal

__all__ = ["conversations", "database", "signal"]
