"""Exports over HTTP, from a served application with a scripted model."""

import csv
import io
from uuid import uuid4

import pypdfium2

from app.exports.formats import FORMATS, ExportFormat
from app.main import create_app
from tests.answers import calls, hands_to, says_questions
from tests.chat.client import FIRST, chat, named_fields, problem_of
from tests.conftest import MakeSettings, Serve
from tests.model_server import ModelServer

EVIL = '=1+1 #import "x" [l](javascript:1) <b> 請描述 \u202e'


async def test_a_conversation_s_questions_are_saved_in_every_format(
    serve: Serve, openai_settings: MakeSettings, model_server: ModelServer, database_url: str
) -> None:
    model_server.script(hands_to("technical"), calls("technical-few_shot"), says_questions(1, text=EVIL))
    async with serve(openai_settings(database_url=database_url)) as client:
        reply = await chat(client, **FIRST, question_count=1)
        address = f"/api/v1/conversations/{reply['conversation_id']}/export"
        files = {name: await client.get(address, params={"format": name}) for name in ExportFormat}
        absent = await client.get(address, params={"format": "pdf", "interview_type": "behavioral"})
        too_new = await client.get(address, params={"format": "csv", "revision": 2})

    for name, response in files.items():
        assert response.status_code == 200
        assert response.headers["content-type"] == FORMATS[name].media_type
        assert response.headers["x-content-type-options"] == "nosniff"
        disposition = response.headers["content-disposition"]
        assert disposition.startswith('attachment; filename="greenroom-technical-')
        assert f".{FORMATS[name].extension}\"; filename*=UTF-8''Technical%20interview" in disposition
    json_file = files[ExportFormat.JSON].json()
    assert reply["question_set"].items() <= json_file.items()
    assert json_file["conversation_id"] == reply["conversation_id"]
    assert json_file["job_title"] == "Senior Backend Engineer, Halden Freight (Rotterdam)"
    (row,) = csv.DictReader(io.StringIO(files[ExportFormat.CSV].content.decode("utf-8-sig"), newline=""))
    assert row["text"] == f"'{EVIL}"
    assert "請描述" in files[ExportFormat.MARKDOWN].text
    assert "<b>" not in files[ExportFormat.MARKDOWN].text
    with pypdfium2.PdfDocument(files[ExportFormat.PDF].content) as pdf:
        assert '=1+1 #import "x" [l](javascript:1) <b> 請描述' in pdf[0].get_textpage().get_text_range()
    problem_of(absent, status=404, code="not_found")
    problem_of(too_new, status=404, code="not_found")


async def test_what_cannot_be_exported_is_refused_by_name(serve: Serve, openai_settings: MakeSettings) -> None:
    refusals = {
        "format=docx": "format",
        "": "format",
        "format=pdf&revision=0": "revision",
        "format=pdf&revision=9999999999": "revision",
        f"format=pdf&interview_type={'a' * 41}": "interview_type",
    }
    async with serve(openai_settings()) as client:
        address = f"/api/v1/conversations/{uuid4()}/export"
        for query, field in refusals.items():
            problem = problem_of(await client.get(f"{address}?{query}"), status=422, code="validation_error")
            assert named_fields(problem) == {field}
        unknown = problem_of(await client.get(f"{address}?format=pdf"), status=404, code="not_found")
        malformed = problem_of(
            await client.get("/api/v1/conversations/1/export?format=pdf"), status=422, code="validation_error"
        )
    assert "GET /api/v1/conversations lists" in unknown["detail"]
    assert named_fields(malformed) == {"conversation_id"}


def test_openapi_lists_the_formats_and_their_media_types(make_settings: MakeSettings) -> None:
    document = create_app(make_settings()).openapi()
    operation = document["paths"]["/api/v1/conversations/{conversation_id}/export"]["get"]

    assert document["components"]["schemas"]["ExportFormat"]["enum"] == list(ExportFormat)
    assert set(operation["responses"]["200"]["content"]) == {entry.media_type for entry in FORMATS.values()}
    assert {"404", "422"} <= set(operation["responses"])
