"""One trial: a turn of which something goes wrong at some moment, and readers that go through it with the client."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import asyncpg
import httpx2

from tests.answers import calls, hands_to, says_questions
from tests.faults.checker import ENDS, Evidence, Line, Reading, findings, line_of
from tests.faults.fleet import Fleet, Replica
from tests.model_server import CutStream, Fail, RecordedRequest, Say, Step

PATIENCE_SECONDS = 60.0
"""For a whole trial: whatever takes longer is lost."""
LOOK_SECONDS = 0.02
BOOKED_SECONDS = 5.0
PAUSE_SECONDS = 3.0
"""Longer than the lease, and the look for turns that have lost theirs."""
WORDS, PIECES, PIECE_SECONDS = 60, 30, 0.03
TOKEN = "trial"

STAGES = ("at once", "at the first call", "in the middle", "near the end", "afterwards")
FAULTS = (
    "none",
    "kill the worker",
    "kill the front",
    "pause the worker",
    "stop the worker",
    "connections of the database",
    "readers leave",
    "cancel",
    "the same again",
    "another message",
)
MODELS = ("answers", "hands over", "makes questions", "stumbles", "breaks off")
WAYS = ("waits", "streams", "does not wait")
"""How the client sends its message."""


@dataclass(frozen=True)
class Plan:
    """What a trial does; all of it follows from the seed and the trial's number."""

    number: int
    fault: str
    stage: str
    model: str
    way: str
    readers: int
    seed: str

    @classmethod
    def of(cls, seed: int, number: int) -> "Plan":
        name = f"{seed}/{number}"
        chance = random.Random(name)  # noqa: S311 - has to be repeatable
        return cls(
            number,
            fault=chance.choice(FAULTS),
            stage=chance.choice(STAGES),
            model=chance.choice(MODELS),
            way=chance.choice(WAYS),
            readers=chance.randint(1, 3),
            seed=name,
        )

    def __str__(self) -> str:
        return f"trial {self.number}: {self.fault}, {self.stage}; the model {self.model}; the client {self.way}"


@dataclass(frozen=True)
class Outcome:
    """What a trial found."""

    plan: Plan
    findings: list[str]
    status: str
    attempts: int
    takeover_seconds: float | None
    """From the death of the worker to the first line of the next attempt."""


