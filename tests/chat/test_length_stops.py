"""An answer that ends at the model's limit of length: what is of use is kept and said to be cut, or it is an error."""

import pytest

from tests.answers import calls, hands_to, says_questions, technique_output
from tests.chat.client import FIRST, chat, only_conversation, problem_of, said
from tests.conftest import MakeSettings, Serve
from tests.model_server import LengthStop, ModelServer, Say, Step, ToolCall

TWO = FIRST | {"question_count": 2}
TO_TECHNIQUE = (hands_to("technical"), calls("technical-few_shot"))
ONE_AND_A_HALF = technique_output(2)[: len(technique_output(1)) + 60]
NOTICE = "*The answer stops here: the model reached its limit of length.*"


async def test_a_plain_answer_is_kept_and_says_that_it_stops(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(hands_to("technical"), LengthStop("First, sleep well. Second, "))
    async with serve(openai_settings()) as client:
        reply = await chat(client, **FIRST)
        stored = await only_conversation(client)

    assert reply["reply"] == f"First, sleep well. Second, \n\n{NOTICE}\n"
    assert said(stored)[-1] == ("assistant", reply["reply"])


async def test_whole_questions_are_kept_and_the_reply_says_why_there_are_no_more(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*TO_TECHNIQUE, LengthStop(ONE_AND_A_HALF, pieces=20), Say('{"questions": []}'))
    async with serve(openai_settings()) as client:
        reply = await chat(client, **TWO)

    assert len(reply["question_set"]["questions"]) == 1
    assert "Only 1 of 2 questions came back: the model reached its limit of length." in reply["reply"]


async def test_what_a_repair_completes_needs_no_excuse(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*TO_TECHNIQUE, LengthStop(ONE_AND_A_HALF, pieces=20), says_questions(1, first=9))
    async with serve(openai_settings()) as client:
        reply = await chat(client, **TWO)

    assert len(reply["question_set"]["questions"]) == 2
    assert "limit of length" not in reply["reply"]


NOTHING_OF_USE: dict[str, tuple[Step, ...]] = {
    "before a word": (LengthStop(""),),
    "white space": (LengthStop(" \n "),),
    "a technique before a word": (*TO_TECHNIQUE, LengthStop("")),
    "within a tool call": (LengthStop("", calls=(ToolCall("Handoff-transfer_to_technical", '{"reas'),)),),
    "after a tool call that looks whole": (LengthStop("", calls=(ToolCall("Handoff-transfer_to_technical"),)),),
}


@pytest.mark.parametrize("steps", NOTHING_OF_USE.values(), ids=NOTHING_OF_USE.keys())
async def test_what_is_of_no_use_is_an_error_of_its_own(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, steps: tuple[Step, ...]
) -> None:
    model_server.script(*steps)
    async with serve(openai_settings()) as client:
        problem = problem_of(await client.post("/api/v1/chat", json=TWO), status=502, code="answer_too_long")
        stored = await only_conversation(client)

    assert "limit of length" in problem["detail"]
    assert said(stored) == [("user", FIRST["message"])]
    assert stored["usage"]["model_calls"] == len(steps), "it is not asked again: it would be as long"
