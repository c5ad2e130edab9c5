"""What of a posting a question may quote as its requirement."""

import pytest

from app.bank.posting import Posting, reads_like_a_duty
from tests.providers.offline.calls import produce

TRAPS = """Support Associate
Subject: FW: Support Associate (Systems), spec as discussed
From: careers@example.com
Tolland & Birch Customer Logistics Inc.
What you need
- Own laptop with minimum 8 GB RAM
- Salary 4 LPA plus incentives for quality and deadlines
- Interview is a chat with the team lead
- Handle customer complaints by phone and close them the same day
Hours: 37.5, some weekends and nights
We deliver parcels to customers in nine countries.
Regards, Ada, customer team lead, +44 20 7946 0000
"""


@pytest.mark.parametrize("interview_type", ["behavioral", "technical", "reverse", "case_study"])
def test_headers_pay_equipment_and_the_employer_are_no_requirement(interview_type: str) -> None:
    document = produce(interview_type=interview_type, posting=TRAPS, level=None, count=20)
    quoted = {question["requirement"] for question in document["questions"]} - {None}
    assert quoted <= {"Handle customer complaints by phone and close them the same day"}


def test_a_duty_is_quoted() -> None:
    document = produce(interview_type="behavioral", posting=TRAPS, level=None, count=10)
    assert any(question["requirement"] for question in document["questions"])


def test_an_attack_named_after_a_skill_is_not_the_skill() -> None:
    posting = "Engineer\nRequirements\n- Find SQL injection in report builders\n- Write clear reports for the board"
    document = produce(posting=posting, level=None, count=10)
    assert all("SQL injection" not in str(question["requirement"]) for question in document["questions"])


@pytest.mark.parametrize(
    ("line", "is_duty"),
    [
        ("You will own the billing service.", True),
        ("Experience of leading a team of five is essential.", True),
        ("Coach two colleagues every week.", True),
        ("Subject: leading a team of five", False),
        ("Pay: you will get a bonus for quality work.", False),
        ("We have led the market for nine years.", False),
        ("Our customers love what the team does.", False),
        ("Lead a team of", False),
        ("Send your CV to the team lead by Friday.", False),
    ],
)
def test_a_duty_reads_like_one(line: str, is_duty: bool) -> None:  # noqa: FBT001 - a table's column
    read = Posting(f"Title\n{line}").lines[1]
    assert reads_like_a_duty(read, line.rstrip(".")) is is_duty
