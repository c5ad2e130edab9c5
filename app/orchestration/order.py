"""What a call of a technique is to produce: the model's choices, the request and the conversation, combined by code."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.bank.questions import ExperienceLevel
from app.core.fences import fence
from app.core.tokens import cut_to_tokens, estimated_tokens
from app.orchestration.catalog import Technique
from app.orchestration.contract import OUTPUT_CONTRACT, level_reminder, template_value
from app.orchestration.mending import storable
from app.orchestration.questions import MAX_QUESTIONS, Question, QuestionSet, level_of
from app.orchestration.turn import TurnState, TurnTask

SEEN_QUESTIONS = 60
"""Of the newest questions, shown to the technique; code compares with many more."""

LEAST_DATA_TOKENS = 2_000
"""What is left for data where a model's window is too small for rules and data."""

WISH_CHARACTERS, MAX_WISHES = 200, 10
FOCUS_CHARACTERS = 500

_POSITIONS = re.compile(r"(?<![\d-])(\d{1,3})(?!\d)(?:\s*(?:[-\u2013]|to)\s*(\d{1,3})(?!\d))?")


class Change(StrEnum):
    """What a call of a technique does to the set of its type."""

    NEW = "new"
    ADD = "add"
    REPLACE = "replace"
    REWORD = "reword"


