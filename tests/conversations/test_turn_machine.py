"""The life of a turn as a state machine: whatever requests, workers and clients do, in whatever order."""

from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import func, update
from sqlmodel import col, select

from app.accounts.models import LOCAL_USER_ID
from app.conversations.leases import MAX_LOSSES, Claim, Leases
from app.conversations.models import Message, Turn, TurnEvent, TurnStatus
from app.core.clock import utc_now
from app.core.errors import IdempotencyConflict, TurnInProgress
from tests.conversations.machines import SHORT, Machine
from tests.conversations.stories import CANCELLED, COMPLETED, FAILED, answer, delta, opening

CONVERSATIONS = 3
"""Few, so that they meet."""
ENDS = {TurnStatus.CANCELLED: CANCELLED, TurnStatus.FAILED: FAILED}

places = st.integers(0, 99)
"""Which of the turns there are, by whatever remains."""


@dataclass
class Known:
    """What must be true of a turn."""

    turn_id: UUID
    conversation_id: UUID
    request_hash: str
    log: list[str] = field(default_factory=lambda: ["turn.started"])
    status: TurnStatus = TurnStatus.RUNNING
    attempt: int = 0
    losses: int = 0
    worker: int | None = None
    is_late: bool = False
    """Its worker has let the lease run out."""

    @property
    def is_running(self) -> bool:
        return self.status is TurnStatus.RUNNING

    @property
    def claim(self) -> Claim:
        return Claim(self.turn_id, self.attempt, self.conversation_id, LOCAL_USER_ID, None, None, utc_now())

    def end(self, status: TurnStatus) -> None:
        self.status, self.worker, self.is_late = status, None, False
        self.log.append(f"turn.{status}")


def of(turns: list[Known], place: int) -> Known:
    return turns[place % len(turns)]


