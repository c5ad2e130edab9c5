"""What a candidate's message asks of the questions: which ones, what change, how many, at which level."""

import re
from enum import StrEnum

from app.bank.questions import ExperienceLevel
from app.bank.skills import field_of_title

MAX_COUNT = 20
"""Of questions in a set."""


class Change(StrEnum):
    """How existing questions are to change."""

    HARDER = "harder"
    EASIER = "easier"
    SHORTER = "shorter"
    REPLACE = "replace"


_WORDS = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth",
    "eighteenth", "nineteenth", "twentieth",
)  # fmt: skip

_NUMBER = rf"(?:\d{{1,3}}|{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
_ORDINAL = rf"(?:\d{{1,2}}(?:st|nd|rd|th)|{'|'.join(sorted(_ORDINALS, key=len, reverse=True))}|last)"
_JOIN = r"(?:\s*(?:,|and|und|&|\+|or|oder|to|bis|through|-|\u2013)\s*)+"
_LABEL = r"(?:questions?|fragen?|nummern?|numbers?|no\.?|nr\.?|positions?|items?|q|#)\s*#?"

_LABELLED = re.compile(rf"(?<![a-z\d]){_LABEL}\s*({_NUMBER}(?:{_JOIN}(?:{_LABEL}\s*)?{_NUMBER})*)\b", re.IGNORECASE)
_COUNT_NOUN = (
    r"(?:questions?|fragen?|cases?|stories|minutes?|mins?|hours?|years?|yrs|days?|weeks?|more|new"
    r"|extra|additional|others?|percent|people|%)"
)
_BARE = re.compile(
    rf"(?<![\w$€£.]){_NUMBER}(?![\w%.]*\d)(?!\s+(?:\w+\s+)?{_COUNT_NOUN})\b(?:{_JOIN}{_NUMBER}(?!\s+(?:\w+\s+)?{_COUNT_NOUN})\b)*",
    re.IGNORECASE,
)
_NTH = re.compile(
    (
        rf"\b(?:the\s+({_ORDINAL}(?:\s*(?:,|and|or)\s*(?:the\s+)?{_ORDINAL})*)"
        r"(?!\s+(?:version|round|set|time|week|month|year|day|interview|job|part|thing|step|draft))\b"
        rf"|({_ORDINAL})\s+(?:one|question)\b)"
    ),
    re.IGNORECASE,
)
_FIRST_FEW = re.compile(rf"\b(first|last)\s+({_NUMBER})\b", re.IGNORECASE)
_MAKE_SOME = re.compile(
    rf"\b(?:make|turn)\s+({_NUMBER})\s+(?:of\s+(?:the|my|these|those)\s+)?questions?\s+\w*\s*(?:harder|easier|shorter)",
    re.IGNORECASE,
)
_ALL = re.compile(r"\b(?:all|every(?:thing| question| one)|each (?:one|question)|the whole set|both)\b", re.IGNORECASE)

_CHANGES: tuple[tuple[Change, re.Pattern[str]], ...] = tuple(
    (change, re.compile(rf"\b(?:{words})\b", re.IGNORECASE))
    for change, words in (
        (
            Change.HARDER,
            (
                r"harder|tougher|schwieriger|schwerer"
                r"|more (?:difficult|challenging|demanding|advanced)|too (?:easy|simple)"
                r"|increase the difficulty"
            ),
        ),
        (
            Change.EASIER,
            (
                r"easier|simpler|leichter|einfacher|too (?:hard|difficult|tough)"
                r"|less (?:difficult|challenging|demanding)|gentler"
            ),
        ),
        (
            Change.SHORTER,
            r"shorter|shorten|k\u00fcrzer|too long|too wordy|more concise|briefer|tighten|reword|rephrase|wording",
        ),
        (
            Change.REPLACE,
            (
                r"replac\w+|delete|ersetz\w*|swap\w*|exchange|switch out|different|another|drop|remove|rewrite|redo"
                r"|regenerate|instead"
                r"|something else|do(?:n't| not) like|change|switch|others? (?:for|in place of)"
            ),
        ),
    )
)

