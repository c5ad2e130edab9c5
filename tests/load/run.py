"""Many turns at once on one server whose model is slow: what each reader saw, and what the server took for it."""

import asyncio
import json
import os
import resource
import time
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path

import httpx2
from sqlmodel import func, select

from app.conversations.models import TurnEvent
from app.core.config import async_database_url
from app.core.database import Database
from tests.e2e.server_process import ServerProcess, forked
from tests.model_server import ModelServer
from tests.model_wire import Say

PIECES = 60
"""Of every answer, at equal distances."""
ANSWER = " ".join(f"word-{number}" for number in range(4 * PIECES))
BODY = {"message": "Hello", "interview_type": "technical"}
"""To an agent whose text is passed on as it comes; triage's waits for whether it hands over."""
SETTINGS = {
    "DEFAULT_MODEL": "gpt-4o",
    "TURN_TIMEOUT_SECONDS": "600",
    "TURN_DEADLINE_SECONDS": "3600",
    "RATE_LIMIT_CALLS_PER_HOUR": "1000000",
    "LOG_LEVEL": "WARNING",
}


@dataclass
class Reading:
    """What one client saw; seconds from the moment it sent its message."""

    sent_at: float
    """By a clock that all clients share."""
    text: str = ""
    seen: list[int] = field(default_factory=list)
    """Numbers of the lines."""
    at: list[float] = field(default_factory=list)
    lines_before_text: int = 0
    last: str = ""
    """Kind of the last line, or why there is none."""

    @property
    def is_whole(self) -> bool:
        """Whether it saw every line once and in order, and the whole answer."""
        in_order = self.seen == list(range(1, len(self.seen) + 1))
        return self.last == "turn.completed" and in_order and self.text == ANSWER

    @property
    def longest_gap(self) -> float:
        """Between two lines from the first words on: before them, an answer's beginning is held back."""
        spoken = self.at[self.lines_before_text :]
        return max((late - soon for soon, late in pairwise(spoken)), default=0.0)


@dataclass(frozen=True)
class Process:
    """What a process took so far, by Linux's account of it."""

    resident_mb: float
    most_resident_mb: float
    cpu_seconds: float

    @classmethod
    def of(cls, pid: int) -> "Process":
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
        sizes = {
            name: int(rest.split()[0]) / 1024
            for name, _, rest in (line.partition(":") for line in status)
            if "kB" in rest
        }
        ticks = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
        return cls(sizes["VmRSS"], sizes["VmHWM"], sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"))


@dataclass(frozen=True)
class Load:
    """What was measured."""

    readings: list[Reading]
    seconds: float
    """From the first message to the last line of all."""
    before: Process
    after: Process
    rows_per_turn: float

    @property
    def most_at_once(self) -> int:
        """How many turns were open at the same time."""
        steps = [(reading.sent_at, 1) for reading in self.readings]
        steps += [(reading.sent_at + reading.at[-1], -1) for reading in self.readings if reading.at]
        return max(accumulate(step for _, step in sorted(steps)))


async def load(
    folder: Path, database_url: str | None, *, turns: int, model_seconds: float, over_seconds: float = 0.0
) -> Load:
    """Send so many messages, evenly over a time, each in a conversation of its own, and read every stream.

    One turn goes before, so that what is loaded once is there.
    """
    _allow_connections(turns)
    with ModelServer() as model:
        model.respond_with(lambda _: Say(ANSWER, pieces=PIECES))
        where = database_url or f"sqlite:///{folder / 'greenroom.db'}"
        settings = SETTINGS | {"OPENAI_BASE_URL": model.base_url, "DATABASE_URL": where}
        with forked(folder, **settings) as server:
            await asyncio.to_thread(server.wait_until_ready)
            before = await _warm(server)
            model.respond_with(lambda _: Say(ANSWER, pieces=PIECES, delay_seconds_per_piece=model_seconds / PIECES))
            rows_before = await _rows(where)
            started = time.monotonic()
            readings = await _read_all(server, turns, over=over_seconds, patience=60 + 10 * model_seconds)
            seconds = time.monotonic() - started
            after = Process.of(server.process.pid)
            rows = await _rows(where)
    return Load(readings, seconds, before, after, (rows - rows_before) / turns)


async def _warm(server: ServerProcess) -> Process:
    (reading,) = await _read_all(server, 1, over=0, patience=600)
    assert reading.is_whole, reading.last
    return Process.of(server.process.pid)


async def _read_all(server: ServerProcess, turns: int, *, over: float, patience: float) -> list[Reading]:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(base_url=server.address, limits=limits, timeout=patience) as client:
        return await asyncio.gather(*(_read(client, over * turn / turns) for turn in range(turns)))


async def _read(client: httpx2.AsyncClient, wait_seconds: float) -> Reading:
    await asyncio.sleep(wait_seconds)
    started = time.monotonic()
    reading, fields = Reading(started), dict[str, str]()
    headers = {"Accept": "text/event-stream"}
    try:
        async with client.stream("POST", "/api/v1/chat", json=BODY, headers=headers) as response:
            if response.status_code != 200:
                reading.last = (await response.aread()).decode()
                return reading
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                elif "event" in fields:
                    reading.at.append(time.monotonic() - started)
                    reading.seen.append(int(fields["id"]))
                    reading.last = fields["event"]
                    if reading.last != "text.delta":
                        reading.lines_before_text += not reading.text
                    else:
                        reading.text += json.loads(fields["data"])["text"]
                    fields = {}
    except httpx2.TransportError as error:
        reading.last = repr(error)
    return reading


async def _rows(database_url: str) -> int:
    database = Database(async_database_url(database_url))
    try:
        async with database.reading() as session:
            return (await session.exec(select(func.count()).select_from(TurnEvent))).one()
    finally:
        await database.dispose()


def _allow_connections(turns: int) -> None:
    """Two for each turn in this process, which is its client and its model."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * turns + 1024
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if most == resource.RLIM_INFINITY else min(wanted, most), most))