class TurnMachine(Machine):
    """Two workers, three conversations."""

    def __init__(self) -> None:
        super().__init__()
        self.workers = [Leases(self.database, self.signals, uuid4(), seconds=60) for _ in range(2)]
        self.conversations: list[UUID] = []
        self.turns: list[Known] = []
        self.keys: dict[str, Known] = {}

    @property
    def held(self) -> list[Known]:
        return [turn for turn in self.turns if turn.worker is not None]

    @property
    def begun(self) -> list[Known]:
        return [turn for turn in self.turns if turn.attempt]

    @property
    def waiting(self) -> list[Known]:
        """Those no worker has ever had."""
        return [turn for turn in self.turns if turn.is_running and not turn.attempt]

    @rule(place=places, key=st.sampled_from([None, None, "one", "two"]), request_hash=st.sampled_from("ab"))
    def open(self, place: int, key: str | None, request_hash: str) -> None:
        where = self.conversations[place % CONVERSATIONS] if place % CONVERSATIONS < len(self.conversations) else None
        given = opening(conversation_id=where, idempotency_key=key, request_hash=request_hash)
        known = self.keys.get(key) if key else None
        if known is not None and known.request_hash == request_hash:
            opened = self.run(self.service.open_turn(given))
            assert (opened.turn_id, opened.is_replay) == (known.turn_id, True)
        elif known is not None:
            with pytest.raises(IdempotencyConflict):
                self.run(self.service.open_turn(given))
        elif any(turn.is_running and turn.conversation_id == where for turn in self.turns):
            with pytest.raises(TurnInProgress):
                self.run(self.service.open_turn(given))
        else:
            opened = self.run(self.service.open_turn(given))
            assert not opened.is_replay
            turn = Known(opened.turn_id, opened.conversation_id, request_hash)
            self.turns.append(turn)
            if where is None:
                self.conversations.append(opened.conversation_id)
            if key is not None:
                self.keys[key] = turn

    @rule(worker=st.integers(0, 1))
    def take(self, worker: int) -> None:
        claims = []
        for turn in self.turns:
            if not turn.is_running or (turn.worker is not None and not turn.is_late):
                continue
            turn.losses += turn.worker is not None
            if turn.losses >= MAX_LOSSES:
                turn.end(TurnStatus.FAILED)
                continue
            turn.attempt += 1
            turn.worker, turn.is_late = worker, False
            if turn.attempt > 1:
                turn.log.append("turn.restarted")
            claims.append(turn.claim)
        assert self.run(self.workers[worker].claim()) == claims

    @rule(worker=st.integers(0, 1))
    def renew(self, worker: int) -> None:
        held = [turn for turn in self.turns if turn.worker == worker]
        for turn in held:
            turn.is_late = False
        found = self.run(self.workers[worker].renew())
        assert sorted(found, key=str) == sorted((turn.claim for turn in held), key=str)

    @precondition(lambda self: self.held)
    @rule(place=places)
    def fall_silent(self, place: int) -> None:
        turn = of(self.held, place)
        turn.is_late = True
        self.run(self._expire(turn.turn_id))

    async def _expire(self, turn_id: UUID) -> None:
        async with self.database.transaction() as session:
            now = utc_now() if self.database.is_embedded else func.now()
            await session.exec(update(Turn).where(col(Turn.id) == turn_id).values(leased_until=now))

    @precondition(lambda self: self.turns)
    @rule(place=places, behind=st.sampled_from([0, 0, 1, 2]), lines=st.integers(1, 3))
    def write(self, place: int, behind: int, lines: int) -> None:
        turn = of(self.turns, place)
        attempt = max(turn.attempt - behind, 0)
        may = turn.is_running and attempt == turn.attempt
        assert self.run(self.service.append(turn.turn_id, [delta("x")] * lines, attempt=attempt)) is may
        turn.log += ["text.delta"] * lines * may

    @precondition(lambda self: self.turns)
    @rule(place=places, behind=st.sampled_from([0, 0, 1]))
    def complete(self, place: int, behind: int) -> None:
        turn = of(self.turns, place)
        attempt = max(turn.attempt - behind, 0)
        may = turn.is_running and attempt == turn.attempt
        assert self.run(self.service.complete_turn(turn.turn_id, answer(), COMPLETED, attempt=attempt)) is may
        if may:
            turn.end(TurnStatus.COMPLETED)

    @precondition(lambda self: self.turns)
    @rule(place=places, behind=st.sampled_from([None, 0, 1]), status=st.sampled_from(list(ENDS)))
    def end(self, place: int, behind: int | None, status: TurnStatus) -> None:
        turn = of(self.turns, place)
        attempt = None if behind is None else max(turn.attempt - behind, 0)
        may = turn.is_running and attempt in {None, turn.attempt}
        assert self.run(self.service.end_turn(turn.turn_id, status, ENDS[status], attempt=attempt)) is may
        if may:
            turn.end(status)

    @precondition(lambda self: self.begun)
    @rule(place=places, behind=st.sampled_from([0, 0, 1]), is_lost=st.booleans())
    def hand_over(self, place: int, behind: int, *, is_lost: bool) -> None:
        turn = of(self.begun, place)
        held = Claim(turn.turn_id, turn.attempt - behind, turn.conversation_id, LOCAL_USER_ID, None, None, utc_now())
        self.run(self.workers[0].release(held, is_lost=is_lost))
        if turn.is_running and not behind:
            turn.worker, turn.is_late = None, False
            turn.losses += is_lost

    @precondition(lambda self: self.waiting)
    @rule(place=places)
    def cancel_while_nobody_runs_it(self, place: int) -> None:
        turn = of(self.waiting, place)
        self.run(self.service.stop_turn(turn.turn_id))
        turn.end(TurnStatus.CANCELLED)

    @precondition(lambda self: self.turns)
    @invariant()
    def everything_is_as_it_must_be(self) -> None:
        self.run(self._compare())

    async def _compare(self) -> None:
        ids = [worker._worker_id for worker in self.workers]
        async with self.database.reading() as session:
            turns = {turn.id: turn for turn in (await session.exec(select(Turn))).all()}
            logs = defaultdict(list)
            for line in (await session.exec(select(TurnEvent).order_by(col(TurnEvent.seq)))).all():
                logs[line.turn_id].append((line.seq, line.kind))
            said = defaultdict(list)
            for message in (await session.exec(select(Message).order_by(col(Message.role)))).all():
                said[message.turn_id].append(message.role)
        assert set(turns) == {known.turn_id for known in self.turns}
        for known in self.turns:
            turn = turns[known.turn_id]
            assert (turn.status, turn.attempt, turn.losses) == (known.status, known.attempt, known.losses)
            assert turn.worker_id == (None if known.worker is None else ids[known.worker])
            assert (turn.finished_at is None) is known.is_running
            assert logs[known.turn_id] == list(enumerate(known.log, start=1))
            is_answered = known.status is TurnStatus.COMPLETED
            assert said[known.turn_id] == (["assistant", "user"] if is_answered else ["user"])


def test_a_turn_goes_one_way_and_only_the_latest_attempt_writes(database_url: str) -> None:
    TurnMachine.database_url = database_url
    run_state_machine_as_test(TurnMachine, settings=SHORT)
