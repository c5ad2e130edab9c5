"""What happens to a conversation: a turn is opened, its log grows, it ends. Transactions are drawn here."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from app.accounts.owners import kept_owner
from app.bank.questions import ExperienceLevel
from app.conversations import repository
from app.conversations.cursor import cursor_after, read_cursor
from app.conversations.models import Conversation, MessageRole, QuestionSetRow, Turn, TurnStatus
from app.conversations.opening import OpenedTurn, TurnInput, TurnOpening, known_turn, store_turn, tell
from app.conversations.schemas import (
    ConversationDetail,
    ConversationPage,
    ConversationRecord,
    ConversationSummary,
    MessagePublic,
    QuestionSetPublic,
    TurnPublic,
    TurnRecord,
)
from app.conversations.turn_log import LoggedEvent, LogLine, ReaderCheck, TurnLog, log_line
from app.core.clock import utc_now
from app.core.database import Database
from app.core.errors import GreenroomError, NotFound, TurnInProgress
from app.core.signals import Signals, Topic
from app.orchestration.events import TurnAnswer, TurnCancelled
from app.orchestration.questions import QuestionSet
from app.orchestration.telemetry import UNWATCHED, TurnTelemetry
from app.usage import service as usage_service
from app.usage.schemas import ModelCallPublic, Usage

HISTORY_MESSAGES = 8
EARLIER_REQUESTS, EARLIER_REQUEST_CHARACTERS = 20, 120
SEEN_QUESTIONS = 400
RECORDS_AT_A_TIME = 50
UNCLAIMED = 0
"""The attempt of a turn that no worker has begun."""
STOP_SECONDS = 1.0
"""How long whoever runs a turn may take to stop it: it has model calls to end and to book."""


@dataclass(frozen=True)
class FoundQuestionSet:
    """One revision of a question set, and the job description it was made for, unless another has replaced that."""

    question_set: QuestionSet
    job_description: str | None


class ConversationService:
    """Threads, turns, logs and question sets."""

    def __init__(self, database: Database, signals: Signals, telemetry: TurnTelemetry = UNWATCHED) -> None:
        self._telemetry = telemetry
        self._database = database
        self._signals = signals
        self._log = TurnLog(database, signals)

    # A turn from its first line to its last.

    async def open_turn(self, opening: TurnOpening, *, refusal: GreenroomError | None = None) -> OpenedTurn:
        """Store the message and a running turn, with all that whoever runs it needs to know; workers are told.

        With a refusal, the turn that is stored has failed with it already.

        Raises:
            NotFound: no such conversation, or the owner's account is deleted.
            TurnInProgress: another turn is running in it.
            IdempotencyConflict: the key was used with another request.
        """
        try:
            async with self._database.transaction() as session:
                if await kept_owner(session, opening.owner_id) is None:
                    raise NotFound("This account is deleted.")
                # Locked first: of two requests with one key, the later must see what the earlier stored.
                found = (
                    await self._locked(session, opening.conversation_id, opening.owner_id)
                    if opening.conversation_id
                    else None
                )
                if (known := await known_turn(session, opening)) is not None:
                    return known
                conversation = await tell(session, found, opening)
                await self._refuse_second_turn(session, conversation)
                turn = await store_turn(session, conversation, opening, refusal)
                await self._signals.send(session, Topic.WORK, turn.id)
        except IntegrityError as error:
            # Somebody was quicker: with the same key, or with another turn in this conversation.
            async with self._database.reading() as session:
                if (known := await known_turn(session, opening)) is not None:
                    return known
            raise TurnInProgress("Wait for the running turn to end, or cancel it.") from error
        if refusal is not None:
            self._telemetry.ended(TurnStatus.FAILED, started_at=turn.started_at, code=refusal.code)
        return OpenedTurn(turn_id=turn.id, conversation_id=conversation.id)

    async def known_turn(self, opening: TurnOpening) -> UUID | None:
        """The turn that was started under the opening's idempotency key, or None.

        Raises:
            IdempotencyConflict: the key was used with another request.
        """
        async with self._database.reading() as session:
            known = await known_turn(session, opening)
        return known.turn_id if known else None

    async def turn_input(self, turn_id: UUID) -> TurnInput:
        """What the turn starts from.

        Raises:
            NotFound: it was deleted meanwhile.
        """
        async with self._database.reading() as session:
            turn = _found_turn(await repository.get_turn(session, turn_id))
            conversation = _found(await repository.get_conversation(session, turn.conversation_id))
            history = await repository.messages(session, conversation.id, last=HISTORY_MESSAGES, but_of=turn_id)
            earlier = await repository.requests_before(
                session, conversation.id, history[0].created_at if history else turn.started_at, last=EARLIER_REQUESTS
            )
            level = conversation.experience_level
            return TurnInput(
                turn_id=turn_id,
                conversation_id=conversation.id,
                owner_id=turn.owner_id,
                model=turn.model,
                message=await repository.request_text(session, turn_id),
                request=turn.request,
                request_id=turn.request_id,
                active_agent=conversation.active_agent,
                job_description=conversation.job_description,
                resume=conversation.resume,
                experience_level=ExperienceLevel(level) if level else None,
                question_count=conversation.question_count,
                interviewer=conversation.interviewer,
                wishes=conversation.wishes,
                history=history,
                earlier_requests=[_request_line(request, made) for request, made in earlier],
                question_sets=await repository.current_question_sets(
                    session, conversation.id, job_number=conversation.job_number
                ),
                seen_questions=await repository.question_texts(session, conversation.id, last=SEEN_QUESTIONS),
            )

    async def append(self, turn_id: UUID, lines: Sequence[LogLine], *, attempt: int = UNCLAIMED) -> bool:
        """Write the next lines of the log. False, and nothing, unless the turn runs as this attempt."""
        return await self._log.append(turn_id, lines, attempt=attempt)

    async def conversation_usage(self, conversation_id: UUID) -> Usage:
        """What the conversation has used so far."""
        async with self._database.reading() as session:
            return await usage_service.conversation_usage(session, conversation_id)

    async def complete_turn(
        self, turn_id: UUID, answer: TurnAnswer, line: LogLine, *, attempt: int = UNCLAIMED
    ) -> bool:
        """Store reply, question set, active agent and last event in one transaction, before any client sees it.

        False, and nothing is stored, unless the turn runs as this attempt.
        """
        now = utc_now()
        async with self._database.transaction() as session:
            turn = await repository.get_turn(session, turn_id)
            if turn is None:
                return False
            conversation = await self._locked(session, turn.conversation_id, turn.owner_id)
            if not await repository.end_turn(
                session, turn_id, attempt=attempt, status=TurnStatus.COMPLETED, agent=answer.agent, finished_at=now
            ):
                return False
            await usage_service.settle_turn(session, turn_id, ended_at=now)
            repository.add_message(
                session, turn=turn, role=MessageRole.ASSISTANT, text=answer.reply, agent=answer.agent, at=now
            )
            if answer.question_set is not None:
                await repository.add_question_set(
                    session, answer.question_set, turn=turn, job_number=conversation.job_number, at=now
                )
            conversation.active_agent = answer.agent
            conversation.experience_level = answer.experience_level
            conversation.wishes = list(answer.wishes)
            conversation.updated_at = now
            await self._log.add(session, turn_id, line)
        return True

    async def end_turn(
        self, turn_id: UUID, status: TurnStatus, line: LogLine, *, attempt: int | None = UNCLAIMED
    ) -> bool:
        """End a turn that gave no answer. What the candidate wrote is kept.

        False, and nothing, unless it runs as this attempt; None is any.
        """
        now = utc_now()
        async with self._database.transaction() as session:
            if not await repository.end_turn(
                session, turn_id, attempt=attempt, status=status, agent=None, finished_at=now
            ):
                return False
            await usage_service.settle_turn(session, turn_id, ended_at=now)
            await self._log.add(session, turn_id, line)
        return True

    async def stop_turn(self, turn_id: UUID) -> None:
        """Ask whichever server runs the turn to cancel it, wait a little, and then end it here if it still runs.

        It still runs when it waits for a worker, or its worker is paused or dead, which then can write no more.
        """
        async with self._database.transaction() as session:
            await self._signals.send(session, Topic.CANCEL, turn_id)
            is_waiting = await repository.is_held(session, turn_id, attempt=UNCLAIMED)
        if not is_waiting:
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    async for _ in self._log.follow(turn_id):
                        pass
        if await self.end_turn(turn_id, TurnStatus.CANCELLED, log_line(TurnCancelled(turn_id)), attempt=None):
            async with self._database.reading() as session:
                turn = await repository.get_turn(session, turn_id)
            if turn is not None:
                self._telemetry.ended(TurnStatus.CANCELLED, started_at=turn.started_at)

    async def stop_turns_of(self, owner_id: UUID) -> None:
        """Stop whatever runs for the user, on every server."""
        async with self._database.transaction() as session:
            await self._signals.send(session, Topic.OWNER, owner_id)
            turns = await repository.running_turns(session, owner_id)
        await asyncio.gather(*(self.stop_turn(turn_id) for turn_id in turns))

    # Reading.

    async def turn(self, turn_id: UUID, *, owner_id: UUID) -> TurnPublic:
        """The turn and how it ended.

        Raises:
            NotFound: the owner has no such turn.
        """
        async with self._database.reading() as session:
            turn = _found_turn(await repository.owned(session, Turn, turn_id, owner_id=owner_id))
            last = await repository.last_event(session, turn_id) if turn.status != TurnStatus.RUNNING else None
        data = last.data if last else None
        return TurnPublic.of(
            turn,
            reply=data if turn.status == TurnStatus.COMPLETED else None,
            problem=data if turn.status == TurnStatus.FAILED else None,
        )

    async def follow(
        self, turn_id: UUID, *, owner_id: UUID, after: int = 0, check: ReaderCheck | None = None
    ) -> AsyncGenerator[LoggedEvent | None, None]:
        """Check that the turn exists, then follow its log, as long as `check` lets the reader.

        Raises:
            NotFound: the owner has no such turn.
        """
        async with self._database.reading() as session:
            _found_turn(await repository.owned(session, Turn, turn_id, owner_id=owner_id))
        return self._log.follow(turn_id, after=after, check=check)

    async def waiting(self) -> int:
        """How many turns wait for a worker, on all servers."""
        async with self._database.reading() as session:
            return await repository.count_waiting(session)

    async def longest_wait_seconds(self) -> float:
        """Since when the turn has waited that waits longest; 0 when none does."""
        async with self._database.reading() as session:
            since = await repository.waiting_since(session)
        return 0 if since is None else max((utc_now() - since).total_seconds(), 0)

    async def readers(self) -> int:
        """How many streams and waiting requests follow a turn here."""
        return self._log.readers

    def close_readers(self) -> None:
        """Send away whoever follows a turn that goes on: this server stops."""
        self._log.close()

    async def page(self, *, owner_id: UUID, limit: int, cursor: str | None) -> ConversationPage:
        """A page of the owner's conversations, the last changed first.

        Raises:
            InvalidRequest: the cursor is not one that an earlier page gave.
        """
        before = read_cursor(cursor) if cursor else None
        async with self._database.reading() as session:
            rows = await repository.list_conversations(session, owner_id, limit=limit + 1, before=before)
        shown = rows[:limit]
        return ConversationPage(
            items=[ConversationSummary.of(row) for row in shown],
            next_cursor=cursor_after(shown[-1]) if len(rows) > limit else None,
        )

    async def detail(self, conversation_id: UUID, *, owner_id: UUID) -> ConversationDetail:
        """The conversation with its messages, every revision of its question sets, and its usage.

        Raises:
            NotFound: the owner has no such conversation.
        """
        async with self._database.reading() as session:
            conversation = _found(await repository.owned(session, Conversation, conversation_id, owner_id=owner_id))
            messages = await repository.messages(session, conversation_id)
            sets = await repository.question_sets(session, conversation_id)
            usage = await usage_service.conversation_usage(session, conversation_id)
        return ConversationDetail(
            **ConversationSummary.of(conversation).model_dump(),
            job_description=conversation.job_description,
            resume=conversation.resume,
            question_count=conversation.question_count,
            interviewer=conversation.interviewer,
            wishes=conversation.wishes,
            messages=[MessagePublic.of(message) for message in messages],
            question_sets=[QuestionSetPublic.of(question_set) for question_set in sets],
            usage=usage,
        )

    async def records(self, *, owner_id: UUID) -> AsyncIterator[ConversationRecord]:
        """Every conversation of the owner whole, one after the other, the last changed first."""
        cursor: str | None = None
        while True:
            page = await self.page(owner_id=owner_id, limit=RECORDS_AT_A_TIME, cursor=cursor)
            for item in page.items:
                try:
                    detail = await self.detail(item.id, owner_id=owner_id)
                except NotFound:
                    # Deleted since the page was read.
                    continue
                async with self._database.reading() as session:
                    turns = [TurnRecord.of(turn) for turn in await repository.turns(session, item.id)]
                yield ConversationRecord(**detail.model_dump(), turns=turns)
            if (cursor := page.next_cursor) is None:
                return

    async def calls(self, *, owner_id: UUID) -> list[ModelCallPublic]:
        """Every model call made for the owner, in a conversation or not, oldest first."""
        async with self._database.reading() as session:
            return await usage_service.calls_of(session, owner_id)

    async def question_set(
        self,
        conversation_id: UUID,
        *,
        owner_id: UUID,
        interview_type: str | None = None,
        revision: int | None = None,
    ) -> FoundQuestionSet:
        """The set last worked on, or the last of this type, in its latest or the named revision.

        Raises:
            NotFound: the owner has no such conversation, or it no such set or revision.
        """
        async with self._database.reading() as session:
            conversation = await repository.owned(session, Conversation, conversation_id, owner_id=owner_id)
            if conversation is None:
                raise NotFound(
                    "There is no conversation with this id; GET /api/v1/conversations lists those there are."
                )
            found = await repository.find_question_set(
                session, conversation_id, interview_type=interview_type, revision=revision
            )
        if found is None:
            raise NotFound(_nothing_found(interview_type, revision))
        question_set, job_number = found
        is_for_this_job = job_number == conversation.job_number
        return FoundQuestionSet(question_set, conversation.job_description if is_for_this_job else None)

    async def revision(self, conversation_id: UUID, question_set_id: UUID, number: int) -> QuestionSet | None:
        """One revision of a set of this conversation, or None; None also for a set of another conversation."""
        async with self._database.reading() as session:
            return await repository.question_set_revision(session, conversation_id, question_set_id, number)

    async def delete(self, conversation_id: UUID, *, owner_id: UUID) -> None:
        """Delete the conversation and all that hangs on it; the ledger keeps its figures without it.

        Raises:
            NotFound: the owner has no such conversation.
            TurnInProgress: a turn is running in it.
        """
        async with self._database.transaction() as session:
            conversation = await self._locked(session, conversation_id, owner_id)
            await self._refuse_second_turn(session, conversation)
            await repository.delete_conversation(session, conversation_id)

    # Inside a transaction.

    async def _refuse_second_turn(self, session: AsyncSession, conversation: Conversation) -> None:
        if await repository.has_running_turn(session, conversation.id):
            raise TurnInProgress("Wait for the running turn to end, or cancel it.")

    async def _locked(self, session: AsyncSession, conversation_id: UUID, owner_id: UUID) -> Conversation:
        return _found(await repository.owned(session, Conversation, conversation_id, owner_id=owner_id, is_locked=True))


def _found(conversation: Conversation | None) -> Conversation:
    if conversation is None:
        raise NotFound("There is no conversation with this id.")
    return conversation


def _found_turn(turn: Turn | None) -> Turn:
    if turn is None:
        raise NotFound("There is no turn with this id.")
    return turn


def _nothing_found(interview_type: str | None, revision: int | None) -> str:
    if revision is not None:
        return "There are no questions in this revision: leave out `revision` for the latest one."
    if interview_type is not None:
        return "There are no questions of this type: ask for some in this conversation, or leave out `interview_type`."
    return "There are no questions in this conversation yet: ask for some first, with POST /api/v1/chat."


def _request_line(request: str, made: QuestionSetRow | None) -> str:
    """One line of the running summary: what was asked, and what came of it."""
    asked = " ".join(request.split())
    if len(asked) > EARLIER_REQUEST_CHARACTERS:
        asked = f"{asked[:EARLIER_REQUEST_CHARACTERS]} […]"
    return f"{asked} -> {made.interview_type} set, revision {made.revision}" if made else asked
