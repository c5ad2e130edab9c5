"""What the log holds of a turn that works, fails or crashes: its ids and figures, and nothing that anybody wrote."""

import asyncio
import io
import json
import logging
import os
import threading
from typing import Any

import pytest
import structlog
from sqlalchemy import text

from app.core.database import Database
from tests.answers import calls, hands_to, says_questions
from tests.conftest import MakeSettings, Serve
from tests.core.conftest import StartLog
from tests.model_server import CallTools, Fail, Malformed, ModelServer, RecordedRequest, Say, Step, ToolCall

SECRET = "zebra"
"""Part of everything that a person, a model or an operator's key says in these tests."""

BODY = {
    "message": f"I am {SECRET} Smith, ten years at {SECRET} Ltd. Prepare me for an interview",
    "job_description": f"{SECRET} Ltd. seeks an engineer who can model shipments in PostgreSQL.",
    "interviewer": {"style": SECRET},
    "question_count": 1,
}

TALKATIVE = ("semantic_kernel", "in_process_runtime", "agent_runtime", "openai", "httpx", "aiosqlite")


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    """Every line, which must be a JSON object with the usual fields."""
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert all({"event", "level", "logger", "timestamp"} <= set(line) for line in lines)
    return lines


def of_the_turn(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines about one turn; the only others are of the server's own coming and going, and the request's end."""
    return [
        line
        for line in lines
        if line["event"] not in {"started", "stopped", "request"}
        and not line["logger"].startswith(("uvicorn", "alembic"))
    ]


def assert_all_name_one_turn(lines: list[dict[str, Any]]) -> None:
    ids = [tuple(line.get(name) for name in ("request_id", "conversation_id", "turn_id")) for line in lines]
    assert len(set(ids)) == 1, lines
    assert all(ids[0])


QUESTIONS = says_questions(1, text=f"How would you do {SECRET}?", summary=f"For {SECRET}.")
SCRIPTS: dict[str, tuple[str, tuple[Step, ...]]] = {
    "questions": (
        "completed",
        (hands_to("technical"), calls("technical-few_shot", focus=f"{SECRET} questions"), QUESTIONS),
    ),
    "plain-answer": ("completed", (Say(f"Dear {SECRET}, good luck."),)),
    "unknown-function": ("completed", (calls(f"technical-{SECRET}", focus=SECRET), Say(f"Sorry, {SECRET}."))),
    "refused": ("failed", (Fail(401, "invalid_api_key", f"Incorrect API key: sk-{SECRET}"),)),
    "rejected": ("failed", (Fail(400, "bad", f"cannot read: {SECRET}"),)),
    "broken-stream": ("failed", (Malformed(),)),
    "unreadable-questions": (
        "failed",
        (
            *(hands_to("technical"), calls("technical-few_shot", focus=SECRET)),
            *(Say(f"No JSON, {SECRET}"), Say(f"Neither, {SECRET}")),
        ),
    ),
    "unreadable-arguments": (
        "completed",
        (CallTools((ToolCall("Handoff-transfer_to_technical", f'{{"{SECRET}": '),)), Say(f"Well, {SECRET}.")),
    ),
}


async def test_a_turn_is_logged_with_its_ids_and_without_its_words(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, start_log: StartLog
) -> None:
    stream = start_log(log_level="DEBUG")
    async with serve(openai_settings(openai_api_key=f"sk-{SECRET}", provider_max_retries=0)) as client:
        for name, (_, steps) in SCRIPTS.items():
            model_server.script(*steps)
            await client.post("/api/v1/chat", json=BODY, headers={"X-Request-ID": name})
        await client.get("/healthz")

    lines = [line for line in lines_of(stream) if line["level"] != "debug"]
    assert not [line for line in lines if SECRET in json.dumps(line)]
    assert not [line for line in lines if line["logger"].startswith(TALKATIVE) and line["level"] == "info"]
    turns = of_the_turn(lines)
    assert {line.get("request_id") for line in turns} == set(SCRIPTS)
    for name, (status, steps) in SCRIPTS.items():
        turn = [line for line in turns if line["request_id"] == name]
        assert_all_name_one_turn(turn)
        assert [line["event"] for line in turn].count("model_call") == len(steps)
        assert (turn[0]["event"], turn[-1]["event"], turn[-1]["status"]) == ("turn_started", "turn_ended", status)


async def test_a_crashed_turn_is_logged_with_its_place_and_without_its_words(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, start_log: StartLog, *, database_url: str
) -> None:
    arrived, may_answer = threading.Event(), threading.Event()

    def answer_late(_: RecordedRequest) -> Step:
        arrived.set()
        may_answer.wait(10)
        return Say(f"{SECRET} {SECRET}")

    model_server.respond_with(answer_late)
    stream = start_log()
    settings = openai_settings(database_url=database_url, openai_api_key=f"sk-{SECRET}")
    database = Database(settings.async_database_url)
    async with serve(settings) as client:
        turn = asyncio.create_task(client.post("/api/v1/chat", json=BODY, headers={"X-Request-ID": "trace-1"}))
        await asyncio.to_thread(arrived.wait, 10)
        async with database.engine.begin() as connection:
            await connection.execute(text("DROP TABLE model_call"))
        may_answer.set()
        response = await turn
        await database.dispose()

    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "model_call" not in response.text
    assert response.json()["request_id"] == "trace-1"
    lines = of_the_turn(lines_of(stream))
    assert_all_name_one_turn(lines)
    (crash,) = [line for line in lines if line["event"] == "turn_crashed"]
    assert "_settle" in crash["exception"]
    assert SECRET not in stream.getvalue()


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("debug", [False, True])
def test_an_error_is_logged_with_its_chain_but_its_messages_only_when_debugging(
    start_log: StartLog, log_format: str, *, debug: bool
) -> None:
    stream = start_log(log_format=log_format, debug=debug)
    try:
        fail_twice(f"{SECRET}: a message")
    except ValueError:
        structlog.get_logger("ours").exception("crashed")
        logging.getLogger("theirs").exception("crashed")

    written = stream.getvalue()
    assert written.count("crashed") == 2
    for part in ("fail_twice", "KeyError", "ValueError"):
        assert written.count(part) >= 2
    assert (SECRET in written.replace("SECRET", "")) is debug


def fail_twice(message: str) -> None:
    try:
        os.environ[message]
    except KeyError as error:
        raise ValueError(message) from error


@pytest.mark.parametrize("name", ["semantic_kernel.kernel", "asyncio"])
def test_a_library_that_quotes_what_people_wrote_is_logged_by_its_place(start_log: StartLog, name: str) -> None:
    stream = start_log()
    logging.getLogger(name).error("cannot call %s", SECRET)
    (line,) = lines_of(stream)
    assert (line["logger"], line["level"]) == (name, "error")
    assert line["event"].startswith("test_logging.py:")


def test_every_line_is_one_json_object_whatever_is_logged(start_log: StartLog) -> None:
    stream = start_log()
    structlog.get_logger("ours").info("event\nwith newline", value="a\nb\x1b[31m", path="/%0a")
    logging.getLogger("theirs").warning("100%% of %s", "x\ny")
    assert [line["event"] for line in lines_of(stream)] == ["event\nwith newline", "100% of x\ny"]


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        ({}, ["info", "warning"]),
        ({"log_level": "warning"}, ["warning"]),
        ({"log_level": "DEBUG"}, ["debug", "info", "warning"]),
        ({"log_level": "ERROR", "debug": True}, ["debug", "info", "warning"]),
    ],
)
def test_the_level_is_the_settings(start_log: StartLog, values: dict[str, Any], levels: list[str]) -> None:
    stream = start_log(**values)
    for level in ("debug", "info", "warning"):
        structlog.get_logger("ours").log(logging.getLevelNamesMapping()[level.upper()], "line")
        # What people wrote, in the loggers that would print it.
        logging.getLogger("semantic_kernel.agents").info(SECRET)
        logging.getLogger("in_process_runtime.events").debug(SECRET)
    assert [line["level"] for line in lines_of(stream)] == levels
