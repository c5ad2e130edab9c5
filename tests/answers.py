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


TOPICS = (
    "keep a booking from being stored twice",
    "find out why a query became slow overnight",
    "roll back a release that half the region runs",
    "split a table that two teams write",
    "warn the forwarders before a quota is used up",
    "show that a cache never serves an old price",
    "move the reports off the primary database",
    "answer a customer whose shipment vanished",
    "choose what to log when money is involved",
    "plan the first week of a junior colleague",
    "measure whether the new pricing page helps",
    "shut down a service that nobody admits to using",
    "import nine years of invoices over a weekend",
    "handle a supplier that sends duplicate files",
    "test code that depends on the time of day",
    "decide between a queue and a nightly batch",
    "keep secrets out of a shared repository",
    "make an alert wake the right person",
    "explain an outage to people who lost money",
    "limit what one noisy tenant can consume",
    "agree on a contract with a mobile team abroad",
    "trace one request through seven services",
    "choose indexes for a table that mostly grows",
    "refuse a feature that sales has promised",
    "rehearse a restore nobody has ever tried",
    "bring a flaky suite back to green",
    "review a migration written by a newcomer",
    "keep clocks of three continents comparable",
    "estimate a rewrite without a specification",
    "pay back the oldest debt in the code base",
    "prove that deleted customers are really gone",
    "cut the cloud bill by a third",
    "survive the failure of a payment partner",
    "teach a support colleague to read traces",
    "divide one large ticket among four people",
    "validate addresses written in six alphabets",
    "draw the boundary of a new service",
    "notice that messages arrive out of order",
    "protect an endpoint that strangers hammer",
    "hand a half finished project to another team",
)


def question(number: int, **changes: Any) -> dict[str, Any]:
    """A complete question as a technique writes it."""
    return {
        "text": f"Question {number}: how would you {TOPICS[(number - 1) % len(TOPICS)]}?",
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
            "coverage_plan": [],
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
