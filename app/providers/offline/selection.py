"""Which questions of the bank fit a job best, and in which order each technique gives them."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from app.providers.offline.bank import BankQuestion, Difficulty, Level
from app.providers.offline.job import Evidence, Job, Workshop
from app.providers.offline.order import Order
from app.providers.offline.vocabulary import PORTABLE
from app.providers.offline.wishes import Change, change_in

RELATED_FIELDS = frozenset({("software", "data"), ("data", "software"), ("product", "design"), ("design", "product")})
"""Fields whose skills mean the same to each other."""

MOST_COMMON_FIELD = "software"
"""What to think of when nothing tells the field."""

LARGEST_SHARE = 0.4
"""Of a set that one requirement may take."""


class Tier(IntEnum):
    """Why a question fits, the best reason first."""

    WISHED = 0
    NAMED = 1
    THEME = 2
    FIELD = 3
    GENERAL = 4
    OTHER_TOOL = 5
    FOREIGN = 6


@dataclass(frozen=True)
class Fit:
    """How a question fits a job; `evidence` holds every place of the posting that speaks for it."""

    tier: Tier
    evidence: tuple[Evidence, ...]
    strength: int = 0
    """How much of the question is about what the posting names."""


@dataclass(frozen=True)
class Draft:
    """A question on its way into the answer. What is None stays as the bank has it."""

    question: BankQuestion
    evidence: Evidence | None = None
    requirement: str | None = None
    is_wished: bool = False
    text: str | None = None
    difficulty: Difficulty | None = None
    time_minutes: int | None = None
    follow_ups: tuple[str, ...] | None = None


@dataclass
class _Tally:
    """What a growing set already holds."""

    fragments: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    difficulties: Counter[Difficulty] = field(default_factory=Counter)


Key = tuple[float | str, ...]


class Selector:
    """Chooses for one order. The same order gives the same choice."""

    def __init__(self, workshop: Workshop, order: Order, job: Job) -> None:
        self.job = job
        self._workshop = workshop
        self._order = order
        self._fits: dict[str, Fit] = {}
        self._used = tuple(_plain(text) for text in (*order.seen, *(str(q.get("text", "")) for q in order.current)))
        self._change = change_in(order.request)
        own = workshop.bank.of_type(order.interview_type)
        self.is_borrowed = not own
        self.questions = own or tuple(
            q for q in workshop.bank.general_of_others(order.interview_type) if q.case is None
        )

    def new_set(self) -> list[Draft]:
        """As many questions as asked for, or as there are; none seen before while others are left."""
        drafts: list[Draft] = []
        tally = _Tally()
        for pool in self._pools():
            missing = self._order.question_count - len(drafts)
            if missing <= 0:
                break
            drafts += self._pick(pool, missing, tally)
        return self._arranged(drafts)

    def unseen(self) -> list[BankQuestion]:
        """Every question of the type that the conversation has not had."""
        return [question for question in self.questions if not self._is_used(question)]

    def fit(self, question: BankQuestion) -> Fit:
        """How the question fits the job."""
        if question.id not in self._fits:
            self._fits[question.id] = self._fit(question)
        return self._fits[question.id]

    def rank(self, question: BankQuestion) -> str:
        """The place among equals, as good as random and always the same."""
        return hashlib.sha256(f"{self._order.seed}\n{question.id}".encode()).hexdigest()

    def _pools(self) -> Iterable[list[BankQuestion]]:
        """The level's unseen questions, its neighbours' where they fit, those of other fields; at last those seen."""
        source = self.unseen() or list(self.questions)
        fitting = [question for question in source if self.fit(question).tier < Tier.FOREIGN]
        foreign = [question for question in source if self.fit(question).tier is Tier.FOREIGN]
        for pool in (fitting, foreign):
            for distance in range(len(Level)):
                yield [question for question in pool if question.level.distance(self.job.level) == distance]

    def _pick(self, pool: Sequence[BankQuestion], count: int, tally: _Tally) -> list[Draft]:
        left, drafts = list(pool), []
        technique_key = _KEYS.get(self._order.technique, Selector._mixed)
        for place in range(min(count, len(left))):
            is_last = place == count - 1 and self._order.question_count >= 5 and bool(self._order.posting)
            key = Selector._unlisted if is_last and technique_key is Selector._mixed else technique_key
            best = min(left, key=lambda question: (*key(self, question, tally), self.rank(question)))
            left.remove(best)
            drafts.append(self._draft(best, tally))
        return drafts

    def _draft(self, question: BankQuestion, tally: _Tally) -> Draft:
        evidence = self._evidence(question, tally)
        if evidence is not None:
            tally.fragments[evidence.fragment] += 1
        tally.categories[question.category] += 1
        tally.difficulties[question.difficulty] += 1
        return Draft(
            question,
            evidence=evidence,
            requirement=evidence.requirement if evidence else None,
            is_wished=self.fit(question).tier is Tier.WISHED,
        )

    def _evidence(self, question: BankQuestion, tally: _Tally) -> Evidence | None:
        """Of the places that speak for the question, the one used least."""
        return min(
            self.fit(question).evidence, key=lambda e: (tally.fragments[e.fragment], -e.weight, e.start), default=None
        )

    # One key per technique: what comes first, what is spread.

    def _mixed(self, question: BankQuestion, tally: _Tally) -> Key:
        evidence = self._evidence(question, tally)
        return (
            self._tier(question, tally),
            self._preference(question),
            tally.fragments[evidence.fragment] if evidence else 0,
            tally.categories[question.category],
            -self.fit(question).strength,
            -evidence.weight if evidence else 0,
            tally.difficulties[question.difficulty],
        )

    def _unlisted(self, question: BankQuestion, tally: _Tally) -> Key:
        """One question that the posting does not name, but that is usual."""
        return (abs(self._tier(question, tally) - Tier.GENERAL), tally.categories[question.category])

    def _by_requirement(self, question: BankQuestion, tally: _Tally) -> Key:
        evidence, tier = self._evidence(question, tally), self._tier(question, tally)
        is_named = tier in {Tier.NAMED, Tier.THEME}
        return (
            Tier.NAMED if is_named else tier,
            self._preference(question),
            tally.fragments[evidence.fragment] if evidence else 0,
            -evidence.weight if evidence else 0,
            tally.categories[question.category],
            -self.fit(question).strength,
            evidence.start if evidence else 0,
        )

    def _shortest(self, question: BankQuestion, tally: _Tally) -> Key:
        tier = self._tier(question, tally)
        is_near = tier in {Tier.NAMED, Tier.THEME, Tier.FIELD}
        return (
            Tier.NAMED if is_near else tier,
            self._preference(question),
            tally.categories[question.category],
            question.time_minutes,
            len(question.text),
        )

    def _evenly_hard(self, question: BankQuestion, tally: _Tally) -> Key:
        tier = self._tier(question, tally)
        coarse = 0 if tier is Tier.WISHED else 1 if tier <= Tier.GENERAL else 2
        evidence = self._evidence(question, tally)
        return (
            coarse,
            self._preference(question),
            tally.difficulties[question.difficulty],
            tier,
            tally.fragments[evidence.fragment] if evidence else 0,
            tally.categories[question.category],
        )

    def _conversational(self, question: BankQuestion, tally: _Tally) -> Key:
        return (self._tier(question, tally), self._preference(question), tally.categories[question.category])

    def _tier(self, question: BankQuestion, tally: _Tally) -> Tier:
        """The question's tier; one whose requirement has its share of the set already falls behind the general ones."""
        tier = self.fit(question).tier
        evidence = self._evidence(question, tally)
        share = max(int(self._order.question_count * LARGEST_SHARE), 1)
        is_full = evidence is not None and tally.fragments[evidence.fragment] >= share
        return Tier.OTHER_TOOL if is_full and tier in {Tier.NAMED, Tier.THEME} else tier

    def _preference(self, question: BankQuestion) -> int:
        """What the request says about the questions as such."""
        match self._change:
            case Change.HARDER:
                return -question.difficulty.rank
            case Change.EASIER:
                return question.difficulty.rank
            case Change.SHORTER:
                return len(question.text)
            case _:
                return question.time_minutes if "minute" in self._order.request.lower() else 0

    def _arranged(self, drafts: list[Draft]) -> list[Draft]:
        """The order in which the technique gives its questions."""
        match self._order.technique:
            case "chain_of_thought":
                return sorted(
                    drafts, key=lambda draft: (draft.evidence is None, draft.evidence.start if draft.evidence else 0)
                )
            case "structured_output":
                return sorted(drafts, key=lambda draft: (draft.question.difficulty.rank, draft.question.time_minutes))
            case "zero_shot":
                return sorted(drafts, key=lambda draft: draft.question.time_minutes)
            case "role_based":
                return sorted(drafts, key=lambda draft: draft.question.difficulty is not Difficulty.EASY)
            case _:
                return drafts

    def _fit(self, question: BankQuestion) -> Fit:
        job = self.job
        is_of_field = not question.fields or job.field in question.fields
        is_near = is_of_field or any((job.field, other) in RELATED_FIELDS for other in question.fields)
        named = [skill for skill in question.skills if skill in job.skills and (is_near or skill in PORTABLE)]
        spoken = {mention.skill for mention in self._workshop.skills.find(question.text)}
        if not is_of_field and not spoken.intersection(named) and 2 * len(named) < len(question.skills):
            # One tool in common does not make a neighbouring field's question one for this job.
            named = []
        needs_other_tool = any(skill in spoken and skill not in job.skills for skill in question.skills)
        theme = job.themes.get(question.category) if is_of_field and not needs_other_tool else None
        evidence = tuple(job.skills[skill] for skill in named) or ((theme,) if theme else ())
        strength = len(named) + 2 * len(spoken.intersection(named))
        if any(topic.covers(question) for topic in job.topics):
            return Fit(Tier.WISHED, evidence, strength)
        if named:
            return Fit(Tier.NAMED, evidence, strength)
        if theme:
            return Fit(Tier.THEME, evidence)
        if question.is_general:
            return Fit(Tier.GENERAL, ())
        if is_of_field and question.fields and not needs_other_tool:
            return Fit(Tier.FIELD, ())
        is_common = job.field is None and MOST_COMMON_FIELD in question.fields
        return Fit(Tier.OTHER_TOOL if is_of_field or is_common else Tier.FOREIGN, ())

    def _is_used(self, question: BankQuestion) -> bool:
        text = _plain(question.text)
        return any(used.startswith(text) or (len(used) > 20 and text.startswith(used)) for used in self._used)


_KEYS: dict[str, Callable[[Selector, BankQuestion, _Tally], Key]] = {
    "chain_of_thought": Selector._by_requirement,
    "zero_shot": Selector._shortest,
    "role_based": Selector._conversational,
    "structured_output": Selector._evenly_hard,
}


def _plain(text: str) -> str:
    return " ".join(text.split())
