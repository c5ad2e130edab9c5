"""The table of formats is complete, and every format holds everything."""

import json

import pypdfium2
import pytest

from app.exports.as_json import as_json
from app.exports.document import JOB_TITLE_CHARACTERS, ExportDocument, job_title
from app.exports.formats import FORMATS, ExportFormat
from tests.exports.documents import CONVERSATION_ID, SCRIPTS, document, filled_with, full_question, hostile_document

EVERYTHING = (
    "How would you do it?",
    "hard",
    "15",
    "the requirement",
    "the signal",
    "criterion one",
    "criterion two",
    "follow-up one",
    "follow-up two",
    "hint one",
    "hint two",
    "the framework",
    "the scenario",
    "datum one",
    "approach one",
    "recommendation one",
    "recommendation two",
    "Backend Engineer",
    "technical",
    "senior",
    "3",
    "2026",
)


def text_of(export_format: ExportFormat, exported: ExportDocument) -> str:
    content = FORMATS[export_format].write(exported)
    if export_format is not ExportFormat.PDF:
        return content.decode()
    with pypdfium2.PdfDocument(content) as pdf:
        return "\n".join(page.get_textpage().get_text_range() for page in pdf)


def test_every_format_is_one_entry_with_a_name_of_its_own() -> None:
    assert set(FORMATS) == set(ExportFormat)
    assert len({entry.media_type for entry in FORMATS.values()}) == len(ExportFormat)
    assert len({entry.extension for entry in FORMATS.values()}) == len(ExportFormat)
    assert len({entry.write for entry in FORMATS.values()}) == len(ExportFormat)
    texts = [entry.media_type for entry in FORMATS.values() if entry.media_type.startswith("text/")]
    assert all("charset=utf-8" in media_type for media_type in texts)


@pytest.mark.parametrize("export_format", ExportFormat)
def test_every_format_holds_every_field(export_format: ExportFormat) -> None:
    shown = text_of(export_format, document(full_question())).casefold()

    assert [wanted for wanted in EVERYTHING if wanted.casefold() not in shown] == []
    assert "few shot" in shown or "few_shot" in shown
    assert "system design" in shown or "system_design" in shown


@pytest.mark.parametrize("export_format", ExportFormat)
def test_a_format_is_a_function_of_its_values(export_format: ExportFormat) -> None:
    exported = document(full_question())

    assert FORMATS[export_format].write(exported) == FORMATS[export_format].write(exported)


@pytest.mark.parametrize("export_format", ExportFormat)
def test_a_set_without_a_job_a_level_or_details_is_written_too(export_format: ExportFormat) -> None:
    bare_question = full_question(
        requirement=None,
        level_signal="",
        evaluation_criteria=[],
        follow_ups=[],
        hints=[],
        sample_framework="",
        case=None,
    )
    shown = text_of(export_format, document(bare_question, job_title=None, experience_level=None, recommendations=()))

    assert "How would you do it?" in shown
    assert "None" not in shown


@pytest.mark.parametrize("export_format", ExportFormat)
def test_hostile_text_in_every_field_breaks_no_format(export_format: ExportFormat) -> None:
    assert FORMATS[export_format].write(hostile_document())


def test_json_is_the_set_as_the_api_shows_it_with_its_origin() -> None:
    written = as_json(document(*(filled_with(text, n) for n, text in enumerate(SCRIPTS.values(), 1))))
    read = json.loads(written)

    assert b"\\u" not in written
    assert (read["conversation_id"], read["exported_at"]) == (str(CONVERSATION_ID), "2026-09-07T12:30:00Z")
    assert (read["interview_type"], read["revision"], read["job_title"]) == ("technical", 3, "Backend Engineer")
    assert [question["text"] for question in read["questions"]] == list(SCRIPTS.values())
    assert set(read["questions"][0]) == set(full_question().model_dump())


@pytest.mark.parametrize(
    ("job_description", "title"),
    [
        (None, None),
        ("", None),
        (" \n\t\n", None),
        ("\n  Senior   Engineer \r\nat Halden", "Senior Engineer"),
        ("x" * 200, "x" * (JOB_TITLE_CHARACTERS - 1) + "…"),
    ],
)
def test_the_job_is_called_by_the_first_line_that_says_anything(job_description: str | None, title: str | None) -> None:
    assert job_title(job_description) == title
