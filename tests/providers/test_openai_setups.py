"""The main job over HTTP through each kind of set-up, and what the catalog says about it."""

from typing import Any

import httpx2
import pytest

from tests.answers import calls, hands_to, says_questions
from tests.chat.client import FIRST, chat, problem_of
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer, Say

AZURE_VERSION = "2024-12-01-preview"


def _azure(server: ModelServer) -> dict[str, Any]:
    return {
        "openai_api_key": None,
        "openai_base_url": None,
        "azure_openai_endpoint": server.azure_endpoint,
        "azure_openai_api_key": "sk-test-azure",
        "azure_openai_deployment": "prod-chat",
        "azure_openai_api_version": AZURE_VERSION,
        "default_model": "gpt-4o",
    }


async def _do_the_main_job(client: httpx2.AsyncClient, model_server: ModelServer) -> None:
    model_server.script(
        hands_to("technical"),
        calls("technical-few_shot", stated_level="senior"),
        says_questions(5),
        calls("technical-few_shot", positions="3"),
        says_questions(1, first=30),
        Say("Because retries happen."),
    )
    first = await chat(client, **FIRST)
    second = await chat(client, message="make question 3 harder", conversation_id=first["conversation_id"])
    third = await chat(client, message="why?", conversation_id=first["conversation_id"])

    assert [reply["usage"]["model_calls"] for reply in (first, second, third)] == [3, 2, 1]
    assert len(first["question_set"]["questions"]) == 5
    assert second["question_set"]["revision"] == 2
    assert second["question_set"]["questions"][2]["text"].startswith("Question 30")
    assert third["reply"] == "Because retries happen."
    assert third["conversation_cost_usd"] == "0.000450"


async def test_azure_is_asked_by_deployment_version_and_key(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    async with serve(openai_settings(**_azure(model_server))) as client:
        await _do_the_main_job(client, model_server)
        catalog = (await client.get("/api/v1/catalog")).json()

    for request in model_server.requests:
        assert request.path == "/openai/deployments/prod-chat/chat/completions"
        assert request.query == {"api-version": AZURE_VERSION}
        assert request.headers["api-key"] == "sk-test-azure"
        assert "sk-test" not in request.headers.get("authorization", "")
    assert catalog["provider"] == "azure"
    assert [model["name"] for model in catalog["models"]] == ["gpt-4o"]


async def test_a_compatible_server_is_asked_at_its_base_url(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    async with serve(openai_settings()) as client:
        await _do_the_main_job(client, model_server)

    for request in model_server.requests:
        assert request.path == "/v1/chat/completions"
        assert request.headers["authorization"] == "Bearer sk-test-key"
        assert request.body["model"] == "gpt-4o"


async def test_a_local_server_needs_no_key_and_its_cost_is_unknown_not_zero(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say("Which interview?"))
    async with serve(openai_settings(openai_api_key=None, default_model="our-own-model")) as client:
        reply = await chat(client, message="Hello")
        (model,) = (await client.get("/api/v1/catalog")).json()["models"]

    assert reply["usage"]["cost_usd"] is None
    assert reply["conversation_cost_usd"] is None
    assert reply["usage"]["model"] == "our-own-model"
    assert model == {
        "name": "our-own-model",
        "is_default": True,
        "input_usd_per_million": None,
        "output_usd_per_million": None,
    }


async def test_a_request_may_name_an_allowed_model_and_no_other(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(
        hands_to("technical"), calls("technical-few_shot"), says_questions(2), Say("Because retries happen.")
    )
    async with serve(openai_settings(allowed_models="gpt-5-mini, gpt-4o")) as client:
        first = await chat(client, **FIRST, model="gpt-5-mini", question_count=2)
        await chat(client, message="why?", conversation_id=first["conversation_id"])
        refused = await client.post("/api/v1/chat", json={"message": "Hello", "model": "gpt-4.1"})
        problem = problem_of(refused, status=422, code="validation_error")
        catalog = (await client.get("/api/v1/catalog")).json()

    assert [request.model for request in model_server.requests] == ["gpt-5-mini"] * 3 + ["gpt-4o"]
    assert first["usage"]["model"] == "gpt-5-mini"
    # 30 input tokens at $0.25 and 15 output tokens at $2 per million.
    assert first["usage"]["cost_usd"] == "0.000038"
    assert "gpt-5-mini" in problem["errors"][0]["message"]
    assert [(model["name"], model["is_default"]) for model in catalog["models"]] == [
        ("gpt-4o", True),
        ("gpt-5-mini", False),
    ]


@pytest.mark.parametrize("is_offline", [False, True])
async def test_the_catalog_says_what_there_is_and_which_provider_is_active(
    serve: Serve, openai_settings: MakeSettings, make_settings: MakeSettings, *, is_offline: bool
) -> None:
    async with serve(make_settings() if is_offline else openai_settings()) as client:
        catalog = (await client.get("/api/v1/catalog")).json()

    assert catalog["provider"] == ("offline" if is_offline else "compatible")
    (model,) = catalog["models"]
    prices = ("0.000000", "0.000000") if is_offline else ("2.500000", "10.000000")
    assert (model["input_usd_per_million"], model["output_usd_per_million"]) == prices
    assert catalog["experience_levels"] == ["junior", "mid", "senior", "lead"]
    techniques = {"few_shot", "chain_of_thought", "zero_shot", "role_based", "structured_output"}
    assert [found["name"] for found in catalog["interview_types"]] == [
        "behavioral",
        "case_study",
        "reverse",
        "technical",
    ]
    for found in catalog["interview_types"]:
        assert {technique["name"] for technique in found["techniques"]} == techniques
        assert all(technique["description"] for technique in found["techniques"])
