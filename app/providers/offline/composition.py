"""A technique's output as a model would write it: one JSON object in the contract's order of keys."""

import json
import re
from collections.abc import Sequence
from typing import Any

from app.bank.questions import ExperienceLevel
from app.bank.vocabulary import CRAFTS
from app.providers.offline.advice import recommendations
from app.providers.offline.job import Job, Workshop
from app.providers.offline.mixed import parts_in
from app.providers.offline.order import Kind, Order
from app.providers.offline.persona import coloured, in_voice
from app.providers.offline.phrasing import counted, listed, numbered, sentence
from app.providers.offline.principles import PRINCIPLES, USUAL
from app.providers.offline.revision import Replacement, Reviser
from app.providers.offline.routing import REVERSE
from app.providers.offline.selection import Draft, Selector
from app.providers.offline.wishes import Change, change_in, minutes_in

DISCLOSURE = "No language model was used: these questions come from Greenroom's built-in bank."
ROLE_BASED, CHAIN_OF_THOUGHT, ZERO_SHOT = "role_based", "chain_of_thought", "zero_shot"

_NAMED_INTERVIEWER = re.compile(r"((?:[\w-]+ ){1,2})interviewer", re.IGNORECASE)


def compose(workshop: Workshop, order: Order) -> str:
    """The output of one technique call, as JSON text."""
    job = workshop.job(order)
    selector = Selector(workshop, order, job)
    if order.kind in {Kind.REPLACE, Kind.REWORD}:
        replacements = Reviser(selector, order).replacements()
        drafts = [replacement.draft for replacement in replacements]
        choice = _told(replacements)
    else:
        drafts = selector.new_set()
        parts = (_choice(order, selector, drafts), _alike(selector, drafts), _minutes(order, drafts))
        choice = " ".join(part for part in (*parts, _the_rest(workshop, order), _listener(order)) if part)
    is_planned = order.technique == CHAIN_OF_THOUGHT
    document: dict[str, Any] = {
        "coverage_plan": [_planned(draft) for draft in drafts] if is_planned else [],
        "summary": f"{DISCLOSURE} {choice}".strip(),
        "experience_level": job.level,
        "questions": [
            _question(draft, order, place, is_last=place == len(drafts) - 1) for place, draft in enumerate(drafts)
        ],
        "recommendations": recommendations(order, job, drafts),
    }
    return json.dumps(document, ensure_ascii=False)


def nothing_to_mend() -> str:
    """The output of a repair call: this engine gave what it has, and has nothing better."""
    document = {"coverage_plan": [], "summary": "", "experience_level": ExperienceLevel.MID, "questions": []}
    return json.dumps(document | {"recommendations": []})


def _question(draft: Draft, order: Order, place: int, *, is_last: bool) -> dict[str, Any]:
    question = draft.question
    text = draft.text or question.text
    if order.technique == ROLE_BASED and order.interview_type != REVERSE and draft.text is None:
        text = in_voice(text, _interviewer(order), place, is_last=is_last)
    follow_ups = _follow_ups(draft, order)
    follow_ups = coloured(follow_ups, _interviewer(order), is_reverse=order.interview_type == REVERSE)
    item: dict[str, Any] = {
        "text": text,
        "difficulty": draft.difficulty or question.difficulty,
        "category": question.category,
        "time_minutes": draft.time_minutes or question.time_minutes,
        "requirement": draft.requirement,
        "level_signal": question.level_signal,
        "evaluation_criteria": question.evaluation_criteria,
        "follow_ups": follow_ups,
        "hints": question.hints,
        "sample_framework": question.sample_framework,
    }
    if question.case is not None:
        item["case"] = question.case.model_dump(mode="json")
    return item


def _follow_ups(draft: Draft, order: Order) -> tuple[str, ...]:
    """The follow-up questions as the technique gives them.

    Zero-shot keeps to the first two; a planned set asks what of the answer meets its requirement.
    """
    follow_ups = draft.follow_ups or draft.question.follow_ups
    if order.kind is Kind.NEW and order.technique == ZERO_SHOT:
        return follow_ups[:2]
    is_planned = order.technique == CHAIN_OF_THOUGHT and order.interview_type != REVERSE
    if is_planned and order.kind is Kind.NEW and draft.requirement:
        return (*follow_ups[:2], f'The posting says "{draft.requirement}": which part of your answer shows that?')
    return follow_ups


def _interviewer(order: Order) -> tuple[str, ...]:
    """The interviewer of the settings; in a role play also the one that the message describes."""
    described = _NAMED_INTERVIEWER.search(order.request) if order.technique == ROLE_BASED else None
    return order.interviewer or ((described.group(1),) if described else ())


def _planned(draft: Draft) -> dict[str, Any]:
    return {
        "requirement": draft.requirement,
        "competency": draft.question.category,
        "level_signal": draft.question.level_signal,
        "minutes": draft.time_minutes or draft.question.time_minutes,
    }


