"""A text as passages of marks: what the model looks at.

A passage is about a sentence; a *mark* is the concept of one word, or what else tells: a sentence beginning, a quote, a
forged message marker, a disguise that had to be taken off. Words without a meaning to the screen leave only a gap.
"""

import codecs
import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, pairwise

from plugins.security.characters import fold
from plugins.security.lexicon import TURNED_WORDS, concepts_of, is_telling

BEGIN, GAP, QUOTE = "^", "_", '"'
HEED = "heed"
_LET_GO = frozenset({"ignore", "forget"})
# "I ignore", "users reveal": somebody tells what people do, and orders nothing.
TOLD = "ignoring"
_NARRATORS, _NARRATED = frozenset({"self", "third", "user"}), frozenset({"ignore", "forget", "drop", "reveal"})
MENTION = "mention"
_REPORTERS = frozenset({"spoken", "example", "attack", "defend", "test", "third", "user", "ignoring"})
LEET, SPACED, TURNED = "leet", "spaced", "turned"
CHAT_MARKER, FENCE, ROLE_TAG, SPEAKER = "chat_marker", "fence", "role_tag", "speaker"
DISGUISES = frozenset({LEET, SPACED, TURNED})
FORGERIES = frozenset({CHAT_MARKER, FENCE, ROLE_TAG, SPEAKER})

_TOKEN_CACHE = 32_768
_SHORTEST, _LONGEST = 24, 400
_GAP_WORDS = 3

# A sentence ends at punctuation, an empty line, or a line whose successor begins an item or a sentence.
_BREAK = re.compile(
    r"[.!?\n。！？।؟](?:(?<=[。！？।؟])|(?<=\n)(?=[ \t]{0,8}(?:\n|[-*•·–—#>|(<\[\d]|[^\W\da-z_]))"  # noqa: RUF001
    r"|(?<=[.!?])[.!?]{0,2}[\"'”\u2019)\]]{0,2}(?=\s))"
)
_ROLES = "system|assistant|user|human|developer|admin|sys|inst|ai|model|bot"
_TOKEN = re.compile(
    r"[^\W_]+(?:['\u2019][^\W_]+)?(?:[\u0900-\u0dff\u0610-\u06ed]+[^\W_]*)*+"
    r"|[.!?:;](?=\s)|[\"`]|(?<!\w)'|'(?!\w)"
    r"|<\|[a-z ]{0,20}\|?>?"
    r"|<{1,2}/?(?:[a-z ]{2,30} [0-9a-f]{6,8}|/[a-z ]{2,30}[^<>\n]{0,20}>)>"
    r"|\[removed: [a-z ]{1,40}\]"
    rf"|[<\[{{(]{{1,2}}[/|#= ]{{0,3}}(?:end of |begin |start |new |end )?"
    rf"(?:{_ROLES}|instructions?|prompt|"
    r"rest of document|rest-of-document|context|document|conversation|input|message|override)"
    r"[a-z #=|/\"-]{0,20}[>\]})]{1,2}"
)
_SPEAKER = re.compile(
    rf"(?:^|\n)[ \t#*>=\"'-]{{0,8}}(?:{_ROLES}|instructions?|new instructions?|override)"
    r"(?: message| prompt| update| note| override)?[ *]{0,3}:"
)

_SIGNS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (QUOTE, lambda token: token in {'"', "'", "`"}),
    (BEGIN, lambda token: token in {".", "!", "?", ":", ";"}),
    ("", lambda token: token.startswith("[removed: ")),
    (CHAT_MARKER, lambda token: token.startswith("<|")),
    (FENCE, lambda token: token.startswith(("<<", "</")) and not _is_role_tag(token)),
    (ROLE_TAG, lambda token: token[0] in "<[{("),
)

_LEET_HINT = re.compile(r"[0-9@$|!](?:(?<=[a-z].)|(?=[a-z]))")
_LEET_WORD = re.compile(r"(?<![a-z0-9@$!|])[a-z0-9@$!|]{2,24}")
_LEET = {
    "0": "o",
    "1": "i",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
    "!": "i",
    "|": "l",
}
_LEET_TABLES = (str.maketrans(_LEET), str.maketrans({**_LEET, "1": "l"}))
_MIN_LEET_WORDS = 2

_SPACED_RUN = re.compile(r"(?<![^\W_])[^\W_](?:[ .\-*|/,\u00b7]{1,3}[^\W_](?![^\W_])){4,400}+")
_WORD_GAP = re.compile(r" {2,}|[.,] +| ?[|/] ?")
_NOT_LETTERS = re.compile(r"[\W_]+")
_MIN_TURNED, _LONG_TURNED = 2, 7
_MIN_SPACED = 5


@dataclass(frozen=True)
class Passage:
    """Where the passage stands in the text, and its marks in order."""

    start: int
    end: int
    marks: tuple[str, ...]


