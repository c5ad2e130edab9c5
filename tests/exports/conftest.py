"""The conversations' fixtures, and the fonts of a bare machine."""

import pytest

from app.exports.typefaces import Typefaces, typefaces
from tests.conversations.conftest import conversations, database, signals

__all__ = ["conversations", "database", "signals"]


@pytest.fixture(scope="session")
def bare() -> Typefaces:
    """The fonts that came with the Python packages, so that this machine's do not decide."""
    return typefaces(with_machine_fonts=False)
