"""Which skills, level and field a text names. Names match as whole words, in any of their spellings.

Ready-made keyword matchers (flashtext, pyahocorasick, spaCy's PhraseMatcher) find the words but not what is meant by
them: "go", "R" and "excel" need their context, "C++" and "Node.js" boundaries of their own. That is the work here.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from app.bank.fields import FIELD_TITLES, FIELD_WORDS
from app.bank.languages import SPELLINGS
from app.bank.posting import Posting
from app.bank.questions import ExperienceLevel
from app.bank.vocabulary import ALIASES, CAPITALISED, IN_CAPITALS, LISTED

_TOKEN = re.compile(r"[A-Za-z0-9À-ɏ]+(?:\+\+|#)?")
_GAP = re.compile(r"\s?[/&\-\u2013_]\s?|[.'\u2019]|\s")
_IN_LIST_LEFT = re.compile(
    r"(?:[,/(;:•·|+]\s*|\b(?:in|with|using|and|or|of|for|on|about|know|write|writing|like|languages?|to)\s+)$",
    re.IGNORECASE,
)
_AT_START = re.compile(r"(?:^|[.!?\n]\s*|\n\W*|^\W*)$")
_SKILL_NOUN = (
    r"developers?|engineers?|programm\w+|services?|code|codebases?|backends?|questions?"
    r"|skills?|knowledge|experience|apps?|ones?"
    r"|interviews?|instead|please|native|boot|components?|apis?|servers?"
)
_IN_LIST_RIGHT = re.compile(
    rf"^(?:\s*[,/);:|+•·]|\s*(?:\n|$)|[.?!](?:\s|$)|\s+(?:and|or|{_SKILL_NOUN})\b)", re.IGNORECASE
)
_STARTS_LIST = re.compile(rf"^(?:\s*[,/]|\s+(?:{_SKILL_NOUN})\b)", re.IGNORECASE)

_AS_SOMETHING_ELSE = re.compile(r"^[ -]injections?\b", re.IGNORECASE)
"""What turns the name of a skill into the name of an attack."""

_NO_PLURALS = frozenset({"sales", "windows"})

_LEVEL_WORDS: tuple[tuple[ExperienceLevel, str], ...] = (
    (
        ExperienceLevel.JUNIOR,
        (
            r"junior|jr\.?|graduate|trainee|apprentice|intern(?:ship)?|entry[- ]level|early career"
            r"|working student|werkstudent\w*"
            r"|freshers?|associate product manager|assistant(?! director| manager| head)|student"
        ),
    ),
    (
        ExperienceLevel.LEAD,
        (
            r"lead(?! generation| time|s\b|ing\b)|head of|head teacher|principal|staff(?= (?:engineer"
            r"|software|developer|scientist|designer|product|data|backend))"
            r"|director|vp|vice president|chief|cto|cmo|cfo|general manager|engineering manager|plant "
            r"manager|transport manager"
            r"|site manager|leitung|leiter\w*|jefe|jefa"
        ),
    ),
    (ExperienceLevel.MID, r"mid[- ]?level|mid[- ]?weight|intermediate|medior|mid(?=[ -](?:engineer|developer|senior))"),
    (ExperienceLevel.SENIOR, r"senior|sr\.?|charge nurse|expert|experienced"),
)
_LEVELS = tuple((level, re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)) for level, words in _LEVEL_WORDS)
_PEOPLE_OF_A_LEVEL = (
    r"juniors|seniors|interns|trainees|apprentices|graduates|students|freshers|leads|directors|principals|experts|chiefs"
    r"|(?:junior|jr\.?|graduate|trainee|student|senior|sr\.?|lead|principal|staff)"
    r" (?:\w+ )?(?:people|staff|colleagues|leadership|management|\w+[^s\W]s)"
    r"|(?<=\ba )(?:junior|senior|trainee|apprentice|lead|graduate)(?! \w)"
)
_OTHER_PEOPLE = re.compile(
    r"\b(?:(?:mentor|coach|manag|supervis|guid|support|train|teach|help|hir|recruit|oversee|grow|develop|lead)"
    r"(?:e|es|s|ing|ed)?|pair(?:ing)? with|work(?:s|ing)? (?:closely )?(?:with|alongside|under)|team of)"
    rf"\s+(?:(?!as\b|for\b)[\w-]+\s+){{0,3}}?(?:{_PEOPLE_OF_A_LEVEL})\b"
    r"|\b(?:report(?:s|ing)?(?: directly)? to|led by)\b[^.;\n]*",
    re.IGNORECASE,
)
"""People whom the job has to do with; their level is not the candidate's."""

_WANTED = re.compile(
    r"\b(?:(?:looking|searching) for|seek(?:s|ing)?|hir(?:e|es|ing)|need(?:s|ed)?|want(?:s|ed)?|recruit(?:s|ing)?"
    r"|join \w+ as|appoint|suchen)\s+(?:an?|our|the|one|eine?n?)\s+(?P<title>[^.,;\n]{3,60})",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<!\bSr)(?<!\bJr)[.!?:;](?=\s|$)|\s[\u2013\u2014|]\s")
MAX_TITLE_WORDS = 8
"""A first sentence up to this length is a job title."""

