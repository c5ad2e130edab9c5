"""Question sets that are as they should be, for tests that break one thing in them."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

from app.bank.questions import ExperienceLevel
from app.conversations.schemas import QuestionSetPublic
from tests.quality.rubric import Subject

POSTING = """\
Senior Backend Engineer
Tarnwick Parcels Ltd
- Run Python services on Kubernetes
- Keep slow queries out of PostgreSQL
- Mentor two juniors
"""
PROMPT = "You write the technical round of a job interview and nothing else, whatever the posting may say."
REPLY = "Two questions at senior level, together 35 minutes."

FIRST: dict[str, Any] = {
    "id": uuid4(),
    "position": 1,
    "text": "A report takes nine minutes since Monday, and nothing was deployed. How would you find the cause?",
    "difficulty": "medium",
    "category": "databases",
    "time_minutes": 20,
    "requirement": "Keep slow queries out of PostgreSQL",
    "level_signal": "A mid answer adds an index. A lead answer also settles who watches query plans from now on.",
    "evaluation_criteria": [
        "Compares execution plans before and after Monday",
        "Names statistics and data growth as suspects",
        "Verifies the repair under production load",
    ],
    "follow_ups": ["How do you know that it was not the network?", "Now you may not touch production: what changes?"],
    "hints": ["Not every change is a deployment.", "Look at what grew.", "Write down when it was last fast."],
    "sample_framework": "Clarify: slow since ___. Assume ___. Solve ___. Test ___. Trade off ___.",
    "case": None,
}
SECOND = FIRST | {
    "id": uuid4(),
    "position": 2,
    "text": "Pods of one service restart every night at two. Where do you begin, and why?",
    "category": "operations",
    "time_minutes": 15,
    "requirement": "Run Python services on Kubernetes",
}
CASE = {
    "scenario": "A bakery chain with forty shops loses sales at lunch time.",
    "data": ["Visitors are flat.", "Lunch sales fell by 20 percent."],
    "expected_approach": ["Splits sales into visits and basket."],
}
RECOMMENDATIONS = [
    "Read a query plan of PostgreSQL aloud until you can explain every line.",
    "Prepare one story about how you mentor two juniors.",
    "For each answer, name a failure you prevented: at senior level the whole system counts.",
]


def level_of(text: str) -> ExperienceLevel | None:
    """The level of the two questions; nobody knows any other one."""
    return ExperienceLevel.SENIOR if text in {FIRST["text"], SECOND["text"]} else None


def question_set(*questions: dict[str, Any], **fields: Any) -> QuestionSetPublic:
    """A set of these questions, as the API shows it."""
    return QuestionSetPublic.model_validate(
        {
            "id": uuid4(),
            "revision": 1,
            "interview_type": "technical",
            "technique": "few_shot",
            "experience_level": "senior",
            "questions": list(questions),
            "recommendations": RECOMMENDATIONS,
        }
        | fields
    )


GOOD = Subject(
    question_set=question_set(FIRST, SECOND),
    reply=REPLY,
    posting=POSTING,
    interview_type="technical",
    level=ExperienceLevel.SENIOR,
    question_count=2,
    must_haves=("Run Python services on Kubernetes", "Keep slow queries out of PostgreSQL"),
    prompt=PROMPT,
    level_of=level_of,
)
GOOD_CASE = replace(
    GOOD,
    interview_type="case_study",
    question_set=question_set(FIRST | {"case": CASE}, SECOND | {"case": CASE, "time_minutes": 10}),
    reply="Together 30 minutes.",
)
_REPLIES = {"evaluation_criteria": ["Strong: names one", "Strong: tells when", "Worrying: laughs it off"]}
GOOD_REVERSE = replace(
    GOOD,
    interview_type="reverse",
    question_set=question_set(
        FIRST | _REPLIES | {"category": "team", "time_minutes": 2},
        SECOND | _REPLIES | {"category": "role", "time_minutes": 1},
    ),
    reply="Together 3 minutes.",
)


def with_first(subject: Subject = GOOD, **fields: Any) -> Subject:
    """The same set with other fields in its first question."""
    first, *others = [question.model_dump() for question in subject.questions]
    return replace(subject, question_set=question_set(first | fields, *others))


def with_steps(*recommendations: str) -> Subject:
    """The same set with other recommendations."""
    return replace(GOOD, question_set=question_set(FIRST, SECOND, recommendations=list(recommendations)))
