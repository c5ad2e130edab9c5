"""How a question of the bank fits a job, and which places of the posting speak for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from app.bank.questions import BankQuestion
from app.bank.vocabulary import CRAFTS, PORTABLE
from app.providers.offline.job import Evidence, Job, Topic, Workshop

RELATED_FIELDS = frozenset({("software", "data"), ("data", "software"), ("product", "design"), ("design", "product")})
"""Fields whose skills mean the same to each other."""

HOSTS: Mapping[str, str] = {"hospitality": "operations", "trades": "operations"}
"""Fields of jobs that have no questions of their own, and where the questions for them stand."""

MOST_COMMON_FIELD = "software"
"""What to think of when nothing tells the field."""


class Tier(IntEnum):
    """Why a question fits, the best reason first."""

    WISHED = 0
    """About what the request asks for."""
    TOUCHED = 1
    """Of the field, and what the request asks for is of use in it."""
    NAMED = 2
    THEME = 3
    """A question of the field, on something the posting speaks of."""
    ASPECT = 4
    """The same, of a question that fits any job."""
    FIELD = 5
    GENERAL = 6
    OTHER_TOOL = 7
    FOREIGN = 8
    FOREIGN_TOOL = 9
    """Of another field, about a tool that the posting does not name."""


TIED = frozenset({Tier.NAMED, Tier.THEME, Tier.ASPECT})


@dataclass(frozen=True)
class Fit:
    """How a question fits a job; `evidence` holds every place of the posting that speaks for it and can be quoted."""

    tier: Tier
    evidence: tuple[Evidence, ...] = ()
    strength: int = 0
    """How much of the question is about what the posting names."""


class Fitter:
    """Judges questions for one job; each once."""

    def __init__(self, workshop: Workshop, job: Job) -> None:
        self._workshop = workshop
        self._job = job
        self._fits: dict[str, Fit] = {}

    def fit(self, question: BankQuestion) -> Fit:
        """How the question fits the job."""
        if question.id not in self._fits:
            self._fits[question.id] = self._fit(question)
        return self._fits[question.id]

    def is_near(self, question: BankQuestion) -> bool:
        """Whether the question is of the job's field, of one close to it, or of none."""
        field = self._job.field
        return (
            field is None
            or not question.fields
            or field in question.fields
            or HOSTS.get(field) in question.fields
            or any((field, other) in RELATED_FIELDS for other in question.fields)
        )

    def is_subject(self, question: BankQuestion, topic: Topic) -> bool:
        """Whether the category or the text of the question says that it is about the topic."""
        return topic.is_subject_of(question, self._workshop.spoken(question))

    def is_about(self, question: BankQuestion, topic: Topic) -> bool:
        """Whether the question is really about the topic.

        In a field far from the job's the first skills are not enough: a pay analysis in SQL is no SQL for a developer.
        """
        if self.is_subject(question, topic):
            return True
        return topic.is_first_in(question) and self.is_near(question)

    def _fit(self, question: BankQuestion) -> Fit:
        job = self._job
        spoken = self._workshop.spoken(question)
        is_of_field = not question.fields or job.field in question.fields
        named = self._named(question, spoken, is_of_field=is_of_field)
        is_hosted = bool(named) and HOSTS.get(job.field or "") in question.fields
        needs_other_tool = any(skill in spoken and skill not in job.skills for skill in question.skills)
        can_quote = (is_of_field or is_hosted) and not needs_other_tool
        themes = job.themes.get(question.category, ()) if can_quote else ()
        evidence = (*(job.skills[skill] for skill in named), *themes)
        quotable = tuple(place for place in evidence if place.is_quotable)
        strength = len(named) + 2 * len(spoken.intersection(named)) + bool(themes)
        if any(self.is_about(question, topic) for topic in job.topics):
            return Fit(Tier.WISHED, quotable, strength)
        if is_of_field and any(topic.covers(question) for topic in job.topics):
            return Fit(Tier.TOUCHED, quotable, strength)
        if quotable:
            by_skill = any(job.skills[skill].is_quotable for skill in named)
            tier = Tier.NAMED if by_skill else Tier.THEME if question.fields else Tier.ASPECT
            return Fit(tier, quotable, strength)
        return Fit(self._untied(question, spoken, is_of_field=is_of_field or is_hosted), strength=strength)

    def _named(self, question: BankQuestion, spoken: frozenset[str], *, is_of_field: bool) -> list[str]:
        """The skills of the question that the posting names and that say something about this very question.

        The name of a whole craft says nothing about it. Of another field's question the skill has to be what it asks
        about: a tool in common does not make a migration of databases one for an auditor.
        """
        job = self._job
        named = [skill for skill in question.skills if skill in job.skills and skill not in CRAFTS]
        if is_of_field:
            return named
        is_near = any((job.field, other) in RELATED_FIELDS for other in question.fields)
        is_hosted = HOSTS.get(job.field or "") in question.fields
        heart = spoken | {question.category.replace("_", " "), *(question.skills[:2] if is_hosted else ())}
        return [
            skill
            for skill in named
            if skill in heart and (is_near or is_hosted or (skill in PORTABLE and len(spoken) == 1))
        ]

    def _untied(self, question: BankQuestion, spoken: frozenset[str], *, is_of_field: bool) -> Tier:
        if question.is_general:
            return Tier.GENERAL
        needs_other_tool = any(skill in spoken and skill not in self._job.skills for skill in question.skills)
        if is_of_field:
            return Tier.OTHER_TOOL if needs_other_tool and question.fields else Tier.FIELD
        if self._job.field is None and MOST_COMMON_FIELD in question.fields:
            return Tier.OTHER_TOOL
        return Tier.FOREIGN_TOOL if spoken else Tier.FOREIGN
