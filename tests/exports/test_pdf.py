"""The printed page: read back with two readers that had no part in writing it."""

import re
import time
import unicodedata
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pypdfium2
import pytest
import typst
from pypdf import PageObject, PdfReader
from pypdf.generic import ContentStream

from app.exports.as_pdf import as_pdf, printable
from app.exports.typefaces import FONT_PACKAGES, Typefaces, package_folder
from tests.exports.documents import HOSTILE, SCRIPTS, document, filled_with, full_question, hostile_document

A4_POINTS = (595, 842)
GUJARATI = "ગુજરાતી લખાણ"
SHAPED = {"Arabic", "Hebrew", "Devanagari", "Thai", "Bengali", "Tamil", "Telugu", "Lao", "Khmer", "Myanmar"}
"""Scripts whose glyphs are reordered or joined, which readers put back more or less well."""


def page_texts(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as read:
        return [page.get_textpage().get_text_range() for page in read]


def text_of(pdf: bytes) -> str:
    """Without white space, which depends on where lines break."""
    return "".join("".join(page_texts(pdf)).split())


def fonts_of(pdf: bytes) -> Iterator[Any]:
    for page in PdfReader(BytesIO(pdf)).pages:
        resources: Any = page["/Resources"]
        for font in resources.get("/Font", {}).values():
            yield font.get_object()["/DescendantFonts"][0].get_object()


def glyphs_of(pdf: bytes) -> list[bytes]:
    """Two bytes for each glyph that is drawn; two zeros are the box of a missing character."""
    reader = PdfReader(BytesIO(pdf))
    shown = b"".join(_shown_strings(page, reader) for page in reader.pages)
    return [shown[at : at + 2] for at in range(0, len(shown), 2)]


def _shown_strings(page: PageObject, reader: PdfReader) -> bytes:
    stream = ContentStream(page.get_contents(), reader)
    strings = []
    for operands, operator in stream.operations:
        if operator in {b"Tj", b"TJ"}:
            pieces = operands[0] if operator == b"TJ" else operands
            strings += [piece.original_bytes for piece in pieces if hasattr(piece, "original_bytes")]
    return b"".join(strings)


def test_a_page_is_a4_and_titled_and_counts_itself(bare: Typefaces) -> None:
    pdf = as_pdf(document(*(full_question(n) for n in range(1, 8))), faces=bare)
    reader = PdfReader(BytesIO(pdf))
    texts = page_texts(pdf)

    assert len(texts) > 3
    for number, (page, text) in enumerate(zip(reader.pages, texts, strict=True), 1):
        assert (round(page.mediabox.width), round(page.mediabox.height)) == A4_POINTS
        assert f"{number} / {len(texts)}" in text
    assert reader.metadata is not None
    assert reader.metadata.title == "Technical interview, senior level"
    outline: list[Any] = reader.outline
    assert [entry["/Title"] for entry in outline][:2] == ["Question 1", "Question 2"]


def test_a_short_card_is_on_one_page_and_a_long_one_keeps_its_beginning_together(bare: Typefaces) -> None:
    short: dict[str, Any] = {"evaluation_criteria": [], "hints": [], "case": None, "sample_framework": ""}
    criteria = [f"{n} is a criterion" for n in range(1, 80)]
    questions = [full_question(n, f"Short question {n}?", **short) for n in range(1, 6)]
    questions.append(full_question(6, "Long question 6?", evaluation_criteria=criteria))
    texts = page_texts(as_pdf(document(*questions), faces=bare))

    for number in range(1, 6):
        (page,) = [text for text in texts if f"Short question {number}?" in text]
        card = page[page.index(f"Question {number}") :]
        assert card.index(f"Short question {number}?") < card.index("follow-up two") < card.upper().index("NOTES")
    (page,) = [text for text in texts if "Long question 6?" in text]
    assert "the requirement" in page
    assert "1 is a criterion" in page


def test_all_fonts_are_embedded(bare: Typefaces) -> None:
    fonts = list(fonts_of(as_pdf(document(*map(filled_with, SCRIPTS.values())), faces=bare)))

    assert len({font["/BaseFont"] for font in fonts}) >= 10
    for font in fonts:
        assert {"/FontFile2", "/FontFile3"} & set(font["/FontDescriptor"].get_object()), font["/BaseFont"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_drawn_in_its_letters_and_can_be_copied(script: str, bare: Typefaces) -> None:
    sentence = SCRIPTS[script]
    pdf = as_pdf(document(filled_with(sentence)), faces=bare)

    assert bare.missing(set(sentence)) == frozenset()
    assert b"\0\0" not in glyphs_of(pdf)
    text = unicodedata.normalize("NFC", text_of(pdf))
    if script in SHAPED:
        assert set(unicodedata.normalize("NFC", "".join(sentence.split()))) <= set(text)
    else:
        assert "".join(sentence.split()) in text


def test_the_check_for_missing_glyphs_would_see_one(bare: Typefaces) -> None:
    pdf = typst.compile(GUJARATI.encode(), font_paths=bare.fonts, ignore_system_fonts=True)

    assert b"\0\0" in glyphs_of(pdf)


def test_what_no_font_has_is_put_into_words(bare: Typefaces) -> None:
    pdf = as_pdf(document(filled_with(f"{GUJARATI} and \U0001f600\ufe0f, \U0001f1e9\U0001f1ea, \ue000")), faces=bare)

    assert b"\0\0" not in glyphs_of(pdf)
    assert "[Gujaratitext,nofont]and[grinningface],DE,[othertext,nofont]" in text_of(pdf).replace(
        "[u+e000]", "[othertext,nofont]"
    )


def test_hostile_text_is_printed_and_never_run(bare: Typefaces) -> None:
    pdf = as_pdf(hostile_document(), faces=bare)
    text = text_of(pdf)

    assert b"\0\0" not in glyphs_of(pdf)
    for literal in HOSTILE[10:15]:
        for line in literal.splitlines():
            assert "".join(line.split()) in text
    assert not [page for page in PdfReader(BytesIO(pdf)).pages if "/Annots" in page], "no text became a link"


@pytest.mark.parametrize("word", ["w" * 200, "M" * 200, "a/" * 100, "ж" * 200, "漢" * 200, SCRIPTS["Thai"] * 15])
def test_a_word_without_spaces_stays_on_the_page(word: str, bare: Typefaces) -> None:
    pdf = as_pdf(document(filled_with(word), job_title=word[:120]), faces=bare)

    with pypdfium2.PdfDocument(pdf) as read:
        for page in read:
            text_page = page.get_textpage()
            boxes = [text_page.get_charbox(index) for index in range(text_page.count_chars())]
            assert all(left > 0 and right < A4_POINTS[0] - 55 for left, _, right, _ in boxes if right > left)
    assert set(word) <= set(text_of(pdf))
    assert word.startswith("ค") or word in text_of(pdf), "nothing is lost and nothing is put in between"


def test_control_characters_and_overrides_of_direction_are_left_out() -> None:
    assert printable("a\x01b\x1b[31m\u202egnp.exe\u2069") == "a b [31mgnp.exe\u2069"
    assert printable("  one \t two\r\n\r\n\u2028three\x0bfour ") == "one two\nthree\nfour"


def test_printing_is_quick(bare: Typefaces) -> None:
    as_pdf(document(full_question(1)), faces=bare)
    started = time.monotonic()
    as_pdf(document(*(full_question(n, f"Another question {n}") for n in range(1, 21))), faces=bare)

    # Measured: 0.13 s. The bound allows for a machine under load.
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("package", FONT_PACKAGES)
def test_a_font_package_brings_its_fonts(package: str) -> None:
    folder = package_folder(package)

    assert [path for path in folder.rglob("*") if re.search(r"\.(ttf|otf|ttc)$", path.name)]


def test_a_font_package_that_is_not_there_is_named() -> None:
    with pytest.raises(RuntimeError, match="no_such_fonts is not installed"):
        package_folder("no_such_fonts")
