"""From a technique call to a question set: what is asked of the technique, and what becomes of its output."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from app.core.errors import ProviderError
from app.core.fences import fence
from app.orchestration.catalog import Technique
from app.orchestration.events import QuestionReady
from app.orchestration.questions import (
    MAX_QUESTIONS,
    ExperienceLevel,
    Question,
    QuestionContent,
    QuestionReader,
    QuestionSet,
    TechniqueOutput,
    verbatim,
)
from app.orchestration.turn import TurnState, TurnTask

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

OUTPUT_CONTRACT = """\
Answer with one JSON object and nothing else: no prose before or after it, no code fence. Keys in this order:
{"summary": "one or two sentences to the candidate: what this set is and why these questions",
 "experience_level": "junior | mid | senior | lead: the level these questions are written for",
 "questions": [{
   "text": "the question: one ask, open, at most 45 words",
   "difficulty": "easy | medium | hard, for the level asked",
   "category": "snake_case topic",
   "time_minutes": 5,
   "requirement": "the fragment of the job description this tests, copied verbatim, or null for a general question",
   "level_signal": "what an answer from one level below lacks, and what one from above adds",
   "evaluation_criteria": ["three to five things one can observe in the answer, each opening with a verb"],
   "follow_ups": ["two or three: one for evidence, one that changes a constraint, one for reflection"],
   "hints": ["a nudge", "where to look", "the first step; never the conclusion"],
   "sample_framework": "an outline with blanks (___) to fill; never a finished answer",
   "case": {"scenario": "...", "data": ["..."], "expected_approach": ["..."]}
 }],
 "recommendations": ["three to five steps of preparation, specific to this job and level"]}
"case" belongs to case studies only; leave the key out otherwise. Keys stay English, and so do the values of difficulty
and experience_level."""

LEVEL_LADDER: Mapping[ExperienceLevel, str] = {
    ExperienceLevel.JUNIOR: "own task, stated constraints, knows when and whom to ask",
    ExperienceLevel.MID: "own feature, partial specification, chooses among known options",
    ExperienceLevel.SENIOR: "whole system, conflicting constraints, prevents failure, carries peers",
    ExperienceLevel.LEAD: "several teams, sets direction, decides on incomplete facts, answers for people and cost",
}


@dataclass(frozen=True)
class TechniqueOrder:
    """What this call of a technique is to produce."""

    interview_type: str
    technique: Technique
    experience_level: ExperienceLevel | None
    question_count: int
    positions: tuple[int, ...]
    """The positions of `base` to replace; empty when the whole set is new."""
    base: QuestionSet | None
    """The set that is revised, or None for the first of its type."""
    focus: str

    def arguments(self, task: TurnTask) -> dict[str, str]:
        """The template's variables. What people wrote stands between fences; Semantic Kernel encodes it."""
        settings = {
            "interview_type": self.interview_type,
            "technique": self.technique.name,
            "experience_level": self.experience_level,
            "question_count": self.question_count,
            "replace_positions": list(self.positions),
            "interviewer": dict(task.brief.interviewer) if task.brief.interviewer else None,
        }
        current = (
            [question.model_dump(mode="json", exclude={"id"}) for question in self.base.questions] if self.base else []
        )
        blocks = {
            "settings": _json(settings),
            "seen_questions": _json(task.seen_questions),
            "current_questions": _json(current),
            "request": f"{task.message}\n{self.focus}".strip(),
            "job_description": task.brief.job_description
            or "None given. Assume a usual role of the kind named in the request.",
        }
        return {
            "output_contract": OUTPUT_CONTRACT,
            "question_count": str(self.question_count),
            "level_reminder": level_reminder(self.experience_level),
            **{name: template_value(fence(name, text, task.nonce)) for name, text in blocks.items()},
        }


def template_value(text: str) -> str:
    """Return a value that arrives at the model as it stands, whatever is in it.

    Semantic Kernel encodes a value once and decodes it twice, so that `&lt;` would arrive as `<`. It reads the rendered
    prompt as XML, and where that fails (a form feed from a PDF is enough) sends rules and data as one user message.
    """
    return _NOT_XML.sub(" ", text).replace("&", "&amp;")


def level_reminder(level: ExperienceLevel | None) -> str:
    """The chosen level's row of the ladder, repeated after the data so that a long posting does not blur it."""
    if level is None:
        return "Level: not stated. Take it from the job description, else assume mid, and say so in the summary."
    return f"Level: {level}: {LEVEL_LADDER[level]}."


