"""One turn is one trace: request, turn, agents, model calls, statements, on any server; without anybody's words."""

import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.core.config import Settings, take_standard_variables
from app.core.telemetry import Telemetry, WrongTelemetry
from tests.answers import calls, hands_to, says_questions
from tests.chat.client import STREAM, chat, events_of, log_of, problem_of
from tests.conftest import MakeSettings, Serve
from tests.core.conftest import StartLog
from tests.model_server import Fail, ModelServer, Say
from tests.operations.collector import Collector

SECRET = "zebra"
"""Part of everything that anybody says."""
BODY = {
    "message": f"I am {SECRET} Smith and have an interview",
    "job_description": f"{SECRET} Ltd. seeks an engineer who can model shipments in PostgreSQL.",
    "question_count": 1,
}
ONCE = {"provider_retry_seconds": 0.01, "provider_max_retries": 1}
CHAT_SPAN, TURN_SPAN = "POST /api/v1/chat", "turn"


def script_questions(model: ModelServer) -> None:
    questions = says_questions(1, text=f"How would you do {SECRET}?", summary=f"For {SECRET}.")
    model.script(hands_to("technical"), calls("technical-few_shot"), questions)


async def test_a_turn_is_one_trace_from_the_request_to_the_statements(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, collector: Collector
) -> None:
    script_questions(model_server)
    async with serve(openai_settings()) as client:
        reply = await chat(client, **BODY)
        turn = (await client.get(f"/api/v1/turns/{reply['turn_id']}")).json()
        started = (await log_of(client, reply["turn_id"]))[0]

    request = collector.one(CHAT_SPAN)
    of_turn = [span for span in collector.spans if span.trace_id == request.trace_id]
    assert turn["trace_id"] == started.data["trace_id"] == request.trace_id
    assert request.parent_id == ""
    assert collector.path(collector.one(TURN_SPAN)) == [TURN_SPAN, CHAT_SPAN]
    first, decides, writes = collector.named("chat gpt-4o")
    assert collector.path(first) == ["chat gpt-4o", "invoke_agent triage", TURN_SPAN, CHAT_SPAN]
    for span in (decides, writes):
        assert collector.path(span) == ["chat gpt-4o", "invoke_agent technical", TURN_SPAN, CHAT_SPAN]
    assert collector.one("invoke_agent technical").attributes["greenroom.handoff.from"] == "triage"
    statements = [span for span in of_turn if "db.query.text" in span.attributes]
    assert {"INSERT", "SELECT", "UPDATE"} <= {span.name for span in statements}
    assert {TURN_SPAN, CHAT_SPAN} <= {collector.path(span)[1] for span in statements}
    assert all(span.start_ns <= span.end_ns for span in of_turn)
    assert all(span.start_ns >= collector.one(TURN_SPAN).start_ns for span in (first, decides, writes))


async def test_model_calls_have_the_names_of_the_conventions(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, collector: Collector
) -> None:
    script_questions(model_server)
    async with serve(openai_settings()) as client:
        reply = await chat(client, **BODY)

    found = [span.attributes for span in collector.named("chat gpt-4o")]
    assert [attributes["gen_ai.agent.name"] for attributes in found] == ["triage", "technical", "technical"]
    assert [attributes.get("greenroom.function") for attributes in found] == [None, None, "few_shot"]
    for attributes in found:
        assert attributes["gen_ai.operation.name"] == "chat"
        assert attributes["gen_ai.provider.name"] == "compatible"
        assert attributes["gen_ai.request.model"] == "gpt-4o"
        assert attributes["gen_ai.response.finish_reasons"] in (["stop"], ["tool_calls"])
    usage = reply["usage"]
    for name in ("input_tokens", "output_tokens"):
        assert sum(attributes[f"gen_ai.usage.{name}"] for attributes in found) == usage[name] > 0
    assert f"{sum(attributes['greenroom.cost_usd'] for attributes in found):.6f}" == usage["cost_usd"]
    assert collector.one(TURN_SPAN).attributes["gen_ai.conversation.id"] == reply["conversation_id"]
    resource = collector.resources[0]
    assert resource["service.name"] == "greenroom"
    assert resource["service.version"]


