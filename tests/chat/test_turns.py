"""The main job over HTTP, with a scripted model behind the real client and the real Semantic Kernel."""

from tests.answers import calls, hands_to, says_questions
from tests.chat.client import FIRST, STREAM, Event, chat, events_of
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer, Say


async def test_first_turn_hands_off_and_delivers_five_typed_questions(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(
        hands_to("technical"),
        calls("technical-few_shot", focus="backend questions", stated_level="senior"),
        says_questions(5),
    )
    async with serve(openai_settings(database_url=database_url)) as client:
        reply = await chat(client, **FIRST)

    assert reply["agent"] == "technical"
    assert reply["handoffs"] == [{"from": "triage", "to": "technical"}]
    questions = reply["question_set"]["questions"]
    assert [found["position"] for found in questions] == [1, 2, 3, 4, 5]
    assert questions[0]["requirement"] == "Model shipments in PostgreSQL"
    assert reply["question_set"]["revision"] == 1
    assert reply["question_set"]["experience_level"] == "senior"
    assert reply["question_set"]["recommendations"]
    assert reply["usage"]["model_calls"] == 3 == len(model_server.requests)
    assert reply["usage"]["input_tokens"] == 30
    assert reply["usage"]["cost_usd"] == reply["conversation_cost_usd"] == "0.000225"
    assert "Five questions for this job." in reply["reply"]
    assert "**5.**" in reply["reply"]


async def test_a_refinement_starts_at_the_active_agent_and_changes_one_question(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(
        hands_to("technical"),
        calls("technical-few_shot"),
        says_questions(5),
        calls("technical-few_shot", focus="harder", positions="3"),
        says_questions(1, first=30, difficulty="hard"),
    )
    settings = openai_settings(database_url=database_url)
    async with serve(settings) as client:
        first = await chat(client, **FIRST)
    # Another process, as far as the service can tell: everything it knows comes from the database.
    async with serve(settings) as client:
        second = await chat(client, message="make question 3 harder", conversation_id=first["conversation_id"])
        detail = (await client.get(f"/api/v1/conversations/{first['conversation_id']}")).json()

    assert second["handoffs"] == []
    assert second["usage"]["model_calls"] == 2
    before, after = first["question_set"], second["question_set"]
    assert (after["id"], after["revision"]) == (before["id"], 2)
    assert [after["questions"][index] for index in (0, 1, 3, 4)] == [
        before["questions"][index] for index in (0, 1, 3, 4)
    ]
    assert after["questions"][2]["text"].startswith("Question 30")
    assert after["questions"][2]["difficulty"] == "hard"
    assert [found["revision"] for found in detail["question_sets"]] == [1, 2]
    assert [message["role"] for message in detail["messages"]] == ["user", "assistant", "user", "assistant"]
    assert detail["usage"]["model_calls"] == 5


async def test_a_sideways_handoff_keeps_the_job_and_the_old_set(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(
        hands_to("technical"),
        calls("technical-few_shot"),
        says_questions(5),
        hands_to("behavioral"),
        calls("behavioral-zero_shot", focus="behavioral questions"),
        says_questions(5, first=50),
    )
    async with serve(openai_settings()) as client:
        first = await chat(client, **FIRST)
        second = await chat(
            client, message="now behavioral questions for the same job", conversation_id=first["conversation_id"]
        )
        detail = (await client.get(f"/api/v1/conversations/{first['conversation_id']}")).json()

    assert second["agent"] == "behavioral"
    assert second["handoffs"] == [{"from": "technical", "to": "behavioral"}]
    assert second["question_set"]["id"] != first["question_set"]["id"]
    assert "Model shipments in PostgreSQL" in model_server.requests[-1].last_user_text
    assert {found["interview_type"] for found in detail["question_sets"]} == {"technical", "behavioral"}


async def test_a_named_type_saves_triage_and_a_plain_follow_up_needs_one_call(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(
        calls("technical-few_shot"),
        says_questions(2),
        Say("They want to see how you think about retries."),
    )
    async with serve(openai_settings()) as client:
        first = await chat(client, **FIRST, interview_type="technical", question_count=2)
        second = await chat(client, message="why would they ask that?", conversation_id=first["conversation_id"])

    assert first["usage"]["model_calls"] == 2
    assert first["handoffs"] == []
    assert second["usage"]["model_calls"] == 1
    assert second["question_set"] is None
    assert second["reply"] == "They want to see how you think about retries."


async def test_the_stream_shows_each_question_while_the_technique_is_still_talking(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(
        hands_to("technical"),
        calls("technical-few_shot"),
        says_questions(3, pieces=60, delay=0.01),
    )
    seen: list[Event] = []
    talking_at_first_question: bool | None = None
    async with (
        serve(openai_settings()) as client,
        client.stream("POST", "/api/v1/chat", json=FIRST | {"question_count": 3}, headers=STREAM) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        async for event in events_of(response):
            seen.append(event)
            if event.kind == "question.ready" and talking_at_first_question is None:
                talking_at_first_question = model_server.answers_in_flight == 1

    kinds = [event.kind for event in seen]
    assert kinds[:2] == ["turn.started", "agent.active"]
    assert kinds.count("question.ready") == 3
    assert kinds[-1] == "turn.completed"
    final = seen[-1].data
    assert "".join(event.data["text"] for event in seen if event.kind == "text.delta") == final["reply"]
    ready = [event.data["question"] for event in seen if event.kind == "question.ready"]
    assert ready == final["question_set"]["questions"]
