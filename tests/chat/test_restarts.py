"""An answer that breaks off after its beginning was passed on: the turn starts over where readers see it, or fails."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.core.database import Database
from tests.answers import calls, hands_to, says_questions, technique_output
from tests.chat.client import FIRST, Event, chat, log_of, only_conversation, problem_of, said
from tests.conftest import MakeSettings, Serve
from tests.model_server import CallTools, CutStream, Fail, ModelServer, Say, Silence, Step, ToolCall
from tests.usage.rows import ledger_of

QUICK = {"provider_max_retries": 2, "provider_retry_seconds": 0.01}
TWO = FIRST | {"question_count": 2}
LONG = "One thing you should know about such interviews is that nobody expects you to know it all. " * 5
FINE = Say("Which interview is it?")
TO_TECHNIQUE = (hands_to("technical"), calls("technical-few_shot"))
ONE_AND_A_HALF = technique_output(2)[: len(technique_output(1)) + 60]
WHOLE = (*TO_TECHNIQUE, says_questions(2, first=10))

CUTS: dict[str, tuple[Sequence[Step], Sequence[Step]]] = {
    "triage, whose words are held back": ([CutStream(2)], [FINE]),
    "a specialist that was being read": ([hands_to("technical"), CutStream(4, LONG)], [hands_to("technical"), FINE]),
    "a technique before its first question": ([*TO_TECHNIQUE, CutStream(3, technique_output(1)[:120])], WHOLE),
    "a technique after its first question": ([*TO_TECHNIQUE, CutStream(9, ONE_AND_A_HALF)], WHOLE),
    "a tool call after words": (
        [CutStream(1, "Let me", calls=(ToolCall("Handoff-transfer_to_technical", "{"),))],
        [FINE],
    ),
}


def since_restart(events: Sequence[Event]) -> Sequence[Event]:
    """What counts: the events after the last restart."""
    places = [place for place, event in enumerate(events) if event.kind == "turn.restarted"]
    return events[places[-1] + 1 :] if places else events


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.data["text"] for event in events if event.kind == "text.delta")


def ready_in(events: Sequence[Event]) -> list[str]:
    return [event.data["question"]["text"] for event in events if event.kind == "question.ready"]


@pytest.mark.parametrize(("cut", "whole"), CUTS.values(), ids=CUTS.keys())
async def test_a_cut_answer_starts_the_turn_over_and_readers_are_told(
    *,
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    database: Database,
    cut: Sequence[Step],
    whole: Sequence[Step],
) -> None:
    model_server.script(*cut, *whole)
    url = database.url.render_as_string(hide_password=False)
    async with serve(openai_settings(**QUICK, database_url=url)) as client:
        reply = await chat(client, **TWO)
        events = await log_of(client, reply["turn_id"])
        stored = await only_conversation(client)

    (restart,) = [event for event in events if event.kind == "turn.restarted"]
    assert restart.data == {"reason": "answer_broken_off", "model": "gpt-4o"}
    counted = since_restart(events)
    assert text_of(counted) == reply["reply"] == said(stored)[-1][1]
    assert counted[-1].kind == "turn.completed"
    if (made := reply["question_set"]) is not None:
        assert ready_in(counted) == [question["text"] for question in made["questions"]]
        assert made["revision"] == 1
    rows = await ledger_of(database)
    assert [row.is_complete for row in rows] == [True] * (len(cut) - 1) + [False] + [True] * len(whole)
    assert reply["usage"]["model_calls"] == len(rows)
    assert reply["usage"]["instead_of"] is None
    assert [handoff["to"] for handoff in reply["handoffs"]] == [step for step in ("technical",) if len(whole) > 1]


async def test_what_readers_had_seen_is_voided(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*TO_TECHNIQUE, CutStream(9, ONE_AND_A_HALF), *WHOLE)
    async with serve(openai_settings(**QUICK)) as client:
        reply = await chat(client, **TWO)
        events = await log_of(client, reply["turn_id"])

    before = events[: len(events) - len(since_restart(events))]
    assert len(ready_in(before)) == 1
    assert ready_in(before)[0] not in reply["reply"]


@pytest.mark.parametrize("restarts", [0, 1])
async def test_an_answer_that_goes_on_breaking_off_is_never_passed_off_as_complete(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, restarts: int
) -> None:
    cut: list[Step] = [*TO_TECHNIQUE, CutStream(9, ONE_AND_A_HALF)]
    model_server.script(*cut * (restarts + 1))
    async with serve(openai_settings(**QUICK, max_restarts_per_turn=restarts)) as client:
        response = await client.post("/api/v1/chat", json=TWO)
        problem = problem_of(response, status=502, code="answer_broken_off")
        events = await log_of(client, problem["turn_id"])
        stored = await only_conversation(client)

    assert [event.kind for event in events].count("turn.restarted") == restarts
    assert events[-1].kind == "turn.failed"
    assert said(stored) == [("user", FIRST["message"])]
    assert stored["question_sets"] == []


async def test_a_cut_within_a_tool_call_that_stays_is_no_restart(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    cut = CutStream(1, "", calls=(ToolCall("Handoff-transfer_to_technical", '{"reas'),))
    model_server.script(*[cut] * 3)
    async with serve(openai_settings(**QUICK)) as client:
        response = await client.post("/api/v1/chat", json=TWO)
        problem = problem_of(response, status=502, code="answer_broken_off")
        events = await log_of(client, problem["turn_id"])

    assert "turn.restarted" not in [event.kind for event in events]


async def test_a_restarted_turn_is_held_to_the_same_deadline(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(CutStream(2), Silence())
    settings = openai_settings(**QUICK, turn_deadline_seconds=2, turn_timeout_seconds=60)
    async with serve(settings) as client:
        problem = problem_of(await client.post("/api/v1/chat", json=TWO), status=504, code="turn_timeout")

    assert "2 seconds" in problem["detail"]


async def test_silence_counts_anew_after_a_restart(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(CutStream(2), Silence())
    async with serve(openai_settings(**QUICK, turn_timeout_seconds=1.5)) as client:
        problem = problem_of(await client.post("/api/v1/chat", json=TWO), status=504, code="turn_timeout")
        kinds = [event.kind for event in await log_of(client, problem["turn_id"])]

    assert kinds.count("turn.restarted") == 1
    assert kinds[-1] == "turn.failed"


async def test_a_preamble_that_was_read_counts_no_longer_when_the_answer_to_the_tool_breaks_off(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    asks: dict[str, Any] = {"preamble": LONG}
    model_server.script(
        hands_to("technical"),
        CallTools((ToolCall("cost-spent_so_far"),), **asks),
        CutStream(2, "You have"),
        hands_to("technical"),
        Say("You have spent next to nothing."),
    )
    async with serve(openai_settings(**QUICK)) as client:
        reply = await chat(client, **TWO)

    assert reply["reply"] == "You have spent next to nothing."


async def test_a_repair_that_breaks_off_keeps_what_is_there(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*TO_TECHNIQUE, says_questions(1), CutStream(3, technique_output(1, first=9)[:90]))
    async with serve(openai_settings(**QUICK)) as client:
        reply = await chat(client, **TWO)

    assert "Only 1 of 2 questions came back." in reply["reply"]
    assert len(reply["question_set"]["questions"]) == 1


async def test_a_repair_is_tried_again_but_starts_nothing_over(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*TO_TECHNIQUE, says_questions(1), Fail(503), says_questions(1, first=9))
    async with serve(openai_settings(**QUICK)) as client:
        reply = await chat(client, **TWO)
        kinds = [event.kind for event in await log_of(client, reply["turn_id"])]

    assert len(reply["question_set"]["questions"]) == 2
    assert "turn.restarted" not in kinds
