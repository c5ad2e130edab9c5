"""A few of the trials of `make faults`, others in every run: the seed is printed, and repeats them."""

import asyncio
import random
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet, Replica
from tests.faults.run import QUICK_LEASE, outcomes
from tests.faults.trials import MODELS, WAYS, Outcome, Plan

TRIALS = 24
ON_POSTGRESQL = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def check(found: Iterable[Outcome], how_to_repeat: str) -> None:
    wrong = [f"{outcome.plan}\n  {finding}" for outcome in found for finding in outcome.findings]
    assert not wrong, "\n".join([how_to_repeat, *wrong])


async def begins_a_turn(replica: Replica) -> None:
    replica.look()
    before = replica.attempts.copy()
    while replica.attempts == before:
        await asyncio.sleep(0.02)
        replica.look()


@ON_POSTGRESQL
async def test_whatever_goes_wrong_nothing_is_lost_doubled_or_out_of_order(database_url: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    plans = [Plan.of(seed, number) for number in range(1, TRIALS + 1)]
    found = [outcome async for outcome in outcomes(tmp_path, database_url, plans)]
    check(found, f'make faults ARGS="--trials {TRIALS} --seed {seed}"')
    assert len(found) == TRIALS


@ON_POSTGRESQL
async def test_every_turn_is_completed_while_one_server_after_the_other_is_replaced(
    database_url: str, tmp_path: Path
) -> None:
    rolled = []

    async def roll(fleet: Fleet) -> None:
        for replica in list(fleet.replicas):
            await begins_a_turn(replica)
            await fleet.end(replica, signal.SIGTERM)
            rolled.append(replica.server.process.returncode)

    plans = (
        Plan(number, "none", "afterwards", MODELS[number % 3], WAYS[number % 3], readers=1, seed=f"rolling/{number}")
        for number in range(1, 1000)
        if len(rolled) < 3
    )
    settings = QUICK_LEASE | {"DRAIN_SECONDS": "0"}
    found = [outcome async for outcome in outcomes(tmp_path, database_url, plans, settings=settings, meanwhile=roll)]
    check(found, "while servers were replaced")
    assert rolled == [0, 0, 0]
    assert {outcome.status for outcome in found} == {"completed"}
    assert any(outcome.attempts > 1 for outcome in found), "turns were handed over"
