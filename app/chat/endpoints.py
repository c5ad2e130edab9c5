"""`POST /chat`, the turns it starts, and the catalog. What the service answers is only put into HTTP's form here."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse

from app.accounts.endpoints import OwnerDep, SignInCheckDep
from app.chat import sse
from app.chat.comparison import ComparisonService
from app.chat.schemas import CatalogPublic, ChatReply, ChatRequest, ComparePublic, CompareRequest
from app.chat.service import ChatService
from app.conversations.endpoints import ConversationServiceDep
from app.conversations.schemas import TurnPublic
from app.conversations.turn_log import LoggedEvent
from app.core.errors import (
    PROBLEM_MEDIA_TYPE,
    AnswerBrokenOff,
    AnswerTooLong,
    BodyTooLarge,
    BudgetExhausted,
    ContentFiltered,
    EmptyAnswer,
    IdempotencyConflict,
    InputRejected,
    InvalidRequest,
    NotFound,
    NotReady,
    OutputWithheld,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    TurnInProgress,
    TurnInterrupted,
    TurnNotRunning,
    TurnStopped,
    TurnTimeout,
    problems,
)
from app.orchestration.events import TurnCancelled, TurnCompleted

router = APIRouter(prefix="/api/v1")

EVENT_STREAM = "text/event-stream"
RESPOND_ASYNC = "respond-async"
MAX_SEQ = 2**31 - 1
DISCONNECT_POLL_SECONDS = 0.5


def chat_service(request: Request) -> ChatService:
    """The application's chat service."""
    service: ChatService = request.app.state.chat
    return service


ChatServiceDep = Annotated[ChatService, Depends(chat_service)]


def comparison_service(request: Request) -> ComparisonService:
    """The application's comparison service."""
    service: ComparisonService = request.app.state.comparison
    return service


ComparisonServiceDep = Annotated[ComparisonService, Depends(comparison_service)]

CHAT_LINKS = {
    **{
        operation: {"operationId": operation, "parameters": {"turn_id": "$response.body#/turn_id"}}
        for operation in ("read_turn", "follow_turn", "cancel_turn")
    },
    **{
        operation: {"operationId": operation, "parameters": {"conversation_id": "$response.body#/conversation_id"}}
        for operation in ("read_conversation", "export_question_set", "delete_conversation")
    },
}
"""Where the ids of a reply lead, for clients and tests that follow the document."""

MODEL_PROBLEMS = (
    InvalidRequest,
    InputRejected,
    TurnStopped,
    BodyTooLarge,
    RateLimited,
    BudgetExhausted,
    ProviderError,
    AnswerBrokenOff,
    EmptyAnswer,
    ContentFiltered,
    AnswerTooLong,
    OutputWithheld,
    ProviderUnavailable,
    TurnInterrupted,
    NotReady,
    TurnTimeout,
)
"""What can become of a request that a model answers."""


@router.post(
    "/chat",
    response_model=ChatReply,
    responses={
        **problems(*MODEL_PROBLEMS, NotFound, TurnInProgress, IdempotencyConflict),
        200: {"content": {EVENT_STREAM: {}}, "description": "The reply, or the turn's events", "links": CHAT_LINKS},
        202: {
            "model": TurnPublic,
            "description": "The turn, which runs",
            "headers": {"Location": {"description": "The turn's address", "schema": {"type": "string"}}},
        },
    },
    tags=["chat"],
)
async def chat(
    body: ChatRequest,
    service: ChatServiceDep,
    owner_id: OwnerDep,
    check: SignInCheckDep,
    *,
    accept: Annotated[str, Header(description="`text/event-stream` streams the turn")] = "application/json",
    prefer: Annotated[str, Header(description="`respond-async` answers at once with the turn's address")] = "",
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
) -> Response:
    """Send a message. The turn runs on if the connection drops; `GET /turns/{id}/events` follows it again."""
    turn_id = await service.start(body, owner_id=owner_id, idempotency_key=idempotency_key)
    if RESPOND_ASYNC in {preference.strip() for preference in prefer.lower().split(",")}:
        turn = await service.turn(turn_id, owner_id=owner_id)
        return accepted(turn, await service.limit_headers(owner_id=owner_id))
    if EVENT_STREAM in accept.lower():
        limits = await service.limit_headers(owner_id=owner_id)
        return event_stream(await service.follow(turn_id, owner_id=owner_id, check=check), limits)
    outcome = await service.outcome(turn_id, owner_id=owner_id, check=check)
    return outcome_response(outcome, await service.limit_headers(owner_id=owner_id))


