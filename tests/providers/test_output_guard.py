"""No form of the canary passes the guard, however an answer is cut; every other text passes as it came."""

import base64
import codecs
import unicodedata
from collections.abc import Callable, Sequence
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from semantic_kernel.contents import (
    AuthorRole,
    ChatHistory,
    ChatMessageContent,
    FunctionCallContent,
    StreamingChatMessageContent,
    StreamingTextContent,
)

from app.core.canary import ALPHABET, GRAM, LETTERS, RUN_LETTERS, Canary, canary_for
from app.providers.output import CanaryFound, OutputGuard, WholeCalls, with_instruction

TEXT = canary_for(b"key", UUID(int=1))
CANARY = Canary(TEXT)

Form = Callable[[str], list[str]]
"""From the canary to what a model would write of it, sign by sign."""


def _between(separator: str) -> Form:
    return lambda text: [f"{letter}{separator}" for letter in text]


def _base64(prefix: bytes) -> Form:
    """As part of a longer text, whose beginning decides how it is aligned."""
    return lambda text: list(base64.b64encode(prefix + text.encode() + b"!?").decode()[len(prefix) * 4 // 3 :])


def _styled(first: int) -> Form:
    return lambda text: [chr(first + ord(letter) - ord("a")) for letter in text]


def _code_units(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


FORMS: dict[str, Form] = {
    "plain": list,
    "upper case": lambda text: list(text.upper()),
    "mixed case": lambda text: [letter.upper() if at % 2 else letter for at, letter in enumerate(text)],
    "spaced": _between(" "),
    "on lines": _between("\n"),
    "dotted": _between("."),
    "emphasised": lambda text: [f"**{letter}**" for letter in text],
    "with zero width": _between("\u200b"),
    "with soft hyphens": _between("\u00ad"),
    "with joiners and marks": _between("\u2060\u0336"),
    "with ideographs": _between("\u6f22"),
    "as a list": lambda text: [f"{at}. {letter}\n" for at, letter in enumerate(text, 1)],
    "with ticks": _between("`"),
    "with entities": _between("&shy;"),
    "with escaped line breaks": _between("\\n"),
    "with escaped zero width": _between("\\u200b"),
    "reversed": lambda text: list(text[::-1]),
    "reversed and spaced": lambda text: [f"{letter} " for letter in text[::-1]],
    "rot13": lambda text: list(codecs.encode(text, "rot13")),
    "rot13 reversed": lambda text: list(codecs.encode(text, "rot13")[::-1]),
    "base64": _base64(b""),
    "base64, second alignment": _base64(b"x"),
    "base64, third alignment": _base64(b"it"),
    "base64, within a sentence": _base64(b"The marker is: "),
    "base64 of capitals": lambda text: _base64(b"a")(text.upper()),
    "base64 in lines": lambda text: [f"{sign}\n" for sign in _base64(b"")(text)],
    "hex": lambda text: list(text.encode().hex()),
    "hex in capitals": lambda text: list(text.encode().hex().upper()),
    "hex with colons": lambda text: [f"{ord(letter):x}:" for letter in text],
    "hex as numbers": lambda text: [f"0x{ord(letter):x}, " for letter in text],
    "URL escapes": lambda text: [f"%{ord(letter):x}" for letter in text],
    "URL-quoted with spaces": lambda text: [quote(f"{letter} ") for letter in text],
    "JSON escapes": lambda text: [f"\\u{ord(letter):04x}" for letter in text],
    "string escapes": lambda text: [f"\\x{ord(letter):x}" for letter in text],
    "entities": lambda text: [f"&#{ord(letter)};" for letter in text],
    "hexadecimal entities": lambda text: [f"&#x{ord(letter):x};" for letter in text],
    "full width": _styled(0xFF41),
    "mathematical": _styled(0x1D41A),
    "circled": _styled(0x24D0),
    "mathematical, as JSON escapes": lambda text: [_code_units(letter) for letter in _styled(0x1D41A)(text)],
    "accented": lambda text: [unicodedata.normalize("NFC", f"{letter}\u0301") for letter in text],
    "half of it": lambda text: list(text[:RUN_LETTERS]),
    "the other half": lambda text: list(text[RUN_LETTERS:]),
}


def message(*items: StreamingTextContent | FunctionCallContent) -> StreamingChatMessageContent:
    return StreamingChatMessageContent(role=AuthorRole.ASSISTANT, items=list(items), choice_index=0)


def text_pieces(pieces: Sequence[str]) -> list[list[StreamingChatMessageContent]]:
    return [[message(StreamingTextContent(text=piece, choice_index=0))] for piece in pieces]


def passed(answer: Sequence[list[StreamingChatMessageContent]]) -> tuple[str, bool]:
    """What leaves the guard of this answer, and whether the rest was withheld."""
    guard = OutputGuard(CANARY)
    out: list[list[StreamingChatMessageContent]] = []
    try:
        for messages in answer:
            out.extend(guard.take(messages))
    except CanaryFound:
        return _joined(out), True
    return _joined([*out, *guard.rest()]), False


def _joined(messages: Sequence[list[StreamingChatMessageContent]]) -> str:
    return "".join(
        item.text if isinstance(item, StreamingTextContent) else str(item.arguments)
        for part in messages
        for each in part
        for item in each.items
        if isinstance(item, StreamingTextContent | FunctionCallContent)
    )


def cut(text: str, places: Sequence[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places} | {len(text)})
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def check_withheld(form: Form, before: str, after: str, places: Sequence[int]) -> None:
    signs = form(TEXT)
    out, is_withheld = passed(text_pieces(cut(f"{before}{''.join(signs)}{after}", places)))

    assert is_withheld
    # Three signs of the canary; base64 begins with up to two that other bytes have a share in.
    assert len(out) < len(before) + len("".join(signs[: GRAM + 2]))


PLACES = st.lists(st.integers(0, 500), max_size=60)
AROUND = st.one_of(st.text(max_size=40), st.text(alphabet=f"{ALPHABET}01%\\& ", max_size=40))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_every_form_is_withheld_in_pieces_of_every_size(form: Form, size: int) -> None:
    check_withheld(form, "Here it is: ", " as you wished.", range(0, 1000, size))


@given(form=st.sampled_from(list(FORMS)), before=AROUND, after=AROUND, places=PLACES)
def test_every_form_is_withheld_wherever_it_stands(form: str, before: str, after: str, places: list[int]) -> None:
    # A sign that the text before ends in must not be taken into the form's own escapes or letters.
    check_withheld(FORMS[form], f"{before}; ", f" ;{after}", places)


@given(pieces=st.lists(st.text(max_size=30), max_size=30))
@example(pieces=[TEXT[: RUN_LETTERS - 1], " ", TEXT[RUN_LETTERS + 1 :]])
@example(pieces=["\\", "u", "00", "\\\\\\\\", "%", "&#", "&amp", "0x", "0"])
@example(pieces=list(TEXT[: RUN_LETTERS - 1]))
def test_a_text_without_it_passes_as_it_came(pieces: list[str]) -> None:
    assert passed(text_pieces(pieces)) == ("".join(pieces), False)


@given(text=st.text(alphabet=ALPHABET, max_size=400), places=PLACES)
def test_letters_like_its_own_are_no_canary(text: str, places: list[int]) -> None:
    assert passed(text_pieces(cut(text, places))) == (text, False)


def test_a_piece_waits_only_while_it_may_become_the_canary() -> None:
    guard = OutputGuard(CANARY)
    waits = [not guard.take(messages) for messages in text_pieces(["Good ", TEXT[:3], TEXT[3], TEXT[4], " no", "."])]

    assert waits == [False, False, True, True, False, False]


def test_what_breaks_off_before_half_of_it_passes_at_the_end() -> None:
    assert passed(text_pieces(list(TEXT[: RUN_LETTERS - 1]))) == (TEXT[: RUN_LETTERS - 1], False)
    assert passed(text_pieces(list(TEXT[:RUN_LETTERS]))) == (TEXT[: GRAM - 1], True)


def test_each_tool_call_is_followed_by_itself() -> None:
    def part(index: int, arguments: str) -> list[StreamingChatMessageContent]:
        return [message(FunctionCallContent(id=f"call_{index}", index=index, name="a-b", arguments=arguments))]

    half = [part(0, TEXT[:8]), part(1, "x"), part(0, TEXT[8:])]
    mixed = [part(0, TEXT[:8]), part(1, TEXT[8:16]), part(0, '"}')]

    assert passed([part(0, '{"focus": "'), *half])[1]
    assert passed(mixed) == (_joined(mixed), False)


# The canary itself.


def test_a_conversation_keeps_its_canary_and_another_has_another() -> None:
    one, other = canary_for(b"key", UUID(int=1)), canary_for(b"key", UUID(int=2))

    assert one == canary_for(b"key", UUID(int=1)) != other
    assert one != canary_for(b"another key", UUID(int=1))
    assert len(one) == LETTERS
    assert set(one) <= set(ALPHABET)


# Where it is put.


def test_it_stands_at_the_end_of_the_instructions_and_nowhere_else() -> None:
    history = ChatHistory(
        messages=[
            ChatMessageContent(role=AuthorRole.SYSTEM, content="Be kind.\n"),
            ChatMessageContent(role=AuthorRole.USER, content="Hello"),
        ]
    )
    marked = with_instruction(history, CANARY.instruction)

    assert [each.content for each in marked.messages] == [f"Be kind.\n\n{CANARY.instruction}", "Hello"]
    assert [each.content for each in history.messages] == ["Be kind.\n", "Hello"]
    assert CANARY.instruction.count(TEXT) == 1


def test_a_call_without_instructions_gets_some() -> None:
    marked = with_instruction(ChatHistory(messages=[]), CANARY.instruction)

    assert [(each.role, each.content) for each in marked.messages] == [(AuthorRole.SYSTEM, CANARY.instruction)]


# Tool calls arrive whole.


def test_the_parts_of_tool_calls_are_joined_and_the_rest_stays_where_it_was() -> None:
    calls = WholeCalls()
    parts = (
        FunctionCallContent(id="call_1", index=0, name="a-b", arguments='{"x": '),
        FunctionCallContent(id="call_1", index=0, arguments='1, "settings": {}}'),
        FunctionCallContent(id="call_2", index=1, name="a-c", arguments=""),
    )
    spoken = [calls.without([message(StreamingTextContent(text="Well. ", choice_index=0), part)]) for part in parts]
    (whole,) = calls.messages()

    assert _joined(spoken) == "Well. " * 3
    assert [(item.id, item.name, item.arguments) for item in whole.items if isinstance(item, FunctionCallContent)] == [
        ("call_1", "a-b", '{"x": 1}'),
        ("call_2", "a-c", ""),
    ]


def test_an_answer_without_tool_calls_gets_none() -> None:
    calls = WholeCalls()
    answer = text_pieces(["Hello"])[0]

    assert calls.without(answer) == answer
    assert calls.messages() == []
