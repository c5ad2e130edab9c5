"""A few of the trials of `make faults`, others in every run: the seed is printed, and repeats them."""

import random
from pathlib import Path

import pytest

from tests.faults.run import outcomes

TRIALS = 24


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_whatever_goes_wrong_nothing_is_lost_doubled_or_out_of_order(database_url: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    found = [outcome async for outcome in outcomes(tmp_path, database_url, seed, range(1, TRIALS + 1))]
    wrong = [f"{outcome.plan}\n  {finding}" for outcome in found for finding in outcome.findings]
    assert not wrong, "\n".join([f'make faults ARGS="--trials {TRIALS} --seed {seed}"', *wrong])
    assert len(found) == TRIALS
