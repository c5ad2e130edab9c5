"""A name that every client and every file system takes."""

import re
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from app.exports.filenames import content_disposition
from tests.exports.documents import document, full_question


def names(header: str) -> tuple[str, str]:
    match = re.fullmatch(r"attachment; filename=\"([a-z0-9.-]+)\"; filename\*=UTF-8''([A-Za-z0-9._~%-]+)", header)
    assert match, header
    return match.group(1), unquote(match.group(2), errors="strict")


def test_the_names_say_what_is_in_the_file() -> None:
    exported = document(full_question(), job_title="Entwickler für Züge / 鉄道", interview_type="case_study")

    assert names(content_disposition(exported, "pdf")) == (
        "greenroom-case-study-senior-r3-2026-09-07.pdf",
        "Case study interview, senior level, revision 3 - Entwickler für Züge 鉄道.pdf",
    )


@given(job_title=st.text(max_size=200))
def test_no_job_title_breaks_the_header_or_leaves_the_folder(job_title: str) -> None:
    _, full_name = names(content_disposition(document(full_question(), job_title=job_title), "csv"))

    assert full_name.endswith(".csv")
    assert len(full_name.encode()) <= 255
    assert not set(full_name) & set('/\\:*?"<>|%\r\n\0\u202e')
