"""A chat turn from the outside: check, screen, open, follow."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import structlog

from app.accounts.audit import AuditLog
from app.bank.questions import ExperienceLevel
from app.chat.briefing import kept_request
from app.chat.checks import check_names, check_texts, interviewer_of
from app.chat.schemas import (
    CatalogPublic,
    ChatRequest,
    InterviewTypePublic,
    ModelPublic,
    TechniquePublic,
)
from app.conversations.models import TurnStatus
from app.conversations.opening import TurnOpening
from app.conversations.schemas import TurnPublic
from app.conversations.service import ConversationService
from app.conversations.turn_log import LoggedEvent, ReaderCheck
from app.core.errors import BudgetExhausted, NotFound, NotReady, RateLimited, TurnInterrupted, TurnNotRunning
from app.core.telemetry import trace_parent
from app.orchestration.catalog import Catalog
from app.providers.base import Provider
from app.usage.ledger import LedgerService
from plugins.cost.prices import list_price

logger = structlog.get_logger(__name__)


class ChatService:
    """Everything behind the chat endpoint."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        provider: Provider,
        conversations: ConversationService,
        ledger: LedgerService,
        audit: AuditLog,
    ) -> None:
        self._ledger = ledger
        self._catalog = catalog
        self._provider = provider
        self._conversations = conversations
        self._audit = audit

    async def start(self, request: ChatRequest, *, owner_id: UUID, idempotency_key: str | None) -> UUID:
        """Open the turn and return its id; a worker runs it. A known idempotency key starts nothing.

        Raises:
            InvalidRequest: a type, technique or model that the catalog does not have.
            InputRejected: the security screen refused the message. Nothing is stored.
            RateLimited, BudgetExhausted: no room for model calls. The message is kept.
            NotFound, TurnInProgress, IdempotencyConflict: see `ConversationService.open_turn`.
        """
        check_names(
            self._catalog,
            self._provider,
            interview_type=request.interview_type,
            techniques={"technique": request.technique} if request.technique else {},
            model=request.model,
        )
        opening = self._opening(request, owner_id, idempotency_key)
        if (known := await self._conversations.known_turn(opening)) is not None:
            return known
        await check_texts(request, self._audit, owner_id=owner_id)
        await self._check_limits(opening)
        opened = await self._conversations.open_turn(opening)
        # For the lines of this request that follow; whoever runs the turn binds them again.
        structlog.contextvars.bind_contextvars(conversation_id=str(opened.conversation_id), turn_id=str(opened.turn_id))
        return opened.turn_id

    async def turn(self, turn_id: UUID, *, owner_id: UUID) -> TurnPublic:
        """See `ConversationService.turn`."""
        return await self._conversations.turn(turn_id, owner_id=owner_id)

    async def follow(
        self, turn_id: UUID, *, owner_id: UUID, check: ReaderCheck, after: int = 0
    ) -> AsyncIterator[LoggedEvent | None]:
        """See `ConversationService.follow`."""
        return await self._conversations.follow(turn_id, owner_id=owner_id, after=after, check=check)

    async def outcome(self, turn_id: UUID, *, owner_id: UUID, check: ReaderCheck) -> LoggedEvent:
        """Wait for the turn's last event.

        Raises:
            NotFound: the owner has no such turn, or the conversation was deleted meanwhile.
            Unauthorized: the sign-in has ended meanwhile. The turn runs on.
            TurnInterrupted: the server stops. The turn runs on elsewhere or later.
            NotReady: the database went away. The turn runs on, or begins anew when it is back.
        """
        last: LoggedEvent | None = None
        try:
            async for event in await self.follow(turn_id, owner_id=owner_id, check=check):
                last = event or last
        except (TurnInterrupted, NotReady) as error:
            error.kept = {"turn_id": str(turn_id)}
            raise
        if last is None or not last.is_last:
            raise NotFound("The turn was deleted while it ran.")
        return last

    async def cancel(self, turn_id: UUID, *, owner_id: UUID) -> None:
        """Stop the turn's model calls and end it as cancelled.

        Raises:
            NotFound: the owner has no such turn.
            TurnNotRunning: it has ended already.
        """
        turn = await self._conversations.turn(turn_id, owner_id=owner_id)
        if turn.status != TurnStatus.RUNNING:
            raise TurnNotRunning("There is nothing to cancel.")
        await self._conversations.stop_turn(turn_id)

    async def limit_headers(self, *, owner_id: UUID) -> dict[str, str]:
        """See `LedgerService.headers`."""
        return await self._ledger.headers(owner_id=owner_id, provider=self._provider.name)

    def catalog(self) -> CatalogPublic:
        """What this server offers."""
        return CatalogPublic(
            provider=self._provider.name,
            models=[self._model(name) for name in self._provider.models],
            interview_types=[
                InterviewTypePublic(
                    name=spec.name,
                    title=spec.title,
                    description=spec.description,
                    techniques=[
                        TechniquePublic(name=technique.name, description=technique.description)
                        for technique in spec.techniques.values()
                    ],
                )
                for spec in self._catalog.specialists.values()
            ],
            experience_levels=list(ExperienceLevel),
        )

    def _model(self, name: str) -> ModelPublic:
        price = list_price(name, provider=self._provider.name, overrides=self._ledger.prices)
        return ModelPublic(
            name=name,
            is_default=name == self._provider.default_model,
            input_usd_per_million=price[0] if price else None,
            output_usd_per_million=price[1] if price else None,
        )

    async def _check_limits(self, opening: TurnOpening) -> None:
        try:
            await self._ledger.check(
                owner_id=opening.owner_id,
                provider=self._provider.name,
                model=opening.model,
                conversation_id=opening.conversation_id,
            )
        except (RateLimited, BudgetExhausted) as error:
            # Without its key: the same request may be sent again when there is room.
            await self._conversations.open_turn(replace(opening, idempotency_key=None), refusal=error)
            raise

    def _opening(self, request: ChatRequest, owner_id: UUID, idempotency_key: str | None) -> TurnOpening:
        return TurnOpening(
            owner_id=owner_id,
            message=request.message,
            model=request.model or self._provider.default_model,
            request_hash=hashlib.sha256(request.model_dump_json().encode()).hexdigest(),
            conversation_id=request.conversation_id,
            idempotency_key=idempotency_key,
            job_description=request.job_description,
            resume=request.resume,
            experience_level=request.experience_level,
            question_count=request.question_count,
            interviewer=interviewer_of(request),
            request=kept_request(request),
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
            trace_parent=trace_parent(),
        )
