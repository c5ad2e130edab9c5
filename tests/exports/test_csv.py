"""Spreadsheets get a table that no cell breaks and no cell computes in."""

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.exports.as_csv import COLUMNS, as_csv, inert
from tests.exports.documents import HOSTILE, document, filled_with, full_question, hostile_document

FORMULA_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
STARTS = re.compile(f"[{re.escape(FORMULA_SIGNS)}]")


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def is_formula(cell: str) -> bool:
    """As a generous spreadsheet sees it: white space, quotes and invisible characters before the sign are skipped."""
    return cell[:1] in {"\t", "\r"} or bool(STARTS.match(cell.strip(' \t\r\n"\u3000\ufeff\u200b\xa0')))


def test_one_row_per_question_with_a_byte_order_mark_and_rfc_4180_line_ends() -> None:
    content = as_csv(document(full_question(1), full_question(2)))
    first, second = rows(content)

    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == 3
    assert tuple(first) == COLUMNS
    assert (first["position"], second["position"]) == ("1", "2")
    assert first["evaluation_criteria"] == "criterion one\ncriterion two"
    assert first["case_expected_approach"] == "approach one"


def test_numbers_stay_numbers() -> None:
    line = as_csv(document(full_question(7, time_minutes=25))).decode().splitlines()[1]

    assert '"few_shot",3,"Backend' in line
    assert ',7,"How' in line
    assert ',25,"the requirement"' in line


def test_hostile_cells_are_text_and_stay_in_their_cells() -> None:
    read = rows(as_csv(hostile_document()))

    assert len(read) == len(HOSTILE)
    assert all(len(row) == len(COLUMNS) for row in read)
    assert [(name, cell) for row in read for name, cell in row.items() if is_formula(cell)] == []
    assert [row["text"].replace("'", "") for row in read] == [text.replace("'", "") for text in HOSTILE]


@pytest.mark.parametrize("sign", FORMULA_SIGNS)
@pytest.mark.parametrize("before", ["", " ", "\t", "\r", "\n", "\u3000", "\xa0", "\ufeff", "\u200b", '"'])
def test_a_formula_sign_gets_an_apostrophe_whatever_leads_it(before: str, sign: str) -> None:
    assert inert(f"{before}{sign}1+1").startswith("'")


@pytest.mark.parametrize("text", ["", "plain", "a = b", "3 - 2", "x@example.com", "C++", "'=1", "a, -b"])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert inert(text) == text


TEXT = st.one_of(st.text(), st.text(alphabet=f" \t\r\n\"';,|{FORMULA_SIGNS}1A\u3000\ufeff", max_size=30))


@given(text=TEXT)
@example(text='a";=1')
@example(text="a\n\t=1")
def test_no_text_is_a_formula_or_leaves_its_cell(text: str) -> None:
    (row,) = rows(as_csv(document(filled_with(text))))

    assert set(row) == set(COLUMNS)
    assert row["text"] == inert(text)
    assert not is_formula(row["text"])
    assert row["requirement"] == row["text"]


@given(text=TEXT)
@example(text=";=1+1;")
@example(text='";"=1+1')
def test_no_text_is_a_formula_where_semicolons_or_tabs_separate_lists(text: str) -> None:
    content = as_csv(document(filled_with(text))).decode("utf-8-sig")
    # The harshest reading: quotes mean nothing, every separator and every line break begins a cell.
    cells = re.split("[;\t\r\n]", content)

    assert [cell for cell in cells if cell.strip() and is_formula(cell)] == []
