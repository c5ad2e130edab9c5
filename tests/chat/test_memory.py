"""What a conversation has been told once it keeps, through later turns and restarts."""

from typing import Any

from app.core.fences import read_fence
from tests.answers import JOB_DESCRIPTION, calls, hands_to, says_questions
from tests.chat.client import FIRST, chat, only_conversation, problem_of
from tests.conftest import MakeSettings, Serve
from tests.model_server import CallTools, ModelServer, Say, ToolCall, Usage

MADE_TWO = (hands_to("technical"), calls("technical-few_shot", stated_level="lead"), says_questions(2))


async def test_a_level_that_the_candidate_stated_in_words_is_kept(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(*MADE_TWO, calls("technical-zero_shot"), says_questions(2, first=20))
    settings = openai_settings(database_url=database_url)
    async with serve(settings) as client:
        first = await chat(client, message="I am a lead engineer", question_count=2)
    async with serve(settings) as client:
        second = await chat(client, message="two more", conversation_id=first["conversation_id"])
        stored = await only_conversation(client)

    assert first["question_set"]["experience_level"] == second["question_set"]["experience_level"] == "lead"
    assert stored["experience_level"] == "lead"
    assert "Level: lead" in model_server.requests[-1].last_user_text
    assert len(second["question_set"]["questions"]) == 2, "the count is kept as well"


async def test_a_level_in_the_request_wins_over_the_models_and_is_kept(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*MADE_TWO, Say("Because."))
    async with serve(openai_settings()) as client:
        first = await chat(client, **FIRST, experience_level="mid", question_count=2)
        await chat(client, message="why?", conversation_id=first["conversation_id"])
        stored = await only_conversation(client)

    assert first["question_set"]["experience_level"] == stored["experience_level"] == "mid"


async def test_job_interviewer_and_questions_seen_reach_the_technique_of_a_later_turn(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    interviewer = {"style": "strict", "company_type": "fintech"}
    model_server.script(*MADE_TWO, calls("technical-role_based"), says_questions(2, first=20))
    async with serve(openai_settings()) as client:
        first = await chat(client, **FIRST, interviewer=interviewer, question_count=2)
        await chat(client, message="another set", conversation_id=first["conversation_id"])
        stored = await only_conversation(client)

    prompt = model_server.requests[-1].last_user_text
    assert read_fence("job_description", prompt) == JOB_DESCRIPTION
    assert '"style": "strict"' in (read_fence("settings", prompt) or "")
    for question in first["question_set"]["questions"]:
        assert question["text"] in (read_fence("seen_questions", prompt) or "")
    assert (stored["job_description"], stored["interviewer"]) == (JOB_DESCRIPTION, interviewer)


async def test_another_job_starts_new_sets_and_keeps_the_old_ones_readable(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(*MADE_TWO, calls("technical-few_shot"), says_questions(2, first=20))
    async with serve(openai_settings()) as client:
        first = await chat(client, **FIRST, question_count=2)
        second = await chat(
            client,
            message="now for this job",
            conversation_id=first["conversation_id"],
            job_description="Night nurse on a stroke ward in Ghent.",
        )
        stored = await only_conversation(client)

    assert second["question_set"]["id"] != first["question_set"]["id"]
    assert second["question_set"]["revision"] == 1
    assert [found["requirement"] for found in second["question_set"]["questions"]] == [None, None]
    assert len(stored["question_sets"]) == 2
    assert "Night nurse" in model_server.requests[-1].last_user_text
    assert "Halden Freight" not in model_server.requests[-1].last_user_text


async def test_what_have_i_spent_so_far_is_answered_from_the_ledger(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    asks = CallTools((ToolCall("cost-spent_so_far"),), usage=Usage(input=100, output=10))
    model_server.script(*MADE_TWO, asks, Say("It is all there."))
    async with serve(openai_settings(budget_usd_per_user_day="2")) as client:
        first = await chat(client, **FIRST, question_count=2)
        second = await chat(client, message="what have I spent so far?", conversation_id=first["conversation_id"])

    (told,) = [message["content"] for message in model_server.requests[-1].messages if message["role"] == "tool"]
    # Three calls of 10 and 5 tokens, and one of 100 and 10, at $2.50 and $10 per million.
    assert told == (
        "This conversation has cost $0.000575 in 4 model calls, 130 input and 25 output tokens, 1 question set. "
        "Today, in all conversations: $0.000575. Left of your budget of today: $1.999425 of $2.000000."
    )
    assert first["usage"]["cost_usd"] == "0.000225"
    assert second["usage"]["cost_usd"] == "0.000425"
    assert second["conversation_cost_usd"] == "0.000650"


async def test_a_deleted_conversation_is_gone_and_its_turns_with_it(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say("Which interview?"))
    async with serve(openai_settings()) as client:
        reply: dict[str, Any] = await chat(client, message="Hello")
        assert (await client.delete(f"/api/v1/conversations/{reply['conversation_id']}")).status_code == 204
        problem_of(await client.get(f"/api/v1/turns/{reply['turn_id']}"), status=404, code="not_found")
        body = {"message": "Hello", "conversation_id": reply["conversation_id"]}
        problem_of(await client.post("/api/v1/chat", json=body), status=404, code="not_found")
