"""What an export holds, as values; every format is a function of this and nothing else."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.orchestration.questions import Question, QuestionSet

JOB_TITLE_CHARACTERS = 120


@dataclass(frozen=True)
class ExportDocument:
    """One revision of a question set, with what it was made for and when it was exported."""

    conversation_id: UUID
    question_set: QuestionSet
    job_title: str | None
    """The first line of the job description."""
    exported_at: datetime

    @property
    def title(self) -> str:
        """`Technical interview, senior level`."""
        level = self.question_set.experience_level
        return f"{words(self.question_set.interview_type).capitalize()} interview" + (
            f", {level} level" if level else ""
        )

    @property
    def date(self) -> str:
        """The day of the export, as people write it in every country."""
        return f"{self.exported_at.day} {self.exported_at:%B %Y}"

    @property
    def facts(self) -> str:
        """One line below the title: how much there is, how and when it was made."""
        questions = self.question_set.questions
        minutes = sum(question.time_minutes for question in questions)
        return " · ".join(
            (
                f"{len(questions)} question{'' if len(questions) == 1 else 's'}, {minutes} min",
                f"technique: {words(self.question_set.technique)}",
                f"revision {self.question_set.revision}",
                self.date,
            )
        )


def job_title(job_description: str | None) -> str | None:
    """The first line that says anything, cut to a title's length; None when there is none."""
    lines = ((" ".join(line.split())) for line in (job_description or "").splitlines())
    title = next(filter(None, lines), None)
    if title is None or len(title) <= JOB_TITLE_CHARACTERS:
        return title
    return title[: JOB_TITLE_CHARACTERS - 1].rstrip() + "…"


def words(name: str) -> str:
    """A name from the catalog as people read it: `case_study` is a case study."""
    return name.replace("_", " ")


def tags(question: Question) -> str:
    """How hard, about what, how long."""
    return f"{question.difficulty} · {words(question.category)} · {question.time_minutes} min"
