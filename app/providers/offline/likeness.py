"""When two texts ask the same thing, and which question of the bank a text comes from."""

import re
from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz, process, utils

from app.bank.questions import BankQuestion
from app.providers.offline.persona import plain_voice

ALIKE = 85
"""Of 100, the order of words aside. Stricter than the 88 from which the orchestration throws a question away, so that
nothing chosen here is refused there."""

COPIED_WORDS = 8
"""A question with so many words in a row from an example of the prompt would count as copied."""

_ASK = re.compile(
    r"^(?:tell|describe|recall|give|explain|walk|show|name|think|pick|take|design|outline|sketch)\b", re.IGNORECASE
)


class Examples:
    """The worked examples that a prompt shows."""

    def __init__(self, text: str) -> None:
        words = _words(text)
        self._runs = {tuple(words[start : start + COPIED_WORDS]) for start in range(len(words) - COPIED_WORDS + 1)}

    def hold(self, text: str) -> bool:
        """Whether the text has a run of words that stands in them."""
        words = _words(text) if self._runs else []
        return any(
            tuple(words[start : start + COPIED_WORDS]) in self._runs for start in range(len(words) - COPIED_WORDS + 1)
        )


def is_alike(text: str, others: Sequence[str]) -> bool:
    """Whether one of the other texts asks for the same thing. The others are prepared by `prepared`."""
    return (
        process.extractOne(
            utils.default_process(text), others, scorer=fuzz.token_sort_ratio, processor=None, score_cutoff=ALIKE
        )
        is not None
    )


def prepared(texts: Iterable[str]) -> tuple[str, ...]:
    """Texts in the form in which `is_alike` compares them."""
    return tuple(utils.default_process(text) for text in texts)


def original_of(text: str, questions: Iterable[BankQuestion]) -> BankQuestion | None:
    """The question of the bank behind a text, also when it was twisted, shortened or put in an interviewer's voice."""
    plain = plain_voice(text)
    for question in questions:
        if plain.startswith(question.text[:20]) and untwisted(plain, question) in {
            question.text,
            shortened(question.text, question),
        }:
            return question
    return None


def untwisted(text: str, source: BankQuestion) -> str:
    """The text without its question's constraint."""
    return text.removesuffix(source.twist).rstrip()


def shortened(text: str, source: BankQuestion | None) -> str | None:
    """The text without its twist, its first sentence where that is an ask of its own, or without what stands between.

    None where no form of it is shorter: the situation and the ask belong together.
    """
    if source is None:
        return None
    if text.endswith(source.twist):
        return untwisted(text, source)
    sentences = re.split(r"(?<=[.?!])\s+", text)
    if len(sentences) > 1 and (sentences[0].endswith("?") or _ASK.match(sentences[0])):
        return sentences[0]
    return f"{sentences[0]} {sentences[-1]}" if len(sentences) > 2 else None


def _words(text: str) -> list[str]:
    return utils.default_process(text).split()
