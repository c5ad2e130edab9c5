"""Many trials at a time on one fleet."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import asyncpg

from tests.faults.fleet import Fleet
from tests.faults.trials import Model, Outcome, Plan, Trial
from tests.model_server import ModelServer

AT_ONCE = 4
QUICK_LEASE = {"TURN_LEASE_SECONDS": "1"}


async def outcomes(
    folder: Path,
    database_url: str,
    plans: Iterable[Plan],
    *,
    settings: dict[str, str] = QUICK_LEASE,
    meanwhile: Callable[[Fleet], Coroutine[Any, Any, None]] | None = None,
) -> AsyncIterator[Outcome]:
    """Carry the plans out, a few at a time, and yield what each trial found as it ends."""
    with ModelServer() as server:
        model = Model()
        server.respond_with(model.answer)
        common = {
            "DATABASE_URL": database_url,
            "OPENAI_BASE_URL": server.base_url,
            "DEFAULT_MODEL": "gpt-4o",
            "TURN_TIMEOUT_SECONDS": "120",
            "DRAIN_SECONDS": "0.2",
            "PROVIDER_RETRY_SECONDS": "0.1",
            "CIRCUIT_FAILURES": "1000",
            "RATE_LIMIT_CALLS_PER_HOUR": "1000000",
        }
        pool = asyncpg.create_pool(
            database_url, min_size=1, max_size=AT_ONCE, server_settings={"application_name": "checker"}
        )
        async with pool as database, Fleet(folder, common | settings) as fleet, asyncio.TaskGroup() as beside:
            if meanwhile is not None:
                beside.create_task(meanwhile(fleet))
            waiting = iter(plans)
            running: set[asyncio.Task[Outcome]] = set()
            while True:
                while len(running) < AT_ONCE and (plan := next(waiting, None)) is not None:
                    running.add(asyncio.create_task(Trial(plan, fleet, model, database).run()))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
