"""A fifth interview type is a folder: it chats with no Python change, with a model and with the offline engine."""

from pathlib import Path

import pytest

from app.core.fences import read_fence
from tests.answers import JOB_DESCRIPTION, calls, hands_to, says_questions
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer
from tests.orchestration.plugin_folders import add_salary_talk, copy_plugins


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_plugins(tmp_path_factory.mktemp("five") / "plugins")
    add_salary_talk(folder)
    return folder


async def test_triage_hands_to_it_and_it_hands_sideways(
    plugins: Path, serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(
        hands_to("salary_talk", expect=lambda request: "negotiating salary" in str(request.body["tools"])),
        calls("salary_talk-zero_shot", tone="tough"),
        says_questions(5),
        hands_to("technical"),
        calls("technical-zero_shot"),
        says_questions(5, first=10),
        hands_to("salary_talk"),
        calls("salary_talk-zero_shot", positions="2"),
        says_questions(1, first=30),
    )
    async with serve(openai_settings(plugins_dir=plugins)) as client:
        first = (
            await client.post(
                "/api/v1/chat", json={"message": "help me talk about salary", "job_description": JOB_DESCRIPTION}
            )
        ).json()
        follow = {"conversation_id": first["conversation_id"]}
        second = (await client.post("/api/v1/chat", json={"message": "now technical ones"} | follow)).json()
        third = (await client.post("/api/v1/chat", json={"message": "back to salary, replace 2"} | follow)).json()

    assert first["agent"] == "salary_talk"
    assert first["handoffs"] == [{"from": "triage", "to": "salary_talk"}]
    assert (first["question_set"]["interview_type"], len(first["question_set"]["questions"])) == ("salary_talk", 5)
    assert second["handoffs"] == [{"from": "salary_talk", "to": "technical"}]
    assert third["handoffs"] == [{"from": "technical", "to": "salary_talk"}]
    assert third["question_set"]["revision"] == 2
    assert third["question_set"]["questions"][1]["text"].startswith("Question 30")
    prompt = model_server.requests[2]
    assert "when salary is negotiated" in prompt.system_text
    assert read_fence("tone", prompt.last_user_text) == "tough"
    assert "Map<String, List<Quote>>" in prompt.last_user_text


async def test_it_can_be_asked_for_by_name_and_stands_in_the_catalog(
    plugins: Path, serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("salary_talk-zero_shot"), says_questions(2))
    async with serve(openai_settings(plugins_dir=plugins)) as client:
        body = {"message": "go", "interview_type": "salary_talk", "technique": "zero_shot", "question_count": 2}
        response = await client.post("/api/v1/chat", json=body)
        catalog = (await client.get("/api/v1/catalog")).json()

    assert response.status_code == 200, response.text
    assert response.json()["usage"]["model_calls"] == 2
    listed = {found["name"]: found for found in catalog["interview_types"]}
    assert set(listed) == {"behavioral", "case_study", "reverse", "technical", "salary_talk"}
    assert listed["salary_talk"]["title"] == "Salary negotiation"
    assert [found["name"] for found in listed["salary_talk"]["techniques"]] == ["zero_shot"]


@pytest.mark.parametrize(
    "body",
    [{"message": "go", "interview_type": "salary_talk"}, {"message": "I want to practise my salary talk"}],
    ids=["by its name", "through triage"],
)
async def test_it_chats_without_a_language_model(
    body: dict[str, str], plugins: Path, serve: Serve, make_settings: MakeSettings
) -> None:
    async with serve(make_settings(plugins_dir=plugins)) as client:
        response = await client.post("/api/v1/chat", json=body)

    reply = response.json()
    assert response.status_code == 200, response.text
    assert reply["agent"] == "salary_talk"
    assert reply["question_set"]["interview_type"] == "salary_talk"
    assert reply["question_set"]["questions"]
    assert reply["usage"]["cost_usd"] is not None
