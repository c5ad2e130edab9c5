"""The order in which a message wants the questions of a set."""

import re

from app.providers.offline.conversation import CurrentSet
from app.providers.offline.filtering import hardness, minutes_of
from app.providers.offline.wishes import number_in

NUMBER = r"(?:questions?\s*|number\s*|no\.?\s*|q|#)*\s*(\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten)"
POLITELY = (
    r"^\W*(?:(?:please|now|ok(?:ay)?|and|so|then|just|can (?:we|you|i)|could (?:we|you)|let'?s|let us|let\u2019s"
    r"|i(?:'d| would) (?:like|prefer|rather) (?:to|you to)|i want to)\W+)*"
)
_SWAP_PLACES = re.compile(
    rf"\b(?:swap|switch|exchange|change)\b(?: the (?:order|places?|positions?) of)?\s+{NUMBER}\s+(?:and"
    rf"|with)\s+{NUMBER}"
    r"(?:\s+(?:around|over|places?))?\W*$",
    re.IGNORECASE,
)
_SORTED = re.compile(
    r"\b(easiest|simplest|hardest|toughest|shortest|quickest|longest)(?: (?:ones?|questions?))?(?: (?:come|go"
    r"|to come))?"
    r"\s+(first|last|at the (?:start|beginning|top|end|bottom))\b"
    r"|\bfrom (easy|easiest|hard|hardest|short|shortest|long|longest) to\b"
    r"|\b(?:sort|order|arrange|rank)\w*\b[^.?!]{0,20}\bby (difficulty|hardness|time|length|minutes)\b"
    r"|\bin order of (difficulty|time|length)\b",
    re.IGNORECASE,
)
_FIRST = re.compile(
    rf"{POLITELY}(?:start|begin|open) with {NUMBER}\b|\b(?:put|move|bring) {NUMBER} (?:first|up front"
    rf"|to the (?:top|front|start|beginning))",
    re.IGNORECASE,
)
_LAST = re.compile(
    rf"{POLITELY}(?:end|finish|close) with {NUMBER}\b|\b(?:put|move) {NUMBER} (?:last|to the (?:end|bottom|back))",
    re.IGNORECASE,
)
_NEXT_TO = re.compile(rf"\b(?:put|move) {NUMBER} (before|in front of|ahead of|after|behind) {NUMBER}\b", re.IGNORECASE)
_REVERSED = re.compile(
    r"\breverse (?:(?:the|their|this) )?(?:order|list|sequence|them|questions)\b"
    r"|\b(?:in )?reversed? order\b|\bthe other way (?:a)?round\b",
    re.IGNORECASE,
)
_IN_THIS_ORDER = re.compile(
    r"\b(?:order|sequence|arrange\w*|sort\w*)\b[^\d]{0,25}((?:\d{1,2}\W+(?:and |then )?){1,19}\d{1,2})\W*$",
    re.IGNORECASE,
)


def order_in(message: str, size: int, current: CurrentSet | None) -> tuple[int, ...] | None:
    """The order that a message asks for; with a position that does not exist where it names one."""
    places = list(range(1, size + 1))
    if match := _SWAP_PLACES.search(message):
        one, other = (_number(group) for group in match.groups())
        return tuple({one: other, other: one}.get(place, place) for place in places) if one != other else None
    if match := _SORTED.search(message):
        return _sorted(match, places, current) if current else None
    if _REVERSED.search(message):
        return tuple(reversed(places))
    if match := _IN_THIS_ORDER.search(message):
        return tuple(int(number) for number in re.findall(r"\d+", match.group(1)))
    return _moved(message, places)


def _moved(message: str, places: list[int]) -> tuple[int, ...] | None:
    """One question to the front, to the end, or next to another."""
    if match := _NEXT_TO.search(message):
        moved, target = _number(match.group(1)), _number(match.group(3))
        others = [place for place in places if place != moved]
        if target not in others:
            return (target,)
        index = others.index(target) + (match.group(2).lower() in {"after", "behind"})
        return (*others[:index], moved, *others[index:])
    is_to_front = _FIRST.search(message) is not None
    match = _FIRST.search(message) or _LAST.search(message)
    if match is None:
        return None
    moved = _number(next(group for group in match.groups() if group))
    others = [place for place in places if place != moved]
    return (moved, *others) if is_to_front else (*others, moved)


def _sorted(match: re.Match[str], places: list[int], current: CurrentSet) -> tuple[int, ...]:
    word = next(group for group in (match.group(1), *match.groups()[2:]) if group).lower()
    by_time = word in {"shortest", "quickest", "longest", "short", "long", "time", "length", "minutes"}
    is_last = bool(match.group(2)) and match.group(2).lower() not in {
        *("first", "at the start", "at the beginning", "at the top")
    }
    is_falling = word in {"hardest", "toughest", "longest", "hard", "long"}
    key = minutes_of if by_time else hardness
    ranked = sorted(places, key=lambda place: key(current.question(place)))
    return tuple(ranked[::-1] if is_falling != is_last else ranked)


def _number(text: str) -> int:
    return number_in(text) or 0
