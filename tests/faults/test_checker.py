"""The checker finds what it is there to find."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from tests.faults.checker import Evidence, Line, Reading, findings

TURN = uuid4()
LOG = [
    Line(1, "turn.started", {"turn_id": str(TURN)}),
    Line(2, "text.delta", {"text": "Half"}),
    Line(3, "turn.restarted", {"reason": "server_lost"}),
    Line(4, "text.delta", {"text": "Who"}),
    Line(5, "text.delta", {"text": "le."}),
    Line(6, "turn.completed", {"reply": "Whole.", "question_set": None}),
]


def evidence(**changes: Any) -> Evidence:
    """Of a turn that was taken over once and went well."""
    whole = Evidence(
        turns=[{"id": TURN, "status": "completed", "losses": 1, "attempt": 2}],
        log=LOG,
        messages=[("user", "hello"), ("assistant", "Whole.")],
        calls=[{"agent": "technical", "ended_at": 1}, {"agent": "technical", "ended_at": 2}],
        sets=[],
        readings=[Reading(LOG), Reading(LOG[2:], after=2)],
        message="hello",
        reply="Whole.",
        requests=2,
        accepted=[str(TURN)],
    )
    return replace(whole, **changes)


def test_nothing_is_found_where_all_is_well() -> None:
    assert findings(evidence()) == []
    assert findings(evidence(requests=1)) == [], "the dead worker had not reached the provider yet"


FAILED = Line(6, "turn.failed", {"code": "internal_error"})
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no turn": ({"turns": []}, "lost"),
    "two turns": ({"turns": evidence().turns * 2}, "doubled"),
    "another turn in an answer": ({"accepted": [str(TURN), str(uuid4())]}, "doubled"),
    "a gap in the log": ({"log": [*LOG[:3], *LOG[4:]], "readings": []}, "disordered"),
    "lines of the log in another order": ({"log": [LOG[1], LOG[0], *LOG[2:]], "readings": []}, "disordered"),
    "no end": ({"log": LOG[:-1], "readings": []}, "lost"),
    "two ends": ({"log": [*LOG, Line(7, "turn.completed", LOG[-1].data)], "readings": []}, "doubled"),
    "an end that is not the last": ({"log": [*LOG, Line(7, "text.delta", {"text": ""})], "readings": []}, "lost"),
    "an end that the turn knows nothing of": ({"turns": [evidence().turns[0] | {"status": "cancelled"}]}, "wrong"),
    "a failure": (
        {"log": [*LOG[:-1], FAILED], "turns": [evidence().turns[0] | {"status": "failed"}], "readings": []},
        "lost",
    ),
    "a reader who missed a line": ({"readings": [Reading([*LOG[:1], *LOG[2:]])]}, "lost"),
    "a reader who missed the end": ({"readings": [Reading(LOG[:-1])]}, "lost"),
    "a reader who got a line twice": ({"readings": [Reading([*LOG[:2], *LOG[1:]])]}, "doubled"),
    "a reader who got lines in another order": ({"readings": [Reading([LOG[0], LOG[2], LOG[1], *LOG[3:]])]}, "disord"),
    "a reader who got another text": ({"readings": [Reading([LOG[0], replace(LOG[1], data={}), *LOG[2:]])]}, "wrong"),
    "a reader who got what they had": ({"readings": [Reading(LOG, after=2)]}, "wrong"),
    "no message of the candidate": ({"messages": [("assistant", "Whole.")]}, "lost"),
    "a message twice": ({"messages": [("user", "hello"), *evidence().messages]}, "doubled"),
    "no answer": ({"messages": [("user", "hello")]}, "lost"),
    "half an answer": ({"reply": "Whole. And more."}, "wrong"),
    "a question set that is too many": ({"sets": [("an id", 1)]}, "doubled"),
    "a call that never ends": ({"calls": [evidence().calls[0], {"agent": "a", "ended_at": None}]}, "lost"),
    "a call that nobody booked": ({"requests": 3}, "lost"),
    "a call booked twice": ({"calls": evidence().calls * 2}, "doubled"),
}


@pytest.mark.parametrize(("changes", "finding"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_found(changes: dict[str, Any], finding: str) -> None:
    found = findings(evidence(**changes))
    assert found
    assert any(text.startswith(finding) for text in found), found
