"""A message put plainly before the rules read it: exceptions as numbers, some German phrases, huge numbers capped."""

import re
from dataclasses import replace

from app.providers.offline.conversation import Conversation
from app.providers.offline.phrasing import listed
from app.providers.offline.wishes import positions_in

MAX_PLAIN_CHARACTERS = 200

_GERMAN: tuple[tuple[str, str], ...] = (
    (r"\bwarum\b|\bwieso\b|\bweshalb\b", "why"),
    (r"\b(?:mach\w*\s+)?(?:das\s+|es\s+)?r\u00fcckg\u00e4ngig\b(?:\s+machen)?", "undo"),
    (r"\bzur\u00fcck\s+zur\s+(?:ersten|urspr\u00fcnglichen)\s+(?:version|fassung)\b", "back to the first version"),
    (r"\bzur\u00fcck\s+zu(?:r)?\s+(?:version|fassung)\s+(?=\d)", "back to version "),
    (r"\b(alle|alles)\s+(?:fragen\s+)?(?:au\u00dfer|ausser|bis auf)\b", "all except"),
    (r"\bnur\s+die(?:\s+fragen)?\s+(?:\u00fcber|zu|zum|zur)\s+", "only questions about "),
    (r"(?<=\d)\s+(?:und|oder)\s+(?=(?:die\s+|frage\s+)?\d)", " and "),
    (r"(?<=\d)\s+bis\s+(?=\d)", " to "),
    (r"\bdie\s+erste\s+(?:und\s+)?(?:die\s+)?letzte\b", "the first and the last"),
    (r"\b(?:die|der|das)\s+erste\b", "the first"),
    (r"\b(?:die|der|das)\s+zweite\b", "the second"),
    (r"\b(?:die|der|das)\s+dritte\b", "the third"),
    (r"\b(?:die|der|das)\s+letzte\b", "the last"),
)
_COMPILED_GERMAN = tuple((re.compile(words, re.IGNORECASE), plain) for words, plain in _GERMAN)

_VERB_OR_LABEL = (
    r"(?:questions?|fragen?|numbers?|no\.?|q|#|drop|remove|delete|keep|replace|swap|make|entfern\w*|streich\w*)"
)
_HUGE = re.compile(
    rf"(\b{_VERB_OR_LABEL}\s*)\d{{4,}}\b|(?<![\w$\u20ac\u00a3.,])\d{{4,}}(?=\s+(?:more|new|questions?|fragen)\b)",
    re.IGNORECASE,
)
_NO_MINUTES = re.compile(r"\b(?:0|zero) min(?:ute)?s?\b", re.IGNORECASE)
_NEGATIVE = re.compile(rf"\b({_VERB_OR_LABEL})\s+[-\u2212]\d+\b", re.IGNORECASE)

