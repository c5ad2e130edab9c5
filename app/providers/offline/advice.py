"""Steps of preparation that follow from the chosen questions, the posting, the level and the type."""

from collections.abc import Sequence

from app.providers.offline.bank import Level
from app.providers.offline.job import Evidence, Job
from app.providers.offline.order import Order
from app.providers.offline.posting import TITLE_WEIGHT
from app.providers.offline.selection import Draft
from app.providers.offline.vocabulary import ALIASES, PORTABLE

MOST = 5

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
    "Say your answer to the {category} question aloud within {minutes} minutes, then once more in half the time."
)
_LEVEL_STEPS = {
    Level.JUNIOR: (
        "For each answer, say what you tried first and whom you would ask, and when: that is "
        "what a junior role is tested on."
    ),
    Level.MID: (
        "For each answer, name two options and why you took one: at mid level the choice counts more than the result."
    ),
    Level.SENIOR: (
        "For each answer, name a failure you prevented and whom you brought along: at senior "
        "level the whole system counts."
    ),
    Level.LEAD: (
        "For each answer, state the decision, its cost and what would have changed your mind: at "
        "lead level you answer for others."
    ),
}
_TYPE_STEPS = {
    "technical": (
        "Redo the {hardest} question with the clock at {minutes} minutes; state your assumptions before you solve."
    ),
    "behavioral": (
        "Check that no story serves two questions: list the {count} answers by situation and "
        "replace a double, starting with {hardest}."
    ),
    "case_study": (
        "Do the {hardest} case on paper in {minutes} minutes: objective, structure, one calculation, recommendation."
    ),
    "reverse": (
        "Pick the three of these {count} you would ask first, and for each the person to ask: "
        "recruiter, manager or colleague."
    ),
}
_ANY_TYPE_STEP = "Practise the {hardest} question last, in {minutes} minutes, and write down where you hesitated."
_POSTING_STEP = "Paste the job posting: with it the questions follow what this employer asks for."


def recommendations(order: Order, job: Job, drafts: Sequence[Draft]) -> list[str]:
    """Three to five steps; none where there is no question."""
    if not drafts:
        return []
    steps = _skill_steps(order, drafts)
    gaps = _gaps(job, drafts)
    if gaps and not order.positions:
        steps.append(_GAP_STEP.format(skill=gaps[0].wording, fragment=gaps[0].fragment))
    if not order.posting:
        steps.append(_POSTING_STEP)
    steps.append(_LEVEL_STEPS[job.level])
    hardest = max(
        drafts, key=lambda draft: ((draft.difficulty or draft.question.difficulty).rank, draft.question.time_minutes)
    )
    steps.append(
        _TYPE_STEPS.get(order.interview_type, _ANY_TYPE_STEP).format(
            hardest=_plain(hardest.question.category),
            minutes=hardest.time_minutes or hardest.question.time_minutes,
            count=len(drafts),
        )
    )
    if len(steps) < MOST - 1:
        first = drafts[0]
        minutes = first.time_minutes or first.question.time_minutes
        steps.append(_TOPIC_STEP.format(category=_plain(first.question.category), minutes=minutes))
    return steps[:MOST]


def _skill_steps(order: Order, drafts: Sequence[Draft]) -> list[str]:
    """One step for each of the two requirements that the set opens with."""
    found = {draft.evidence.fragment: draft.evidence for draft in drafts if draft.evidence is not None}
    step = _SKILL_STEPS.get(order.interview_type, _ANY_SKILL_STEP)
    return [step.format(skill=evidence.wording, fragment=evidence.fragment) for evidence in list(found.values())[:2]]


def _gaps(job: Job, drafts: Sequence[Draft]) -> list[Evidence]:
    """Well-known skills that the posting asks for and no chosen question is about, weightiest first."""
    covered = {skill for draft in drafts for skill in draft.question.skills}
    quoted = {draft.requirement for draft in drafts}
    left = [
        evidence
        for skill, evidence in job.skills.items()
        if (skill in ALIASES or skill in PORTABLE or " " in skill)
        and evidence.weight > TITLE_WEIGHT
        and evidence.wording.lower() not in job.title
        and skill not in covered
        and evidence.fragment not in quoted
    ]
    return sorted(left, key=lambda evidence: (-evidence.weight, evidence.start))


def _plain(category: str) -> str:
    return category.replace("_", " ")