async def test_no_span_holds_what_anybody_wrote(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, collector: Collector
) -> None:
    script_questions(model_server)
    async with serve(openai_settings(openai_api_key=f"sk-{SECRET}")) as client:
        await chat(client, **BODY)
        await client.get("/api/v1/questions", params={"type": "technical", "q": SECRET})
        await client.get(f"/api/v1/{SECRET}")

    assert collector.spans
    assert [span.name for span in collector.spans if SECRET in span.text] == []


async def test_asked_for_what_was_said_is_on_the_spans_of_model_calls_and_nowhere_else(
    *,
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    script_questions(model_server)
    async with serve(openai_settings()) as client:
        await chat(client, **BODY)

    assert {span.name for span in collector.spans if SECRET in span.text} == {"chat gpt-4o"}
    triage, _, technique = (span.attributes for span in collector.named("chat gpt-4o"))
    sent = json.loads(triage["gen_ai.input.messages"])
    assert sent[0]["role"] == "system"
    assert BODY["message"] in sent[-1]["parts"][0]["content"]
    (answered,) = json.loads(technique["gen_ai.output.messages"])
    assert f"How would you do {SECRET}?" in answered["parts"][0]["content"]


async def test_a_call_that_failed_and_was_made_again_is_two_spans(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, collector: Collector
) -> None:
    model_server.script(Fail(503), Say("Which interview?"))
    async with serve(openai_settings(**ONCE)) as client:
        await chat(client, message="Hello")

    failed, answered = collector.named("chat gpt-4o")
    assert (failed.is_error, failed.attributes["error.type"]) == (True, "provider_unavailable")
    assert (answered.is_error, answered.attributes.get("error.type")) == (False, None)
    assert [span.attributes["greenroom.retry"] for span in (failed, answered)] == [0, 1]
    assert collector.one(TURN_SPAN).attributes["greenroom.turn.outcome"] == "completed"


async def test_one_id_joins_the_problem_the_log_and_the_spans(
    *,
    serve: Serve,
    openai_settings: MakeSettings,
    model_server: ModelServer,
    collector: Collector,
    start_log: StartLog,
) -> None:
    stream = start_log()
    model_server.script(Fail(500), Fail(500))
    async with serve(openai_settings(**ONCE)) as client:
        problem = problem_of(
            await client.post("/api/v1/chat", json={"message": "Hello"}), status=502, code="provider_error"
        )
        turn = (await client.get(f"/api/v1/turns/{problem['turn_id']}")).json()

    assert turn["trace_id"] == turn["problem"]["trace_id"] == problem["trace_id"] == collector.one(CHAT_SPAN).trace_id
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    of_turn = [line for line in lines if line.get("turn_id") == problem["turn_id"]]
    assert {"turn_started", "model_call", "turn_ended", "request"} <= {line["event"] for line in of_turn}
    assert {line["trace_id"] for line in of_turn} == {problem["trace_id"]}
    assert {line["span_id"] for line in of_turn} <= {span.span_id for span in collector.spans}
    turn_span = collector.one(TURN_SPAN)
    assert (turn_span.is_error, turn_span.attributes["error.type"]) == (True, "provider_error")


async def test_without_a_collector_there_are_ids_all_the_same(serve: Serve, make_settings: MakeSettings) -> None:
    async with serve(make_settings()) as client:
        problem = (await client.get("/api/v1/nothing")).json()
        reply = await chat(client, message="senior backend interview", question_count=1)
        turn = (await client.get(f"/api/v1/turns/{reply['turn_id']}")).json()

    assert len(problem["trace_id"]) == len(turn["trace_id"]) == 32
    assert problem["trace_id"] != turn["trace_id"]


async def test_a_callers_trace_goes_on_here(serve: Serve, make_settings: MakeSettings, collector: Collector) -> None:
    theirs, span = uuid4().hex, "00f067aa0ba902b7"
    async with serve(make_settings()) as client:
        headers = {"traceparent": f"00-{theirs}-{span}-01"}
        body = {"message": "senior backend interview", "question_count": 1}
        await client.post("/api/v1/chat", json=body, headers=headers)
        hostile = await client.get("/api/v1/nothing", headers={"traceparent": "00-zz-x-\x00"[:8]})

    assert collector.one(CHAT_SPAN).trace_id == collector.one(TURN_SPAN).trace_id == theirs
    assert collector.one(CHAT_SPAN).parent_id == span
    assert len(hostile.json()["trace_id"]) == 32, "what is no traceparent is none"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_turn_that_another_server_runs_stays_in_its_trace(
    serve: Serve, make_settings: MakeSettings, database_url: str, collector: Collector
) -> None:
    shared = {"database_url": database_url}
    async with (
        serve(make_settings(role="api", **shared)) as front,
        serve(make_settings(role="worker", **shared)),
        front.stream("POST", "/api/v1/chat", json={"message": "senior interview"}, headers=STREAM) as response,
    ):
        kinds = [event.kind async for event in events_of(response)]

    assert kinds[-1] == "turn.completed"
    request, turn = collector.one(CHAT_SPAN), collector.one(TURN_SPAN)
    assert (turn.trace_id, turn.parent_id) == (request.trace_id, request.span_id)
    assert len({resource["service.instance.id"] for resource in collector.resources}) == 2


async def test_probes_make_no_spans(serve: Serve, make_settings: MakeSettings, collector: Collector) -> None:
    async with serve(make_settings()) as client:
        for path in ("/healthz", "/readyz", "/metrics", "/api/v1/catalog"):
            assert (await client.get(path)).status_code == 200

    assert [span.name for span in collector.spans if span.name.startswith("GET")] == ["GET /api/v1/catalog"]


async def test_a_collector_that_is_away_harms_nothing(
    serve: Serve, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, start_log: StartLog
) -> None:
    stream = start_log()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    async with serve(make_settings()) as client:
        reply = await chat(client, message=f"senior {SECRET} interview", question_count=1)

    assert reply["question_set"] is not None
    assert SECRET not in stream.getvalue()


class TestVariables:
    """OpenTelemetry's own variables."""

    @pytest.mark.parametrize(
        ("variables", "is_traced"),
        [
            ({}, False),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True),
            ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}, True),
            ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9/v1/metrics"}, False),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_TRACES_EXPORTER": "none"}, False),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, False),
            ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ],
    )
    async def test_they_say_whether_spans_go_anywhere(
        self, variables: dict[str, str], *, is_traced: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Of the metrics nothing is sent in this time.
        for name, value in ({"OTEL_METRIC_EXPORT_INTERVAL": "3600000"} | variables).items():
            monkeypatch.setenv(name, value)
        telemetry = Telemetry.from_environment()
        try:
            assert telemetry.is_traced is is_traced
        finally:
            await telemetry.stop()

    def test_grpc_is_refused_with_the_way_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        with pytest.raises(WrongTelemetry, match="OTEL_EXPORTER_OTLP_PROTOCOL: grpc"):
            Telemetry.from_environment()

    def test_content_is_recorded_only_where_spans_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
        assert not Telemetry.from_environment().records_content

    def test_lines_of_the_env_file_count_and_the_environment_wins(
        self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = tmp_path / ".env"
        file.write_text("OTEL_SERVICE_NAME=ours\nOTEL_EXPORTER_OTLP_HEADERS=a=b\nAPP_PORT=1\n", encoding="utf-8")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "theirs")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "")
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_HEADERS")
        take_standard_variables(file)
        import os  # noqa: PLC0415 - only looked into here

        assert os.environ["OTEL_SERVICE_NAME"] == "theirs"
        assert os.environ["OTEL_EXPORTER_OTLP_HEADERS"] == "a=b"
        assert "APP_PORT" not in os.environ
        assert Settings(_env_file=None).app_port == 8000
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_HEADERS")


async def test_the_http_span_of_a_stream_lasts_as_long_as_the_stream(
    serve: Serve, make_settings: MakeSettings, collector: Collector
) -> None:
    async with serve(make_settings()) as client:
        await _read(client)

    request, turn = collector.one(CHAT_SPAN), collector.one(TURN_SPAN)
    assert request.attributes["http.response.status_code"] == 200
    assert request.end_ns >= turn.start_ns


async def _read(client: httpx2.AsyncClient) -> None:
    body = {"message": "senior backend interview", "question_count": 1}
    async with client.stream("POST", "/api/v1/chat", json=body, headers=STREAM) as response:
        assert [event.kind async for event in events_of(response)][-1] == "turn.completed"
