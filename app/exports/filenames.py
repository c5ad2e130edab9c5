"""The name under which a browser saves an export."""

import re
from urllib.parse import quote

from app.exports.document import ExportDocument

NAME_CHARACTERS = 80
"""Before the extension; of three bytes each in Chinese, and file systems take 255 bytes."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069<>:"/\\|?*%]+')
"""What some file system or shell does not take, and overrides of direction, which can dress up an extension."""


def content_disposition(document: ExportDocument, extension: str) -> str:
    """RFC 6266: an ASCII name for every client, and one with the job's title (RFC 5987) for those that read it."""
    ascii_name = f"{_ascii_stem(document)}.{extension}"
    full_name = f"{_full_stem(document)}.{extension}"
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(full_name, safe='')}"


def _ascii_stem(document: ExportDocument) -> str:
    question_set = document.question_set
    parts = (
        "greenroom",
        question_set.interview_type,
        question_set.experience_level,
        f"r{question_set.revision}",
        f"{document.exported_at:%Y-%m-%d}",
    )
    return re.sub(r"[^a-z0-9]+", "-", "-".join(filter(None, parts)).lower()).strip("-")


def _full_stem(document: ExportDocument) -> str:
    what = f"{document.title}, revision {document.question_set.revision}"
    stem = " - ".join(filter(None, (what, document.job_title)))
    safe = " ".join(_UNSAFE.sub(" ", stem).split()).strip(". ")
    # A long title gives way; cut in characters, so that no letter is torn.
    return safe if len(safe) <= NAME_CHARACTERS else safe[:NAME_CHARACTERS].rstrip(". ")
