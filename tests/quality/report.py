"""`make quality`: how good the questions are, measured on the running application and printed as Markdown.

Every job description, type and level, through all techniques. Without a provider in the environment the offline engine
answers, and a missed threshold gives exit code 1. With one (`OPENAI_*`, `AZURE_*`) a real model is measured: say on how
much with `--jobs`, `--types` and `--levels`.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from app.bank.questions import ExperienceLevel
from app.core.config import Settings
from app.core.logging import configure_logging
from tests.quality import table
from tests.quality.jobs import SHARED, Job, shared_jobs, shipped_jobs
from tests.quality.measure import OFFLINE, Comparison, Request, Service, compare, running, with_own_steps

MOST_PROCESSES = 4
REQUESTS_WORTH_A_PROCESS = 20
UNLIMITED, MISSED, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return the exit code."""
    options = _parser().parse_args(arguments)
    jobs = _jobs(options)
    requests, calls, provider, model = asyncio.run(_plan(options, jobs))
    if not requests:
        _say(f"There is nothing to measure: the types are {', '.join(options.types)}.")
        return USAGE
    is_offline = provider == OFFLINE
    _say(f"# Quality of the questions of {model}\n")
    _say(f"{len(jobs)} job descriptions, {len(requests)} requests, each through every technique.")
    if not is_offline:
        _say(f"This makes {calls} model calls, and up to {calls} more where an answer has to be repaired.")
        if not options.jobs:
            _say("Say for how many job descriptions, for example --jobs 2 --types technical --levels senior.")
            return USAGE
    started = time.perf_counter()
    comparisons = _measure(requests, calls, is_offline=is_offline)
    return _report(comparisons, options.failures, time.perf_counter() - started, is_offline=is_offline)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.quality.report", description="Measure the question sets.")
    parser.add_argument("--jobs", type=int, default=UNLIMITED, help="how many job descriptions; default all")
    parser.add_argument("--types", nargs="+", default=[], help="interview types; default all")
    parser.add_argument(
        "--levels",
        nargs="+",
        type=ExperienceLevel,
        default=list(ExperienceLevel),
        help=f"of {', '.join(ExperienceLevel)}; default all",
    )
    parser.add_argument("--failures", type=int, default=8, help="how many failures to show of each item; default 8")
    return parser


def _jobs(options: argparse.Namespace) -> list[Job]:
    shared = shared_jobs()
    if not shared:
        _say(
            f"{Path('..', *SHARED.parts[-3:])} is not there: only the adverts shipped with the tests are measured.\n",
            is_aside=True,
        )
    jobs = [*shipped_jobs(), *shared]
    return jobs[: options.jobs] if options.jobs else jobs


async def _plan(options: argparse.Namespace, jobs: Sequence[Job]) -> tuple[list[Request], int, str, str]:
    """The requests, how many model calls they are, and the provider and model that would answer them."""
    with _settings() as settings:
        async with running(settings) as service:
            types = [kind for kind in service.types if kind in (options.types or service.types)]
            requests = [Request(job, kind, level) for kind in types for level in options.levels for job in jobs]
            calls = sum(len(service.techniques[request.interview_type]) for request in requests)
            return requests, calls, service.provider, service.model


def _measure(requests: Sequence[Request], calls: int, *, is_offline: bool) -> list[Comparison]:
    """Offline on all cores; a model is asked one comparison at a time, so that its rate limits hold."""
    most = min(os.cpu_count() or 1, MOST_PROCESSES, 1 + len(requests) // REQUESTS_WORTH_A_PROCESS)
    processes = most if is_offline else 1
    if processes == 1:
        return _measure_here(requests, calls)
    shares = [requests[at::processes] for at in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_log_errors_only) as pool:
        return [found for share in pool.map(_measure_here, shares, [calls] * processes) for found in share]


def _measure_here(requests: Sequence[Request], calls: int) -> list[Comparison]:
    return asyncio.run(_measure_all(requests, calls))


async def _measure_all(requests: Sequence[Request], calls: int) -> list[Comparison]:
    with _settings(rate_limit_calls_per_hour=2 * calls) as settings:
        async with running(settings) as service:
            return [await _compare_and_tell(service, request) for request in requests]


async def _compare_and_tell(service: Service, request: Request) -> Comparison:
    comparison = await compare(service, request)
    if service.provider != OFFLINE:
        where = f"{request.job.name}, {request.interview_type}, {request.level}"
        _say(f"{where}: {comparison.seconds:.1f} s", is_aside=True)
    return comparison


@contextmanager
def _settings(rate_limit_calls_per_hour: int = 1) -> Iterator[Settings]:
    """The operator's settings with a database of their own; the limit is what the plan has said, repairs included."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            database_url=f"sqlite:///{Path(folder) / 'quality.db'}",
            rate_limit_calls_per_hour=rate_limit_calls_per_hour,
        )
        yield settings


def _log_errors_only() -> None:
    """Whatever the environment says: the report is what there is to read."""
    configure_logging(Settings(log_level="ERROR", debug=False))


def _report(comparisons: Sequence[Comparison], failures: int, seconds: float, *, is_offline: bool) -> int:
    measured = list(with_own_steps([one for comparison in comparisons for one in comparison.measured]))
    measured.sort(key=lambda one: (one.interview_type, list(ExperienceLevel).index(one.level), one.technique))
    own = sum(comparison.seconds for comparison in comparisons) / len(comparisons)
    _say(f"\n## Totals, in percent\n\n{table.totals(measured)}\n")
    if not is_offline:
        _say("The level of single questions is not measured: they come from no bank.\n")
    _say(f"## By type, level and technique, in percent\n\n{table.full_table(measured)}\n")
    _say(f"## Questions that two techniques share, in percent\n\n{table.overlaps(comparisons)}\n")
    if any(one.interview_type == "technical" for one in measured):
        _say(f"## Jobs whose technical questions cite least, in percent\n\n{table.lowest_jobs(measured)}\n")
    _say(f"## Failures\n\n{table.worst_failures(measured, failures)}")
    _say(f"## Time\n\n{seconds:.0f} s for {len(measured)} sets; {own:.2f} s for a request on average.\n")
    missed = table.broken_thresholds(measured)
    _say("## Thresholds\n")
    _say("\n".join(f"- missed: {line}" for line in missed) or "All are met.")
    return MISSED if missed and is_offline else 0


def _say(text: str, *, is_aside: bool = False) -> None:
    """The report goes to standard output, what is said beside it to standard error."""
    print(text, file=sys.stderr if is_aside else sys.stdout, flush=True)


if __name__ == "__main__":
    _log_errors_only()
    sys.exit(main())
