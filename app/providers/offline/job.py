"""The job behind a technique call: level, field, what the posting names, and what the candidate asks for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from app.providers.offline.bank import BankQuestion, Level, QuestionBank
from app.providers.offline.order import Order
from app.providers.offline.posting import (
    ASIDE_WEIGHT,
    TITLE_WEIGHT,
    Posting,
    is_beside_the_duties,
    is_whole,
    reads_like_a_duty,
)
from app.providers.offline.skills import Mention, SkillFinder, field_of_posting, field_of_title, level_of_posting
from app.providers.offline.vocabulary import ALIASES, THEMES
from app.providers.offline.wishes import level_in

_THEMES = {category: re.compile(rf"(?<!\w)(?:{words})", re.IGNORECASE) for category, words in THEMES.items()}
_ORDINARY_CATEGORIES = frozenset(
    {"role", "team", "operations", "procedure", "verification", "continuity", "allocation"}
)
"""Categories whose names people use without asking for them."""


@dataclass(frozen=True)
class Evidence:
    """Where the posting names a skill or a theme."""

    wording: str
    fragment: str
    weight: int
    start: int
    is_quotable: bool = True
    """Whether the fragment, read alone, says what the job asks for."""

    @property
    def requirement(self) -> str | None:
        """The fragment as a question may quote it."""
        return self.fragment if self.is_quotable else None


@dataclass(frozen=True)
class Topic:
    """What the candidate asks the questions to be about."""

    wording: str
    skills: frozenset[str]
    categories: frozenset[str]

    def covers(self, question: BankQuestion) -> bool:
        """Whether the question is about it."""
        return question.category in self.categories or not self.skills.isdisjoint(question.skills)

    def is_heart_of(self, question: BankQuestion) -> bool:
        """Whether the question is about it in the first place: its category or its own text says so."""
        spoken = f"{question.category.replace('_', ' ')} {question.text.lower()}"
        return self.covers(question) and any(name in spoken for name in (*self.skills, self.wording.lower()))


@dataclass(frozen=True)
class Job:
    """What the choice of questions goes by."""

    level: Level
    level_source: str
    """Whence the level: `settings`, `request`, `posting`, or `assumed`."""
    title: str
    """The posting's first line, in small letters."""
    field: str | None
    skills: Mapping[str, Evidence]
    """What the posting names, in order of appearance."""
    themes: Mapping[str, Evidence]
    """By category, the place in the posting that speaks for it."""
    topics: tuple[Topic, ...]


class Workshop:
    """The bank with its word index: everything that is the same in every call."""

    def __init__(self, bank: QuestionBank) -> None:
        self.bank = bank
        self.skills = SkillFinder(bank.skill_names() | set(ALIASES))
        self._categories = {
            category.replace("_", " "): category for category in bank.categories() - _ORDINARY_CATEGORIES
        }

    @cached_property
    def _category_finder(self) -> SkillFinder:
        return SkillFinder(self._categories)

    def names_topic(self, message: str) -> bool:
        """Whether a message names a skill or a category of the bank."""
        return bool(self.topics(message))

    def topics(self, request: str) -> tuple[Topic, ...]:
        """What a request names, in its order; spellings of one place are one topic."""
        spans: dict[tuple[int, int], tuple[str, set[str], set[str]]] = {}
        for mention in self.skills.find(request, is_request=True):
            spans.setdefault((mention.start, mention.end), (mention.text, set(), set()))[1].add(mention.skill)
        for mention in self._category_finder.find(request, is_request=True):
            category = self._categories[mention.skill]
            spans.setdefault((mention.start, mention.end), (mention.text, set(), set()))[2].add(category)
        return tuple(
            Topic(wording, frozenset(skills), frozenset(categories))
            for _, (wording, skills, categories) in sorted(spans.items(), key=lambda item: item[0])
        )

    def job(self, order: Order) -> Job:
        """Read the posting and the request of a call."""
        posting = Posting(order.posting)
        level, source = _level(order, posting)
        field = field_of_posting(posting) if posting else None
        return Job(
            level=level,
            level_source=source,
            title=posting.lines[0].text.lower() if posting.lines else "",
            field=field or field_of_title(order.request),
            skills=_skills(posting, self.skills.find(order.posting)),
            themes=_themes(posting),
            topics=self.topics(order.request),
        )


def _level(order: Order, posting: Posting) -> tuple[Level, str]:
    if order.level is not None:
        return order.level, "settings"
    if (level := level_in(order.request)) is not None:
        return level, "request"
    if posting and (level := level_of_posting(posting)) is not None:
        return level, "posting"
    return Level.MID, "assumed"


def _skills(posting: Posting, mentions: tuple[Mention, ...]) -> dict[str, Evidence]:
    """For each skill the mention that weighs most; what is named only beside the job counts where nothing else is."""
    best: dict[str, Evidence] = {}
    for mention in mentions:
        line = posting.line_at(mention.start)
        if line is None or (mention.skill in best and best[mention.skill].weight >= line.weight):
            continue
        if fragment := posting.fragment(mention.start, mention.end):
            is_duty_line = line.weight != TITLE_WEIGHT and not is_beside_the_duties(line.text, fragment)
            is_quotable = is_duty_line and is_whole(fragment)
            best[mention.skill] = Evidence(mention.text, fragment, line.weight, mention.start, is_quotable)
    asked = {skill: evidence for skill, evidence in best.items() if evidence.weight > ASIDE_WEIGHT}
    return dict(sorted((asked or best).items(), key=lambda item: item[1].start))


def _themes(posting: Posting) -> dict[str, Evidence]:
    themes: dict[str, Evidence] = {}
    for category, words in _THEMES.items():
        for line in posting.lines:
            is_better = category not in themes or themes[category].weight < line.weight
            if line.weight in {ASIDE_WEIGHT, TITLE_WEIGHT} or line.is_heading or not is_better:
                continue
            if (match := words.search(line.text)) is None:
                continue
            start = line.start + match.start()
            fragment = posting.fragment(start, line.start + match.end())
            if fragment and reads_like_a_duty(line, fragment):
                themes[category] = Evidence(category.replace("_", " "), fragment, line.weight, start)
    return themes
