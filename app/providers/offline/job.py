"""The job behind a technique call: level, field, what the posting names, and what the candidate asks for."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

from app.bank.languages import THEME_WORDS, UNSPACED_THEME_WORDS
from app.bank.posting import (
    ASIDE_WEIGHT,
    REQUIREMENT_WEIGHT,
    TITLE_WEIGHT,
    WHOLE_LINE_CHARACTERS,
    Line,
    Posting,
    is_beside_the_duties,
    is_whole,
    reads_like_a_duty,
    speaks_of_duties,
)
from app.bank.questions import BankQuestion, ExperienceLevel, QuestionBank
from app.bank.skills import Mention, SkillFinder, field_of_posting, field_of_title, level_of_posting
from app.bank.themes import THEMES
from app.bank.vocabulary import ALIASES
from app.providers.offline.likeness import original_of
from app.providers.offline.order import Order
from app.providers.offline.wishes import level_in, role_in

MOST_PLACES = 6
"""Of a posting, for one theme."""

FIRST_SKILLS = 2
"""Of a question: what it is about. The others are only of use for it."""

READINGS = 64
"""Postings whose reading is kept: one comparison reads the same one for every technique."""

_ORDINARY_CATEGORIES = frozenset(
    {"role", "team", "operations", "procedure", "verification", "continuity", "allocation"}
)
"""Categories whose names people use without asking for them."""

_REFUSED = re.compile(
    r"(?:\b(?:no(?: more)?|not|without|except|skip|avoid|omit|exclud\w+|leave out|ohne|kein\w*"
    r"|(?:do(?:n't|n\u2019t| not)|never) (?:want|ask(?: me)?|need|like|include))"
    r"(?: (?:any|more|too much|questions?|about|on|the|with|ones?))*\s+)$",
    re.IGNORECASE,
)
_AND_ALSO = re.compile(r"^\s*(?:,|or|and|nor|&|/)\s*(?:(?:or|and|no)\s+)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Evidence:
    """Where the posting names a skill or a theme."""

    wording: str
    fragment: str
    weight: int
    start: int
    is_quotable: bool = True
    """Whether the fragment, read alone, says what the job asks for."""
    is_must: bool = False
    """Whether the posting marks it as something nobody is taken without."""

    @property
    def requirement(self) -> str | None:
        """The fragment as a question may quote it."""
        return self.fragment if self.is_quotable else None


@dataclass(frozen=True)
class Topic:
    """What the candidate asks the questions to be about, or not to be about."""

    wording: str
    skills: frozenset[str]
    categories: frozenset[str]
    is_refused: bool = False
    """Whether the message wants none of it ("no SQL")."""

    def covers(self, question: BankQuestion) -> bool:
        """Whether the question is about it."""
        return question.category in self.categories or not self.skills.isdisjoint(question.skills)

    @property
    def names(self) -> frozenset[str]:
        """The skills that it is in the first place: PostgreSQL is no wish for any SQL."""
        wording = self.wording.lower()
        exact = {skill for skill in self.skills if skill == wording}
        return frozenset(exact or {skill for skill in self.skills if skill.startswith(wording)} or self.skills)

    def is_subject_of(self, question: BankQuestion, spoken: frozenset[str]) -> bool:
        """Whether the question is really about it: its category or its text, which names the skills `spoken`."""
        category, wording = question.category.replace("_", " "), self.wording.lower()
        if category == wording or category in self.names or (not self.skills and self.covers(question)):
            return True
        is_said = re.search(rf"(?<![\w-]){re.escape(wording)}(?![\w-])", question.text.lower()) is not None
        return self.covers(question) and (is_said or not self.names.isdisjoint(spoken))

    def is_first_in(self, question: BankQuestion) -> bool:
        """Whether the question has it among its first skills."""
        return not self.names.isdisjoint(question.skills[:FIRST_SKILLS])


@dataclass(frozen=True)
class Job:
    """What the choice of questions goes by."""

    level: ExperienceLevel
    level_source: str
    """Whence the level: `settings`, `request`, `wish`, `posting`, or `assumed`."""
    title: str
    """The posting's first line."""
    field: str | None
    role: str | None
    """The role that the request names instead of the posting's, in its words."""
    skills: Mapping[str, Evidence]
    """What the posting names, in order of appearance."""
    themes: Mapping[str, tuple[Evidence, ...]]
    """By category, the places in the posting that speak for it."""
    topics: tuple[Topic, ...]
    left_out: tuple[Topic, ...] = ()
    """What no question may be about, by the request or a lasting wish."""


