"""Browsing the question bank."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from app.bank.questions import BankQuestion, ExperienceLevel
from app.bank.search import BankSearch, Found
from app.core.errors import InvalidRequest, problems

router = APIRouter(prefix="/api/v1/questions", tags=["questions"])


class BankQuery(BaseModel):
    """Which questions to show."""

    model_config = ConfigDict(extra="forbid")

    type: Annotated[str | None, Field(max_length=40, description="An interview type")] = None
    level: ExperienceLevel | None = None
    skill: Annotated[
        str | None, Field(min_length=1, max_length=60, description="In any usual spelling, such as `k8s`")
    ] = None
    q: Annotated[str | None, Field(max_length=200, description="Beginnings of words that must all occur")] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    offset: Annotated[int, Field(ge=0, le=100_000)] = 0


class BankQuestionPublic(BankQuestion):
    """A question of the bank with its interview type."""

    interview_type: Annotated[str, Field(examples=["technical"])]

    @classmethod
    def of(cls, found: Found) -> Self:
        """The question as the API shows it."""
        return cls(interview_type=found.interview_type, **found.question.model_dump())


class BankPage(BaseModel):
    """A page of questions."""

    items: list[BankQuestionPublic]
    total: Annotated[int, Field(description="Questions that meet the conditions, on all pages")]


def bank_search(request: Request) -> BankSearch:
    """The application's search of the bank."""
    search: BankSearch = request.app.state.bank_search
    return search


@router.get("", responses=problems(InvalidRequest))
async def browse_questions(
    query: Annotated[BankQuery, Query()], search: Annotated[BankSearch, Depends(bank_search)]
) -> BankPage:
    """The built-in questions that meet every condition given. No model is called."""
    if query.type is not None and query.type not in search.interview_types:
        message = f"{query.type!r} is not one of {', '.join(sorted(search.interview_types))}"
        raise InvalidRequest(message, errors=[{"field": "type", "message": message}])
    found = search.find(interview_type=query.type, level=query.level, skill=query.skill, words=query.q)
    page = found[query.offset : query.offset + query.limit]
    return BankPage(items=[BankQuestionPublic.of(item) for item in page], total=len(found))
