"""Replacements for single questions of a set: harder, easier, shorter, on another topic, or simply another one."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.bank.questions import BankCase, BankQuestion, Difficulty, ExperienceLevel
from app.providers.offline.fitting import Tier
from app.providers.offline.job import Topic
from app.providers.offline.likeness import original_of, shortened, untwisted
from app.providers.offline.order import Kind, Order
from app.providers.offline.phrasing import listed
from app.providers.offline.selection import Draft, Selector
from app.providers.offline.wishes import Change, change_in

MAX_FOLLOW_UPS = 4
PRESSURE = "What does this constraint cost you, and what would you give up first?"

_NAMED_TOPIC = re.compile(
    (
        r"\b(?:for|about|on|with|into|by)\s+(?:(?:an?|the|some(?:thing)?|questions?"
        r"|ones?)\s+)*(?:(?:on|about|for|with)\s+)?([\w+#./&-]+(?: [\w+#./&-]+)?)"
    ),
    re.IGNORECASE,
)
_NO_TOPIC = re.compile(
    (
        r"^(?:me|it|this|that|one|another|different|new|else|something|other|others|easier|harder"
        r"|better|question|questions|please|now|my|i|\d+)\b"
    ),
    re.IGNORECASE,
)

_HARDER = "harder now: another question, rated {}"
_EASIER = "easier now: another question, rated {}"
_NOTHING_LEFT = "new, rated {rating}: the bank has nothing {wish} left for it"

Condition = Callable[[BankQuestion], bool]


@dataclass(frozen=True)
class Replacement:
    """What takes the place of a question, and what the candidate is told of it: "Question 3 is" plus `change`."""

    position: int
    draft: Draft
    change: str


class Reviser:
    """Makes the replacements of one order."""

    def __init__(self, selector: Selector, order: Order) -> None:
        self._selector = selector
        self._order = order
        self._change = change_in(order.request)
        self._taken: set[str] = set()

    def replacements(self) -> list[Replacement]:
        """One for each position, in order. Where the bank is used up, fewer."""
        if self._order.kind is Kind.REWORD:
            return [self._reworded(position) for position in self._order.positions]
        made = [self._replacement(index, position) for index, position in enumerate(self._order.positions)]
        return [replacement for replacement in made if replacement is not None]

    def _reworded(self, position: int) -> Replacement:
        """The same question in fewer words; where there is no such form of it, as it stands."""
        current = self._order.current_at(position)
        source = self._source(current) or _as_it_stands(current, self._selector.job.level)
        text = shortened(str(current.get("text", "")), source) if self._change is Change.SHORTER else None
        draft = Draft(source, requirement=self._kept_requirement(current), text=text or str(current.get("text", "")))
        return Replacement(position, draft, "shorter now" if text else "worded as before")

    def _replacement(self, index: int, position: int) -> Replacement | None:
        current = self._order.current_at(position)
        make = {
            Change.HARDER: self._harder,
            Change.EASIER: self._easier,
        }.get(self._change or Change.REPLACE)
        topic, source = self._topic(index), self._source(current)
        is_on_topic = topic is None or (source is not None and self._selector.is_about(source, topic))
        return make(position, current) if make and is_on_topic else self._other(position, current, topic)

    def _harder(self, position: int, current: dict[str, Any]) -> Replacement | None:
        source = self._source(current)
        text = str(current.get("text", ""))
        is_taken = source is None or self._order.examples.hold(f"{text} {source.twist}")
        if source is not None and not is_taken and not text.endswith(source.twist):
            minutes = int(current.get("time_minutes") or source.time_minutes)
            draft = Draft(
                source,
                requirement=self._kept_requirement(current),
                text=f"{text} {source.twist}",
                difficulty=_difficulty(current, source).harder,
                time_minutes=minutes + max(1, round(minutes / 5)),
                follow_ups=(*source.follow_ups[: MAX_FOLLOW_UPS - 1], PRESSURE),
            )
            return self._kept(position, draft, "harder now: one more constraint")
        wanted = _difficulty(current, source).harder.rank
        found = self._like(current, lambda question: question.difficulty.rank >= wanted)
        is_met = found is not None and found.difficulty.rank >= wanted
        return self._swapped(position, found, _HARDER if is_met else _NOTHING_LEFT.format(wish="harder", rating="{}"))

    def _easier(self, position: int, current: dict[str, Any]) -> Replacement | None:
        source = self._source(current)
        text = str(current.get("text", ""))
        if source is not None and text.endswith(source.twist):
            draft = Draft(source, requirement=self._kept_requirement(current), text=untwisted(text, source))
            return self._kept(position, draft, "easier now: the extra constraint is gone")
        wanted = max(_difficulty(current, source).rank - 1, 0)
        found = self._like(current, lambda question: question.difficulty.rank <= wanted)
        is_met = found is not None and found.difficulty.rank <= wanted
        return self._swapped(position, found, _EASIER if is_met else _NOTHING_LEFT.format(wish="easier", rating="{}"))

    def _other(self, position: int, current: dict[str, Any], topic: Topic | None) -> Replacement | None:
        if topic is not None:
            found = self._first(self._about(topic), current)
            if found is not None:
                return self._swapped(position, found, self._said_of(found, topic))
            change = f"new, but the bank has no unseen question about {topic.wording}"
        else:
            unknown = self._unknown_topic()
            change = f"new, but the bank holds nothing about {unknown}" if unknown else "new"
            if left_out := self._selector.job.left_out:
                change = f"new, without {listed([topic.wording for topic in left_out])}"
        return self._swapped(position, self._like(current, lambda _question: True), change)

    def _about(self, topic: Topic) -> list[Condition]:
        """Questions really about the topic: of the job's field those that say so first, then of a close one, of any."""
        field, selector = self._selector.job.field, self._selector
        return [
            lambda q: selector.is_subject(q, topic) and (field is None or field in q.fields),
            lambda q: selector.is_about(q, topic) and (field is None or field in q.fields),
            lambda q: selector.is_about(q, topic) and selector.is_near(q),
            lambda q: selector.is_about(q, topic),
        ]

    def _said_of(self, found: BankQuestion, topic: Topic) -> str:
        level = self._selector.job.level
        if found.level is level:
            return f"about {topic.wording} now"
        return f"about {topic.wording} now, a {found.level} one: the bank has nothing more on it at {level} level"

    def _like(self, current: dict[str, Any], condition: Condition) -> BankQuestion | None:
        """An unseen question that meets the condition: of the same category, else with the same skills, else fitting.

        Where none meets it, one that fits the job; at last any.
        """
        source = self._source(current)
        skills = set(source.skills) if source else set()

        def fits(question: BankQuestion) -> bool:
            return self._selector.fit(question).tier <= Tier.GENERAL

        close: list[Condition] = [
            lambda q: condition(q) and q.category == current.get("category"),
            lambda q: condition(q) and not skills.isdisjoint(q.skills),
            lambda q: condition(q) and fits(q),
        ]
        return self._first(close, current) or self._first([fits], current) or self._first([lambda _q: True], current)

    def _first(self, stages: Sequence[Condition], current: dict[str, Any]) -> BankQuestion | None:
        """The best unseen question of the first stage that has one, at the job's level before all others."""
        left = [question for question in self._selector.unseen() if question.id not in self._taken]
        own = [question for question in left if question.level is self._selector.job.level]
        for pool in (own, left):
            for stage in stages:
                if found := [question for question in pool if stage(question)]:
                    return min(found, key=lambda question: self._order_key(question, current))
        return None

    def _order_key(self, question: BankQuestion, current: dict[str, Any]) -> tuple[int, int, int, str]:
        change = abs(question.difficulty.rank - _difficulty(current, None).rank)
        level_distance = question.level.distance(self._selector.job.level)
        return (level_distance, change, self._selector.fit(question).tier, self._selector.rank(question))

    def _kept(self, position: int, draft: Draft, change: str) -> Replacement:
        """The same question in another form."""
        self._taken.add(draft.question.id)
        return Replacement(position, draft, change)

    def _swapped(self, position: int, question: BankQuestion | None, change: str) -> Replacement | None:
        """Another question; `change` may hold one `{}` for its difficulty."""
        if question is None:
            return None
        self._taken.add(question.id)
        evidence = min(self._selector.fit(question).evidence, key=lambda e: (-e.weight, e.start), default=None)
        draft = Draft(question, evidence=evidence, requirement=evidence.requirement if evidence else None)
        return Replacement(position, draft, change.replace("{}", question.difficulty))

    def _source(self, current: dict[str, Any]) -> BankQuestion | None:
        """The bank's question behind the current one, also when it was twisted or shortened."""
        return original_of(str(current.get("text", "")), self._selector.questions)

    def _kept_requirement(self, current: dict[str, Any]) -> str | None:
        requirement = current.get("requirement")
        return requirement if isinstance(requirement, str) and requirement in self._order.posting else None

    def _topic(self, index: int) -> Topic | None:
        """The topic for a position: "2 for SQL and 5 for Kafka" are two, "1 and 4 for SQL" is one for both."""
        topics = self._selector.job.topics
        if not topics:
            return None
        return topics[index] if len(topics) == len(self._order.positions) else topics[index % len(topics)]

    def _unknown_topic(self) -> str | None:
        if self._change is not Change.REPLACE:
            return None
        match = _NAMED_TOPIC.search(self._order.request)
        return match.group(1).strip(" .") if match and not _NO_TOPIC.match(match.group(1)) else None


def _difficulty(current: dict[str, Any], source: BankQuestion | None) -> Difficulty:
    value = current.get("difficulty")
    if value in set(Difficulty):
        return Difficulty(value)
    return source.difficulty if source else Difficulty.MEDIUM


def _as_it_stands(current: dict[str, Any], level: ExperienceLevel) -> BankQuestion:
    """A question that is not the bank's, in the form of those that are."""
    case = current.get("case")
    return BankQuestion.model_construct(
        id="",
        level=level,
        text=str(current.get("text", "")),
        twist="",
        difficulty=_difficulty(current, None),
        category=str(current.get("category") or "general"),
        skills=(),
        fields=(),
        time_minutes=int(current.get("time_minutes") or 5),
        level_signal=str(current.get("level_signal") or ""),
        evaluation_criteria=tuple(current.get("evaluation_criteria") or ()),
        follow_ups=tuple(current.get("follow_ups") or ()),
        hints=tuple(current.get("hints") or ()),
        sample_framework=str(current.get("sample_framework") or ""),
        case=BankCase.model_validate(case) if case else None,
    )
