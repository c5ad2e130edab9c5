"""Steps of preparation that follow from the chosen questions, the posting, the level and the type.

Every step quotes the posting, or names the level, the field or a question of this very set.
"""

from collections.abc import Sequence

from app.bank.posting import TITLE_WEIGHT
from app.bank.questions import ExperienceLevel
from app.bank.vocabulary import ALIASES, PORTABLE
from app.providers.offline.job import Evidence, Job
from app.providers.offline.order import Order
from app.providers.offline.selection import Draft

MOST, LEAST = 5, 3
MAX_TITLE_CHARACTERS = 80

_SKILL_STEPS = {
    "technical": (
        "Work through one small task with {skill} and say aloud why you chose each step; the "
        'posting asks for "{fragment}".'
    ),
    "behavioral": (
        'Write one story about {skill} in four lines, with a figure for the result; the posting asks for "{fragment}".'
    ),
    "case_study": 'Collect three figures a decision about {skill} would rest on; the posting says "{fragment}".',
    "reverse": 'Decide what reply about {skill} would make you decline; the posting says "{fragment}".',
}
_ANY_SKILL_STEP = 'Prepare one example for {skill}; the posting says "{fragment}".'
_GAP_STEP = (
    'No question covers {skill}, though the posting names it ("{fragment}"): prepare one '
    "example, or ask me for a question on it."
)
_TOPIC_STEP = (
    "Say your {level} answer to the {category} question aloud within {minutes} minutes, then once more in half of them."
)
_LEVEL_STEPS = {
    ExperienceLevel.JUNIOR: (
        "In the answer on {subject}, say what you tried first and whom you would ask, and when: that is what a junior "
        "role is tested on."
    ),
    ExperienceLevel.MID: (
        "In the answer on {subject}, name two options and why you took one: at mid level the choice counts more than "
        "the result."
    ),
    ExperienceLevel.SENIOR: (
        "In the answer on {subject}, name a failure you prevented and whom you brought along: at senior level the "
        "whole system counts."
    ),
    ExperienceLevel.LEAD: (
        "In the answer on {subject}, state the decision, its cost and what would have changed your mind: at lead "
        "level you answer for others."
    ),
}
_REVERSE_LEVEL_STEPS = {
    ExperienceLevel.JUNIOR: (
        "For the question on {subject}, note what a junior newcomer should hear: who helps, and how work is reviewed."
    ),
    ExperienceLevel.MID: (
        "For the question on {subject}, note what at mid level would be yours to decide, and ask for a case."
    ),
    ExperienceLevel.SENIOR: (
        "For the question on {subject}, note whose yes you would need at senior level, and ask when it was last given."
    ),
    ExperienceLevel.LEAD: (
        "For the question on {subject}, note what a lead would be measured by in a year, and ask who set that goal."
    ),
}
_TYPE_STEPS = {
    "technical": (
        "Redo the {hardest} question with the clock at {minutes} minutes; state the assumptions of a {level} before "
        "you solve{occasion}."
    ),
    "behavioral": (
        "Check that no story serves two questions: list your {count} {level} answers by situation and replace a "
        "double, starting with {hardest}{occasion}."
    ),
    "case_study": (
        "Do the {hardest} case on paper in {minutes} minutes, as deep as a {level} goes: objective, structure, one "
        "calculation, recommendation{occasion}."
    ),
    "reverse": (
        "Pick the three of these {count} that a {level} would ask first, {hardest} among them, and for each the "
        "person to ask{occasion}."
    ),
}
_ANY_TYPE_STEP = (
    "Practise the {hardest} question last, in {minutes} minutes, and write down where a {level} would not have "
    "hesitated{occasion}."
)
_POSTING_STEP = "Paste the job posting: with it your {level} questions{field} follow what this employer asks for."


def recommendations(order: Order, job: Job, drafts: Sequence[Draft]) -> list[str]:
    """Three to five steps; none where there is no question."""
    if not drafts:
        return []
    found = list({draft.evidence.fragment: draft.evidence for draft in drafts if draft.evidence is not None}.values())
    steps = _skill_steps(order, found[:2])
    gaps = _gaps(job, drafts)
    if gaps and not order.positions:
        steps.append(_GAP_STEP.format(skill=gaps[0].wording, fragment=gaps[0].fragment))
    if not order.posting:
        steps.append(_POSTING_STEP.format(level=job.level, field=f" in {job.field}" if job.field else ""))
    steps += [_level_step(order, job, drafts), _type_step(order, job, drafts)]
    if len(steps) < LEAST:
        first = drafts[0]
        steps.append(
            _TOPIC_STEP.format(level=job.level, category=_plain(first.question.category), minutes=_minutes(first))
        )
    return steps[:MOST]


def _skill_steps(order: Order, found: Sequence[Evidence]) -> list[str]:
    """One step for each of the requirements that the set opens with."""
    step = _SKILL_STEPS.get(order.interview_type, _ANY_SKILL_STEP)
    return [step.format(skill=evidence.wording, fragment=evidence.fragment) for evidence in found]


def _level_step(order: Order, job: Job, drafts: Sequence[Draft]) -> str:
    """What the level adds to the weightiest question of the set."""
    draft = max(drafts, key=lambda one: one.evidence.weight if one.evidence else 0)
    steps = _REVERSE_LEVEL_STEPS if order.interview_type == "reverse" else _LEVEL_STEPS
    subject = _plain(draft.question.category)
    if draft.evidence is not None:
        subject = f'{subject} ("{draft.evidence.fragment}")'
    return steps[job.level].format(subject=subject)


def _type_step(order: Order, job: Job, drafts: Sequence[Draft]) -> str:
    """How to practise this type, on the hardest question of the set."""
    hardest = max(
        drafts, key=lambda draft: ((draft.difficulty or draft.question.difficulty).rank, draft.question.time_minutes)
    )
    return _TYPE_STEPS.get(order.interview_type, _ANY_TYPE_STEP).format(
        hardest=_plain(hardest.question.category),
        minutes=_minutes(hardest),
        count=len(drafts),
        level=job.level,
        occasion=f', as for "{job.title}"' if job.title and len(job.title) <= MAX_TITLE_CHARACTERS else "",
    )


def _gaps(job: Job, drafts: Sequence[Draft]) -> list[Evidence]:
    """Well-known skills that the posting asks for and no chosen question is about, weightiest first."""
    covered = {skill for draft in drafts for skill in draft.question.skills}
    quoted = {draft.requirement for draft in drafts}
    title = job.title.lower()
    left = [
        evidence
        for skill, evidence in job.skills.items()
        if (skill in ALIASES or skill in PORTABLE or " " in skill)
        and evidence.weight > TITLE_WEIGHT
        and evidence.is_quotable
        and evidence.wording.lower() not in title
        and skill not in covered
        and evidence.fragment not in quoted
    ]
    return sorted(left, key=lambda evidence: (-evidence.weight, evidence.start))


def _minutes(draft: Draft) -> int:
    return draft.time_minutes or draft.question.time_minutes


def _plain(category: str) -> str:
    return category.replace("_", " ")
