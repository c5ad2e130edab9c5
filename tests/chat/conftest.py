from tests.conversations.conftest import database

__all__ = ["database"]
