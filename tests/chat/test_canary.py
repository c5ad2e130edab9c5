"""The canary reaches every model and nobody else; an answer that holds it is withheld, and its turn fails."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.canary import ALPHABET, INSTRUCTION, LETTERS
from app.main import create_app
from tests.answers import calls, hands_to, question, says_questions, technique_output
from tests.chat.client import FIRST, STREAM, Event, chat, check_problem, events_of, latest_conversation, problem_of
from tests.conftest import MakeSettings, Serve
from tests.core.conftest import StartLog
from tests.model_server import CallTools, ModelServer, RecordedRequest, Say, Step, ToolCall
from tests.model_wire import Usage

MARKER = re.compile(re.escape(INSTRUCTION).replace(r"\{canary\}", f"([{ALPHABET}]{{{LETTERS}}})") + r"\Z")
COMPARE = {
    "message": "Prepare me",
    "interview_type": "technical",
    "techniques": ["zero_shot", "few_shot"],
    "question_count": 2,
}

Answer = Callable[[str], Step]
"""From the canary that a request brought to what the model says."""


def canary_of(request: RecordedRequest) -> str:
    """The canary, which must stand at the end of the instructions and nowhere else in the request."""
    found = MARKER.search(request.system_text)
    assert found is not None, request.system_text[-200:]
    assert json.dumps(request.body).count(found.group(1)) == 1
    return found.group(1)


def answers(server: ModelServer, *steps: Answer) -> None:
    """Script answers that know the canary of their request."""
    waiting = iter(steps)
    server.respond_with(lambda request: next(waiting)(canary_of(request)))


def always(step: Step) -> Answer:
    return lambda _canary: step


def check_nowhere(canary: str, *places: str) -> None:
    """Eight letters of it in a row are no accident, not even in a whole database."""
    for place in places:
        shown = re.sub(r"[^a-z0-9]", "", place.lower())
        for form in (canary, canary[::-1], base64.b64encode(f"it {canary}".encode()).decode().lower()[4:]):
            assert not [form[at : at + 8] for at in range(len(form) - 7) if form[at : at + 8] in shown]


def stored(folder: Path) -> str:
    """The whole database, its journal included."""
    return "".join(path.read_bytes().decode("latin-1") for path in folder.glob("greenroom.db*"))


async def test_every_call_of_a_conversation_carries_the_same_canary_and_nobody_sees_it(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, *, start_log: StartLog, tmp_path: Path
) -> None:
    logged = start_log()
    model_server.script(
        hands_to("technical"),
        calls("technical-few_shot", count="3"),
        says_questions(2),
        says_questions(1, first=9),  # the repair
        Say("Because the posting says so."),
    )
    async with serve(openai_settings()) as client:
        async with client.stream("POST", "/api/v1/chat", json=FIRST, headers=STREAM) as response:
            events = [event async for event in events_of(response)]
        reply = events[-1].data
        follow_up = await chat(client, message="Why number 1?", conversation_id=reply["conversation_id"])
        detail = await latest_conversation(client)

    (canary,) = {canary_of(request) for request in model_server.requests}
    assert len(model_server.requests) == 5
    check_nowhere(canary, str(events), str(follow_up), str(detail), logged.getvalue(), stored(tmp_path))


async def test_another_conversation_and_every_comparison_has_a_canary_of_its_own(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say("Which one?"), Say("Which one?"))
    model_server.script(*(says_questions(2) for _ in range(4)))
    async with serve(openai_settings()) as client:
        await chat(client, message="hello")
        await chat(client, message="hello")
        for _ in range(2):
            assert (await client.post("/api/v1/compare", json=COMPARE)).status_code == 200

    first, second, *compared = map(canary_of, model_server.requests)
    assert len({first, second, *compared}) == 4
    assert compared[0] == compared[1] != compared[2] == compared[3]


def in_question(**fields: Callable[[str], Any]) -> Answer:
    """A technique's answer whose second question holds the canary in this field."""

    def answer(canary: str) -> Step:
        second = question(2, **{name: value(canary) for name, value in fields.items()})
        return Say(json.dumps({"summary": "Two.", "questions": [question(1), second]}), pieces=60)

    return answer


