"""What people and models wrote stays text on the Markdown page."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.exports.as_markdown import as_markdown, escaped
from tests.exports.documents import HOSTILE, SCRIPTS, document, filled_with, full_question, hostile_document

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

PLAIN = {"paragraph_open", "paragraph_close", "inline", "text", "hardbreak"}


def tokens(markdown: str) -> list[Token]:
    """All tokens, those inside lines too."""
    return [token for block in PARSER.parse(markdown) for token in (block, *(block.children or ()))]


def text(markdown: str) -> str:
    found = (("\n" if token.type == "hardbreak" else token.content) for token in tokens(markdown) if not token.children)
    return "".join(found)


def test_the_page_has_a_title_a_heading_per_question_and_lists() -> None:
    page = as_markdown(document(full_question(1), full_question(2))).decode()
    headings = [line for line in page.splitlines() if line.startswith(("# ", "## "))]

    assert headings == [
        "# Technical interview, senior level",
        "## Question 1",
        "## Question 2",
        "## Before the interview",
    ]
    assert "\n**Backend Engineer**\n" in page
    assert "2 questions, 30 min · technique: few shot · revision 3 · 7 September 2026" in page
    assert "- criterion one\n- criterion two\n" in page
    assert "1. hint one\n2. hint two\n" in page


def test_hostile_text_adds_nothing_but_text_to_the_page() -> None:
    def structure(content: bytes) -> list[tuple[str, str]]:
        return [
            (token.type, token.tag)
            for token in tokens(content.decode())
            if token.type not in {"text", "hardbreak", "inline"}
        ]

    harmless = document(
        *(filled_with("word", n) for n in range(1, len(HOSTILE) + 1)), recommendations=("word",) * len(HOSTILE)
    )
    assert structure(as_markdown(hostile_document())) == structure(as_markdown(harmless))


@pytest.mark.parametrize("shown", HOSTILE)
def test_hostile_text_is_shown_as_it_was_written(shown: str) -> None:
    assert "".join(text(escaped(shown)).split()) == "".join(visible(shown).split())


def visible(shown: str) -> str:
    return "".join(" " if ord(character) < 32 or 127 <= ord(character) < 160 else character for character in shown)


@given(shown=st.one_of(st.text(), st.text(alphabet="\\`*_[]()<>#+-.!|~&$@:= \n\t1aw/;{}'\"^", max_size=40)))
@example(shown="a\n===")
@example(shown="1)\n1.")
@example(shown="&amp; &#42;")
@example(shown="http://a.b www.a.b")
def test_no_text_becomes_markup(shown: str) -> None:
    markdown = escaped(shown)

    assert {token.type for token in tokens(markdown)} <= PLAIN
    assert "".join(text(markdown).split()) == "".join(visible(shown).split())


def test_ordinary_sentences_read_as_they_were_written() -> None:
    for sentence in ("R&D, 20 % off; why? (Really!)", "Python 3.11 is 5 - 3 = 2 years old.", *SCRIPTS.values()):
        assert escaped(sentence) == sentence


def test_bare_addresses_are_not_left_for_renderers_that_link_them() -> None:
    assert escaped("see http://a.example or www.b.example") == r"see http\://a.example or www\.b.example"