def passages(text: str) -> list[Passage]:
    """Cut a text without invisible characters into passages; together they cover it."""
    return [Passage(start, end, marks(text[start:end])) for start, end in _spans(text)]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of sentences; short ones joined, so that no line break hides a phrase, and long ones cut."""
    start = 0
    for end in chain((found.end() for found in _BREAK.finditer(text)), (len(text),)):
        if end - start < _SHORTEST and end < len(text):
            continue
        while end - start > _LONGEST:
            cut = text.rfind(" ", start + _LONGEST // 2, start + _LONGEST) + 1 or start + _LONGEST
            yield start, cut
            start = cut
        if end > start:
            yield start, end
        start = end


def marks(sentence: str) -> tuple[str, ...]:
    """Return the marks of one sentence."""
    if "&" in sentence:
        sentence = html.unescape(sentence)
    words, leet = _without_leet(fold(sentence))
    tokens, disguises = _TOKEN.findall(words), [LEET] if leet else []
    if list(map(len, tokens)).count(1) >= _MIN_SPACED and _SPACED_RUN.search(words):
        words = _SPACED_RUN.sub(lambda run: " " + _close_up(run.group()) + " ", words)
        tokens = _TOKEN.findall(words)
        disguises.append(SPACED)
    if (turned := _turned(words, tokens)) is not None:
        tokens = _TOKEN.findall(turned)
        disguises.append(TURNED)
    found = [BEGIN, *disguises]
    if ":" in words and _SPEAKER.search(words):
        found.append(SPEAKER)
    _add_marks(found, tokens)
    return tuple(found if QUOTE not in found else _without_mentions(found))


def _without_mentions(found: list[str]) -> list[str]:
    """Replace what somebody is reported to say: people who defend against attacks must be able to quote them."""
    kept: list[str] = []
    quotes = [place for place, mark in enumerate(found) if mark == QUOTE]
    closing_of = dict(pairwise(quotes))
    place = 0
    while place < len(found):
        closing = closing_of.get(place)
        if closing and _reports(kept):
            kept.append(MENTION)
            place = closing
        else:
            kept.append(found[place])
        place += 1
    return kept


def _reports(before: list[str]) -> bool:
    """Whether the marks before a quotation tell of somebody's words instead of ordering the assistant to say them."""
    last = [mark for mark in before[-4:] if mark not in (BEGIN, GAP)][-3:]
    if last[-1:] == ["output"]:
        return last[-2:-1] == ["who"]
    return not _REPORTERS.isdisjoint(last)


def _add_marks(found: list[str], tokens: list[str]) -> None:
    unknown = 0
    for token in tokens:
        marks_of_token = _marks_of(token)
        if not marks_of_token:
            unknown += 1
            continue
        if unknown >= _GAP_WORDS:
            found.append(GAP)
        unknown = 0
        if _is_heed(found[-1], marks_of_token[0]):
            found[-1] = HEED
            continue
        if found[-1] in _NARRATORS and marks_of_token[0] in _NARRATED:
            found.append(TOLD)
            continue
        found.extend(marks_of_token)


def _is_heed(before: str, mark: str) -> bool:
    """Whether two marks say "do not forget": the contrary of what the verb alone says."""
    return (before == "not" and mark in _LET_GO) or (mark == "not" and before in _LET_GO)


@lru_cache(maxsize=_TOKEN_CACHE)
def _marks_of(token: str) -> tuple[str, ...]:
    """Return what one token means: a word its concepts, a sign its mark."""
    if token[0].isalnum():
        return concepts_of(token)
    for mark, is_meant in _SIGNS:
        if is_meant(token):
            return (mark,) if mark else ()
    return ()


def _is_role_tag(token: str) -> bool:
    return token.lstrip("</ ").split(">")[0].strip("/ ") in _ROLES.split("|")


def _close_up(run: str) -> str:
    """Close up s p a c e d words; where the word breaks are lost, the words of the lexicon tell them."""
    parts = [_NOT_LETTERS.sub("", part) for part in _WORD_GAP.split(run)]
    return " ".join(parts) if len(parts) > 1 and max(map(len, parts)) > 1 else "".join(parts)


def _without_leet(words: str) -> tuple[str, bool]:
    """Read digits and signs as the letters they stand for, in words that then mean something."""
    if not _LEET_HINT.search(words):
        return words, False
    count = 0

    def read(found: re.Match[str]) -> str:
        nonlocal count
        word = found.group()
        if word.isalpha() or word.isdigit() or concepts_of(word):
            return word
        for table in _LEET_TABLES:
            if concepts_of(plain := word.rstrip("!").translate(table)):
                count += is_telling(plain)
                return plain
        return word

    words = _LEET_WORD.sub(read, words)
    return words, count >= _MIN_LEET_WORDS


def _turned(words: str, tokens: list[str]) -> str | None:
    """Return a text in ROT13 or written backwards as it was before."""
    if TURNED_WORDS.keys().isdisjoint(tokens):
        return None
    found = [token for token in tokens if token in TURNED_WORDS]
    if len(found) < _MIN_TURNED and max(map(len, found)) < _LONG_TURNED:
        return None
    is_backwards = sum(TURNED_WORDS[token] == token[::-1] for token in found) * 2 > len(found)
    return words[::-1] if is_backwards else codecs.encode(words, "rot13")
