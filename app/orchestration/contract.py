"""What every technique is asked for: the output contract in words and as a JSON schema, and the levels."""

import re
from collections.abc import Mapping
from typing import Any

from app.bank.questions import Difficulty, ExperienceLevel

OUTPUT_CONTRACT = """\
Answer with one JSON object and nothing else: no prose before or after it, no code fence. Keys in this order:
{"coverage_plan": [{"requirement": "...", "competency": "...", "level_signal": "...", "minutes": 5}],
 "summary": "one or two sentences to the candidate: what this set is and why these questions",
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
"coverage_plan" is [] unless the procedure below asks for it, and then one short row of data per question. "case"
belongs to case studies only and is null otherwise. Keys stay English, and so do the values of difficulty and
experience_level. Of two wishes in the settings that contradict each other, the later one holds."""


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    """An object as strict schemas want it: every key required, no other one allowed."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _list(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


_TEXT, _OPTIONAL_TEXT, _NUMBER = {"type": "string"}, {"type": ["string", "null"]}, {"type": "integer"}
_CASE = _object({"scenario": _TEXT, "data": _list(_TEXT), "expected_approach": _list(_TEXT)})
_PLAN = _object({"requirement": _OPTIONAL_TEXT, "competency": _TEXT, "level_signal": _TEXT, "minutes": _NUMBER})
_QUESTION = _object(
    {
        "text": _TEXT,
        "difficulty": {"type": "string", "enum": [str(difficulty) for difficulty in Difficulty]},
        "category": _TEXT,
        "time_minutes": _NUMBER,
        "requirement": _OPTIONAL_TEXT,
        "level_signal": _TEXT,
        "evaluation_criteria": _list(_TEXT),
        "follow_ups": _list(_TEXT),
        "hints": _list(_TEXT),
        "sample_framework": _TEXT,
        "case": {"anyOf": [_CASE, {"type": "null"}]},
    }
)
OUTPUT_SCHEMA: Mapping[str, Any] = _object(
    {
        "coverage_plan": _list(_PLAN),
        "summary": _TEXT,
        "experience_level": {"type": "string", "enum": [str(level) for level in ExperienceLevel]},
        "questions": _list(_QUESTION),
        "recommendations": _list(_TEXT),
    }
)
"""The contract as a strict JSON schema, for providers that hold a model to one. The same for every technique and count,
so that it belongs to the part of a prompt that providers cache."""

LEVEL_LADDER: Mapping[ExperienceLevel, str] = {
    ExperienceLevel.JUNIOR: "own task, stated constraints, knows when and whom to ask",
    ExperienceLevel.MID: "own feature, partial specification, chooses among known options",
    ExperienceLevel.SENIOR: "whole system, conflicting constraints, prevents failure, carries peers",
    ExperienceLevel.LEAD: "several teams, sets direction, decides on incomplete facts, answers for people and cost",
}

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def level_reminder(level: ExperienceLevel | None) -> str:
    """The chosen level's row of the ladder, repeated after the data so that a long posting does not blur it."""
    if level is None:
        return "Level: not stated. Take it from the job description, else assume mid, and say so in the summary."
    return f"Level: {level}: {LEVEL_LADDER[level]}."


def template_value(text: str) -> str:
    """Return a value that arrives at the model as it stands, whatever is in it.

    Semantic Kernel encodes a value once and decodes it twice, so that `&lt;` would arrive as `<`. It reads the rendered
    prompt as XML, and where that fails (a form feed from a PDF is enough) sends rules and data as one user message.
    """
    return _NOT_XML.sub(" ", text).replace("&", "&amp;")