@dataclass(frozen=True)
class Reading:
    """What a posting says, whatever is asked of the engine."""

    posting: Posting
    level: ExperienceLevel | None
    field: str | None
    title: str
    skills: Mapping[str, Evidence]
    themes: Mapping[str, tuple[Evidence, ...]]


class Workshop:
    """The bank with its word index, and the postings read last: what is the same in every call."""

    def __init__(self, bank: QuestionBank) -> None:
        self.bank = bank
        self.skills = SkillFinder(bank.skill_names() | set(ALIASES))
        self.read = lru_cache(maxsize=READINGS)(self._read)
        self._spoken: dict[str, frozenset[str]] = {}
        self._categories = {
            category.replace("_", " "): category for category in bank.categories() - _ORDINARY_CATEGORIES
        }
        self._themes = {category: _theme(category) for category in (bank.categories() | THEMES.keys())}

    @cached_property
    def _category_finder(self) -> SkillFinder:
        return SkillFinder(self._categories)

    def spoken(self, question: BankQuestion) -> frozenset[str]:
        """The skills that the text of a question names; looked for once."""
        if question.text not in self._spoken:
            self._spoken[question.text] = frozenset(mention.skill for mention in self.skills.find(question.text))
        return self._spoken[question.text]

    def names_topic(self, message: str) -> bool:
        """Whether a message names a skill or a category of the bank."""
        return bool(self.topics(message))

    def topics(self, request: str) -> tuple[Topic, ...]:
        """What a request wants questions about."""
        return tuple(topic for topic in self._named(request) if not topic.is_refused)

    def refused(self, request: str) -> tuple[Topic, ...]:
        """What a request wants no questions about."""
        return tuple(topic for topic in self._named(request) if topic.is_refused)

    def source(self, interview_type: str, text: str) -> BankQuestion | None:
        """The bank's question behind a text, also when it was made harder, shorter or put in somebody's voice."""
        return original_of(text, self.bank.of_type(interview_type))

    def is_about(self, question: Mapping[str, Any], topic: Topic, interview_type: str) -> bool:
        """Whether a question of a set is about a topic: by its category, its skills, its text or its requirement."""
        category, text = str(question.get("category") or ""), str(question.get("text") or "")
        if category in topic.categories:
            return True
        source = self.source(interview_type, text)
        if source is not None and topic.covers(source):
            return True
        said = f"{text}\n{question.get('requirement') or ''}"
        named = {mention.skill for mention in self.skills.find(said)}
        return not topic.skills.isdisjoint(named) or (
            re.search(
                rf"(?<!\w){re.escape(topic.wording.lower())}(?!\w)", f"{category.replace('_', ' ')} {said.lower()}"
            )
            is not None
        )

    def job(self, order: Order) -> Job:
        """Read the posting and the request of a call."""
        reading = self.read(order.posting)
        level, source = _level(order, reading)
        role = role_in(order.request)
        new_field = field_of_title(role) if role else None
        is_other_job = new_field is not None and reading.field is not None and new_field != reading.field
        read = self.read("") if is_other_job else reading
        wished = "\n".join(order.wishes)
        refused = (*self.refused(order.request), *self.refused(wished))
        unwanted = {topic.wording.lower() for topic in refused} - {
            topic.wording.lower() for topic in self.topics(order.request)
        }
        return Job(
            level=level,
            level_source=source,
            title=read.title,
            field=new_field or reading.field or field_of_title(order.request),
            role=role if is_other_job else None,
            skills=read.skills,
            themes=read.themes,
            topics=self.topics(order.request) or (() if order.positions else self.topics(wished)),
            left_out=tuple(topic for topic in refused if topic.wording.lower() in unwanted),
        )

    def _read(self, text: str) -> Reading:
        posting = Posting(text)
        return Reading(
            posting=posting,
            level=level_of_posting(posting) if posting else None,
            field=field_of_posting(posting) if posting else None,
            title=posting.lines[0].text if posting.lines else "",
            skills=_skills(posting, self.skills.find(text)),
            themes=self._themes_in(posting),
        )

    def _named(self, request: str) -> Iterator[Topic]:
        """What a request names, in its order; spellings of one place are one topic."""
        spans: dict[tuple[int, int], tuple[set[str], set[str]]] = {}
        for mention in self.skills.find(request, is_request=True):
            spans.setdefault((mention.start, mention.end), (set(), set()))[0].add(mention.skill)
        for mention in self._category_finder.find(request, is_request=True):
            spans.setdefault((mention.start, mention.end), (set(), set()))[1].add(self._categories[mention.skill])
        refused_until: int | None = None
        for start, end in sorted(spans):
            is_refused = _REFUSED.search(request[max(start - 60, 0) : start]) is not None
            if not is_refused and refused_until is not None:
                is_refused = start < refused_until or _AND_ALSO.match(request[refused_until:start]) is not None
            refused_until = end if is_refused else None
            skills, categories = spans[start, end]
            yield Topic(request[start:end], frozenset(skills), frozenset(categories), is_refused=is_refused)

    def _themes_in(self, posting: Posting) -> dict[str, tuple[Evidence, ...]]:
        lines = [line for line in posting.lines if line.weight not in {ASIDE_WEIGHT, TITLE_WEIGHT}]
        themes: dict[str, tuple[Evidence, ...]] = {}
        for category, words in self._themes.items():
            places: dict[str, Evidence] = {}
            for line in lines:
                for evidence in _theme_places(posting, line, category, words):
                    places.setdefault(evidence.fragment, evidence)
            if places:
                ranked = sorted(places.values(), key=lambda place: (not place.is_must, -place.weight, place.start))
                themes[category] = tuple(ranked[:MOST_PLACES])
        return themes


