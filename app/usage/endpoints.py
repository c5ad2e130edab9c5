"""`GET /usage`: what the caller has used, from the ledger."""

import re
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BeforeValidator

from app.accounts.endpoints import OwnerDep
from app.core.errors import InvalidRequest, problems
from app.usage.schemas import GroupBy, UsagePublic
from app.usage.service import DEFAULT_DAYS, MAX_DAYS, UsageService

router = APIRouter(prefix="/api/v1/usage", tags=["usage"])


def _written_out(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("write a day as 2026-05-01")
    return value


Day = Annotated[date, BeforeValidator(_written_out)]
"""A UTC day. By itself, pydantic would take seconds since 1970 for one, too."""


def usage_service(request: Request) -> UsageService:
    """The application's usage service."""
    service: UsageService = request.app.state.usage
    return service


@router.get("", responses=problems(InvalidRequest))
async def read_usage(
    service: Annotated[UsageService, Depends(usage_service)],
    owner_id: OwnerDep,
    *,
    by: Annotated[GroupBy, Query(description="What to group by")] = GroupBy.DAY,
    since: Annotated[
        Day | None, Query(description=f"First UTC day; {DEFAULT_DAYS} days in all if left out, {MAX_DAYS} at most")
    ] = None,
    until: Annotated[Day | None, Query(description="Last UTC day, included; today if left out")] = None,
    conversation_id: Annotated[UUID | None, Query(description="Only of this conversation")] = None,
) -> UsagePublic:
    """Model calls, tokens and costs, with what is left of the limits. Calls that run are not in the sums yet."""
    return await service.report(owner_id=owner_id, by=by, since=since, until=until, conversation_id=conversation_id)