_COUNTED = re.compile(
    (
        rf"(?<![\w$€£.#])(?<!question )(?<!questions "
        rf")({_NUMBER})\s+(?:(?!of\b)[\w-]+\s+){{0,3}}?(?:questions|question|fragen|cases|stories|more\b"
        rf"|new\b|extra|additional)"
    ),
    re.IGNORECASE,
)
_COUNT_BELOW_ONE = re.compile(r"(?<![\w$€£.#-])(?:0|-\d{1,3}|zero) (?:new )?questions?\b", re.IGNORECASE)
_POSITION_ZERO = re.compile(
    rf"(?<![a-z\d]){_LABEL}\s*#?(?:0(?![\d.,]\d|\d)|zero)\b|\b(?:make|replace|swap|drop|remove)\s+0\b", re.IGNORECASE
)
_ADD = re.compile(
    rf"\b(?:add|append|noch|plus)\s+(?:me\s+)?(?:another\s+)?({_NUMBER}|an?|some|a few|eine)?\s*(?:[\w-]+\s+){{0,3}}?"
    r"(?:more|questions?|ones?|extra|additional|fragen?)\b"
    rf"|\b({_NUMBER}|some|a few)\s+(?:[\w-]+\s+){{0,2}}?(?:more|extra|additional|further)\b"
    r"(?!\s+(?:difficult|challenging|demanding|advanced|junior|senior|experienced|concise|years?|minutes?|hours?|days?))"
    r"|\b(?:more|further|extra|additional|another)\s+(?!(?:set|round|batch)\b)(?:[\w-]+\s+){0,2}?(?:questions?|ones?|fragen?)\b"
    r"|^\W*(?:(?:give|show|ask|get) me |i want |can i have )?(?:some )?more(?: please)?\W*$",
    re.IGNORECASE,
)
_ONE_RESHAPED = re.compile(
    r"^\W*(?:please )?(?:give|show|ask) me (?:an?|one) (?:harder|tougher|easier|simpler|shorter) (?:one|question)\b",
    re.IGNORECASE,
)
_ONLY_COUNT = re.compile(rf"\b(?:only|just|give me|gimme|need|want)\s+({_NUMBER})\s*[.!?]?$", re.IGNORECASE)

_MORE_JUNIOR = re.compile(
    (
        r"\bmore junior\b|\bless (?:senior|experienced)\b|\btoo senior\b|\btoo advanced for me\b"
        r"|\blower (?:the )?level\b|\bone level (?:down|lower)\b"
    ),
    re.IGNORECASE,
)
_MORE_SENIOR = re.compile(
    r"\bmore senior\b|\bmore experienced\b|\btoo junior\b|\bhigher (?:the )?level\b|\bone level (?:up|higher)\b",
    re.IGNORECASE,
)
_OTHERS = (
    r"(?:stakeholders?|leaders(?:hip)?|management|managers?(?= who| that|s\b)|executives?"
    r"|colleagues?|people|staff|team)"
)
_ROLE = (
    r"(?:software|backend|frontend|front-end|back-end|data|tech|technical|engineering|team"
    r"|product|design|ml|platform|full-stack|qa|sales|marketing|account)"
)
_LEVEL_NAMES: tuple[tuple[ExperienceLevel, re.Pattern[str]], ...] = (
    (
        ExperienceLevel.JUNIOR,
        re.compile(
            (
                r"\bjuniors?\b|\bjr\b|\bentry[- ]level\b|\b(?:new |recent )?graduate\b|\bintern(?:ship)?\b"
                r"|\btrainee\b|\bapprentice\b"
            ),
            re.IGNORECASE,
        ),
    ),
    (
        ExperienceLevel.MID,
        re.compile(
            (
                r"\bmid[- ]?(?:level|weight|senior)?\b(?!\s*-?(?:way|night|term|dle))|\bintermediate\b"
                r"|\bmedior\b"
            ),
            re.IGNORECASE,
        ),
    ),
    (
        ExperienceLevel.LEAD,
        re.compile(
            (
                rf"\blead level\b|\b(?:make it|as an?|i am an?|i'm an?|for an?|to) lead\b|\blead (?:{_ROLE}"
                rf"|engineer|developer|designer|analyst|scientist|role|position)\b"
                rf"|\b{_ROLE} lead\b|\bstaff (?:{_ROLE}|engineer|developer|level)\b|\bprincipal\b|\bhead "
                rf"of\b|\bdirector\b"
            ),
            re.IGNORECASE,
        ),
    ),
    (ExperienceLevel.SENIOR, re.compile(rf"\bseniors?\b(?!\s+{_OTHERS})|\bsr\b", re.IGNORECASE)),
)
_MINUTES = re.compile(
    rf"\b(?:(\d{{1,3}})|({'|'.join(sorted((*_WORDS, 'thirty'), key=len, reverse=True))}))"
    r"[\s-]*(?:min(?:utes?|s)?|minuten)\b"
    r"|\b(half an hour)\b|\b((?:an|one|1) hour)\b",
    re.IGNORECASE,
)
_LIMIT = re.compile(
    r"\b(?:have|only|just|within|fits?|limit\w*|at most|no more than|max\w*|up to|cut|under|less than|left"
    r"|budget|take|last"
    r"|time box\w*|in (?:all|total)|always|habe|nur)\b",
    re.IGNORECASE,
)
_NOT_MINE = re.compile(r"\b(?:answer|each question|per question|talk|presentation|commute)\b", re.IGNORECASE)
_LIKE = re.compile(
    rf"\b(?:like|similar to|along the lines of|in the style of|such as)\s+(?:the\s+)?(?:{_LABEL}\s*)?({_NUMBER})\b"
    rf"|\blike the ({_ORDINAL})\b",
    re.IGNORECASE,
)
_OTHER_ROLE = re.compile(
    r"\bsame\b[^.?!\n]{0,40}?\b(?:for|as)\s+(?:an?\s+|the\s+)?([^.?!\n]{3,60})"
    r"|\b(?:as|for)\s+an?\s+([^.?!,\n]{3,50}?)\s+(?:instead|role|job|position|post|interview|now)\b"
    r"|\bwhat about\s+(?:for\s+)?(?:an?\s+)?([^.?!\n]{3,50}?)(?:\s+(?:role|job|position))?\W*$",
    re.IGNORECASE,
)
_MEETING = re.compile(
    r"\b(?:with|by|from|to|meet(?:ing)?|report(?:s|ing)? to)\s+(?:(?:a|an|the|my|their|our|some)\s+)?$", re.IGNORECASE
)