def _choice(order: Order, selector: Selector, drafts: Sequence[Draft]) -> str:
    """One sentence on why these questions."""
    job = selector.job
    kind = order.interview_type.replace("_", " ")
    level = _level_words(job)
    if selector.is_borrowed:
        return (
            f"There is no bank for {kind} yet, so these are the general questions of other types that "
            f"fit best, {level}."
        )
    new = "further " if order.kind is Kind.ADD else ""
    parts = [f"{len(drafts)} {new}{kind} question{'' if len(drafts) == 1 else 's'}, {level}"]
    if job.role:
        parts.append(f"for the role of {job.role}, of which your posting says nothing")
    if wished := _wished(selector, drafts):
        parts.append(f"on {wished}")
    elif named := listed(list(dict.fromkeys(draft.evidence.wording for draft in drafts if draft.evidence))[:4]):
        parts.append(f"chosen for what your posting names ({named})")
    elif job.field and any(job.field in draft.question.fields for draft in drafts):
        parts.append(f"chosen for work in {job.field}")
    general = sum(draft.requirement is None for draft in drafts)
    if job.left_out:
        parts.append(f"without {listed(list(dict.fromkeys(topic.wording for topic in job.left_out)))}")
    if order.posting and not job.role and 0 < general < len(drafts):
        parts.append(f"{general} of them usual rather than named there")
    if order.posting and not job.role and general == len(drafts):
        parts.append("none of them tied to a line of your posting")
    principle = PRINCIPLES.get(order.technique, USUAL).said
    return f"{', '.join(parts)}: {principle}.{_unmet(selector, drafts)}{_shortfall(order, job, drafts)}"


def _minutes(order: Order, drafts: Sequence[Draft]) -> str:
    """How the set fits a time limit, where there is one."""
    limit = next((n for text in (order.request, *reversed(order.wishes)) if (n := minutes_in(text)) is not None), None)
    if limit is None or not drafts:
        return ""
    kept = sum(int(q.get("time_minutes") or 0) for q in order.current) if order.kind is Kind.ADD else 0
    total = kept + sum(draft.question.time_minutes for draft in drafts)
    if total <= limit:
        return f"Together {total} of your {limit} minutes."
    return f'They take {total} minutes: the bank has nothing short enough for {limit}. Say "drop" with a number.'


def _the_rest(workshop: Workshop, order: Order) -> str:
    """Where the message wants questions of further types: that they follow."""
    others = [
        part for part in parts_in(order.request, workshop.bank.by_type) if part.interview_type != order.interview_type
    ]
    if not others or len(parts_in(order.request, workshop.bank.by_type)) < 2:
        return ""
    named = listed([f"{part.count} {part.interview_type.replace('_', ' ')}" for part in others])
    return f'The {named} ones come from another coach: say "go on".'


def _listener(order: Order) -> str:
    """Questions to the employer fit one listener."""
    if order.interview_type != REVERSE or order.kind is not Kind.NEW:
        return ""
    return "Whom will you meet: the recruiter, the manager, a colleague or an executive? Then I can choose for them."


def _level_words(job: Job) -> str:
    source = {"posting": ", as the posting suggests", "assumed": ", assumed because none was named"}.get(
        job.level_source, ""
    )
    return f"at {job.level} level{source}"


def _topics(selector: Selector, drafts: Sequence[Draft], *, is_met: bool) -> str:
    """The topics asked for that some question of the set is about, or those that none is."""
    found = [
        topic.wording
        for topic in selector.job.topics
        if any(selector.is_about(draft.question, topic) for draft in drafts) is is_met
    ]
    return listed(list(dict.fromkeys(found))[:4])


def _wished(selector: Selector, drafts: Sequence[Draft]) -> str:
    """The topics asked for, and how many of the questions are about them where not all are."""
    named = _topics(selector, drafts, is_met=True)
    count = sum(draft.is_wished for draft in drafts)
    return named if not named or count == len(drafts) else f"{named} in {counted(count)}"


def _unmet(selector: Selector, drafts: Sequence[Draft]) -> str:
    """That the bank has nothing, or no more, on what was asked for; in front the space that parts it."""
    job = selector.job
    # "A backend interview" names the candidate's craft, which is no topic the bank could lack.
    if all(topic.wording.lower() in CRAFTS for topic in job.topics):
        return ""
    if unmet := _topics(selector, drafts, is_met=False):
        return f" The bank has nothing unseen about {unmet} at {job.level} level."
    if not all(draft.is_wished for draft in drafts):
        return f" The bank has no more about that at {job.level} level; the others fit the job."
    return ""


def _alike(selector: Selector, drafts: Sequence[Draft]) -> str:
    """Whether the further questions resemble the one that they were to resemble."""
    model = selector.model
    if model is None or not drafts:
        return ""
    count = sum(selector.is_like_model(draft.question) for draft in drafts)
    if count == len(drafts):
        return f"Like question {model.position}: on {model.category.replace('_', ' ')}, or with the same skills."
    said = "nothing more" if count == 0 else f"only {count} more"
    return f"The bank has {said} like question {model.position} at {selector.job.level} level; the rest fits the job."


def _shortfall(order: Order, job: Job, drafts: Sequence[Draft]) -> str:
    if len(drafts) < order.question_count:
        return f" The bank has no more than {counted(len(drafts))} left for this."
    used = {draft.question.level for draft in drafts} - {job.level}
    if used:
        others = listed([str(level) for level in ExperienceLevel if level in used])
        return f" Unseen {job.level} questions that fit ran out, so the set is filled up from the {others} ones."
    if (change := change_in(order.request)) in {Change.HARDER, Change.EASIER}:
        return f" The {change} ones were taken first."
    return ""


def _told(replacements: Sequence[Replacement]) -> str:
    """What changed: "Question 3 is harder now: one more constraint." Positions with the same change share one."""
    positions: dict[str, list[str]] = {}
    for replacement in replacements:
        positions.setdefault(replacement.change, []).append(str(replacement.position))
    sentences = [
        f"{sentence(numbered(map(int, where)))} {'are' if len(where) > 1 else 'is'} {change}."
        for change, where in positions.items()
    ]
    return " ".join(sentences) or "The bank has no other question left for this."
