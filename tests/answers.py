"""What a cooperative model would answer: the outputs of techniques, and the tool calls that lead to them."""

import json
from typing import Any

from tests.model_server import CallTools, Say, ToolCall

JOB_DESCRIPTION = """\
Senior Backend Engineer, Halden Freight (Rotterdam)

You will own the booking service that 300 freight forwarders call all day.
- Design and run Python services on Kubernetes
- Model shipments in PostgreSQL and keep slow queries out
- Keep `Map<String, List<Quote>>` caches honest: a < b && b < c must hold for every R&D price tier
- Mentor two junior engineers
"""


def question(number: int, **changes: Any) -> dict[str, Any]:
    """A complete question as a technique writes it."""
    return {
        "text": f"Question {number}: how would you keep a booking from being stored twice?",
        "difficulty": "medium",
        "category": "system_design",
        "time_minutes": 15,
        "requirement": "Model shipments in PostgreSQL",
        "level_signal": "Names the failure before the tool.",
        "evaluation_criteria": ["Names an idempotency key", "Compares two guarantees", "Tests the retry"],
        "follow_ups": ["How do you know?", "What changes with two regions?"],
        "hints": ["Think of the retry.", "Look at the constraint.", "Write the unique index."],
        "sample_framework": "Clarify ___, assume ___, solve ___, test ___, trade off ___.",
    } | changes


def technique_output(
    count: int, *, first: int = 1, summary: str = "Five questions for this job.", **changes: Any
) -> str:
    """The JSON of a technique with `count` questions, numbered from `first`."""
    return json.dumps(
        {
            "summary": summary,
            "questions": [question(number, **changes) for number in range(first, first + count)],
            "recommendations": ["Read the query plan of one slow query.", "Rehearse one incident."],
        }
    )


def says_questions(count: int, *, pieces: int = 40, delay: float = 0.0, **changes: Any) -> Say:
    """The step of a technique that answers well; `delay` is in seconds per piece."""
    return Say(technique_output(count, **changes), pieces=pieces, delay_seconds_per_piece=delay)


def hands_to(agent: str, **changes: Any) -> CallTools:
    """The step of an agent that hands over."""
    return CallTools((ToolCall(f"Handoff-transfer_to_{agent}"),), **changes)


def calls(function: str, **arguments: Any) -> CallTools:
    """The step of an agent that calls one function."""
    return CallTools((ToolCall(function, arguments),))
