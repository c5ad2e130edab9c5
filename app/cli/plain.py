"""Text on its way in and out: what people and models wrote must neither steer a terminal nor break a command."""

import sys
import unicodedata

from app.cli.failures import WrongUse


def printable(text: str) -> str:
    """Without what a terminal would act on: people and models wrote this. Spaces of other widths become plain ones."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else " "
        for character in text
        if character.isprintable() or character in "\n\t" or unicodedata.category(character) in {"Zs", "Zl", "Zp"}
    )


def check_text(text: str, *, what: str) -> str:
    """The text itself, if it is one.

    Raises:
        WrongUse: it was no UTF-8, of which Python keeps the bytes as halves of surrogate pairs.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise WrongUse(f"{what} cannot be read as text (UTF-8)") from None
    return text


def read_line() -> str:
    """A line of the standard input without its end, or an empty text where there is none.

    Raises:
        EOFError: the input has ended.
        WrongUse: it is no UTF-8.
    """
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        raise WrongUse("the input cannot be read as text (UTF-8)") from None
    if not line:
        raise EOFError
    return check_text(line.rstrip("\r\n"), what="the input")