TECHNIQUE = (always(hands_to("technical")), always(calls("technical-few_shot", count="2")))
LEAKS: dict[str, tuple[Answer, ...]] = {
    "triage says it": (lambda canary: Say(f"My marker is {canary}.", pieces=20),),
    "triage says it at once": (lambda canary: Say(f"My marker is {canary}.", pieces=1),),
    "a specialist, after a long lead-in": (
        always(hands_to("technical")),
        lambda canary: Say(f"{'Well, this is it. ' * 40}{canary} and more", pieces=300),
    ),
    "spaced": (lambda canary: Say(" ".join(canary), pieces=48),),
    "reversed": (lambda canary: Say(canary[::-1], pieces=24),),
    "base64": (lambda canary: Say(base64.b64encode(f"it {canary}".encode()).decode(), pieces=13),),
    "in a technique's summary": (*TECHNIQUE, lambda canary: Say(technique_output(2, summary=canary), pieces=50)),
    "in a question": (*TECHNIQUE, in_question(text=lambda canary: f"What is {canary}?")),
    "in a question, escaped": (*TECHNIQUE, in_question(text=lambda canary: "\u2060".join(canary) + "?")),
    "in a hint": (*TECHNIQUE, in_question(hints=lambda canary: ["Look here.", canary.upper(), "Begin."])),
    "in a repair": (
        always(hands_to("technical")),
        always(calls("technical-few_shot", count="3")),
        always(says_questions(2)),
        in_question(text=lambda canary: f"What is {canary}?"),
    ),
    "in what a technique is asked for": (
        always(hands_to("technical")),
        lambda canary: calls("technical-few_shot", focus=canary),
    ),
    "in a lasting wish": (
        always(hands_to("technical")),
        lambda canary: calls("technical-few_shot", standing_wish=".".join(canary)),
    ),
    "in a tool's name": (lambda canary: CallTools((ToolCall(f"technical-{canary}"),)),),
    "beside a tool call": (lambda canary: CallTools((ToolCall("Handoff-transfer_to_technical"),), preamble=canary),),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
async def test_an_answer_that_holds_it_is_withheld_and_leaves_no_trace(
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    *,
    start_log: StartLog,
    tmp_path: Path,
    leak: tuple[Answer, ...],
) -> None:
    logged = start_log()
    answers(model_server, *leak)
    async with serve(openai_settings()) as client:
        async with client.stream("POST", "/api/v1/chat", json=FIRST, headers=STREAM) as response:
            events = [event async for event in events_of(response)]
        turn = (await client.get(f"/api/v1/turns/{events[-1].data['turn_id']}")).json()

    assert events[-1].kind == "turn.failed"
    check_problem(events[-1].data, status=502, code="output_withheld")
    assert events[-1].data["title"] == "The answer was withheld"
    assert turn["status"] == "failed"
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    (line,) = [line for line in lines if line["event"] == "output_withheld"]
    assert (line["level"], line["agent"]) == ("warning", "triage" if len(leak) == 1 else "technical")
    assert line["form"] in {"plain", "reversed", "base64"}
    assert len([event for event in events if event.kind == "usage.updated"]) == len(leak)
    canary = canary_of(model_server.requests[0])
    check_nowhere(canary, shown_in(events), logged.getvalue(), stored(tmp_path))


def shown_in(events: list[Event]) -> str:
    return json.dumps([event.data for event in events], ensure_ascii=False)


async def test_what_was_harmless_before_stays_and_the_rest_of_the_stream_is_not_waited_for(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    harmless = "Let us begin with what they will look for in you. " * 10
    answers(
        model_server,
        always(hands_to("technical")),
        lambda canary: Say(
            f"{harmless}{canary}{'and so on ' * 1000}", pieces=400, delay_seconds_per_piece=0.005, usage=Usage()
        ),
    )
    async with serve(openai_settings()) as client:
        async with client.stream("POST", "/api/v1/chat", json=FIRST, headers=STREAM) as response:
            events = [event async for event in events_of(response)]
        await model_server.until(lambda: model_server.aborted_by_client == 1)
        detail = await latest_conversation(client)

    shown = "".join(event.data["text"] for event in events if event.kind == "text.delta")
    assert harmless.startswith(shown.rstrip())
    assert len(shown) > 200
    # Stopped before the provider said what it took, so that it is estimated.
    assert detail["usage"]["model_calls"] == 2
    assert detail["usage"]["output_tokens"] > len(harmless) // 4


async def test_the_next_turn_goes_on_as_usual(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    answers(model_server, Say, always(Say("Which part of it?")))
    async with serve(openai_settings()) as client:
        refused = problem_of(await client.post("/api/v1/chat", json=FIRST), status=502, code="output_withheld")
        reply = await chat(client, message="And now?", conversation_id=refused["conversation_id"])

    assert reply["reply"] == "Which part of it?"


async def test_a_comparison_withholds_one_technique_and_shows_the_other(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, start_log: StartLog
) -> None:
    logged = start_log()
    answers(model_server, lambda canary: Say(technique_output(2, summary=canary)), always(says_questions(2)))
    async with serve(openai_settings()) as client:
        results = (await client.post("/api/v1/compare", json=COMPARE)).json()["results"]
        answers(model_server, Say, Say)
        problem_of(await client.post("/api/v1/compare", json=COMPARE), status=502, code="output_withheld")

    (withheld,) = [result for result in results if result["problem"]]
    assert withheld["problem"]["code"] == "output_withheld"
    assert withheld["question_set"] is withheld["reply"] is None
    assert len([result for result in results if result["question_set"]]) == 1
    check_nowhere(canary_of(model_server.requests[0]), str(results), logged.getvalue())


async def test_the_offline_engine_says_nothing_of_it(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        reply = await chat(client, message="Say that again in other words, please.")

    assert "marker, no part" not in reply["reply"]


def test_openapi_names_it_where_a_model_may_answer(make_settings: MakeSettings) -> None:
    paths = create_app(make_settings()).openapi()["paths"]

    for path in ("/api/v1/chat", "/api/v1/compare"):
        assert "`output_withheld`" in paths[path]["post"]["responses"]["502"]["description"]
