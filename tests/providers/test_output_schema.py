"""The JSON schema that holds a technique to the contract: who gets it, and what becomes of models that refuse it."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # jsonschema ships no types
import pytest
from openai import AsyncOpenAI

from app.bank.examples import worked_examples
from app.bank.questions import ExperienceLevel
from app.core.config import REPOSITORY_ROOT
from app.core.errors import ProviderError
from app.orchestration.conductor import Conductor
from app.orchestration.contract import OUTPUT_CONTRACT, OUTPUT_SCHEMA
from app.orchestration.turn import TurnLimits
from app.providers.openai import OpenAIProvider
from tests.answers import calls, question, says_questions, technique_output
from tests.chat.conducting import stage, task_of
from tests.conftest import MakeSettings, shipped_plugins
from tests.model_server import Fail, ModelServer, RecordedRequest, Say

REFUSAL = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model."
SENT = {
    "type": "json_schema",
    "json_schema": {"name": "question_set", "strict": True, "schema": OUTPUT_SCHEMA},
}
PLUGINS = REPOSITORY_ROOT / "plugins"


def _format(request: RecordedRequest) -> object:
    return request.body.get("response_format")


# Who gets it.


@pytest.mark.parametrize("is_azure", [False, True], ids=["compatible", "azure"])
async def test_techniques_and_repairs_are_held_to_the_schema_and_agents_are_not(
    openai_settings: MakeSettings, model_server: ModelServer, *, is_azure: bool
) -> None:
    azure = {
        "openai_api_key": None,
        "openai_base_url": None,
        "azure_openai_endpoint": model_server.azure_endpoint,
        "azure_openai_api_key": "sk-test-azure",
        "azure_openai_deployment": "prod-chat",
    }
    model_server.script(calls("technical-few_shot"), says_questions(1), says_questions(1, first=10))
    async with stage(openai_settings(**azure if is_azure else {})) as conducted:
        turn = await conducted.turn(agent="technical")

    assert [call.function for call in turn.calls] == [None, "few_shot", "repair"]
    assert [_format(request) for request in model_server.requests] == [None, SENT, SENT]


async def test_openai_itself_gets_it_too(model_server: ModelServer) -> None:
    model_server.script(calls("technical-few_shot"), says_questions(2))
    client = AsyncOpenAI(api_key="sk-test-key", base_url=model_server.base_url, max_retries=0)
    provider = OpenAIProvider(name="openai", client=client, models=("gpt-4o",), deployment=None)
    try:
        conductor = Conductor(shipped_plugins().catalog, provider, TurnLimits())
        await conductor.run(task_of(agent="technical"), lambda _: None)
    finally:
        await provider.close()

    assert [_format(request) for request in model_server.requests] == [None, SENT]


# Models that refuse it.


@pytest.mark.parametrize("status", [400, 415, 422, 501])
@pytest.mark.parametrize("message", [REFUSAL, "json_schema: unknown type", "Structured output is not enabled"])
async def test_a_model_that_refuses_the_schema_is_asked_once_more_without_it(
    openai_settings: MakeSettings, model_server: ModelServer, status: int, message: str
) -> None:
    model_server.script(calls("technical-few_shot"), Fail(status, message=message), says_questions(2))
    async with stage(openai_settings(provider_max_retries=0), model_calls=2) as conducted:
        turn = await conducted.turn(agent="technical")

    agent, refused, accepted = model_server.requests
    assert [_format(request) for request in (agent, refused, accepted)] == [None, SENT, None]
    assert accepted.body == {name: value for name, value in refused.body.items() if name != "response_format"}
    assert len(turn.questions.questions) == 2
    assert [call.function for call in turn.calls] == [None, "few_shot"]
    assert all(call.is_complete for call in turn.calls)
    # Twice 10 tokens at $2.50 and 5 at $10 per million, as without the refusal.
    assert sum(call.cost_usd or Decimal(0) for call in turn.calls) == Decimal("0.000150")


async def test_the_refusal_is_remembered_for_this_model_alone(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    made = (calls("technical-few_shot"), says_questions(2))
    refusal = Fail(400, message=REFUSAL)
    model_server.script(made[0], refusal, made[1], *made, *made, calls("technical-zero_shot"), *[says_questions(1)] * 2)
    async with stage(openai_settings(allowed_models="gpt-4.1")) as conducted:
        for model in ("gpt-4o", "gpt-4o", "gpt-4.1"):
            await conducted.turn(agent="technical", model=model)
        await conducted.turn(agent="technical", model="gpt-4o")

    techniques = [request for request in model_server.requests if request.is_technique]
    assert [(request.model, _format(request) is not None) for request in techniques] == [
        ("gpt-4o", True),
        ("gpt-4o", False),
        ("gpt-4o", False),
        ("gpt-4.1", True),
        ("gpt-4o", False),
        ("gpt-4o", False),
    ]


@pytest.mark.parametrize(
    "failure",
    [
        Fail(400, code="context_length_exceeded", message="This model's maximum context length is 8192 tokens."),
        Fail(400, code="content_filter", message="Filtered."),
        Fail(401, message="response_format"),
        Fail(404, message="response_format"),
    ],
    ids=["too long", "filtered", "key", "model"],
)
async def test_another_refusal_fails_the_turn_at_once(
    openai_settings: MakeSettings, model_server: ModelServer, failure: Fail
) -> None:
    model_server.script(calls("technical-few_shot"), failure, calls("technical-few_shot"), says_questions(2))
    async with stage(openai_settings()) as conducted:
        with pytest.raises(ProviderError):
            await conducted.turn(agent="technical")
        assert len(model_server.requests) == 2
        await conducted.turn(agent="technical")

    assert _format(model_server.requests[-1]) == SENT, "it was no refusal of the schema"


async def test_refused_without_the_schema_as_well_the_turn_fails(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("technical-few_shot"), Fail(400, message=REFUSAL), Fail(400, message=REFUSAL))
    async with stage(openai_settings()) as conducted:
        with pytest.raises(ProviderError, match="rejected the request"):
            await conducted.turn(agent="technical")

    assert len(model_server.requests) == 3


async def test_a_refusal_that_was_about_something_else_leaves_the_schema_on(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    wrong = Fail(400, message="Invalid value for 'temperature'.")
    model_server.script(calls("technical-few_shot"), wrong, wrong, calls("technical-few_shot"), says_questions(2))
    async with stage(openai_settings()) as conducted:
        with pytest.raises(ProviderError):
            await conducted.turn(agent="technical")
        await conducted.turn(agent="technical")

    assert _format(model_server.requests[-1]) == SENT


@pytest.mark.parametrize(
    "message",
    [
        "The provided JSON schema contains features not supported by xgrammar.",
        "Failed to initialize samplers: failed to parse grammar",
        "Unknown name at 'generation_config.response_schema'",
        "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later",
    ],
)
async def test_every_server_words_its_refusal_differently(
    openai_settings: MakeSettings, model_server: ModelServer, message: str
) -> None:
    model_server.script(calls("technical-few_shot"), Fail(400, message=message), says_questions(2))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert len(turn.questions.questions) == 2


async def test_an_agents_own_call_is_not_sent_twice(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    model_server.script(Fail(400, message=REFUSAL))
    async with stage(openai_settings()) as conducted:
        with pytest.raises(ProviderError):
            await conducted.turn(agent="technical")

    assert len(model_server.requests) == 1


async def test_without_the_schema_what_a_model_writes_is_read_as_before(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(
        calls("technical-few_shot"), Fail(400, message=REFUSAL), Say(f"Here:\n```json\n{technique_output(2)}\n```")
    )
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert len(turn.questions.questions) == 2
    assert OUTPUT_CONTRACT.splitlines()[0] in model_server.requests[-1].system_text


# The schema itself.

TAKEN_BY_STRICT = {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf"}


def _nodes(schema: Mapping[str, Any], depth: int = 1) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Every schema in the schema, with the depth of the objects around it."""
    yield schema, depth
    inside = [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]
    inside += [schema["items"]] if "items" in schema else []
    for inner in inside:
        yield from _nodes(inner, depth + ("properties" in schema))


