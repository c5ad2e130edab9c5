"""Reading and deleting conversations. One service call each."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from app.accounts.endpoints import OwnerDep
from app.conversations.schemas import ConversationDetail, ConversationPage
from app.conversations.service import ConversationService
from app.core.errors import InvalidRequest, NotFound, TurnInProgress, problems

router = APIRouter(prefix="/api/v1/conversations", tags=["conversations"])


def conversation_service(request: Request) -> ConversationService:
    """The application's conversation service."""
    service: ConversationService = request.app.state.conversations
    return service


ConversationServiceDep = Annotated[ConversationService, Depends(conversation_service)]


@router.get("", responses=problems(InvalidRequest))
async def list_conversations(
    service: ConversationServiceDep,
    owner_id: OwnerDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> ConversationPage:
    """Conversations, the last changed first."""
    return await service.page(owner_id=owner_id, limit=limit, cursor=cursor)


@router.get("/{conversation_id}", responses=problems(NotFound, InvalidRequest))
async def read_conversation(
    conversation_id: UUID, service: ConversationServiceDep, owner_id: OwnerDep
) -> ConversationDetail:
    """A conversation with its messages, every revision of its question sets, and its usage."""
    return await service.detail(conversation_id, owner_id=owner_id)


@router.delete("/{conversation_id}", status_code=204, responses=problems(NotFound, TurnInProgress, InvalidRequest))
async def delete_conversation(conversation_id: UUID, service: ConversationServiceDep, owner_id: OwnerDep) -> None:
    """Delete a conversation and everything in it. The ledger keeps its figures, without the conversation."""
    await service.delete(conversation_id, owner_id=owner_id)
