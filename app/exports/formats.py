"""The formats: one entry each, and its function from an export's values to its bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from app.exports.as_csv import as_csv
from app.exports.as_html import as_html
from app.exports.as_json import as_json
from app.exports.as_markdown import as_markdown
from app.exports.as_pdf import as_pdf
from app.exports.document import ExportDocument


class ExportFormat(StrEnum):
    """What a question set can be saved as."""

    JSON = "json"
    MARKDOWN = "markdown"
    CSV = "csv"
    PDF = "pdf"
    HTML = "html"


@dataclass(frozen=True)
class FormatEntry:
    """How a format is written and what it is called on the wire."""

    media_type: str
    """With the character set, where the type has that parameter; JSON is UTF-8 by definition."""
    extension: str
    write: Callable[[ExportDocument], bytes]


FORMATS: Mapping[ExportFormat, FormatEntry] = MappingProxyType(
    {
        ExportFormat.JSON: FormatEntry("application/json", "json", as_json),
        ExportFormat.MARKDOWN: FormatEntry("text/markdown; charset=utf-8", "md", as_markdown),
        ExportFormat.CSV: FormatEntry("text/csv; charset=utf-8; header=present", "csv", as_csv),
        ExportFormat.PDF: FormatEntry("application/pdf", "pdf", as_pdf),
        ExportFormat.HTML: FormatEntry("text/html; charset=utf-8", "html", as_html),
    }
)