def test_it_keeps_the_rules_of_strict_schemas() -> None:
    nodes = list(_nodes(OUTPUT_SCHEMA))

    assert OUTPUT_SCHEMA["type"] == "object", "the root is an object and no choice"
    for node, depth in nodes:
        assert node.keys() <= TAKEN_BY_STRICT
        assert "type" in node or "anyOf" in node
        assert depth <= 5
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])
    assert sum(len(node.get("properties", ())) for node, _ in nodes) <= 100
    jsonschema.Draft202012Validator.check_schema(OUTPUT_SCHEMA)


def test_contract_and_schema_name_the_same_keys() -> None:
    for node, _ in _nodes(OUTPUT_SCHEMA):
        for key in node.get("properties", ()):
            assert f'"{key}":' in OUTPUT_CONTRACT
    order = [OUTPUT_CONTRACT.index(f'"{key}":') for key in OUTPUT_SCHEMA["properties"]]
    assert order == sorted(order), "the order decides what streams first"


def _output(*questions: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(technique_output(0)) | {"experience_level": "mid", "questions": [*questions]}
    return whole | changes


def _problems(output: Mapping[str, Any]) -> list[str]:
    return [str(error.message) for error in jsonschema.Draft202012Validator(OUTPUT_SCHEMA).iter_errors(output)]


CASE = {"scenario": "A bakery loses sales.", "data": ["Visitors are flat."], "expected_approach": ["Split sales."]}
PLAN = {"requirement": "SQL", "competency": "indexes", "level_signal": "proof", "minutes": 5}


@pytest.mark.parametrize(
    "output",
    [
        _output(*(question(number, case=None) for number in range(1, 21))),
        _output(question(1, case=CASE, requirement=None)),
        _output(question(1, case=None), coverage_plan=[PLAN]),
        _output(),
    ],
    ids=["twenty", "case", "plan", "none"],
)
def test_what_a_good_model_writes_keeps_to_it(output: Mapping[str, Any]) -> None:
    assert _problems(output) == []


@pytest.mark.parametrize(
    "output",
    [
        _output(question(1)),
        _output(question(1, case=None, difficulty="brutal")),
        _output(question(1, case=None, note="?")),
        _output(question(1, case=None, time_minutes="15 minutes")),
        _output(question(1, case={"scenario": "A bakery."})),
        _output(question(1, case=None), experience_level="principal"),
        _output(question(1, case=None), coverage_plan=["SQL"]),
    ],
    ids=["no case", "difficulty", "another key", "minutes", "half a case", "level", "plan"],
)
def test_what_is_not_the_contract_does_not(output: Mapping[str, Any]) -> None:
    assert len(_problems(output)) == 1


@pytest.mark.parametrize("interview_type", ["behavioral", "case_study", "reverse", "technical"])
@pytest.mark.parametrize("level", list(ExperienceLevel))
def test_the_examples_that_prompts_show_keep_to_it(interview_type: str, level: ExperienceLevel) -> None:
    examples = worked_examples(shipped_plugins().bank.of_type(interview_type), level).splitlines()

    assert len(examples) == 3
    for line in examples:
        example = json.loads(line)
        shown_level = example.pop("experience_level")
        assert _problems(_output({"case": None} | example, experience_level=shown_level)) == []
