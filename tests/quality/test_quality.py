"""The offline engine keeps the thresholds on the shipped adverts; `make quality` measures much more."""

from itertools import pairwise
from pathlib import Path

import pytest

from app.bank.questions import ExperienceLevel
from tests.conftest import MakeSettings, shipped_plugins
from tests.quality.jobs import ADVERTS, SHARED, shared_jobs, shipped_jobs
from tests.quality.measure import Comparison, Measured, Request, compare, overlap_of, running
from tests.quality.report import main
from tests.quality.rubric import Result
from tests.quality.table import COLUMNS, broken_thresholds, full_table, totals, worst_failures

TYPES = ("technical", "case_study", "reverse", "behavioral")
TECHNIQUES = 5
ONE_UP = dict(pairwise([*ExperienceLevel, ExperienceLevel.JUNIOR]))


async def measured_sets(make_settings: MakeSettings, interview_type: str) -> list[Comparison]:
    """Every shipped advert at its own level and at another one."""
    requests = [
        Request(job, interview_type, level) for job in shipped_jobs() for level in (job.level, ONE_UP[job.level])
    ]
    async with running(make_settings(), shipped_plugins()) as service:
        assert service.types == sorted(TYPES)
        return [await compare(service, request) for request in requests]


@pytest.mark.parametrize("interview_type", TYPES)
async def test_the_thresholds_hold(make_settings: MakeSettings, interview_type: str) -> None:
    comparisons = await measured_sets(make_settings, interview_type)
    measured = [one for comparison in comparisons for one in comparison.measured]

    assert len(measured) == 2 * len(shipped_jobs()) * TECHNIQUES
    assert broken_thresholds(measured) == [], worst_failures(measured, most=5)


def test_every_advert_is_measured() -> None:
    jobs = shipped_jobs()

    assert {job.name for job in jobs} == {path.stem for path in ADVERTS.iterdir()}
    assert {job.level for job in jobs} == set(ExperienceLevel)
    assert [job.name for job in jobs if not all(employer in job.text for employer in job.employers)] == []
    assert [job.name for job in jobs if not 150 <= len(job.text.split()) <= 400] == []


@pytest.mark.skipif(not SHARED.is_file(), reason="the shared job descriptions are not here")
def test_the_shared_job_descriptions_are_read() -> None:
    jobs = shared_jobs()

    assert jobs
    assert [job.name for job in jobs if not all(fragment in job.text for fragment in job.must_haves)] == []


def test_without_the_shared_folder_there_are_no_shared_jobs(tmp_path: Path) -> None:
    assert shared_jobs(tmp_path / "absent.jsonl") == []


@pytest.mark.parametrize(
    ("result", "interview_type", "is_broken"),
    [
        (Result("count", passed=99, total=100, failures=("4 of 5 questions",)), "reverse", True),
        (Result("distinct", passed=99, total=100), "reverse", True),
        (Result("level", passed=99, total=100), "reverse", True),
        (Result("level", passed=0, total=0), "reverse", False),
        (Result("tied", passed=69, total=100), "technical", True),
        (Result("tied", passed=70, total=100), "technical", False),
        (Result("tied", passed=10, total=100), "reverse", False),
        (Result("nudge", passed=10, total=100), "technical", False),
    ],
)
def test_thresholds(result: Result, interview_type: str, *, is_broken: bool) -> None:
    measured = Measured("job", interview_type, ExperienceLevel.MID, "zero_shot", results=(result,))

    assert bool(broken_thresholds([measured])) is is_broken


def test_the_tables_show_shares_and_the_texts_that_failed() -> None:
    results = (Result("count", passed=2, total=3, failures=("4 of 5 | questions",)), Result("open", passed=0, total=0))
    measured = [Measured("nurse", "reverse", ExperienceLevel.MID, "zero_shot", results=results)]

    assert "| count | 66.6 | 66.6 | 3 |" in totals(measured)
    assert "| open | \u2013 | \u2013 | 0 |" in totals(measured)
    assert all(row.count("|") == len(COLUMNS) + 4 for row in full_table(measured).splitlines())
    assert "4 of 5 | questions (nurse, reverse, mid, zero_shot)" in worst_failures(measured, most=1)


@pytest.mark.parametrize(
    ("sets", "overlap"),
    [
        ([["Why is the sky blue?"], ["Next question. Why is the sky blue?"]], 1.0),
        ([["Why is the sky blue?"], ["How do ships float?"]], 0.0),
        ([["Why is the sky blue?"]], None),
    ],
)
def test_the_overlap_of_techniques(sets: list[list[str]], overlap: float | None) -> None:
    assert overlap_of(sets) == overlap


def test_a_real_model_is_measured_only_on_as_much_as_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how many calls it would make, and makes none."""
    monkeypatch.chdir(tmp_path)  # There is no `.env` here.
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("DEFAULT_MODEL", "llama")

    assert main(["--types", "technical", "--levels", "senior"]) == 2

    said = capsys.readouterr().out
    assert f"This makes {TECHNIQUES * (len(shipped_jobs()) + len(shared_jobs()))} model calls" in said
    assert "--jobs" in said


def test_an_unknown_type_measures_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["--types", "karaoke"]) == 2
    assert "karaoke" in capsys.readouterr().out


def test_the_report_of_one_request(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert main(["--types", "reverse", "--levels", "junior", "--jobs", "1"]) == 0

    said = capsys.readouterr().out
    assert "| count | 100 | 100 | 5 |" in said
    assert all(f"| reverse | junior | {technique} |" in said for technique in ("zero_shot", "role_based"))
    assert "All are met." in said
