"""What goes over the wire to which model: only parameters that it accepts."""

import pytest

from app.core.config import Settings
from app.orchestration.ledger import AGENT_OUTPUT_TOKENS
from app.providers.base import Sampling
from app.providers.openai import OPENAI_BASE_URL, is_reasoning_model, openai_provider
from app.providers.registry import active_provider
from plugins.cost.prices import list_price
from tests.answers import calls, hands_to, says_questions
from tests.chat.conducting import stage
from tests.conftest import MakeSettings
from tests.model_server import ModelServer

WISHES = Sampling(temperature=0.5, top_p=0.9, frequency_penalty=0.25, max_output_tokens=900)

SAMPLING = {"temperature": 0.5, "top_p": 0.9, "frequency_penalty": 0.25}
NEW_LIMIT = {"max_completion_tokens": 900}
OLD_LIMIT = {"max_tokens": 900}
CONTROLLED = SAMPLING.keys() | NEW_LIMIT.keys() | OLD_LIMIT.keys()


def _azure(server: ModelServer, model: str) -> dict[str, str | None]:
    return {
        "openai_api_key": None,
        "openai_base_url": None,
        "azure_openai_endpoint": server.azure_endpoint,
        "azure_openai_api_key": "sk-test-azure",
        "azure_openai_deployment": "prod-chat",
        "default_model": model,
    }


@pytest.mark.parametrize(
    ("model", "is_azure", "sent", "takes_the_switch"),
    [
        ("gpt-5", True, NEW_LIMIT, True),
        ("gpt-5-mini", False, NEW_LIMIT, True),
        ("o3", True, NEW_LIMIT, False),
        ("openai/o4-mini", False, NEW_LIMIT, False),
        ("gpt-4o", True, SAMPLING | NEW_LIMIT, True),
        ("gpt-5-chat-latest", True, SAMPLING | NEW_LIMIT, True),
        ("llama3.3:70b", False, SAMPLING | OLD_LIMIT, True),
    ],
)
async def test_a_model_gets_only_the_parameters_it_accepts(
    openai_settings: MakeSettings,
    model_server: ModelServer,
    model: str,
    *,
    is_azure: bool,
    sent: dict[str, float],
    takes_the_switch: bool,
) -> None:
    model_server.script(hands_to("technical"), calls("technical-few_shot"), says_questions(2))
    settings = _azure(model_server, model) if is_azure else {"default_model": model}
    async with stage(openai_settings(**settings)) as conducted:
        await conducted.turn(sampling=WISHES)

    *agents, technique = (request.body for request in model_server.requests)
    assert {name: technique[name] for name in CONTROLLED & technique.keys()} == sent
    # An agent decides with the model's own defaults, but a runaway answer ends where its price is known.
    is_priced = list_price(model, "azure" if is_azure else "compatible") is not None
    cap = {name: AGENT_OUTPUT_TOKENS for name in sent.keys() - SAMPLING.keys() if is_priced}
    for body in agents:
        assert {name: body[name] for name in CONTROLLED & body.keys()} == cap
        assert body.get("parallel_tool_calls") == (False if takes_the_switch else None)
    assert all(body["stream"] and body["stream_options"] == {"include_usage": True} for body in (*agents, technique))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("o1", True),
        ("o3-mini", True),
        ("o4-mini-2025-04-16", True),
        ("gpt-5", True),
        ("GPT-5-nano", True),
        ("gpt-5.1-codex", True),
        ("codex-mini-latest", True),
        ("openrouter/openai/gpt-5", True),
        ("gpt-5-chat-latest", False),
        ("gpt-5.2-chat-latest", False),
        ("gpt-4o", False),
        ("gpt-4.1-mini", False),
        ("chatgpt-4o-latest", False),
        ("o3-lovers/llama-3", False),
        ("olmo2", False),
        ("mistral-large", False),
    ],
)
def test_reasoning_models_are_known_by_their_names(model: str, *, expected: bool) -> None:
    assert is_reasoning_model(model) is expected


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "offline"),
        ({"openai_api_key": "sk-test"}, "openai"),
        ({"openai_base_url": OPENAI_BASE_URL, "openai_api_key": "sk-test", "default_model": "gpt-4o"}, "openai"),
        ({"openai_base_url": "http://127.0.0.1:11434/v1", "default_model": "llama3.3"}, "compatible"),
        (
            {
                "openai_api_key": "sk-test",
                "azure_openai_endpoint": "https://example.openai.azure.com",
                "azure_openai_api_key": "sk-test",
                "azure_openai_deployment": "prod",
                "default_model": "gpt-4o",
            },
            "azure",
        ),
    ],
)
async def test_settings_choose_the_provider(make_settings: MakeSettings, settings: dict[str, str], name: str) -> None:
    provider = active_provider(make_settings(**settings))
    assert provider.name == name
    await provider.close()


async def test_a_key_alone_is_openai_with_a_default_model(make_settings: MakeSettings) -> None:
    settings: Settings = make_settings(openai_api_key="sk-test", allowed_models="gpt-4o, gpt-5-mini,")
    provider = openai_provider(settings)
    assert provider is not None
    assert provider.models == ("gpt-5-mini", "gpt-4o")
    assert provider.default_model == "gpt-5-mini"
    await provider.close()