class Model:
    """Answers each trial's calls after its plan. Called in the model server's thread."""

    def __init__(self) -> None:
        self.plans: dict[int, Plan] = {}
        self.requests: dict[int, int] = {}
        """Calls so far, by trial."""

    def answer(self, request: RecordedRequest) -> Step:
        number = int(request.last_user_text.split(f"{TOKEN} ")[1].split()[0].rstrip("."))
        earlier = self.requests.get(number, 0)
        self.requests[number] = earlier + 1
        return self._step(self.plans[number], request, earlier)

    def _step(self, plan: Plan, request: RecordedRequest, earlier: int) -> Step:
        if plan.model == "stumbles" and earlier == 0:
            return Fail(503)
        if plan.model == "breaks off" and earlier == 0:
            return CutStream(PIECES // 2, reply_of(plan)[:200])
        if plan.model == "hands over" and "Handoff-transfer_to_technical" in request.tool_names:
            return hands_to("technical")
        if plan.model == "makes questions":
            if request.is_technique:
                return says_questions(2, pieces=PIECES, delay=PIECE_SECONDS)
            return calls("technical-few_shot")
        return Say(reply_of(plan), pieces=PIECES, delay_seconds_per_piece=PIECE_SECONDS)


def reply_of(plan: Plan) -> str:
    """Words of which none comes twice, so that a lost or doubled one shows."""
    return " ".join(f"{plan.number}-{word}" for word in range(WORDS))


def _place_of(task: "asyncio.Task[Any]") -> str:
    """Where a task waits, for whoever looks for what it waits for."""
    names, waiting = [], task.get_coro()
    while (code := getattr(waiting, "cr_code", None)) is not None:
        names.append(code.co_name)
        waiting = waiting.cr_await  # type: ignore[union-attr]  # it has one, having that code
    return " > ".join(names)


class Trial:
    """Runs a plan against the fleet and gathers what can be known of it."""

    def __init__(self, plan: Plan, fleet: Fleet, model: Model, database: "asyncpg.Pool[Any]") -> None:
        self.plan = plan
        self.fleet = fleet
        self.model = model
        self.database = database
        self.chance = random.Random(f"{plan.seed}/chances")  # noqa: S311 - has to be repeatable
        self.key = f"key {plan.seed}"
        self.message = f"{TOKEN} {plan.number} please"
        self.readings: list[Reading] = []
        self.accepted: list[str] = []
        self.died_at: float | None = None
        self.back_at: float | None = None
        self.wrong: list[str] = []
        self.refusal = ""
        """What the client was last told to try again after."""
        model.plans[plan.number] = plan

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"message": self.message, "question_count": 2}
        return body if self.plan.model == "hands over" else body | {"interview_type": "technical"}

    async def run(self) -> Outcome:
        running = asyncio.create_task(self._run())
        await asyncio.wait({running}, timeout=PATIENCE_SECONDS)
        if not running.done():
            places = [_place_of(task) for task in asyncio.all_tasks() if task.get_name() == self.key]
            waiting = f"{', '.join(places)}; the last refusal: {self.refusal}"
            self.wrong.append(f"lost: not over after {PATIENCE_SECONDS:g} seconds: {waiting}")
            running.cancel()
            await asyncio.wait({running})
        else:
            running.result()
        evidence = await self._evidence()
        status, attempts = "none", 0
        for turn in evidence.turns:
            status, attempts = str(turn["status"]), int(turn["attempt"])
        takeover = self.back_at - self.died_at if self.back_at and self.died_at else None
        return Outcome(self.plan, self.wrong + findings(evidence), status, attempts, takeover)

    async def _run(self) -> None:
        at_once = self.plan.stage == "at once"
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send(), name=self.key)
            if at_once:
                tasks.create_task(self._fault(None), name=self.key)
            turn_id = await self._turn_id()
            for _ in range(self.plan.readers):
                tasks.create_task(self._read(turn_id), name=self.key)
            if not at_once:
                tasks.create_task(self._fault(turn_id), name=self.key)
        await self._read(turn_id)
        # A worker that was paused and replaced notices it only now, and ends its call.
        with suppress(TimeoutError):
            async with asyncio.timeout(BOOKED_SECONDS):
                await self._until(partial(self._is_booked, turn_id))

    # The client.

    async def _send(self) -> None:
        """Send the message until somebody answers, as a client does that has a key for it."""
        match self.plan.way:
            case "waits":
                response = await self._post()
                if (turn_id := response.json().get("turn_id")) is not None:
                    self.accepted.append(turn_id)
            case "streams":
                await self._stream()
            case _:
                response = await self._post(headers={"Prefer": "respond-async"})
                self.accepted.append(response.json()["id"])

    async def _post(self, headers: dict[str, str] | None = None) -> httpx2.Response:
        while True:
            replica = self.fleet.one_of(self.chance)
            with suppress(httpx2.TransportError):
                response = await replica.client.post(
                    "/api/v1/chat", json=self.body, headers={"Idempotency-Key": self.key, **(headers or {})}
                )
                if response.status_code != 503 or await self._is_final(response):
                    self._expect_no_failure(response)
                    return response
                self.refusal = response.text
            await asyncio.sleep(LOOK_SECONDS)

    async def _is_final(self, refused: httpx2.Response) -> bool:
        """Whether a refusal is how the turn ended, after too many losses, and not only of the server that was asked."""
        turn_id = refused.json().get("turn_id")
        return turn_id is not None and await self._has_ended(turn_id)

    def _expect_no_failure(self, response: httpx2.Response) -> None:
        if response.status_code == 500:
            self.wrong.append(f"wrong: 500 {response.text[:200]}")

    async def _stream(self) -> None:
        """The stream of the request itself is a reader like the others, who has the turn's id from its first event."""
        reading = Reading()
        headers = {"Idempotency-Key": self.key, "Accept": "text/event-stream"}
        while not reading.lines:
            replica = self.fleet.one_of(self.chance)
            with suppress(httpx2.TransportError):
                async with replica.client.stream("POST", "/api/v1/chat", json=self.body, headers=headers) as response:
                    await self._take(response, reading, leaves_after=None)
            await asyncio.sleep(LOOK_SECONDS)
        turn_id = reading.lines[0].data["turn_id"]
        self.accepted.append(turn_id)
        await self._read_on(turn_id, reading, leaves=False)
        self.readings.append(reading)

    # The readers.

    async def _read(self, turn_id: str) -> None:
        reading = Reading(after=self.chance.choice((0, 0, 0, 1)))
        await self._read_on(turn_id, reading, leaves=self.plan.fault == "readers leave")
        self.readings.append(reading)

    async def _read_on(self, turn_id: str, reading: Reading, *, leaves: bool) -> None:
        """Read to the turn's end, from whichever server answers."""
        while not (reading.lines and reading.lines[-1].kind in ENDS):
            replica = self.fleet.one_of(self.chance)
            seen = reading.lines[-1].seq if reading.lines else reading.after
            headers = {"Last-Event-ID": str(seen)} if seen else {}
            leaves_after = self.chance.randint(0, 6) if leaves else None
            with suppress(httpx2.TransportError):
                async with replica.client.stream("GET", f"/api/v1/turns/{turn_id}/events", headers=headers) as response:
                    await self._take(response, reading, leaves_after=leaves_after)
            await asyncio.sleep(LOOK_SECONDS)

    async def _take(self, response: httpx2.Response, reading: Reading, *, leaves_after: int | None) -> None:
        """Add the events that come to the reading, whole ones only; leave after so many."""
        if response.status_code >= 500 and response.status_code != 503:
            self.wrong.append(f"wrong: a reader got {response.status_code}")
        if response.status_code != 200:
            return
        fields: dict[str, str] = {}
        async for text in response.aiter_lines():
            name, _, value = text.partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                reading.lines.append(line_of(int(fields["id"]), fields["event"], fields["data"]))
                fields = {}
                self._notice(reading.lines[-1])
                if leaves_after is not None and (leaves_after := leaves_after - 1) < 0:
                    return

    def _notice(self, line: Line) -> None:
        is_takeover = line.kind == "turn.restarted" and line.data["reason"] == "server_lost"
        if is_takeover and self.died_at and not self.back_at:
            self.back_at = time.monotonic()

    # What goes wrong.

    async def _fault(self, turn_id: str | None) -> None:
        if turn_id is not None:
            await self._until(self._stage_of(turn_id))
        elif self.plan.fault in NEEDS_TURN:
            turn_id = await self._turn_id()
        await DOES[self.plan.fault](self, turn_id or "")

    def _stage_of(self, turn_id: str) -> Callable[[], Awaitable[bool]]:
        async def holds() -> bool:
            if self.plan.stage == "at the first call":
                return self.model.requests.get(self.plan.number, 0) > 0
            rows = await self._rows("SELECT kind FROM turn_event WHERE turn_id = $1", turn_id)
            kinds = [row["kind"] for row in rows]
            has_ended = bool(ENDS.keys() & set(kinds))
            enough = {"in the middle": 4, "near the end": 8}.get(self.plan.stage, len(kinds) + 1)
            return has_ended or len(kinds) >= enough

        return holds

    async def _hit(self, turn_id: str, does: Callable[[Replica], Awaitable[None]], *, the_worker: bool = True) -> None:
        """Do it to the turn's worker or to any replica, one at a time in the whole fleet."""
        async with self.fleet.hit:
            replica = self.fleet.runner_of(turn_id) if the_worker else None
            replica = replica or self.fleet.one_of(self.chance)
            if turn_id and not await self._has_ended(turn_id):
                self.died_at = time.monotonic()
            await does(replica)

    async def kill_worker(self, turn_id: str) -> None:
        await self._hit(turn_id, lambda replica: self.fleet.end(replica, signal.SIGKILL))

    async def kill_front(self, turn_id: str) -> None:
        await self._hit(turn_id, lambda replica: self.fleet.end(replica, signal.SIGKILL), the_worker=False)

    async def stop_worker(self, turn_id: str) -> None:
        await self._hit(turn_id, lambda replica: self.fleet.end(replica, signal.SIGTERM))

    async def pause_worker(self, turn_id: str) -> None:
        async def pause(replica: Replica) -> None:
            replica.send(signal.SIGSTOP)
            await asyncio.sleep(PAUSE_SECONDS)
            replica.send(signal.SIGCONT)

        await self._hit(turn_id, pause)

    async def cut_connections(self, _turn_id: str) -> None:
        """Those of every server, as when PostgreSQL itself starts anew; of none that is starting, which would end."""
        async with self.fleet.hit:
            await self._rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name <> 'checker' AND backend_type = 'client backend'"
            )

    async def cancel(self, turn_id: str) -> None:
        for _ in range(100):
            with suppress(httpx2.TransportError):
                response = await self.fleet.one_of(self.chance).client.post(f"/api/v1/turns/{turn_id}/cancel")
                if response.status_code in {204, 409}:
                    return
            await asyncio.sleep(LOOK_SECONDS)
        self.wrong.append("wrong: no answer to the cancel")

    async def send_again(self, _turn_id: str) -> None:
        """The same three times at once; and with another message under the same key, which is refused."""
        answers = await asyncio.gather(*(self._post({"Prefer": "respond-async"}) for _ in range(3)))
        self.accepted += [answer.json()["id"] for answer in answers]
        other = self.body | {"message": f"{self.message} now"}
        refused = await self._tell(other, {"Idempotency-Key": self.key})
        if (refused.status_code, refused.json().get("code")) != (409, "idempotency_conflict"):
            self.wrong.append(f"wrong: another body got {refused.status_code}")

    async def send_another(self, turn_id: str) -> None:
        """A second message is refused while the turn runs."""
        rows = await self._rows("SELECT conversation_id FROM turn WHERE id = $1", turn_id)
        # With a number of its own, so that its calls are not taken for those of the turn.
        other = self.model.plans[-self.plan.number] = replace(self.plan, number=-self.plan.number, model="answers")
        body = {"message": f"{TOKEN} {other.number} please", "conversation_id": str(rows[0]["conversation_id"])}
        response = await self._tell(body, {"Prefer": "respond-async"})
        if response.status_code == 409:
            if response.json()["code"] != "turn_in_progress":
                self.wrong.append(f"wrong: a second message got {response.json()['code']}")
        elif not await self._has_ended(turn_id):
            self.wrong.append(f"doubled: a second turn was accepted with {response.status_code} beside the first")

    async def readers_leave(self, _turn_id: str) -> None:
        """They do it by themselves."""

    async def nothing(self, _turn_id: str) -> None:
        """So that what is found elsewhere means something."""

    async def _tell(self, body: dict[str, Any], headers: dict[str, str]) -> httpx2.Response:
        while True:
            with suppress(httpx2.TransportError):
                response = await self.fleet.one_of(self.chance).client.post("/api/v1/chat", json=body, headers=headers)
                if response.status_code != 503:
                    self._expect_no_failure(response)
                    return response
            await asyncio.sleep(LOOK_SECONDS)

    # What can be known.

    async def _rows(self, query: str, *values: object) -> list[Any]:
        return list(await self.database.fetch(query, *values))

    async def _turn_id(self) -> str:
        """The turn's id as the database has it."""
        while True:
            rows = await self._rows("SELECT id FROM turn WHERE idempotency_key = $1", self.key)
            if rows:
                return str(rows[0]["id"])
            await asyncio.sleep(LOOK_SECONDS)

    async def _has_ended(self, turn_id: str) -> bool:
        rows = await self._rows("SELECT status FROM turn WHERE id = $1", turn_id)
        return bool(rows[0]["status"] != "running")

    async def _is_booked(self, turn_id: str) -> bool:
        return not await self._rows("SELECT 1 FROM model_call WHERE turn_id = $1 AND ended_at IS NULL", turn_id)

    async def _until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        while not await holds():  # noqa: ASYNC110 - what is waited for happens in other processes
            await asyncio.sleep(LOOK_SECONDS)

    async def _evidence(self) -> Evidence:
        turns = await self._rows("SELECT * FROM turn WHERE idempotency_key = $1", self.key)
        turn_id = turns[0]["id"] if turns else None
        log = await self._rows("SELECT seq, kind, data FROM turn_event WHERE turn_id = $1 ORDER BY seq", turn_id)
        said = "SELECT role, text FROM message WHERE turn_id = $1 ORDER BY created_at"
        return Evidence(
            turns=[dict(turn) for turn in turns],
            log=[line_of(row["seq"], row["kind"], row["data"]) for row in log],
            messages=[(row["role"], row["text"]) for row in await self._rows(said, turn_id)],
            calls=[dict(row) for row in await self._rows("SELECT * FROM model_call WHERE turn_id = $1", turn_id)],
            sets=[
                (str(row["id"]), row["revision"])
                for row in await self._rows("SELECT id, revision FROM question_set WHERE turn_id = $1", turn_id)
            ],
            readings=self.readings,
            message=self.message,
            reply=None if self.plan.model == "makes questions" else reply_of(self.plan),
            requests=self.model.requests.get(self.plan.number, 0),
            accepted=self.accepted,
            may_be_cancelled=self.plan.fault == "cancel",
        )


DOES: dict[str, Callable[[Trial, str], Coroutine[Any, Any, None]]] = dict(
    zip(
        FAULTS,
        (
            Trial.nothing,
            Trial.kill_worker,
            Trial.kill_front,
            Trial.pause_worker,
            Trial.stop_worker,
            Trial.cut_connections,
            Trial.readers_leave,
            Trial.cancel,
            Trial.send_again,
            Trial.send_another,
        ),
        strict=True,
    )
)
NEEDS_TURN = {"cancel", "another message"}
