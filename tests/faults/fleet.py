"""Server processes on one PostgreSQL, which are killed, paused and stopped, and come back at other addresses."""

import asyncio
import json
import random
import signal
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2

from tests.e2e.server_process import ServerProcess, forked

CLIENT_SECONDS = 20.0


@dataclass
class Replica:
    """One server process, from its start to its end."""

    server: ServerProcess
    client: httpx2.AsyncClient
    opened: AsyncExitStack
    attempts: dict[str, int] = field(default_factory=dict)
    """Which attempt at a turn it began last, by the turn's id."""
    _read: int = 0

    def look(self) -> None:
        """Read on in its log."""
        with self.server.errors.open(encoding="utf-8") as log:
            log.seek(self._read)
            while (line := log.readline()).endswith("\n"):
                self._read = log.tell()
                if '"turn_started"' in line:
                    entry = json.loads(line)
                    self.attempts[entry["turn_id"]] = entry["attempt"]

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self.server.process.send_signal(number)


class Fleet:
    """A few replicas. One that ends is replaced; whoever asks for one gets one that lives, or did a moment ago."""

    def __init__(self, folder: Path, settings: dict[str, str], *, size: int = 3) -> None:
        self.replicas: list[Replica] = []
        self.hit = asyncio.Lock()
        """One at a time is killed, paused or stopped: what two losses at once do is what one does, and slower."""
        self._folder = folder
        self._settings = settings | {"LOG_FORMAT": "json"}
        self._size = size
        self._started = 0
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(self.add() for _ in range(self._size)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def add(self) -> None:
        """Start one more."""
        self._started += 1
        opened = await self._opened.enter_async_context(AsyncExitStack())
        server = opened.enter_context(forked(self._folder / f"replica-{self._started}", **self._settings))
        await asyncio.to_thread(server.wait_until_ready)
        client = await opened.enter_async_context(httpx2.AsyncClient(base_url=server.address, timeout=CLIENT_SECONDS))
        self.replicas.append(Replica(server, client, opened))

    async def end(self, replica: Replica, number: signal.Signals) -> None:
        """Kill one or tell it to stop, and start another in its place when it is gone."""
        self.replicas.remove(replica)
        replica.send(number)
        await asyncio.to_thread(replica.server.process.wait, CLIENT_SECONDS)
        await self.add()

    def one_of(self, chance: random.Random) -> Replica:
        return chance.choice(self.replicas)

    def runner_of(self, turn_id: str) -> Replica | None:
        """The replica that began the turn's latest attempt, by what the logs say; None if none has, or it has ended."""
        for replica in self.replicas:
            replica.look()
        holding = [replica for replica in self.replicas if turn_id in replica.attempts]
        return max(holding, key=lambda replica: replica.attempts[turn_id], default=None)
