from tests.conversations.conftest import conversations, database, signals

__all__ = ["conversations", "database", "signals"]
