"""What became of a turn, by the database's tables and the bytes its readers got; nothing here is the service's code.

Every finding begins with what it is: `lost`, `doubled`, `disordered` or `wrong`.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

ENDS = {"turn.completed": "completed", "turn.failed": "failed", "turn.cancelled": "cancelled"}
MAX_LOSSES = 5
"""Workers that may die with a turn before it is given up."""


@dataclass(frozen=True)
class Line:
    """One line of a turn's log, as the table holds it or as a reader got it."""

    seq: int
    kind: str
    data: Any


@dataclass
class Reading:
    """What one reader got over all its connections, which asked for what follows line `after`."""

    lines: list[Line] = field(default_factory=list)
    after: int = 0


@dataclass
class Evidence:
    """All that is known of a turn when it is over."""

    turns: list[dict[str, Any]]
    """Rows of `turn` with its idempotency key."""
    log: list[Line]
    messages: list[tuple[str, str]]
    """Role and text, oldest first."""
    calls: list[dict[str, Any]]
    """Rows of `model_call`."""
    sets: list[tuple[str, int]]
    """Id and revision of each question set."""
    readings: list[Reading]
    message: str
    reply: str | None
    """What the model says in the end; None where it hands questions over."""
    requests: int
    """Model calls that reached the provider."""
    accepted: list[str] = field(default_factory=list)
    """Ids of the turn in the answers to those who sent the message."""
    may_be_cancelled: bool = False


def findings(evidence: Evidence) -> list[str]:
    """Everything that is not as it should be; empty when nothing was lost, doubled or out of order."""
    if len(evidence.turns) != 1:
        return [f"{'lost' if not evidence.turns else 'doubled'}: {len(evidence.turns)} turns for one key"]
    (turn,) = evidence.turns
    found = [f"doubled: also answered with turn {other}" for other in set(evidence.accepted) - {str(turn["id"])}]
    found += _of_the_log(evidence.log, turn, evidence)
    if not evidence.log or evidence.log[-1].kind not in ENDS:
        return found
    for number, reading in enumerate(evidence.readings):
        found += [f"{finding} (reader {number})" for finding in _of_a_reading(reading, evidence.log)]
    return found + _of_what_is_kept(evidence, turn) + _of_the_ledger(evidence, turn)


def _of_the_log(log: Sequence[Line], turn: dict[str, Any], evidence: Evidence) -> list[str]:
    found = [] if [line.seq for line in log] == list(range(1, len(log) + 1)) else ["disordered: the log has gaps"]
    ends = [line.kind for line in log if line.kind in ENDS]
    if len(ends) != 1 or log[-1].kind not in ENDS:
        return [*found, f"{'doubled' if len(ends) > 1 else 'lost'}: the log has the ends {ends}"]
    if ENDS[ends[0]] != turn["status"]:
        found.append(f"wrong: the log says {ends[0]}, the turn {turn['status']}")
    if turn["status"] == "failed" and turn["losses"] < MAX_LOSSES:
        found.append(f"lost: the turn failed with {log[-1].data.get('code')} after {turn['losses']} losses")
    if turn["status"] == "cancelled" and not evidence.may_be_cancelled:
        found.append("wrong: nobody cancelled the turn")
    return found


def _of_a_reading(reading: Reading, log: Sequence[Line]) -> list[str]:
    expected = [line for line in log if line.seq > reading.after]
    if reading.lines == expected:
        return []
    numbers = Counter(line.seq for line in reading.lines)
    found = [f"doubled: line {seq} came {count} times" for seq, count in numbers.items() if count > 1]
    found += [f"lost: line {line.seq} did not come" for line in expected if line.seq not in numbers]
    if [line.seq for line in reading.lines] != sorted(line.seq for line in reading.lines):
        found.append("disordered: lines came out of order")
    return found or ["wrong: lines are not what the log holds"]


def _of_what_is_kept(evidence: Evidence, turn: dict[str, Any]) -> list[str]:
    is_completed = turn["status"] == "completed"
    said = _said_at_last(evidence.log)
    found = []
    wanted = Counter([("user", evidence.message)])
    if is_completed:
        reply = evidence.log[-1].data["reply"]
        wanted["assistant", reply] += 1
        if evidence.reply is not None and not said == reply == evidence.reply:
            found.append(f"wrong: the reply has {len(reply)} characters, the deltas {len(said)}")
    kept = Counter(evidence.messages)
    found += [f"lost: the message of the {role}" for role, _ in (wanted - kept).elements()]
    found += [f"doubled: the message of the {role}" for role, _ in (kept - wanted).elements()]
    has_set = is_completed and evidence.log[-1].data["question_set"] is not None
    if len(evidence.sets) != has_set:
        found.append(f"{'lost' if has_set and not evidence.sets else 'doubled'}: {len(evidence.sets)} question sets")
    return found


def _said_at_last(log: Sequence[Line]) -> str:
    """The text of the attempt that counts."""
    restarts = [place for place, line in enumerate(log) if line.kind == "turn.restarted"]
    counting = log[restarts[-1] + 1 :] if restarts else log
    return "".join(line.data["text"] for line in counting if line.kind == "text.delta")


def _of_the_ledger(evidence: Evidence, turn: dict[str, Any]) -> list[str]:
    """A row for each call that reached the provider; one that was broken off by a loss or a cancel may not have."""
    found = [f"lost: the end of a call of {row['agent']}" for row in evidence.calls if row["ended_at"] is None]
    missing, surplus = evidence.requests - len(evidence.calls), len(evidence.calls) - evidence.requests
    if missing > 0:
        found.append(f"lost: {missing} of {evidence.requests} calls are not in the ledger")
    if surplus > turn["attempt"] - 1 + (turn["status"] == "cancelled"):
        found.append(f"doubled: {len(evidence.calls)} rows for {evidence.requests} calls, attempt {turn['attempt']}")
    return found


def line_of(seq: int, kind: str, data: str) -> Line:
    """A line whose data is JSON."""
    return Line(seq, kind, json.loads(data))
