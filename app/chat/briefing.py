"""A stored turn becomes a task for the conductor, in whichever process runs it."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from app.chat.checks import context_tokens, documents_for_models, stand_ins
from app.chat.schemas import ChatRequest, DocumentFlag
from app.conversations.models import MessageRole
from app.conversations.opening import TurnInput
from app.conversations.service import ConversationService
from app.core.canary import canary_for
from app.core.config import Settings
from app.orchestration.catalog import Catalog
from app.orchestration.turn import Brief, PastMessage, TurnTask
from app.providers.base import Provider
from app.usage.ledger import LedgerService

STORED_ELSEWHERE = {"message", "conversation_id", "job_description", "resume"}
"""Fields of a request that are not kept with the turn: the conversation and its messages have them."""


@dataclass(frozen=True)
class BriefedTurn:
    """A turn that can be run."""

    given: TurnInput
    task: TurnTask
    flags: tuple[DocumentFlag, ...]
    """What was taken out of the documents for models. They are stored as sent, so each attempt does it anew."""


class Briefing:
    """Makes tasks from what the database says and what this server offers."""

    def __init__(
        self,
        *,
        settings: Settings,
        catalog: Catalog,
        provider: Provider,
        conversations: ConversationService,
        ledger: LedgerService,
        canary_key: bytes,
    ) -> None:
        self._settings = settings
        self._catalog = catalog
        self._provider = provider
        self._conversations = conversations
        self._ledger = ledger
        self._canary_key = canary_key

    async def of(self, turn_id: UUID) -> BriefedTurn:
        """The turn as it was opened.

        Raises:
            NotFound: it was deleted meanwhile.
        """
        given = await self._conversations.turn_input(turn_id)
        documents = documents_for_models(job_description=given.job_description, resume=given.resume)
        brief = Brief(
            job_description=documents.job_description,
            resume=documents.resume,
            experience_level=given.experience_level,
            question_count=given.question_count,
            interviewer=given.interviewer,
            wishes=tuple(given.wishes),
        )
        return BriefedTurn(given, self._task(given, brief), documents.flags)

    def _task(self, given: TurnInput, brief: Brief) -> TurnTask:
        request = ChatRequest.model_validate({**given.request, "message": given.message})
        active = given.active_agent if given.active_agent in self._catalog.specialists else None
        return TurnTask(
            turn_id=given.turn_id,
            message=given.message,
            agent=request.interview_type or active,
            technique=request.technique,
            brief=brief,
            is_level_fixed=request.experience_level is not None,
            is_count_fixed=request.question_count is not None,
            history=tuple(
                PastMessage(is_from_candidate=message.role == MessageRole.USER, text=message.text)
                for message in given.history
            ),
            earlier_requests=tuple(given.earlier_requests),
            question_sets={found.interview_type: found for found in given.question_sets},
            seen_questions=tuple(given.seen_questions),
            recall=partial(self._conversations.revision, given.conversation_id),
            model=given.model,
            context_tokens=context_tokens(self._settings, self._provider, given.model),
            stand_ins=stand_ins(self._settings, self._provider, given.model),
            sampling=request.sampling(),
            ledger=self._ledger.of_turn(
                owner_id=given.owner_id,
                conversation_id=given.conversation_id,
                turn_id=given.turn_id,
                question_sets=len(given.question_sets),
            ),
            canary=canary_for(self._canary_key, given.conversation_id),
        )


def kept_request(request: ChatRequest) -> dict[str, object]:
    """What to keep of a request beside its turn, so that `Briefing` can make the task of it."""
    return request.model_dump(mode="json", exclude=STORED_ELSEWHERE, exclude_none=True)
