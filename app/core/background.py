"""Work that outlives the request that started it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog

MAX_TASKS = 200
"""At once. More would be a flood; what is over is dropped, as it was promised to nobody."""
DRAIN_SECONDS = 5
ROUND_SECONDS = 3600

Job = Callable[[], Awaitable[object]]

logger = structlog.get_logger(__name__)


class Background:
    """Tasks of the application; they are waited for when it stops."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run it by itself. A failure is logged by its type: its text may quote people."""
        if len(self._tasks) >= MAX_TASKS:
            work.close()
            logger.warning("background_full", task=name)
            return
        task = asyncio.create_task(_logged(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """Wait for what runs, then stop what is not ready."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


class Housekeeping:
    """Jobs that are done when the service starts and, as long as it runs, again and again."""

    def __init__(self, jobs: Sequence[Job], *, every_seconds: float = ROUND_SECONDS) -> None:
        self._jobs = jobs
        self._every_seconds = every_seconds
        self._rounds: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the first round; nobody need wait for it, nor for the others."""
        self._rounds = asyncio.create_task(self._go_on(), name="housekeeping")

    async def stop(self) -> None:
        """No more rounds; one that runs is broken off."""
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.wait({self._rounds})

    async def _go_on(self) -> None:
        while True:
            await self._round()
            await asyncio.sleep(self._every_seconds)

    async def _round(self) -> None:
        """One job after the other; the failure of one is logged and leaves the others to be done."""
        for job in self._jobs:
            await _logged(job(), "housekeeping")


async def _logged(work: Awaitable[object], name: str) -> None:
    try:
        await work
    except Exception as error:
        logger.exception("background_failed", task=name, error=type(error).__name__)