def plan_order(
    state: TurnState, interview_type: str, technique: Technique, choices: Mapping[str, Any]
) -> TechniqueOrder | str:
    """Combine what the model chose with what the request and the conversation say; code has the last word.

    Returns:
        The order, or a sentence for the model where its choice cannot be carried out.
    """
    task = state.task
    base = task.question_sets.get(interview_type)
    positions = tuple(sorted(set(_numbers(choices.get("replace_positions")))))
    if positions and (base is None or positions[-1] > len(base.questions)):
        count = len(base.questions) if base else 0
        return (
            f"Questions in the current {interview_type} set: {count}. Tell the candidate, and ask which one is meant."
        )
    level = state.experience_level
    stated = str(choices.get("stated_level") or "").strip().lower()
    if stated in set(ExperienceLevel) and not task.is_level_fixed:
        level = ExperienceLevel(stated)
    wished = _numbers(choices.get("count"))
    count = wished[0] if wished and not task.is_count_fixed else task.brief.question_count
    return TechniqueOrder(
        interview_type=interview_type,
        technique=technique,
        experience_level=level,
        question_count=len(positions) or min(count, MAX_QUESTIONS),
        positions=positions,
        base=base,
        focus=str(choices.get("focus") or "").strip(),
    )


class Delivery:
    """Takes a technique's text as it streams; questions and reply go out at once, the set is made at the end."""

    def __init__(self, order: TechniqueOrder, state: TurnState) -> None:
        self._order = order
        self._state = state
        self._reader = QuestionReader()
        self._questions: list[Question] = []
        self._has_summary = False

    def feed(self, piece: str) -> None:
        """The next piece of the technique's text."""
        for content in self._reader.feed(piece):
            self._deliver(content)

    def finish(self) -> QuestionSet:
        """The technique has ended.

        Raises:
            ProviderError: nothing in its text could be read as a question.
        """
        output = self._reader.finish()
        for content in output.late_questions:
            self._deliver(content)
        if not self._questions:
            raise ProviderError("The model's answer could not be read as questions. Your message is kept: try again.")
        missing = self._order.question_count - len(self._questions)
        if missing > 0:
            self._state.say(f"Only {len(self._questions)} of {self._order.question_count} questions came back.\n\n")
        self._say_recommendations(output.recommendations)
        return self._question_set(output)

    def _deliver(self, content: QuestionContent) -> None:
        index = len(self._questions)
        if index >= self._order.question_count:
            return
        if not self._has_summary:
            self._has_summary = True
            self._state.say(f"{self._reader.summary}\n\n" if self._reader.summary else "")
        fields = content.model_dump()
        fields["requirement"] = verbatim(content.requirement, self._state.task.brief.job_description)
        position = self._order.positions[index] if self._order.positions else index + 1
        question = Question(id=uuid4(), position=position, **fields)
        self._questions.append(question)
        self._state.emit(QuestionReady(question))
        self._state.say(question_markdown(question))

    def _say_recommendations(self, recommendations: tuple[str, ...]) -> None:
        if recommendations and not self._order.positions:
            lines = "\n".join(f"- {item}" for item in recommendations)
            self._state.say(f"**To prepare**\n\n{lines}\n")

    def _question_set(self, output: TechniqueOutput) -> QuestionSet:
        order, base = self._order, self._order.base
        recommendations, level = output.recommendations, order.experience_level or output.experience_level
        if base is not None and order.positions:
            replaced = {question.position: question for question in self._questions}
            questions = tuple(replaced.get(question.position, question) for question in base.questions)
            recommendations, level = base.recommendations, order.experience_level or base.experience_level
        else:
            questions = tuple(self._questions)
        return QuestionSet(
            id=base.id if base else uuid4(),
            revision=base.revision + 1 if base else 1,
            interview_type=order.interview_type,
            technique=order.technique.name,
            experience_level=level,
            questions=questions,
            recommendations=recommendations,
        )


def question_markdown(question: Question) -> str:
    """The question as the reply shows it."""
    case = question.case
    given = [case.scenario, *(f"- {item}" for item in case.data)] if case else []
    scenario = "".join(f"> {line}\n" for line in given if line)
    setting = f"{scenario}\n" if scenario else ""
    about = f"{question.difficulty} · {question.category.replace('_', ' ')} · {question.time_minutes} min"
    return f"**{question.position}.** {question.text}\n\n{setting}*{about}*\n\n"


def _numbers(value: Any) -> list[int]:
    """`"1,4"`, `[1, 4]`, `4`, `"Q4"` and `"2-4"` are all read; zero is no position."""
    numbers: list[int] = []
    for first, last in re.findall(r"(\d{1,3})(?:\s*[-\u2013]\s*(\d{1,3}))?", str(value or "")):
        numbers.extend(range(int(first), int(last or first) + 1))
    return [number for number in numbers if number > 0]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