def positions_in(message: str, size: int) -> tuple[int, ...]:
    """The positions that a message names, in order; may be beyond `size`, so that the caller can say so.

    "Question 3", "Q2 and Q4", "1 and 4", "2-4", "the third one", "the last two", "all of them". A number of questions
    ("8 questions", "3 more") is no position.
    """
    if some := _MAKE_SOME.search(message):
        return tuple(range(1, min(_number(some.group(1)), size) + 1))
    if few := _FIRST_FEW.search(message):
        count = min(_number(few.group(2)), size)
        return tuple(range(1, count + 1) if few.group(1).lower() == "first" else range(size - count + 1, size + 1))
    labelled = [number for match in _LABELLED.finditer(message) for number in _numbers(match.group(1))]
    nth = [number for match in _NTH.finditer(message) for number in _nth(match.group(1) or match.group(2), size)]
    found = labelled + nth
    if not found:
        found = [number for match in _BARE.finditer(message) for number in _numbers(_without_pronoun(match.group()))]
    if not found and _ALL.search(message):
        return tuple(range(1, size + 1))
    return tuple(sorted({number for number in found if number > 0}))


def positions_said(message: str) -> tuple[int, ...]:
    """The positions of the one list that a message holds, in the order in which it names them; else empty."""
    lists = list(_LABELLED.finditer(message)) or list(_BARE.finditer(message))
    numbers = _numbers(lists[0].group(1 if lists[0].re is _LABELLED else 0)) if len(lists) == 1 else []
    return tuple(dict.fromkeys(number for number in numbers if number > 0))


def change_in(message: str) -> Change | None:
    """The change that a message asks for, the most specific first; None where it asks for none."""
    return next((change for change, words in _CHANGES if words.search(message)), None)


def count_in(message: str, own_type: str = "") -> int | None:
    """The number of questions a message asks for, 1 to 20. In "3 technical, 2 behavioral" the own type's counts."""
    own = rf"({_NUMBER})\s+{re.escape(own_type.split('_', maxsplit=1)[0])}\w*" if own_type else ""
    matches = (
        re.search(own, message, re.IGNORECASE) if own else None,
        _COUNTED.search(message),
        _ONLY_COUNT.search(message),
    )
    match = next((match for match in matches if match), None)
    if match is None or _MAKE_SOME.search(message):
        return None
    number = _number(match.group(1))
    return min(number, MAX_COUNT) if number > 0 else None


def count_asked(message: str) -> int | None:
    """The number of questions as the message gives it, also one that no set can have."""
    if _COUNT_BELOW_ONE.search(message):
        return 0
    match = None if _MAKE_SOME.search(message) else _COUNTED.search(message) or _ONLY_COUNT.search(message)
    return _number(match.group(1)) if match else None