@router.get("/turns/{turn_id}", responses=problems(NotFound, InvalidRequest), tags=["turns"])
async def read_turn(turn_id: UUID, service: ConversationServiceDep, owner_id: OwnerDep) -> TurnPublic:
    """A turn, with its reply once it is completed or its problem if it failed."""
    return await service.turn(turn_id, owner_id=owner_id)


@router.get(
    "/turns/{turn_id}/events",
    # Not `response_class=EventSourceResponse`: with it, FastAPI wants the endpoint itself to be a generator.
    response_class=Response,
    responses={
        **problems(NotFound, InvalidRequest),
        200: {"content": {EVENT_STREAM: {}}, "description": "The turn's events"},
    },
    tags=["turns"],
)
async def follow_turn(
    turn_id: UUID,
    service: ChatServiceDep,
    owner_id: OwnerDep,
    check: SignInCheckDep,
    *,
    last_event_id: Annotated[int, Header(ge=0, le=MAX_SEQ)] = 0,
) -> Response:
    """The turn's events after `Last-Event-ID`, then live to the last one, or until the sign-in ends."""
    return event_stream(await service.follow(turn_id, owner_id=owner_id, check=check, after=last_event_id))


@router.post(
    "/turns/{turn_id}/cancel",
    status_code=204,
    responses=problems(NotFound, TurnNotRunning, InvalidRequest),
    tags=["turns"],
)
async def cancel_turn(turn_id: UUID, service: ChatServiceDep, owner_id: OwnerDep) -> None:
    """Stop the turn's model calls. The candidate's message is kept."""
    await service.cancel(turn_id, owner_id=owner_id)


@router.post(
    "/compare",
    responses=problems(*MODEL_PROBLEMS),
    tags=["chat"],
)
async def compare_techniques(
    body: CompareRequest, service: ComparisonServiceDep, owner_id: OwnerDep, *, request: Request, response: Response
) -> ComparePublic:
    """Two to five techniques on the same request at the same time; only the usage figures are kept.

    One model call each, or two where an answer has to be mended.
    """
    compared = await while_connected(request, service.compare(body, owner_id=owner_id))
    response.headers.update(await service.limit_headers(owner_id=owner_id))
    return compared


@router.get("/catalog", tags=["catalog"])
async def read_catalog(service: ChatServiceDep) -> CatalogPublic:
    """Interview types, techniques, levels, and models with their prices; which provider is active."""
    return service.catalog()


async def while_connected(request: Request, work: Coroutine[Any, Any, ComparePublic]) -> ComparePublic:
    """What the work comes to; it is stopped when nobody waits for it any more, as its result can be had nowhere else.

    Raises:
        TurnStopped: the client has left; nobody reads this.
    """
    task = asyncio.create_task(work)
    while not task.done():
        await asyncio.wait({task}, timeout=DISCONNECT_POLL_SECONDS)
        if not task.done() and await request.is_disconnected():
            task.cancel()
            await asyncio.wait({task})
            raise TurnStopped("The client left.")
    return task.result()


def accepted(turn: TurnPublic, limits: Mapping[str, str]) -> Response:
    """The turn's address for somebody who does not wait (RFC 7240), with RateLimit header fields."""
    headers = {"Location": f"{router.prefix}/turns/{turn.id}", "Preference-Applied": RESPOND_ASYNC, **limits}
    return JSONResponse(turn.model_dump(mode="json"), status_code=202, headers=headers)


def event_stream(events: AsyncIterator[LoggedEvent | None], limits: Mapping[str, str] | None = None) -> Response:
    """The followed log as server-sent events, with RateLimit header fields where limits are given."""
    # Proxies must pass each event on as it comes.
    headers = {"X-Accel-Buffering": "no", **(limits or {})}
    return EventSourceResponse(sse.encode(events), headers=headers)


def outcome_response(event: LoggedEvent, limits: Mapping[str, str]) -> Response:
    """The last event as the answer to somebody who waited for it, with RateLimit header fields."""
    if event.kind == TurnCompleted.kind:
        return JSONResponse(event.data, headers=dict(limits))
    if event.kind == TurnCancelled.kind:
        raise TurnStopped("The turn was cancelled before it had an answer. Your message is kept.")
    retry_after = event.data.get("retry_after_seconds")
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return JSONResponse(
        event.data, status_code=event.data["status"], media_type=PROBLEM_MEDIA_TYPE, headers=headers | dict(limits)
    )