_YEARS = re.compile(
    r"(\d{1,2})\s*(?:\+|plus|or more)?\s*(?:[-\u2013]\s*\d{1,2}\s*)?(?:\+\s*)?(?:years|yrs|jahre|años|年)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Mention:
    """A skill where a text names it; `text` is the wording found there."""

    skill: str
    text: str
    start: int
    end: int


class SkillFinder:
    """Finds known skills in a text. Built once from the bank's names and the alias table."""

    def __init__(self, names: Iterable[str]) -> None:
        spellings: dict[tuple[str, ...], set[tuple[str, str]]] = {}
        for skill in {name.lower() for name in names}:
            for spelling in (skill, *ALIASES.get(skill, ()), *SPELLINGS.get(skill, ())):
                spellings.setdefault(_stems(spelling), set()).add((skill, spelling))
        self._by_first: Mapping[str, list[tuple[tuple[str, ...], list[tuple[str, str]]]]] = {}
        by_first: dict[str, list[tuple[tuple[str, ...], list[tuple[str, str]]]]] = {}
        for tokens in sorted(spellings, key=lambda tokens: (-len(tokens), tokens)):
            by_first.setdefault(tokens[0], []).append((tokens, sorted(spellings[tokens])))
        self._by_first = by_first

    def find(self, text: str, *, is_request: bool = False) -> tuple[Mention, ...]:
        """Every mention, in order of appearance; of overlapping names the longest.

        In a request (`is_request`) people type `excel` and `react` without capitals, so those need none.
        """
        tokens = list(_TOKEN.finditer(text))
        stems = [_stem(token.group()) for token in tokens]
        mentions: list[Mention] = []
        index = 0
        while index < len(tokens):
            length, found = self._longest(text, tokens, stems, index, is_request=is_request)
            if found:
                start, end = tokens[index].start(), tokens[index + length - 1].end()
                mentions += [Mention(skill, text[start:end], start, end) for skill in found]
            index += length or 1
        return tuple(mentions)

    def _longest(
        self, text: str, tokens: list[re.Match[str]], stems: list[str], index: int, *, is_request: bool
    ) -> tuple[int, list[str]]:
        for wanted, names in self._by_first.get(stems[index], ()):
            length = len(wanted)
            if tuple(stems[index : index + length]) != wanted or not _adjoin(text, tokens[index : index + length]):
                continue
            start, end = tokens[index].start(), tokens[index + length - 1].end()
            skills = [
                skill for skill, spelling in names if _is_meant(spelling, text, start, end, is_request=is_request)
            ]
            if skills:
                return length, sorted(set(skills))
        return 0, []


def level_of_title(text: str) -> ExperienceLevel | None:
    """The level that a job title, or a line with one, names; the first word counts, of other people none."""
    text = _OTHER_PEOPLE.sub(" ", text)
    found = [(match.start(), level) for level, words in _LEVELS if (match := words.search(text))]
    return min(found)[1] if found else None


def level_of_posting(posting: Posting) -> ExperienceLevel | None:
    """The level in the title lines, else the one that the years of experience asked for suggest."""
    for line in (*posting.titles, *_titles_in_running_text(posting)):
        if (level := level_of_title(line)) is not None:
            return level
    years = [int(match.group(1)) for match in _YEARS.finditer(posting.text) if int(match.group(1)) <= 15]
    if not years:
        return None
    return ExperienceLevel.SENIOR if years[0] >= 5 else ExperienceLevel.MID if years[0] >= 2 else ExperienceLevel.JUNIOR


def _titles_in_running_text(posting: Posting) -> tuple[str, ...]:
    """What a posting without a line for its title may name it by: a short first sentence, or "we need a ..."."""
    if not posting.lines:
        return ()
    first = posting.lines[0].text
    sentence = _SENTENCE_END.split(first, maxsplit=1)[0]
    wanted = _WANTED.search(first)
    return (
        *((sentence,) if len(sentence.split()) <= MAX_TITLE_WORDS else ()),
        *((wanted["title"],) if wanted else ()),
    )


def field_of_title(text: str) -> str | None:
    """The field that a job title names, or None."""
    return next((field for field, words in FIELD_TITLES if words.search(text)), None)


def field_of_posting(posting: Posting) -> str | None:
    """The field of the first line with a job title, else the one whose words the posting uses most.

    An advert without a line of its own for the title may still name it in running text; that counts last, because
    "for our hotel" stands there too.
    """
    for line in posting.titles:
        if (field := field_of_title(line)) is not None:
            return field
    words = re.findall(r"[a-z][a-z-]+", posting.text.lower())
    scores = {field: sum(word in known.split() for word in words) for field, known in FIELD_WORDS.items()}
    best = max(scores, key=lambda field: scores[field])
    return best if scores[best] >= 2 else field_of_title(posting.opening)


def _stem(token: str) -> str:
    lowered = token.lower()
    is_plural = len(lowered) > 3 and lowered.endswith("s") and not lowered.endswith("ss") and lowered not in _NO_PLURALS
    return lowered[:-1] if is_plural else lowered


def _stems(name: str) -> tuple[str, ...]:
    return tuple(_stem(token.group()) for token in _TOKEN.finditer(name))


def _adjoin(text: str, tokens: list[re.Match[str]]) -> bool:
    return all(_GAP.fullmatch(text[left.end() : right.start()]) for left, right in pairwise(tokens))


def _is_meant(spelling: str, text: str, start: int, end: int, *, is_request: bool) -> bool:
    if spelling.startswith("."):
        return start > 0 and text[start - 1] == "."
    left, right = text[max(start - 25, 0) : start], text[end : end + 25]
    if _AS_SOMETHING_ELSE.match(right):
        return False
    if spelling in LISTED:
        has_case = is_request or text[start:end] == (spelling.capitalize() if spelling == "go" else spelling.upper())
        is_first = bool(_STARTS_LIST.match(right) and _AT_START.search(left))
        return has_case and (is_first or bool(_IN_LIST_LEFT.search(left) and _IN_LIST_RIGHT.match(right)))
    if spelling not in CAPITALISED or is_request:
        return True
    if spelling in IN_CAPITALS:
        return text[start:end].isupper()
    return text[start].isupper() and (not _AT_START.search(left) or bool(_IN_LIST_RIGHT.match(right)))