def more_in(message: str) -> int | None:
    """How many questions are to come on top of a set: 0 where no number is named, None where none is to."""
    match = _ADD.search(message)
    if match is None or _LABELLED.search(message):
        return 1 if _ONE_RESHAPED.search(message) and not _LABELLED.search(message) else None
    is_other_wish = level_in(message) is not None or changes_in(message)
    word = (match.group(1) or match.group(2) or "").lower()
    if word and (word.isdigit() or word in _WORDS):
        return _number(word)
    if is_other_wish:
        return None
    is_one = word in {"a", "an", "eine"} or re.search(r"\banother\b|\bquestion\b(?!s)", match.group(), re.IGNORECASE)
    return 1 if is_one else 0


def changes_in(message: str) -> frozenset[Change]:
    """Every way in which questions are to be reshaped. To replace one is not among them: it goes with each."""
    return frozenset(
        change for change, words in _CHANGES if change is not Change.REPLACE and words.search(message) is not None
    )


def without_likeness(message: str) -> str:
    """The message without the question that new ones are to resemble."""
    return _LIKE.sub(" ", message)


def steps_in(message: str) -> int:
    """How many levels up or down a message goes from where it is: "more junior" is -1."""
    return -1 if _MORE_JUNIOR.search(message) else 1 if _MORE_SENIOR.search(message) else 0


def names_question(message: str) -> bool:
    """Whether the message names a question by a word and its number ("question 3"), and not by a bare number."""
    return _LABELLED.search(message) is not None


def is_position_zero(message: str) -> bool:
    """Whether the message names a question 0, which no set has."""
    return _POSITION_ZERO.search(message) is not None


def level_in(message: str, current: ExperienceLevel | None = None) -> ExperienceLevel | None:
    """The level that a message states for the candidate or the job; "more junior" is one step below `current`."""
    if _MORE_JUNIOR.search(message):
        return current.stepped(-1) if current else ExperienceLevel.JUNIOR
    if _MORE_SENIOR.search(message):
        return current.stepped(1) if current else ExperienceLevel.SENIOR
    found = [
        (match.start(), level)
        for level, words in _LEVEL_NAMES
        for match in words.finditer(message)
        if not _MEETING.search(message[max(match.start() - 40, 0) : match.start()])
    ]
    return min(found)[1] if found else None


def minutes_in(message: str) -> int | None:
    """The minutes that a message allows for a whole set, or None where it sets no limit."""
    match = _MINUTES.search(message)
    if match is None or not _LIMIT.search(message) or _NOT_MINE.search(message):
        return None
    if match.group(1):
        return int(match.group(1)) or None
    if match.group(2):
        return 30 if match.group(2).lower() == "thirty" else _number(match.group(2))
    return 30 if match.group(3) else 60


def like_in(message: str, size: int) -> int | None:
    """The position of the question that new ones are to resemble ("two more like 4")."""
    match = _LIKE.search(message)
    if match is None:
        return None
    number = _number(match.group(1)) if match.group(1) else _nth(match.group(2), size)[0]
    return number if 1 <= number <= size else None


def role_in(message: str) -> str | None:
    """The role that a message names in place of the one at hand ("same for product manager")."""
    match = _OTHER_ROLE.search(message)
    role = next((group for group in match.groups() if group), "").strip() if match else ""
    return role if role and field_of_title(role) is not None else None


def number_in(message: str) -> int | None:
    """The first number in a message, written in figures or as a word."""
    match = re.search(rf"(?<![\w$€£.]){_NUMBER}\b", message, re.IGNORECASE)
    return _number(match.group()) if match else None


def _without_pronoun(text: str) -> str:
    """Leave out a lone "one", which is mostly a pronoun ("another one")."""
    return "" if text.strip().lower() == "one" else text


def _number(text: str) -> int:
    lowered = text.lower()
    return int(lowered) if lowered.isdigit() else _WORDS.index(lowered) + 1


def _numbers(text: str) -> list[int]:
    """The numbers of an enumeration, ranges ("2-4", "2 to 4") filled in."""
    numbers: list[int] = []
    is_range = False
    for part in re.findall(rf"{_NUMBER}|to|through|-|\u2013", text, re.IGNORECASE):
        if part.lower() in {"to", "through", "-", "\u2013"}:
            is_range = True
            continue
        number = _number(part)
        start = numbers[-1] if is_range and numbers else number
        step = 1 if start <= number else -1
        numbers += range(start + step, number + step, step) if 0 < abs(number - start) <= MAX_COUNT else [number]
        is_range = False
    return numbers


def _nth(text: str, size: int) -> list[int]:
    found = []
    for word in re.findall(_ORDINAL, text, re.IGNORECASE):
        lowered = word.lower()
        if lowered == "last":
            found.append(size)
        else:
            found.append(int(re.sub(r"\D", "", lowered)) if lowered[0].isdigit() else _ORDINALS.index(lowered) + 1)
    return found
