"""What the state machines of this folder share: a loop and a database that one example has for itself."""

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine
from sqlmodel import delete

from app.conversations.models import Conversation
from app.conversations.service import ConversationService
from app.core.config import async_database_url
from app.core.database import Database
from app.core.signals import Signals

T = TypeVar("T")

SHORT = settings(
    max_examples=20,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    # Making a failure shorter would take minutes, with a database under it.
    phases=[Phase.generate],
)


class Machine(RuleBasedStateMachine):
    """Rules are synchronous: they run what is not on a loop that lives as long as the machine."""

    database_url: ClassVar[str]
    """The test says which."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.database = Database(async_database_url(self.database_url))
        self.signals = Signals(self.database)
        self.run(self.signals.start())
        self.service = ConversationService(self.database, self.signals)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def teardown(self) -> None:
        self.run(self._leave_nothing())
        self._runner.close()

    async def _leave_nothing(self) -> None:
        async with self.database.transaction() as session:
            await session.exec(delete(Conversation))
        await self.signals.stop()
        await self.database.dispose()