@cache
def _theme(category: str) -> re.Pattern[str]:
    """The words that speak for a category; of one that has no entry, all the words of its name in one sentence."""
    known = "|".join(words for table in (THEMES, THEME_WORDS) if (words := table.get(category)))
    if known:
        unspaced = f"|{UNSPACED_THEME_WORDS[category]}" if category in UNSPACED_THEME_WORDS else ""
        return re.compile(rf"(?<!\w)(?:{known})(?!\w){unspaced}", re.IGNORECASE)
    stems = [re.escape(word[: max(len(word) - 2, 4)]) for word in category.split("_")]
    ahead = "".join(rf"(?=[^.!?]*\b{stem})" for stem in stems[1:])
    return re.compile(rf"\b{stems[0]}\w*{ahead}", re.IGNORECASE)


def _theme_places(posting: Posting, line: Line, category: str, words: re.Pattern[str]) -> Iterator[Evidence]:
    if line.is_heading:
        return
    for match in words.finditer(line.text):
        start, end = line.start + match.start(), line.start + match.end()
        fragment = (posting.narrow_fragment if posting.is_terse else posting.fragment)(start, end)
        if fragment and reads_like_a_duty(line, fragment, is_terse=posting.is_terse):
            yield Evidence(category.replace("_", " "), fragment, line.weight, start, is_must=line.is_must)


def _level(order: Order, reading: Reading) -> tuple[ExperienceLevel, str]:
    if order.level is not None:
        return order.level, "settings"
    if (level := level_in(order.request)) is not None:
        return level, "request"
    for wish in reversed(order.wishes):
        if (level := level_in(wish)) is not None:
            return level, "wish"
    if reading.level is not None:
        return reading.level, "posting"
    return ExperienceLevel.MID, "assumed"


def _is_asked_in(posting: Posting, line: Line, mention: Mention, fragment: str) -> bool:
    """Whether the line asks for what it mentions: as an item, or in a sentence about what somebody does or brings."""
    sentence = posting.fragment(mention.start, mention.end) or fragment
    if line.is_heading or line.weight == TITLE_WEIGHT:
        return False
    if is_beside_the_duties(line.text, fragment) or is_beside_the_duties(line.text, sentence):
        return False
    is_alone = line.is_item or len(line.text) <= WHOLE_LINE_CHARACTERS
    is_listed = is_alone and line.weight == REQUIREMENT_WEIGHT
    return is_listed or not posting.has_sections or posting.is_terse or speaks_of_duties(sentence)


def _skills(posting: Posting, mentions: Sequence[Mention]) -> dict[str, Evidence]:
    """For each skill the mention that weighs most; what is named only beside the job counts where nothing else is."""
    best: dict[str, Evidence] = {}
    for mention in mentions:
        line = posting.line_at(mention.start)
        fragment = posting.narrow_fragment(mention.start, mention.end)
        if line is None or not fragment:
            continue
        is_quotable = is_whole(fragment) and _is_asked_in(posting, line, mention, fragment)
        found = Evidence(mention.text, fragment, line.weight, mention.start, is_quotable, is_must=line.is_must)
        known = best.get(mention.skill)
        if known is None or (known.is_quotable, known.weight) < (found.is_quotable, found.weight):
            best[mention.skill] = found
    asked = {skill: evidence for skill, evidence in best.items() if evidence.weight > ASIDE_WEIGHT}
    return dict(sorted((asked or best).items(), key=lambda item: item[1].start))
