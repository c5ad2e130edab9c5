"""200 turns in one process leave nothing behind: neither memory nor tasks, threads or connections."""

import asyncio
import gc
import threading
from collections import Counter, deque
from dataclasses import dataclass

import httpx2
import psutil  # type: ignore[import-untyped]  # psutil ships no types

from tests.answers import calls, hands_to, says_questions
from tests.chat.client import chat
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer, RecordedRequest, Say, Step

CONVERSATIONS_AT_ONCE, TURNS_OF_A_CONVERSATION = 5, 4
WARM_UP_TURNS, TURNS = 20, 200

POOLED_FILES_AND_SOCKETS = 30
"""Both ends of the pooled connections to provider and service, and three files for each of SQLite's: they come and go
with the load, up to a bound."""

MEMORY_BYTES_PER_TURN = 200_000
"""Measured: under 80 kB, which stops growing after 200 turns (allocator, SQLite's page caches). A turn whose runtime is
kept costs 960 kB."""

TURN_PARTS = (
    "InProcessRuntime",
    "HandoffOrchestration",
    "HandoffAgentActor",
    "ChatCompletionAgent",
    "MeteredChatCompletion",
    "Kernel",
    "TurnState",
    "TurnTask",
    "Delivery",
    "AsyncSession",
)


@dataclass(frozen=True)
class Remains:
    """What is there between two turns."""

    tasks: int
    threads: int
    files_and_sockets: int
    provider_connections: int
    parts: Counter[str]
    memory_bytes: int


class ForgetfulModelServer(ModelServer):
    """Keeps only the last requests: what the provider remembers is no memory of the service."""

    def __init__(self) -> None:
        super().__init__()
        self._requests = deque(maxlen=10)


def _remains(provider: ModelServer) -> Remains:
    gc.collect()
    process = psutil.Process()
    kinds = Counter(type(thing).__name__ for thing in gc.get_objects())
    return Remains(
        tasks=len(asyncio.all_tasks()),
        threads=threading.active_count(),
        files_and_sockets=process.num_fds(),
        provider_connections=provider.open_connections,
        parts=Counter({name: kinds[name] for name in TURN_PARTS}),
        memory_bytes=process.memory_info().rss,
    )


def _cooperative(request: RecordedRequest) -> Step:
    if request.is_technique:
        return says_questions(2, pieces=6)
    if "Handoff-transfer_to_technical" in request.tool_names:
        return hands_to("technical")
    if request.last_user_text == "why?":
        return Say("They want to see how you think.")
    return calls("technical-few_shot")


async def _take_turns(client: httpx2.AsyncClient, count: int) -> None:
    """Several conversations at a time: a first turn with handoff and technique, then plain ones."""

    async def converse() -> None:
        for _ in range(count // CONVERSATIONS_AT_ONCE // TURNS_OF_A_CONVERSATION):
            first = await chat(client, message="I have a backend interview", question_count=2)
            for _ in range(TURNS_OF_A_CONVERSATION - 1):
                await chat(client, message="why?", conversation_id=first["conversation_id"])

    await asyncio.gather(*(converse() for _ in range(CONVERSATIONS_AT_ONCE)))


async def test_after_200_turns_everything_is_as_it_was_after_20(serve: Serve, make_settings: MakeSettings) -> None:
    with ForgetfulModelServer() as provider:
        provider.respond_with(_cooperative)
        settings = make_settings(
            openai_base_url=provider.base_url, default_model="gpt-4o", rate_limit_calls_per_hour=100_000
        )
        async with serve(settings) as client:
            await _take_turns(client, WARM_UP_TURNS)
            before = _remains(provider)
            await _take_turns(client, TURNS - WARM_UP_TURNS)
            after = _remains(provider)
        provider.verify()

    assert after.parts <= before.parts, after.parts - before.parts
    assert after.tasks <= before.tasks + CONVERSATIONS_AT_ONCE, "one per pooled connection"
    assert after.threads <= before.threads + CONVERSATIONS_AT_ONCE, "one per pooled connection of SQLite"
    assert after.provider_connections <= CONVERSATIONS_AT_ONCE
    assert after.files_and_sockets <= before.files_and_sockets + POOLED_FILES_AND_SOCKETS
    growth = after.memory_bytes - before.memory_bytes
    assert growth < MEMORY_BYTES_PER_TURN * (TURNS - WARM_UP_TURNS), f"{growth / 1e6:.1f} MB"
