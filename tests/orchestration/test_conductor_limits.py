"""Models that misbehave: what a turn does not let them do, and what it comes to all the same."""

import asyncio
from collections.abc import Callable

import pytest

from app.core.errors import EmptyAnswer, ProviderError, TurnTimeout
from app.orchestration.events import Handoff
from tests.answers import calls, hands_to, says_questions
from tests.chat.conducting import stage
from tests.conftest import MakeSettings
from tests.model_server import CallTools, LengthStop, ModelServer, RecordedRequest, Say, Silence, Step, ToolCall

REFUSED = "No further handoff"


def _tool_results(request: RecordedRequest) -> list[str]:
    return [str(message["content"]) for message in request.messages if message["role"] == "tool"]


async def test_agents_that_hand_back_and_forth_are_stopped_and_the_last_one_answers(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(
        hands_to("technical"),
        hands_to("behavioral"),
        hands_to("technical"),
        hands_to("behavioral"),
        Say("Then I take it: which round is it?", expect=lambda request: REFUSED in _tool_results(request)[-1]),
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn()

    assert turn.answer.agent == "technical"
    assert turn.answer.handoffs == (
        Handoff("triage", "technical"),
        Handoff("technical", "behavioral"),
        Handoff("behavioral", "technical"),
    )
    assert turn.answer.reply == turn.text_seen == "Then I take it: which round is it?"


def _hand_over(request: RecordedRequest) -> Step:
    return hands_to("technical" if "Handoff-transfer_to_technical" in request.tool_names else "behavioral")


def _ask_for_costs(request: RecordedRequest) -> Step:
    is_specialist = "cost-spent_so_far" in request.tool_names
    return calls("cost-spent_so_far") if is_specialist else hands_to("technical")


@pytest.mark.parametrize("habit", [_hand_over, _ask_for_costs])
@pytest.mark.parametrize("cap", [4, 8])
async def test_agents_that_come_to_no_answer_are_stopped_at_the_limit_of_model_calls(
    openai_settings: MakeSettings, model_server: ModelServer, habit: Callable[[RecordedRequest], Step], cap: int
) -> None:
    model_server.respond_with(habit)
    async with stage(openai_settings(), model_calls=cap) as conducted, asyncio.timeout(5):
        with pytest.raises((ProviderError, EmptyAnswer)):
            await conducted.turn()

    assert len(model_server.requests) <= cap


async def test_of_two_handoffs_in_one_answer_the_first_is_carried_out(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    both = CallTools((ToolCall("Handoff-transfer_to_behavioral"), ToolCall("Handoff-transfer_to_technical")))
    model_server.script(both, Say("Tell me about a conflict."))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn()

    assert turn.answer.handoffs == (Handoff("triage", "behavioral"),)
    assert turn.answer.reply == "Tell me about a conflict."


@pytest.mark.parametrize("second", ["technical-zero_shot", "technical-few_shot", "Handoff-transfer_to_behavioral"])
async def test_beside_a_technique_nothing_else_of_the_answer_is_carried_out(
    openai_settings: MakeSettings, model_server: ModelServer, second: str
) -> None:
    model_server.script(CallTools((ToolCall("technical-few_shot"), ToolCall(second))), says_questions(2, delay=0.001))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert len(turn.questions.questions) == 2
    assert turn.answer.agent == "technical"
    assert turn.answer.handoffs == ()
    assert turn.text_seen.count("Five questions for this job.") == 1


async def test_beside_a_handoff_no_technique_is_carried_out(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    both = CallTools((ToolCall("Handoff-transfer_to_behavioral"), ToolCall("technical-few_shot")))
    model_server.script(both, Say("Tell me about a conflict."))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert turn.answer.agent == "behavioral"
    assert turn.answer.question_set is None
    assert turn.answer.reply == "Tell me about a conflict."


@pytest.mark.parametrize("name", ["technical-magic", "cost-refund", "nothing", "Handoff-transfer_to_sales"])
async def test_a_tool_that_does_not_exist_is_refused_and_the_model_goes_on(
    openai_settings: MakeSettings, model_server: ModelServer, name: str
) -> None:
    model_server.script(calls(name), calls("technical-few_shot"), says_questions(2))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert len(turn.questions.questions) == 2


async def test_tool_arguments_that_are_not_json_are_refused_and_the_model_goes_on(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    broken = CallTools((ToolCall("technical-few_shot", '{"focus": "caching'),))
    model_server.script(broken, calls("technical-few_shot", focus="caching"), says_questions(2))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert len(turn.questions.questions) == 2


@pytest.mark.parametrize("lead_in", ["One moment.", "I hand you over to my colleague. " * 20])
async def test_what_triage_says_with_a_handoff_reaches_nobody(
    openai_settings: MakeSettings, model_server: ModelServer, lead_in: str
) -> None:
    model_server.script(
        hands_to("technical", preamble=lead_in, pieces=30), calls("technical-few_shot"), says_questions(2)
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn()

    assert lead_in[:10] not in turn.text_seen
    assert turn.text_seen == turn.answer.reply


@pytest.mark.parametrize("tool", ["Handoff-transfer_to_behavioral", "cost-spent_so_far"])
async def test_what_a_specialist_says_before_a_tool_call_reaches_nobody(
    openai_settings: MakeSettings, model_server: ModelServer, tool: str
) -> None:
    model_server.script(CallTools((ToolCall(tool),), preamble="Let me see. ", pieces=5), Say("Here it is."))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert turn.text_seen == turn.answer.reply == "Here it is."


async def test_a_long_plain_answer_streams_while_the_model_is_talking(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    text = "They want to see how you think about retries. " * 12
    model_server.script(Say(text, pieces=30))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    kinds = [event.kind for event in turn.events]
    # The beginning is held back; then each piece is passed on by itself.
    assert kinds.count("text.delta") >= 15
    assert kinds.index("text.delta") < kinds.index("usage.updated")
    assert turn.text_seen == turn.answer.reply == text


async def test_a_technique_that_is_cut_by_its_length_delivers_what_is_whole_and_says_so(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    whole = says_questions(2).text
    model_server.script(
        calls("technical-few_shot"),
        LengthStop(whole[: whole.rindex('"Question 2') + 40], pieces=20),
        Say('{"questions": []}'),
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert [question.position for question in turn.questions.questions] == [1]
    assert "Only 1 of 2 questions came back: the model reached its limit of length." in turn.answer.reply


async def test_silence_is_told_from_a_turn_that_takes_too_long(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Silence(1), Say("and so on " * 400, pieces=400, delay_seconds_per_piece=0.02))
    async with stage(openai_settings(), silence_seconds=1, deadline_seconds=20) as conducted:
        with pytest.raises(TurnTimeout, match="said nothing for 1 seconds"):
            await conducted.turn()
    async with stage(openai_settings(), silence_seconds=5, deadline_seconds=1) as conducted:
        with pytest.raises(TurnTimeout, match="did not finish within 1 seconds"):
            await conducted.turn()
    await model_server.until(lambda: model_server.answers_in_flight == 0)


@pytest.mark.parametrize(
    "steps",
    [
        (Silence(),),
        (hands_to("technical"), Silence(1)),
        (hands_to("technical"), calls("technical-few_shot"), Silence(4)),
    ],
    ids=["triage", "specialist", "technique"],
)
async def test_a_cancelled_turn_has_stopped_when_it_returns(
    openai_settings: MakeSettings, model_server: ModelServer, steps: tuple[Step, ...]
) -> None:
    model_server.script(*steps)
    async with stage(openai_settings()) as conducted:
        before = asyncio.all_tasks()
        running = asyncio.create_task(conducted.turn())
        await model_server.until(
            lambda: len(model_server.requests) == len(steps) and model_server.answers_in_flight == 1
        )
        running.cancel()
        await asyncio.wait({running})
        assert running.cancelled()
        assert asyncio.all_tasks() == before
        await model_server.until(lambda: model_server.aborted_by_client == 1)
