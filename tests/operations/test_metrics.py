"""`/metrics`: every figure after a scene that is known, who may read it, and the same figures sent to a collector."""

import asyncio
import json
from collections.abc import Mapping

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.core.config import AuthMode
from tests.accounts.people import SECRET_KEY
from tests.answers import calls, hands_to, says_questions
from tests.chat.client import STREAM, chat, events_of, log_of, problem_of
from tests.conftest import MakeSettings, Serve
from tests.model_server import Fail, ModelServer, Say, Silence
from tests.operations.collector import Collector

ONCE = {"provider_retry_seconds": 0.01, "provider_max_retries": 1}
TOKEN = "0eb1c9d2a34f5b67c8d9e0f1a2b3c4d5e6f7089a"
SECONDS = 10

Figures = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


async def figures(client: httpx2.AsyncClient) -> Figures:
    """Every sample of a scrape, by name and labels."""
    response = await client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def of(found: Figures, name: str, **labels: str) -> float:
    """The sum of the samples that have these labels, perhaps among others."""
    return sum(value for (known, has), value in found.items() if known == name and set(labels.items()) <= has)


async def test_turns_are_counted_by_how_they_end_and_measured(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    async with serve(openai_settings(**ONCE)) as client:
        model_server.script(hands_to("technical"), calls("technical-few_shot"), says_questions(1))
        reply = await chat(client, message="an interview", question_count=1)
        model_server.script(Fail(503), Say("Which interview?"))
        await chat(client, message="Hello")
        model_server.script(Fail(500), Fail(500))
        await client.post("/api/v1/chat", json={"message": "Hello"})
        model_server.script(Silence())
        await cancelled(client)
        found = await figures(client)

    assert of(found, "greenroom_turns_total", outcome="completed", code="") == 2
    assert of(found, "greenroom_turns_total", outcome="failed", code="provider_error") == 1
    assert of(found, "greenroom_turns_total", outcome="cancelled") == 1
    assert of(found, "greenroom_turns_total") == 4
    assert of(found, "greenroom_turn_duration_seconds_count") == 4
    assert of(found, "greenroom_turn_duration_seconds_bucket", outcome="completed", le="+Inf") == 2
    assert of(found, "greenroom_turn_time_to_first_event_seconds_count") == 4
    assert 0 < of(found, "greenroom_turn_time_to_first_event_seconds_sum") < 4 * SECONDS
    assert of(found, "greenroom_handoffs_total") == 1
    assert found["greenroom_handoffs_total", frozenset({("from", "triage"), ("to", "technical")})] == 1
    assert of(found, "greenroom_model_retries_total", model="gpt-4o") == 2
    assert of(found, "gen_ai_client_operation_duration_seconds_count", gen_ai_request_model="gpt-4o") == 8
    assert of(found, "gen_ai_client_operation_duration_seconds_count", error_type="provider_unavailable") == 1
    assert of(found, "gen_ai_client_operation_duration_seconds_count", error_type="provider_error") == 2
    assert of(found, "gen_ai_client_operation_duration_seconds_count", error_type="cancelled") == 1
    assert of(found, "greenroom_cost_usd_total") >= float(reply["usage"]["cost_usd"]) > 0
    assert of(found, "http_server_request_duration_seconds_count", http_route="/api/v1/chat") == 4
    assert of(found, "http_server_request_duration_seconds_count", http_response_status_code="502") == 1
    assert of(found, "greenroom_queue_depth") == 0
    assert of(found, "greenroom_streams_open") == 0


async def cancelled(client: httpx2.AsyncClient) -> None:
    """A turn that is stopped while its model is silent."""
    async with client.stream("POST", "/api/v1/chat", json={"message": "Hello"}, headers=STREAM) as response:
        async for event in events_of(response):
            if event.kind == "turn.started":
                turn_id = event.data["turn_id"]
            if event.kind == "agent.active":
                await client.post(f"/api/v1/turns/{turn_id}/cancel")


async def test_tokens_are_those_of_the_replies(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(hands_to("technical"), calls("technical-few_shot"), says_questions(1))
    async with serve(openai_settings()) as client:
        usage = (await chat(client, message="an interview", question_count=1))["usage"]
        found = await figures(client)

    for kind in ("input", "output"):
        assert of(found, "gen_ai_client_token_usage_sum", gen_ai_token_type=kind) == usage[f"{kind}_tokens"] > 0
    assert f"{of(found, 'greenroom_cost_usd_total'):.6f}" == usage["cost_usd"]


async def test_calls_of_unknown_price_are_counted_as_such(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say("Which interview?"))
    async with serve(openai_settings(default_model="our-own")) as client:
        await chat(client, message="Hello")
        found = await figures(client)

    assert of(found, "greenroom_model_unpriced_calls_total", model="our-own") == 1
    assert of(found, "greenroom_cost_usd_total") == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_what_waits_and_who_listens_is_there_now(
    serve: Serve, make_settings: MakeSettings, database_url: str
) -> None:
    async with serve(make_settings(database_url=database_url, role="api")) as client:
        for _ in range(2):
            await client.post("/api/v1/chat", json={"message": "Hello"}, headers={"Prefer": "respond-async"})
        async with client.stream("POST", "/api/v1/chat", json={"message": "Hello"}, headers=STREAM) as response:
            events = events_of(response)
            await anext(events)
            found = await figures(client)
        assert of(found, "greenroom_queue_depth") == 3
        assert 0 < of(found, "greenroom_queue_oldest_seconds") < SECONDS
        assert of(found, "greenroom_streams_open") == 1
        async with asyncio.timeout(SECONDS):
            while of(await figures(client), "greenroom_streams_open"):  # noqa: ASYNC110 - the server notices it
                await asyncio.sleep(0.01)


async def test_what_is_known_beforehand_begins_at_zero(serve: Serve, make_settings: MakeSettings) -> None:
    """Of a series that begins with 1, Prometheus' `increase` misses that one."""
    async with serve(make_settings()) as client:
        found = await figures(client)

    for name in ("greenroom_turns_total", "greenroom_turn_restarts_total", "greenroom_model_retries_total"):
        assert [value for (known, _), value in found.items() if known == name and value == 0], name


async def test_a_turn_that_its_server_has_left_is_counted_where_it_begins_again(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Silence(), Say("Which interview?"))
    async with serve(openai_settings()) as client:
        turn = (
            await client.post("/api/v1/chat", json={"message": "Hello"}, headers={"Prefer": "respond-async"})
        ).json()
        await model_server.until(lambda: model_server.answers_in_flight == 1)
    async with serve(openai_settings()) as client:
        assert [event.kind for event in await log_of(client, turn["id"])][-1] == "turn.completed"
        found = await figures(client)

    assert of(found, "greenroom_turn_restarts_total", reason="server_lost") == 1
    assert of(found, "greenroom_turns_total", outcome="completed") == 1


async def test_a_comparison_counts_its_calls_and_no_turn(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(says_questions(1), says_questions(1))
    body = {"message": "x", "interview_type": "technical", "techniques": ["zero_shot", "few_shot"], "question_count": 1}
    async with serve(openai_settings()) as client:
        assert (await client.post("/api/v1/compare", json=body)).status_code == 200
        found = await figures(client)

    assert of(found, "gen_ai_client_operation_duration_seconds_count") == 2
    assert of(found, "greenroom_turns_total") == 0


class TestWhoMayRead:
    """Figures tell how a service is used, and what it costs."""

    async def test_in_local_mode_whoever_uses_the_service(self, serve: Serve, make_settings: MakeSettings) -> None:
        async with serve(make_settings()) as client:
            assert (await client.get("/metrics")).status_code == 200
            assert (await client.get("/metrics", headers={"Host": "evil.example"})).status_code == 421

    async def test_with_accounts_nobody_until_there_is_a_token(self, serve: Serve, make_settings: MakeSettings) -> None:
        async with serve(make_settings(auth_mode=AuthMode.ACCOUNTS, secret_key=SECRET_KEY)) as client:
            problem = problem_of(await client.get("/metrics"), status=404, code="not_found")
        assert "METRICS_TOKEN" in problem["detail"]

    @pytest.mark.parametrize("given", ["", "Bearer", f"Bearer {TOKEN}x", TOKEN, f"Basic {TOKEN}"])
    @pytest.mark.parametrize("mode", AuthMode)
    async def test_with_a_token_whoever_has_it(
        self, mode: AuthMode, given: str, *, serve: Serve, make_settings: MakeSettings
    ) -> None:
        settings = make_settings(auth_mode=mode, secret_key=SECRET_KEY, metrics_token=TOKEN)
        async with serve(settings) as client:
            headers = {"Authorization": given} if given else {}
            problem = problem_of(await client.get("/metrics", headers=headers), status=401, code="unauthorized")
            right = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert TOKEN not in json.dumps(problem)
        assert right.status_code == 200


async def test_the_same_figures_go_to_a_collector(
    serve: Serve, make_settings: MakeSettings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    async with serve(make_settings()) as client:
        await chat(client, message="senior backend interview", question_count=1)
        async with asyncio.timeout(SECONDS):
            while turns_in(collector) == 0:  # noqa: ASYNC110 - another thread's doing
                await asyncio.sleep(0.01)

    assert turns_in(collector) == 1
    assert collector.metrics["greenroom.turn.duration"].unit == "s"
    assert [point.as_int for point in collector.metrics["greenroom.queue.depth"].gauge.data_points] == [0]


def turns_in(collector: Collector) -> int:
    """How many turns have ended, by what arrived last."""
    metric = collector.metrics.get("greenroom.turns")
    return sum(point.as_int for point in metric.sum.data_points) if metric else 0
