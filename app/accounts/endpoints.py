"""On whose behalf a request comes."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends

from app.accounts.models import LOCAL_USER_ID


async def current_owner() -> UUID:
    """The user whose data the request may see: in local mode the one person there is."""
    return LOCAL_USER_ID


OwnerDep = Annotated[UUID, Depends(current_owner)]
"""The id that every service call about somebody's data takes; nothing else decides whose data it is."""
