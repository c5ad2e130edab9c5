"""Work that outlives the request that started it."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

MAX_TASKS = 200
"""At once. More would be a flood; what is over is dropped, as it was promised to nobody."""
DRAIN_SECONDS = 5

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


async def _logged(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception as error:
        logger.exception("background_failed", task=name, error=type(error).__name__)
