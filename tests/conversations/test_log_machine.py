"""The readers of a turn's log as a state machine: they come, leave and return at any time, also after the end."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from app.accounts.models import LOCAL_USER_ID
from app.conversations.models import TurnStatus
from app.conversations.repository import REPEATED_KINDS
from app.conversations.retention import Retention
from app.conversations.turn_log import LoggedEvent, Pace, TurnLog
from app.core.clock import utc_now
from tests.conversations.machines import SHORT, Machine
from tests.conversations.stories import CANCELLED, COMPLETED, FAILED, answer, delta, opening

PACE = Pace(poll_seconds=0.02, heartbeat_seconds=3600)
KINDS = {"piece": delta("x"), "agent": ("agent.active", {"agent": "technical", "from": None})}

LINES_BEFORE_THE_END = 20

places = st.integers(0, 99)


@dataclass
class Reader:
    """Somebody who has read up to a line, and reads on or has left."""

    seen: int
    is_handed: bool
    """What is written, by the process that it reads from."""
    stream: AsyncGenerator[LoggedEvent | None, None] | None = None


class LogMachine(Machine):
    """One turn, and another that is written at the same time."""

    turn_id: UUID
    other_id: UUID
    """A turn of another conversation, whose lines are nobody's business here."""

    def __init__(self) -> None:
        super().__init__()
        self.elsewhere = TurnLog(self.database, self.signals)
        """Its readers find what the service writes in the database; the service's own are handed it."""
        self.log: list[tuple[int, str]] = [(1, "turn.started")]
        self.is_over = False
        self.readers: list[Reader] = []

    @initialize()
    def begin(self) -> None:
        self.turn_id = self.run(self.service.open_turn(opening())).turn_id
        self.other_id = self.run(self.service.open_turn(opening())).turn_id

    def reader(self, place: int) -> Reader:
        return self.readers[place % len(self.readers)]

    def left_for(self, reader: Reader) -> list[tuple[int, str]]:
        return [line for line in self.log if line[0] > reader.seen]

    def add(self, kind: str) -> None:
        self.log.append((self.log[-1][0] + 1, kind))

    @precondition(lambda self: not self.is_over)
    @rule(kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    def write(self, kinds: list[str]) -> None:
        assert self.run(self.service.append(self.other_id, [delta("of another turn")]))
        assert self.run(self.service.append(self.turn_id, [KINDS[kind] for kind in kinds]))
        for kind in kinds:
            self.add(KINDS[kind][0])

    # Not at once: readers shall read on after later lines.
    @precondition(lambda self: not self.is_over and len(self.log) >= LINES_BEFORE_THE_END)
    @rule(status=st.sampled_from([TurnStatus.COMPLETED, TurnStatus.COMPLETED, TurnStatus.FAILED, TurnStatus.CANCELLED]))
    def end(self, status: TurnStatus) -> None:
        if status is TurnStatus.COMPLETED:
            assert self.run(self.service.complete_turn(self.turn_id, answer(), COMPLETED))
        else:
            line = FAILED if status is TurnStatus.FAILED else CANCELLED
            assert self.run(self.service.end_turn(self.turn_id, status, line))
        self.add(f"turn.{status}")
        self.is_over = True

    @rule(after=st.integers(0, 12), is_handed=st.booleans())
    def come(self, after: int, is_handed: bool) -> None:  # noqa: FBT001 - drawn
        self.readers.append(Reader(min(after, self.log[-1][0]), is_handed))

    @precondition(lambda self: self.readers)
    @rule(place=places)
    def leave(self, place: int) -> None:
        self.close(self.reader(place))

    def close(self, reader: Reader) -> None:
        if reader.stream is not None:
            self.run(reader.stream.aclose())
            reader.stream = None

    @precondition(lambda self: self.readers)
    @rule(place=places, most=st.integers(1, 5))
    def read(self, place: int, most: int) -> None:
        """Some of the lines that are there; who has left returns with the number of the last line it saw."""
        reader = self.reader(place)
        expected = self.left_for(reader)[:most]
        assert self.run(self._read(reader, len(expected))) == expected

    async def _read(self, reader: Reader, count: int) -> list[tuple[int, str]]:
        if reader.stream is None:
            reader.stream = await self._follow(reader)
        lines = []
        for _ in range(count):
            event = await anext(reader.stream)
            assert event is not None
            reader.seen = event.seq
            lines.append((event.seq, event.kind))
        return lines

    async def _follow(self, reader: Reader) -> AsyncGenerator[LoggedEvent | None, None]:
        if reader.is_handed:
            return await self.service.follow(self.turn_id, owner_id=LOCAL_USER_ID, after=reader.seen)
        return self.elsewhere.follow(self.turn_id, after=reader.seen, pace=PACE)

    @precondition(lambda self: self.is_over and self.readers)
    @rule(place=places)
    def read_to_the_end(self, place: int) -> None:
        reader = self.reader(place)
        expected = self.left_for(reader)
        assert self.run(self._read(reader, len(expected))) == expected
        assert reader.stream is None or self.run(_is_exhausted(reader.stream))
        reader.stream = None

    @precondition(lambda self: self.is_over)
    @rule()
    def compact(self) -> None:
        for reader in self.readers:
            self.close(reader)
        retention = Retention(
            self.database,
            log_age=timedelta(),
            conversation_age=None,
            now=lambda: utc_now() + timedelta(seconds=1),
        )
        self.run(retention.tidy())
        if self.log[-1][1] == "turn.completed":
            self.log = [line for line in self.log if line[1] not in REPEATED_KINDS]

    def teardown(self) -> None:
        for reader in self.readers:
            self.close(reader)
        super().teardown()


async def _is_exhausted(stream: AsyncGenerator[LoggedEvent | None, None]) -> bool:
    return await anext(stream, None) is None


def test_every_reader_sees_every_line_once_and_in_order(database_url: str) -> None:
    LogMachine.database_url = database_url
    run_state_machine_as_test(LogMachine, settings=SHORT)
