"""A few of the turns of `make load`."""

from pathlib import Path

from tests.load.run import load


async def test_every_turn_that_runs_at_once_with_others_comes_whole_to_its_reader(
    database_url: str, tmp_path: Path
) -> None:
    found = await load(tmp_path, database_url, turns=30, model_seconds=2)
    assert [reading for reading in found.readings if not reading.is_whole] == []
    assert len(found.readings) == 30
    assert found.rows_per_turn < 60
