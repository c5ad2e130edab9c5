"""The five techniques give recognisably different sets for the same request.

Each has a mark of its own: few-shot ranks by relevance; chain of thought plans, follows the posting's order and asks
which part of the answer meets the requirement; zero-shot goes from the shortest question on and keeps to two
follow-ups; role-based opens every question in the interviewer's voice; structured output rises in difficulty.
"""

import json
from functools import cache
from itertools import combinations, pairwise
from typing import Any

import pytest

from app.bank.questions import Difficulty
from app.core.config import REPOSITORY_ROOT
from app.providers.offline.persona import plain_voice
from tests.providers.offline.calls import POSTING, TECHNIQUES, produce

JOB_DESCRIPTIONS = REPOSITORY_ROOT.parent / "shared" / "data" / "job_descriptions.jsonl"
NURSE = """Registered Nurse, surgical ward
What you will do
- Lead the medication round and report every near miss
- Assess patients on admission and plan their discharge
- Hand over at the bedside at the end of every shift
"""
ACCOUNTANT = """Accounts Payable Clerk
Your tasks
- Match supplier invoices with orders and delivery notes
- Reconcile supplier statements at month end
- Prepare the payment run and explain every difference
"""
POSTINGS = {"engineer": POSTING, "nurse": NURSE, "accountant": ACCOUNTANT}
MOST_SHARED = 3
"""Of five questions: 60 %."""


@cache
def made(technique: str, name: str, interview_type: str = "technical") -> dict[str, Any]:
    return produce(technique=technique, posting=POSTINGS[name], interview_type=interview_type, level=None)


def in_view(document: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
    """What a candidate sees of the questions, in their order."""
    return [(item["text"], tuple(item["follow_ups"])) for item in document["questions"]]


def shared(one: dict[str, Any], other: dict[str, Any]) -> int:
    first, second = ({plain_voice(item["text"]) for item in document["questions"]} for document in (one, other))
    return len(first & second)


@pytest.mark.parametrize("name", POSTINGS)
@pytest.mark.parametrize(("one", "other"), list(combinations(TECHNIQUES, 2)))
def test_two_techniques_share_few_questions_or_give_them_otherwise(one: str, other: str, name: str) -> None:
    first, second = made(one, name), made(other, name)
    seen, also_seen = in_view(first), in_view(second)
    alike = [view for view in seen if view in also_seen], [view for view in also_seen if view in seen]
    is_otherwise = alike[0] != alike[1] or len(alike[0]) <= MOST_SHARED
    assert shared(first, second) <= MOST_SHARED or is_otherwise


@pytest.mark.parametrize("name", POSTINGS)
def test_each_technique_has_its_mark(name: str) -> None:
    planned = made("chain_of_thought", name)
    places = [POSTINGS[name].index(item["requirement"]) for item in planned["questions"] if item["requirement"]]
    assert places == sorted(places)
    assert [row["requirement"] for row in planned["coverage_plan"]] == [
        item["requirement"] for item in planned["questions"]
    ]
    assert all(
        item["requirement"] is None or item["requirement"] in item["follow_ups"][-1] for item in planned["questions"]
    )
    short = made("zero_shot", name)["questions"]
    assert all(one["time_minutes"] <= next_one["time_minutes"] for one, next_one in pairwise(short))
    assert all(len(item["follow_ups"]) == 2 for item in short)
    assert all(plain_voice(item["text"]) != item["text"] for item in made("role_based", name)["questions"])
    hardness = [Difficulty(item["difficulty"]).rank for item in made("structured_output", name)["questions"]]
    assert hardness == sorted(hardness)
    assert len(set(hardness)) > 1


@pytest.mark.skipif(not JOB_DESCRIPTIONS.is_file(), reason="the shared job descriptions are not here")
def test_on_real_postings_hardly_a_pair_looks_the_same() -> None:
    rows = [json.loads(line) for line in JOB_DESCRIPTIONS.read_text(encoding="utf-8").splitlines()][::3]
    pairs = same = 0
    for row in rows:
        documents = [produce(technique=technique, posting=row["text"], level=row["level"]) for technique in TECHNIQUES]
        for one, other in combinations(documents, 2):
            pairs += 1
            same += in_view(one) == in_view(other)
    assert same <= pairs / 50
