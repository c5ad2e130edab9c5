"""Reviewed sets as Markdown: the table, its totals, the worst failures with their texts, and the thresholds."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from app.providers.offline.persona import plain_voice
from tests.quality.measure import Comparison, Measured
from tests.quality.rubric import CHECKS, MEASURED_NOT_JUDGED, OWN, Result

COLUMNS = (*CHECKS, OWN)
NOT_MEASURED = "\u2013"
TEXT_CHARACTERS = 220
LOWEST_JOBS = 10

THRESHOLDS = (("count", None, 1.0), ("distinct", None, 1.0), ("tied", "technical", 0.7), ("level", None, 1.0))
"""Item, interview type or all of them, and the least share that must pass."""


@dataclass
class Tally:
    """The items of some sets, added up."""

    passed: dict[str, int] = field(default_factory=dict)
    total: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Iterable[Result]) -> "Tally":
        """Added up by item."""
        tally = cls()
        for result in results:
            tally.passed[result.name] = tally.passed.get(result.name, 0) + result.passed
            tally.total[result.name] = tally.total.get(result.name, 0) + result.total
        return tally

    def share(self, name: str) -> float | None:
        """Passed of total, or None where nothing was looked at."""
        total = self.total.get(name, 0)
        return self.passed[name] / total if total else None


def tally_of(measured: Iterable[Measured]) -> Tally:
    """All items of these sets."""
    return Tally.of(result for one in measured for result in one.results)


def broken_thresholds(measured: Sequence[Measured]) -> list[str]:
    """Which thresholds the sets miss, in words. An item that was not measured misses none."""
    broken = []
    for name, interview_type, least in THRESHOLDS:
        share = tally_of(one for one in measured if interview_type in {None, one.interview_type}).share(name)
        if share is not None and share < least:
            broken.append(f"{name}{f' ({interview_type})' if interview_type else ''}: {share:.2%}, needed {least:.0%}")
    return broken


def full_table(measured: Sequence[Measured]) -> str:
    """One row for each type, level and technique, then totals by type and for all."""
    rows = [_row(("type", "level", "technique", *COLUMNS)), _row(["---"] * 3 + ["--:"] * len(COLUMNS))]
    for place in dict.fromkeys((one.interview_type, one.level, one.technique) for one in measured):
        own = [one for one in measured if (one.interview_type, one.level, one.technique) == place]
        rows.append(_row((*place, *_shares(own))))
    return "\n".join([*rows, *_total_rows(measured)])


def totals(measured: Sequence[Measured]) -> str:
    """The items as rows, the types as columns: easier to read than the full table."""
    types = list(dict.fromkeys(one.interview_type for one in measured))
    tallies = [tally_of(one for one in measured if one.interview_type == kind) for kind in types]
    everything = tally_of(measured)
    rows = [_row(("item", *types, "all", "looked at")), _row(["---"] + ["--:"] * (len(types) + 2))]
    rows += [
        _row((name, *(_percent(tally.share(name)) for tally in (*tallies, everything)), everything.total.get(name, 0)))
        for name in COLUMNS
    ]
    return "\n".join(rows)


def worst_failures(measured: Sequence[Measured], most: int) -> str:
    """For each item below 100 %, worst first, some texts and where they stand; a text counts once."""
    everything = tally_of(measured)
    shares = {name: share for name in COLUMNS if (share := everything.share(name)) is not None and share < 1}
    parts = []
    for name in sorted(shares, key=lambda name: (name in MEASURED_NOT_JUDGED, shares[name])):
        texts = dict(_failures(measured, name))
        parts.append(f"### {name}: {_percent(shares[name])}, {len(texts)} different failures\n")
        parts += [f"- {_cut(text)} ({where})" for text, where in list(texts.items())[:most]]
        parts.append("")
    return "\n".join(parts) or "None.\n"


def overlaps(comparisons: Sequence[Comparison]) -> str:
    """How many questions two techniques of a request have in common, on average."""
    by_type: dict[str, list[float]] = {}
    for comparison in comparisons:
        if comparison.overlap is not None:
            by_type.setdefault(comparison.measured[0].interview_type, []).append(comparison.overlap)
    rows = [_row(("type", "shared questions")), _row(("---", "--:"))]
    rows += [_row((kind, _percent(sum(found) / len(found)))) for kind, found in by_type.items()]
    return "\n".join(rows)


def lowest_jobs(measured: Sequence[Measured], name: str = "tied", interview_type: str = "technical") -> str:
    """The jobs that do worst in one item."""
    jobs = dict.fromkeys(one.job for one in measured if one.interview_type == interview_type)
    shares = {
        job: tally_of(one for one in measured if (one.job, one.interview_type) == (job, interview_type)).share(name)
        for job in jobs
    }
    found = sorted((share, job) for job, share in shares.items() if share is not None)
    rows = [_row(("job", name)), _row(("---", "--:"))]
    return "\n".join([*rows, *(_row((job, _percent(share))) for share, job in found[:LOWEST_JOBS])])


def _total_rows(measured: Sequence[Measured]) -> Iterator[str]:
    for kind in dict.fromkeys(one.interview_type for one in measured):
        yield _row((f"**{kind}**", "all", "all", *_shares([one for one in measured if one.interview_type == kind])))
    yield _row(("**all**", "all", "all", *_shares(measured)))


def _shares(measured: Iterable[Measured]) -> Iterator[str]:
    tally = tally_of(measured)
    return (_percent(tally.share(name)) for name in COLUMNS)


def _failures(measured: Iterable[Measured], name: str) -> Iterator[tuple[str, str]]:
    for one in measured:
        where = f"{one.job}, {one.interview_type}, {one.level}, {one.technique}"
        for result in one.results:
            yield from ((plain_voice(text), where) for text in result.failures if result.name == name)


def _percent(share: float | None) -> str:
    """Rounded down, so that only what is complete reads 100."""
    return NOT_MEASURED if share is None else f"{math.floor(share * 1000) / 10:g}"


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= TEXT_CHARACTERS else f"{plain[:TEXT_CHARACTERS]} \u2026"


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"
