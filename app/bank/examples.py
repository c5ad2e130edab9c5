"""Worked examples for prompts: complete items of the bank, the same ones for the same type and level every time."""

import json
from collections.abc import Sequence
from typing import Any

from app.bank.questions import BankQuestion, ExperienceLevel

EXAMPLES_AT_LEVEL = 2


def worked_examples(questions: Sequence[BankQuestion], level: ExperienceLevel) -> str:
    """Two questions of the level from different fields, and one of a neighbouring level on the topic of the first.

    A fixed choice keeps the prompt's beginning the same from call to call, so that providers cache it. Each example
    belongs to another, invented posting, whose requirement is made of the skills it names. Empty where the bank has
    nothing at this level.
    """
    own = [question for question in questions if question.level is level]
    chosen: list[BankQuestion] = []
    for question in sorted(own, key=_richness):
        fields = {field for other in chosen for field in other.fields}
        categories = {other.category for other in chosen}
        if not fields.intersection(question.fields) and question.category not in categories:
            chosen.append(question)
        if len(chosen) == EXAMPLES_AT_LEVEL:
            break
    if chosen:
        neighbours = [question for question in questions if question.level.distance(level) == 1]
        chosen += sorted(neighbours, key=lambda question: (_distance(question, chosen[0]), question.id))[:1]
    return "\n".join(json.dumps(_example(question), ensure_ascii=False) for question in chosen)


def _richness(question: BankQuestion) -> tuple[bool, int, str]:
    """First those that belong to a field, and of these the ones with the most to learn from."""
    return (not question.fields, -len(question.level_signal), question.id)


def _distance(question: BankQuestion, other: BankQuestion) -> tuple[bool, bool, bool]:
    """How far from the same topic; False sorts first."""
    return (
        question.category != other.category,
        not set(question.skills).intersection(other.skills),
        not set(question.fields).intersection(other.fields),
    )


def _example(question: BankQuestion) -> dict[str, Any]:
    """In the form of the output contract, with its level in front."""
    skills = question.skills[:2]
    example = {
        "experience_level": question.level,
        "text": question.text,
        "difficulty": question.difficulty,
        "category": question.category,
        "time_minutes": question.time_minutes,
        "requirement": f"Experience with {' and '.join(skills)}" if skills else None,
        "level_signal": question.level_signal,
        "evaluation_criteria": question.evaluation_criteria,
        "follow_ups": question.follow_ups,
        "hints": question.hints,
        "sample_framework": question.sample_framework,
    }
    return example | ({"case": question.case.model_dump(mode="json")} if question.case else {})
