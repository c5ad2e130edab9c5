"""A technique's output as a model would write it: one JSON object in the contract's order of keys."""

import json
import re
from collections.abc import Sequence
from typing import Any

from app.providers.offline.advice import recommendations
from app.providers.offline.bank import Level
from app.providers.offline.job import Job, Workshop
from app.providers.offline.order import Order
from app.providers.offline.persona import coloured
from app.providers.offline.revision import Replacement, Reviser
from app.providers.offline.routing import REVERSE
from app.providers.offline.selection import Draft, Selector
from app.providers.offline.wishes import Change, change_in

DISCLOSURE = "No language model was used: these questions come from Greenroom's built-in bank."
ROLE_BASED, CHAIN_OF_THOUGHT = "role_based", "chain_of_thought"

_NAMED_INTERVIEWER = re.compile(r"((?:[\w-]+ ){1,2})interviewer", re.IGNORECASE)


def compose(workshop: Workshop, order: Order) -> str:
    """The output of one technique call, as JSON text."""
    job = workshop.job(order)
    selector = Selector(workshop, order, job)
    if order.positions:
        replacements = Reviser(selector, order).replacements()
        drafts = [replacement.draft for replacement in replacements]
        choice = _told(replacements)
    else:
        drafts = selector.new_set()
        choice = _choice(order, job, drafts, is_borrowed=selector.is_borrowed)
    document: dict[str, Any] = {"summary": f"{DISCLOSURE} {choice}".strip(), "experience_level": job.level}
    if order.technique == CHAIN_OF_THOUGHT:
        document["coverage_plan"] = [_planned(draft) for draft in drafts]
    document["questions"] = [_question(draft, order) for draft in drafts]
    document["recommendations"] = recommendations(order, job, drafts)
    return json.dumps(document, ensure_ascii=False)


def _question(draft: Draft, order: Order) -> dict[str, Any]:
    question = draft.question
    follow_ups = draft.follow_ups or question.follow_ups
    follow_ups = coloured(follow_ups, _interviewer(order), is_reverse=order.interview_type == REVERSE)
    item: dict[str, Any] = {
        "text": draft.text or question.text,
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


def _choice(order: Order, job: Job, drafts: Sequence[Draft], *, is_borrowed: bool) -> str:
    """One sentence on why these questions."""
    kind = order.interview_type.replace("_", " ")
    level = _level_words(job)
    if is_borrowed:
        return (
            f"There is no bank for {kind} yet, so these are the general questions of other types that "
            f"fit best, {level}."
        )
    parts = [f"{len(drafts)} {kind} question{'' if len(drafts) == 1 else 's'}, {level}"]
    if wished := _wished(job, drafts):
        parts.append(f"on {wished}")
    elif named := _listed(list(dict.fromkeys(draft.evidence.wording for draft in drafts if draft.evidence))[:4]):
        parts.append(f"chosen for what your posting names ({named})")
    elif job.field and any(job.field in draft.question.fields for draft in drafts):
        parts.append(f"chosen for work in {job.field}")
    general = sum(draft.requirement is None for draft in drafts)
    if order.posting and 0 < general < len(drafts):
        parts.append(f"{general} of them usual rather than named there")
    if order.posting and general == len(drafts):
        parts.append("none of them tied to a line of your posting")
    sentence = ", ".join(parts) + "."
    return sentence + _shortfall(order, job, drafts)


def _level_words(job: Job) -> str:
    source = {"posting": ", as the posting suggests", "assumed": ", assumed because none was named"}.get(
        job.level_source, ""
    )
    return f"at {job.level} level{source}"


def _wished(job: Job, drafts: Sequence[Draft]) -> str:
    met = [topic.wording for topic in job.topics if any(topic.covers(draft.question) for draft in drafts)]
    return _listed(list(dict.fromkeys(met))[:4])


def _shortfall(order: Order, job: Job, drafts: Sequence[Draft]) -> str:
    if len(drafts) < order.question_count:
        return f" The bank has no more than these {len(drafts)} left."
    used = {draft.question.level for draft in drafts} - {job.level}
    if used:
        others = _listed([str(level) for level in Level if level in used])
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
        f"Question{'s' if len(where) > 1 else ''} {_listed(where)} {'are' if len(where) > 1 else 'is'} {change}."
        for change, where in positions.items()
    ]
    return " ".join(sentences) or "The bank has no other question left for this."


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if words[:-1] else "") + "".join(words[-1:])
