"""Whatever a model writes can be stored: as an answer in plain text, and as a technique's output."""

import pytest

from tests.answers import calls, question
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer, Say

BAD = "Well\0 then \ud83d done"


async def test_an_answer_with_unstorable_characters_is_kept_without_them(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(Say(BAD, pieces=1))
    async with serve(openai_settings(database_url=database_url)) as client:
        response = await client.post("/api/v1/chat", json={"message": "why?", "interview_type": "technical"})
        assert response.status_code == 200, response.text
        detail = (await client.get(f"/api/v1/conversations/{response.json()['conversation_id']}")).json()

    assert detail["messages"][-1]["text"] == response.json()["reply"]
    assert response.json()["reply"].startswith("Well")
    assert response.json()["reply"].endswith("done")


@pytest.mark.parametrize("bad", ["\\u0000", "\\ud83d"])
async def test_questions_with_unstorable_characters_are_kept_without_them(
    bad: str, *, serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    asked = str(question(1)).replace("None", "null").replace("'", '"').replace("booking", f"book{bad}ing")
    model_server.script(calls("technical-few_shot"), Say(f'{{"summary": "S{bad}.", "questions": [{asked}]}}'))
    async with serve(openai_settings(database_url=database_url)) as client:
        body = {"message": "one question", "interview_type": "technical", "question_count": 1}
        response = await client.post("/api/v1/chat", json=body)

    assert response.status_code == 200, response.text
    assert "book\ufffding" in response.json()["question_set"]["questions"][0]["text"]
