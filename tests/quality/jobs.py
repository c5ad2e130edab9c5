"""The job descriptions that questions are made for: the adverts beside this file, and those of the shared folder."""

import json
from dataclasses import dataclass
from pathlib import Path

from app.bank.questions import ExperienceLevel
from app.core.config import REPOSITORY_ROOT

ADVERTS = Path(__file__).parent / "adverts"
SHARED = REPOSITORY_ROOT.parent / "shared" / "data" / "job_descriptions.jsonl"
"""Is not part of the repository; whoever has it may measure on it too."""

SHIPPED: dict[str, tuple[ExperienceLevel, str]] = {
    "junior_nurse": (ExperienceLevel.JUNIOR, "Hollin Vale"),
    "junior_support": (ExperienceLevel.JUNIOR, "Looplantern"),
    "lead_finance": (ExperienceLevel.LEAD, "Marlstone"),
    "lead_hr_messy": (ExperienceLevel.LEAD, "Quillmoor"),
    "mid_marketing": (ExperienceLevel.MID, "Tansy & Rook"),
    "mid_teacher": (ExperienceLevel.MID, "Alderbeck"),
    "senior_backend": (ExperienceLevel.SENIOR, "Ferrowick"),
    "senior_sales_german": (ExperienceLevel.SENIOR, "Br\u00fcggenau"),
}
"""By file: the level the advert is for, and the employer it invents."""


@dataclass(frozen=True)
class Job:
    """One job description and what is known about it."""

    name: str
    text: str
    level: ExperienceLevel
    employers: frozenset[str] = frozenset()
    must_haves: tuple[str, ...] = ()


def shipped_jobs() -> list[Job]:
    """The adverts of this folder."""
    return [
        Job(name, (ADVERTS / f"{name}.txt").read_text(encoding="utf-8"), level, frozenset({employer}))
        for name, (level, employer) in SHIPPED.items()
    ]


def shared_jobs(path: Path = SHARED) -> list[Job]:
    """The adverts of the shared folder; none where it is absent."""
    if not path.is_file():
        return []
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Job(
            name=row["id"],
            text=row["text"],
            level=ExperienceLevel(row["level"]),
            must_haves=tuple(must["fragment"] for must in row.get("must_have", ())),
        )
        for row in rows
    ]