_ONE = (
    r"(?:the\s+|questions?\s*|fragen?\s+|die\s+|numbers?\s+|no\.?\s*|q|#)*"
    r"(?:\d{1,3}|(?:one|two|three|four|five|six|seven|eight|nine|ten|first|second|third|fourth|fifth|last)\b)"
    r"(?:\s+(?:one|question)\b)?"
)
_SOME = rf"{_ONE}(?:(?:\s*(?:,|\band\b|&|\bor\b|\bto\b|-|\u2013)\s*)+{_ONE})*"
_EVERYTHING = (
    r"(?:all|everything|every\s+(?:question|one)|any(?:thing)?)"
    r"(?:\s+(?:of\s+)?(?:the\s+)?(?:questions|them|ones|these))?"
)
_EXCEPT = r"(?:but(?:\s+not)?|except(?:ing)?(?:\s+for)?|apart\s+from|other\s+than|besides|save\s+for)"
_ALL_BUT = re.compile(rf"\b{_EVERYTHING}\s*,?\s*{_EXCEPT}\s+(?P<out>{_SOME})", re.IGNORECASE)
_DROP_ALL_BUT = re.compile(
    rf"\b(?:drop|remove|delete|discard)\s+{_EVERYTHING}\s*,?\s*{_EXCEPT}\s+(?=[a-z])", re.IGNORECASE
)
UNREAD_EXCEPTION = re.compile(rf"\b{_EVERYTHING}\s*,?\s*{_EXCEPT}\s+\w", re.IGNORECASE)
_AS_IT_IS = r"(?:\s+(?:as\s+(?:it\s+is|they\s+are|is)|alone|untouched|unchanged))?"
_REST = r"(?:all\s+)?(?:the\s+)?(?:rest|others?(?:\s+(?:ones|questions))?|remaining(?:\s+(?:ones|questions))?)"
_SPARED = re.compile(
    rf"^(?P<head>.+?)\s*[,;.]?\s*\b(?:(?:and|but)\s+)?(?:please\s+)?"
    rf"(?:keep|leave|except(?:\s+for)?|apart\s+from|(?:just\s+|but\s+)?not)\s+(?P<out>{_SOME}|{_REST}){_AS_IT_IS}\W*$",
    re.IGNORECASE,
)
_SPARED_FIRST = re.compile(
    rf"^\W*(?:please\s+)?(?:keep|leave)\s+(?P<out>{_SOME}){_AS_IT_IS}\s*[,;.]?\s*(?:(?:and|but|then)\s+)*"
    rf"(?P<head>.*\b{_REST}\b.*)$",
    re.IGNORECASE,
)
_EDIT_VERB = re.compile(
    r"\b(?:drop|remove|delete|discard|make|turn|replace|swap|change|redo|shorten|reword|harder|easier|shorter)\b",
    re.IGNORECASE,
)
_ANY_REST = re.compile(rf"\b{_REST}\b", re.IGNORECASE)
_ANY_NUMBERS = re.compile(rf"\b{_SOME}", re.IGNORECASE)
_ANY_ALL = re.compile(rf"\b(?:{_EVERYTHING}|them(?:\s+all)?|these|those)\b", re.IGNORECASE)


def plainly(conversation: Conversation) -> Conversation:
    """The conversation with its latest message reworded; a long message stays as it is."""
    message = conversation.message
    if len(message) > MAX_PLAIN_CHARACTERS:
        return conversation
    for words, plain in _COMPILED_GERMAN:
        message = words.sub(plain, message)
    message = _HUGE.sub(lambda match: f"{match.group(1) or ''}999", message)
    message = _NO_MINUTES.sub("1 minute", message)
    message = _NEGATIVE.sub(r"\1 question 0", message)
    if conversation.own_size:
        message = without_exceptions(message, conversation.own_size)
    return conversation if message == conversation.message else replace(conversation, message=message)


def without_exceptions(message: str, size: int) -> str:
    """Of five, "drop all but 3" becomes "drop 1, 2, 4 and 5"; "drop 3, keep the rest" becomes "drop 3"."""
    if match := _ALL_BUT.search(message):
        return message[: match.start()] + _others(match["out"], size) + message[match.end() :]
    if match := _DROP_ALL_BUT.search(message):
        return f"keep {message[match.end() :]}"
    if (match := _SPARED_FIRST.search(message)) and _EDIT_VERB.search(match["head"]):
        return _ANY_REST.sub(_others(match["out"], size), match["head"], count=1)
    match = _SPARED.search(message)
    if match is None or not _EDIT_VERB.search(match["head"]):
        return message
    head, out = match["head"], positions_in(match["out"], size)
    return head if _ANY_REST.fullmatch(match["out"]) else _sparing(head, out, size)


def _sparing(head: str, out: tuple[int, ...], size: int) -> str:
    """The head of a message, its positions without those spared."""
    named = positions_in(head, size)
    meant = named or tuple(range(1, size + 1))
    left = [place for place in meant if place not in out]
    if not left or len(left) == len(meant):
        return head
    words = _ANY_NUMBERS if _ANY_NUMBERS.search(head) else _ANY_ALL
    listing = listed([str(place) for place in left])
    return words.sub(listing, head, count=1) if words.search(head) else f"{head} {listing}"


def _others(out: str, size: int) -> str:
    """The complement; where it names a position that does not exist, that position, so that this can be said."""
    spared = positions_in(out, size)
    if not spared or spared[-1] > size:
        return out
    return listed([str(place) for place in range(1, size + 1) if place not in spared]) or out
