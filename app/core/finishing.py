"""Work that must not stop half-way."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def finished(work: Coroutine[Any, Any, Result]) -> Result:
    """Run the work to its end, however often the caller is cancelled meanwhile; the cancellation comes afterwards.

    Raises:
        CancelledError: the caller was cancelled. The work is done all the same; its error, if any, is the cause.
    """
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancellation = error
    if cancellation is not None and not task.cancelled():
        raise cancellation from task.exception()
    return task.result()
