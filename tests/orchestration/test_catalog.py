"""The real catalog: complete, written for each type, and shown to the model as intended."""

import re
from itertools import combinations
from typing import Any

import pytest
from semantic_kernel.connectors.ai.function_calling_utils import kernel_function_metadata_to_function_call_format

from app.orchestration.catalog import REQUIRED_ARGUMENTS, TURN_ARGUMENTS, Catalog
from tests.answers import JOB_DESCRIPTION, calls, says_questions
from tests.conftest import MakeSettings, Serve, shipped_plugins
from tests.model_server import ModelServer, RecordedRequest
from tests.orchestration.plugin_folders import REAL_PLUGINS

TYPES = ("behavioral", "case_study", "reverse", "technical")
TECHNIQUES = {"few_shot", "chain_of_thought", "zero_shot", "role_based", "structured_output"}
PAIRS = [(interview_type, technique) for interview_type in TYPES for technique in sorted(TECHNIQUES)]

VOCABULARY = {
    "technical": r"\b(?:technical\w*|craft|debug\w*|code)\b",
    "behavioral": r"\b(?:behaviou?ral|past|episode|story|stories|happened|star)\b",
    "case_study": r"\b(?:cases?|scenario|exhibit|data)\b",
    "reverse": r"\b(?:employer|listener|ask|reply|replies|worrying)\b",
}
FREE_CHOICES = ("focus", "change", "positions", "count", "stated_level", "standing_wish")
SHARED_PHRASES_AT_MOST = 0.4
"""Of the runs of three words of the shorter prompt; the techniques of one type share its rules, about a quarter."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return shipped_plugins().catalog


def prompt_text(interview_type: str, technique: str) -> str:
    return (REAL_PLUGINS / interview_type / technique / "skprompt.txt").read_text(encoding="utf-8")


def phrases(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(words, words[1:], words[2:], strict=False))


def test_four_types_have_five_techniques_each(catalog: Catalog) -> None:
    assert tuple(sorted(catalog.specialists)) == TYPES
    assert {name: set(spec.techniques) for name, spec in catalog.specialists.items()} == dict.fromkeys(
        TYPES, TECHNIQUES
    )
    assert catalog.entry.name == "triage"
    assert not catalog.entry.techniques


def test_agents_and_techniques_describe_themselves_differently(catalog: Catalog) -> None:
    specs = [catalog.entry, *catalog.specialists.values()]
    descriptions = [spec.description for spec in specs]
    descriptions += [technique.description for spec in specs for technique in spec.techniques.values()]

    assert len(descriptions) == 5 + 20
    assert len(set(descriptions)) == len(descriptions)
    assert all(len(text.split()) >= 5 for text in descriptions)


def test_no_two_prompts_are_alike() -> None:
    """A copy of the technical prompt with the words exchanged would be most of it in common."""
    known = {pair: phrases(prompt_text(*pair)) for pair in PAIRS}
    alike = {
        (left, right): round(share, 2)
        for left, right in combinations(known, 2)
        if (share := len(known[left] & known[right]) / min(len(known[left]), len(known[right])))
        > SHARED_PHRASES_AT_MOST
    }

    assert alike == {}


@pytest.mark.parametrize(("interview_type", "technique"), PAIRS)
def test_each_prompt_is_written_for_its_type(interview_type: str, technique: str, catalog: Catalog) -> None:
    text = prompt_text(interview_type, technique)
    counts = {name: len(re.findall(words, text, re.IGNORECASE)) for name, words in VOCABULARY.items()}

    assert max(counts, key=lambda name: counts[name]) == interview_type
    assert counts[interview_type] >= 8
    assert len(text) > 2_000
    assert catalog.specialists[interview_type].techniques[technique].description


@pytest.mark.parametrize(("interview_type", "technique"), PAIRS)
def test_static_text_comes_before_what_people_wrote(interview_type: str, technique: str) -> None:
    """Providers cache a prompt's beginning; and the rules stand in the system message, the data in the user's."""
    system, user = prompt_text(interview_type, technique).split('<message role="user">')

    fixed = {"output_contract", "examples"} if technique == "few_shot" else {"output_contract"}
    assert set(re.findall(r"\{\{\$(\w+)\}\}", system)) == fixed
    assert set(re.findall(r"\{\{\$(\w+)\}\}", user)) == TURN_ARGUMENTS - {"output_contract", "examples"}


@pytest.mark.parametrize(("interview_type", "technique"), PAIRS)
def test_the_model_chooses_wishes_and_never_echoes_the_job(
    interview_type: str, technique: str, catalog: Catalog
) -> None:
    found = catalog.specialists[interview_type].techniques[technique]
    tool: dict[str, Any] = kernel_function_metadata_to_function_call_format(found.function.metadata)["function"]

    assert tool["name"] == f"{interview_type}-{technique}"
    assert tool["description"] == found.description
    assert tuple(tool["parameters"]["properties"]) == FREE_CHOICES
    assert {choice["type"] for choice in tool["parameters"]["properties"].values()} == {"string"}
    assert all(choice["description"] for choice in tool["parameters"]["properties"].values())
    assert tool["parameters"]["required"] == []
    hidden = {parameter.name for parameter in found.function.parameters if not parameter.include_in_function_choices}
    assert hidden >= REQUIRED_ARGUMENTS
    assert hidden == TURN_ARGUMENTS - (set() if technique == "few_shot" else {"examples"})


@pytest.mark.parametrize("interview_type", TYPES)
async def test_the_wire_shows_every_technique_and_no_hidden_argument(
    interview_type: str, serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls(f"{interview_type}-zero_shot", focus="three hard ones"), says_questions(1))
    async with serve(openai_settings()) as client:
        body = {"message": "go", "interview_type": interview_type, "job_description": JOB_DESCRIPTION}
        response = await client.post("/api/v1/chat", json=body | {"question_count": 1})

    assert response.status_code == 200, response.text
    decision, technique = model_server.requests
    offered = schemas(decision)
    assert {name for name in offered if name.startswith(f"{interview_type}-")} == {
        f"{interview_type}-{name}" for name in TECHNIQUES
    }
    assert {name for name in offered if name.startswith("Handoff-")} == {
        f"Handoff-transfer_to_{other}" for other in TYPES if other != interview_type
    }
    assert {"cost-spent_so_far", "cost-estimate", "security-check_text"} <= set(offered)
    for name in TECHNIQUES:
        assert tuple(offered[f"{interview_type}-{name}"]["properties"]) == FREE_CHOICES
    assert "three hard ones" in technique.last_user_text
    assert "keep slow queries out" in technique.last_user_text


def schemas(request: RecordedRequest) -> dict[str, dict[str, Any]]:
    return {tool["function"]["name"]: tool["function"]["parameters"] for tool in request.body["tools"]}
