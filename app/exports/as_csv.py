"""A table for spreadsheets: one row per question, RFC 4180, UTF-8 with the byte order mark that Excel looks for."""

import csv
import io
import re
from collections.abc import Sequence

from app.exports.document import ExportDocument
from app.orchestration.questions import Case, Question

BYTE_ORDER_MARK = "\ufeff"

COLUMNS = (
    "interview_type",
    "experience_level",
    "technique",
    "revision",
    "job_title",
    "exported_at",
    "conversation_id",
    "question_set_id",
    "question_id",
    "position",
    "text",
    "difficulty",
    "category",
    "time_minutes",
    "requirement",
    "level_signal",
    "evaluation_criteria",
    "follow_ups",
    "hints",
    "sample_framework",
    "case_scenario",
    "case_data",
    "case_expected_approach",
    "recommendations",
)

Cell = str | int

_FORMULA_SIGNS = "=+@\\-\uff1d\uff0b\uff20\uff0d"
"""The full-width ones too: some spreadsheets fold them."""
_LED_BY = r'[\s"\x00-\x1f\u200b-\u200f\u2060\ufeff]*'
"""What a spreadsheet skips before it looks for a formula."""
_FORMULA_START = re.compile(rf"^(?=[\t\r\n])|(^|[;\t\r\n])(?={_LED_BY}[{_FORMULA_SIGNS}])")


def as_csv(document: ExportDocument) -> bytes:
    """The document as CSV. Texts are quoted and cannot be formulas; numbers are bare."""
    table = io.StringIO(newline="")
    writer = csv.writer(table, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for question in document.question_set.questions:
        writer.writerow([inert(cell) if isinstance(cell, str) else cell for cell in _row(document, question)])
    return (BYTE_ORDER_MARK + table.getvalue()).encode()


def inert(text: str) -> str:
    """The text with an apostrophe wherever a spreadsheet could take it for a formula (OWASP, "CSV Injection").

    That is at its beginning, and after a line break, a tab or a semicolon: where lists are separated by semicolons,
    Excel does not heed the quotes of a file whose fields are separated by commas, and begins a new cell there.
    """
    return _FORMULA_START.sub(lambda match: f"{match.group(1) or ''}'", text)


def _row(document: ExportDocument, question: Question) -> tuple[Cell, ...]:
    question_set = document.question_set
    case = question.case or Case()
    return (
        question_set.interview_type,
        question_set.experience_level or "",
        question_set.technique,
        question_set.revision,
        document.job_title or "",
        document.exported_at.isoformat(),
        str(document.conversation_id),
        str(question_set.id),
        str(question.id),
        question.position,
        question.text,
        question.difficulty,
        question.category,
        question.time_minutes,
        question.requirement or "",
        question.level_signal,
        _lines(question.evaluation_criteria),
        _lines(question.follow_ups),
        _lines(question.hints),
        question.sample_framework,
        case.scenario,
        _lines(case.data),
        _lines(case.expected_approach),
        _lines(question_set.recommendations),
    )


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(texts)