@dataclass(frozen=True)
class TechniqueOrder:
    """What this call of a technique is to produce."""

    interview_type: str
    technique: Technique
    experience_level: ExperienceLevel | None
    stated_level: ExperienceLevel | None
    """The level, if it is the candidate who just named it."""
    question_count: int
    """How many questions this call is to bring."""
    change: Change
    positions: tuple[int, ...]
    """The positions of `base` that change; empty for a new set and for further questions."""
    base: QuestionSet | None
    """The set that is revised, or None for the first of its type."""
    focus: str
    wishes: tuple[str, ...] = ()
    """The candidate's lasting wishes, that of this turn included."""
    examples: str = ""
    """Items of the question bank for techniques that show some, as JSON."""

    @property
    def changing(self) -> tuple[Question, ...]:
        """The questions of the base that this call replaces or rewords."""
        return tuple(q for q in self.base.questions if q.position in self.positions) if self.base else ()

    @property
    def staying(self) -> tuple[Question, ...]:
        """The questions of the base that stay as they are."""
        if self.base is None or self.change is Change.NEW:
            return ()
        return tuple(q for q in self.base.questions if q.position not in self.positions)

    def arguments(self, task: TurnTask) -> dict[str, str]:
        """The template's variables. What people wrote stands between fences; Semantic Kernel encodes it."""
        return {
            "output_contract": OUTPUT_CONTRACT,
            "examples": template_value(self.examples),
            "question_count": str(self.question_count),
            "level_reminder": level_reminder(self.experience_level),
            **{name: template_value(fence(name, text, task.nonce)) for name, text in self._blocks(task).items()},
        }

    def _blocks(self, task: TurnTask) -> dict[str, str]:
        """The blocks of data, each within its share of the room that the request leaves."""
        request = f"{task.message}\n{self.focus}".strip()
        rules = self.technique.rules_tokens + estimated_tokens(self.examples)
        tokens = max(task.context_tokens - rules - estimated_tokens(request), LEAST_DATA_TOKENS)
        settings = {
            "interview_type": self.interview_type,
            "technique": self.technique.name,
            "experience_level": self.experience_level,
            "question_count": self.question_count,
            "change": self.change,
            "positions": list(self.positions),
            "wishes": list(self.wishes),
            "interviewer": dict(task.brief.interviewer) if task.brief.interviewer else None,
        }
        posting = task.brief.job_description or "None given. Assume a usual role of the kind named in the request."
        return {
            "settings": _json(settings),
            "seen_questions": _json(within(task.seen_questions[:SEEN_QUESTIONS], tokens // 8)),
            "current_questions": _json(set_in_view(self.base.questions, tokens // 4) if self.base else []),
            "resume": cut_to_tokens(task.brief.resume or "None given.", tokens // 5),
            "job_description": cut_to_tokens(posting, tokens * 2 // 5),
            "request": request,
        }


def plan_order(
    state: TurnState, interview_type: str, technique: Technique, choices: Mapping[str, Any]
) -> TechniqueOrder | str:
    """Combine what the model chose with what the request and the conversation say; code has the last word.

    Returns:
        The order, or a sentence for the model where its choice cannot be carried out.
    """
    task = state.task
    base = task.question_sets.get(interview_type)
    size = len(base.questions) if base else 0
    positions = positions_of(choices.get("positions"))
    change = _change(choices.get("change"), has_positions=bool(positions))
    if change in {Change.REPLACE, Change.REWORD}:
        positions = positions or tuple(range(1, size + 1))
        if not positions or positions[-1] > size:
            return no_such_position(interview_type, size)
    else:
        positions = ()
    if change is Change.ADD and size >= MAX_QUESTIONS:
        return f"A set holds at most {MAX_QUESTIONS} questions, and this one does. Offer to drop some, or a new set."
    stated = None if task.is_level_fixed else level_of(choices.get("stated_level"))
    level = stated or state.experience_level or (base.experience_level if base and change is not Change.NEW else None)
    wished = numbers_in(choices.get("count"))
    count = wished[0] if wished and not task.is_count_fixed else task.brief.question_count
    room = MAX_QUESTIONS - size if change is Change.ADD else MAX_QUESTIONS
    return TechniqueOrder(
        interview_type=interview_type,
        technique=technique,
        experience_level=level,
        stated_level=stated,
        question_count=len(positions) or min(count, room),
        change=change,
        positions=positions,
        base=base,
        focus=filled_in(choices.get("focus"))[:FOCUS_CHARACTERS],
        wishes=with_wish(task.brief.wishes, filled_in(choices.get("standing_wish"))),
        examples=technique.examples_at(level),
    )


def no_such_position(interview_type: str, size: int) -> str:
    """What to tell a model that named a question which is not there."""
    return f"Questions in the current {interview_type} set: {size}. Tell the candidate, and ask which one is meant."


def positions_of(value: Any) -> tuple[int, ...]:
    """The positions in what a model wrote, in order and each once."""
    return tuple(sorted(set(numbers_in(value))))


def numbers_in(value: Any) -> list[int]:
    """`"1,4"`, `[1, 4]`, `4`, `"Q4"`, `"2-4"` and `"4-2"` are all read, as they come; zero is no position."""
    numbers: list[int] = []
    for start, end in _POSITIONS.findall(str(value or "")):
        first, last = int(start), int(end or start)
        numbers.extend(range(first, last + 1) if first <= last else range(first, last - 1, -1))
    return [number for number in numbers if number > 0]


def filled_in(value: Any) -> str:
    """The text of an argument as it can be stored; empty where a model wrote a word for nothing."""
    text = storable(str(value or "")).strip()
    return "" if text.lower() in {"none", "null", "n/a", "empty"} else text


def with_wish(wishes: tuple[str, ...], wish: str) -> tuple[str, ...]:
    """The lasting wishes with one more, newest last; the oldest goes when there are too many."""
    wish = " ".join(wish.split())[:WISH_CHARACTERS]
    if not wish:
        return wishes
    others = tuple(known for known in wishes if known.casefold() != wish.casefold())
    return (*others, wish)[-MAX_WISHES:]


def set_in_view(questions: tuple[Question, ...], tokens: int) -> list[dict[str, Any]]:
    """The questions as a model sees them: whole, or where they would take too much room, what tells them apart."""
    whole = [question.model_dump(mode="json", exclude={"id"}, exclude_none=True) for question in questions]
    if estimated_tokens(_json(whole)) <= tokens:
        return whole
    names = {"position", "text", "category", "difficulty", "requirement"}
    short = [question.model_dump(mode="json", include=names, exclude_none=True) for question in questions]
    if estimated_tokens(_json(short)) <= tokens:
        return short
    share = max(tokens // len(questions) - 10, 10)
    return [{"position": question.position, "text": cut_to_tokens(question.text, share)} for question in questions]


def _change(value: Any, *, has_positions: bool) -> Change:
    word = str(value or "").strip().lower()
    if word in set(Change) and not (word == Change.NEW and has_positions):
        return Change(word)
    return Change.REPLACE if has_positions else Change.NEW


def within(texts: tuple[str, ...], tokens: int) -> list[str]:
    """As many of the texts, from the first, as fit."""
    kept: list[str] = []
    for text in texts:
        tokens -= estimated_tokens(text) + 1
        if tokens < 0:
            break
        kept.append(text)
    return kept


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
