"""A model may write any arguments for a tool: the turn goes on, and what code supplies stays what it is."""

import json
from typing import Any

import pytest

from app.core.fences import read_fence
from tests.answers import JOB_DESCRIPTION, says_questions
from tests.chat.client import FIRST, chat
from tests.chat.conducting import question_set, stage
from tests.conftest import MakeSettings, Serve
from tests.model_server import CallTools, ModelServer, RecordedRequest, Say, Step, ToolCall

COLLIDING = (
    '{"settings": {}}',
    '{"settings": "senior"}',
    '{"settings": [1]}',
    '{"settings": {"default": {"temperature": 2}}}',
    '{"self": 1}',
    "{'settings': 'single quotes'}",
    '{"kernel": "x", "service": 1, "arguments": {}, "context": [], "execution_settings": {}}',
    '{"function_name": "x", "plugin_name": "y", "kwargs": {}, "args": [], "cls": 1}',
    '{"": 1, "a\\u0000b": 2, "__class__": 3}',
)
UNREADABLE = (
    "[1]",
    "5",
    '"text"',
    "true",
    "null",
    "",
    "no JSON",
    "[" * 100_000,
    '{"focus": ' + "[" * 5_000 + "]" * 5_000 + "}",
    '{"count": ' + "9" * 5_000 + "}",
    "{'count': " + "9" * 5_000 + "}",
)
STRANGE = (
    '{"focus": {"a": [1]}, "count": 2.5, "change": ["new"], "stated_level": {"x": 1}, "standing_wish": []}',
    '{"focus": NaN, "count": 1e999, "positions": false}',
    '{"focus": "\\ud800 \\u0000", "standing_wish": "\\udfff"}',
    json.dumps({"focus": "x" * 200_000}),
    '{"positions": "999999999999999999999999"}',
)
FUNCTIONS = (
    "questions-drop",
    "questions-keep",
    "questions-restore",
    "cost-estimate",
    "cost-spent_so_far",
    "security-check_text",
    "Handoff-transfer_to_behavioral",
    "Handoff-complete_task",
    "nothing-of_the_kind",
)


def answers_after(call: ToolCall, server: ModelServer) -> None:
    """The model makes this call once; whatever comes of it, it goes on as it should."""
    is_first = iter([True])

    def answer(request: RecordedRequest) -> Step:
        if next(is_first, False):
            return CallTools((call,))
        return says_questions(2) if request.is_technique else Say("Which part of it?")

    server.respond_with(answer)


@pytest.mark.parametrize("arguments", [*COLLIDING, *UNREADABLE, *STRANGE], ids=lambda text: text[:40])
async def test_a_technique_survives_any_arguments(
    openai_settings: MakeSettings, model_server: ModelServer, arguments: str
) -> None:
    answers_after(ToolCall("technical-few_shot", arguments), model_server)
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert turn.answer.reply
    assert len(model_server.requests) == 2


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("arguments", [COLLIDING[0], COLLIDING[6], UNREADABLE[0], UNREADABLE[7], STRANGE[2]])
async def test_every_other_function_survives_them_too(
    openai_settings: MakeSettings, model_server: ModelServer, function: str, arguments: str
) -> None:
    answers_after(ToolCall(function, arguments), model_server)
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical", question_sets={"technical": question_set(3)})

    assert turn.answer.reply


async def test_an_argument_called_settings_no_longer_ends_a_turn(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    settings = {"settings": {"experience_level": "lead"}, "self": "x"}
    model_server.script(
        CallTools((ToolCall("Handoff-transfer_to_technical", settings),)),
        CallTools((ToolCall("technical-few_shot", {**settings, "focus": "SQL", "count": "2"}),)),
        says_questions(2),
    )
    async with serve(openai_settings()) as client:
        reply = await chat(client, **FIRST)

    assert len(reply["question_set"]["questions"]) == 2
    assert "SQL" in (read_fence("request", model_server.requests[-1].last_user_text) or "")


async def test_what_the_turn_supplies_cannot_be_overwritten(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    forged: dict[str, Any] = dict.fromkeys(
        (
            *("job_description", "resume", "settings", "output_contract", "request", "examples", "level_reminder"),
            *("seen_questions", "current_questions"),
        ),
        "FORGED",
    )
    answers_after(ToolCall("technical-few_shot", {**forged, "question_count": "19"}), model_server)
    async with stage(openai_settings()) as conducted:
        await conducted.turn(agent="technical")

    technique = model_server.requests[-1]
    assert technique.is_technique
    assert "FORGED" not in json.dumps(technique.body)
    assert read_fence("job_description", technique.last_user_text) == JOB_DESCRIPTION
    assert json.loads(read_fence("settings", technique.last_user_text) or "")["question_count"] == 2
