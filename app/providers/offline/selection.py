"""Which questions of the bank are taken for an order; what each technique looks for stands in `principles`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.bank.questions import BankQuestion, Difficulty, ExperienceLevel
from app.providers.offline.fitting import TIED, Fit, Fitter, Tier
from app.providers.offline.job import FIRST_SKILLS, Evidence, Job, Topic, Workshop
from app.providers.offline.likeness import is_alike, prepared
from app.providers.offline.order import Kind, Order
from app.providers.offline.persona import plain_voice
from app.providers.offline.principles import PRINCIPLES, USUAL, Candidate, Key, Tally, leanings, turn
from app.providers.offline.wishes import Change, change_in, like_in, minutes_in

TECHNICAL = "technical"
LARGEST_SHARE = 0.4
"""Of a set that one requirement may take."""


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


@dataclass(frozen=True)
class Model:
    """A question of the set that further ones are to resemble."""

    position: int
    category: str
    skills: frozenset[str]
    """Its first ones: what it is about."""

    def is_like(self, question: BankQuestion) -> bool:
        """Whether a question is of the same category, or about one of the same skills."""
        return question.category == self.category or not self.skills.isdisjoint(question.skills[:FIRST_SKILLS])


class Selector:
    """Chooses for one order. The same order gives the same choice."""

    def __init__(self, workshop: Workshop, order: Order, job: Job) -> None:
        self.job = job
        self._workshop = workshop
        self._order = order
        self._fitter = Fitter(workshop, job)
        self._principle = PRINCIPLES.get(order.technique, USUAL)
        said = [plain_voice(_plain(str(text))) for text in (*order.seen, *(q.get("text", "") for q in order.current))]
        self._used, self._compared = tuple(said), prepared(said)
        self._change = change_in(order.request)
        own = workshop.bank.of_type(order.interview_type)
        self.is_borrowed = not own
        self.questions = own or tuple(
            q for q in workshop.bank.general_of_others(order.interview_type) if q.case is None
        )
        self._unseen = [question for question in self.questions if self._is_free(question)]
        self.minutes = _minutes_left(order)
        self._least = min((q.time_minutes for q in self._unseen if q.level is job.level), default=1)
        self.model = self._model_question()

    def new_set(self) -> list[Draft]:
        """As many questions as asked for, or as there are; none seen before while others are left."""
        drafts: list[Draft] = []
        tally = self._tally()
        for pool in self._pools():
            missing = self._order.question_count - len(drafts)
            if missing <= 0:
                break
            drafts += self._pick(pool, missing, tally)
        place = self._principle.place
        return drafts if place is None else sorted(drafts, key=lambda draft: place(draft.question, draft.evidence))

    def unseen(self) -> list[BankQuestion]:
        """Every question of the type that the conversation has not had and nobody refused."""
        return list(self._unseen)

    def fit(self, question: BankQuestion) -> Fit:
        """How the question fits the job."""
        return self._fitter.fit(question)

    def is_about(self, question: BankQuestion, topic: Topic) -> bool:
        """Whether the question is really about the topic."""
        return self._fitter.is_about(question, topic)

    def is_subject(self, question: BankQuestion, topic: Topic) -> bool:
        """Whether the category or the text of the question says that it is about the topic."""
        return self._fitter.is_subject(question, topic)

    def is_near(self, question: BankQuestion) -> bool:
        """Whether the question is of the job's field, of one close to it, or of none."""
        return self._fitter.is_near(question)

    def is_like_model(self, question: BankQuestion) -> bool:
        """Whether the question resembles the one that further ones are to resemble, by category or first skills."""
        return self.model is not None and self.model.is_like(question)

    def rank(self, question: BankQuestion) -> str:
        """The place among equals, as good as random and always the same."""
        return turn(self._order.seed, question)

    def _tally(self) -> Tally:
        """What the set holds before the first question is chosen: with further questions, what stands already."""
        tally = Tally()
        for question in self._order.current if self._order.kind is Kind.ADD else ():
            tally.fragments[str(question.get("requirement"))] += 1
            tally.categories[str(question.get("category"))] += 1
        return tally

    def _pools(self) -> Iterable[list[BankQuestion]]:
        """The level's unseen questions that fit, then its other ones; a neighbouring level only after all of these."""
        source = self._unseen or [q for q in self.questions if not self._is_refused(q)]
        for distance in range(len(ExperienceLevel)):
            level = [question for question in source if question.level.distance(self.job.level) == distance]
            if self.model is not None:
                alike = [q for q in level if self.is_like_model(q) and self.is_near(q)]
                same = [q for q in alike if q.category == self.model.category]
                yield from (same, [q for q in alike if q not in same])
                level = [q for q in level if q not in alike]
            yield [question for question in level if self.fit(question).tier < Tier.FOREIGN]
            yield [question for question in level if self.fit(question).tier >= Tier.FOREIGN]

    def _pick(self, pool: Sequence[BankQuestion], count: int, tally: Tally) -> list[Draft]:
        left, drafts = list(pool), []
        tied = [question for question in pool if self.fit(question).tier in TIED]
        lean: dict[str, float] = {}
        for group in (tied, [question for question in pool if question not in tied]):
            lean |= leanings(self._principle, [self._candidate(question, tally) for question in group])
        for places in range(min(count, len(left)), 0, -1):
            within = self._affordable(left, places, tally)
            best = min(
                within, key=lambda question: (*self._key(question, tally), lean[question.id], self.rank(question))
            )
            left.remove(best)
            drafts.append(self._draft(best, tally))
        return drafts

    def _candidate(self, question: BankQuestion, tally: Tally) -> Candidate:
        return Candidate(question, self.fit(question), self._evidence(question, tally))

    def _key(self, question: BankQuestion, tally: Tally) -> Key:
        """What every technique heeds, then its own principle."""
        candidate = self._candidate(question, tally)
        return (
            self._standing(candidate, tally),
            self._preference(question),
            *self._principle.spread(candidate, tally),
        )

    def _standing(self, candidate: Candidate, tally: Tally) -> Tier:
        """The tier, tied ones alike. One whose places have their share of the set falls behind the general ones."""
        tier, evidence = candidate.fit.tier, candidate.evidence
        if tier not in TIED:
            return Tier.FIELD if tier is Tier.GENERAL else tier
        if evidence is not None and tally.fragments[evidence.fragment] >= self._share:
            return Tier.OTHER_TOOL
        return Tier.ASPECT if tier is Tier.ASPECT and self._principle.keeps_to_field else Tier.NAMED

    def _affordable(self, left: list[BankQuestion], places: int, tally: Tally) -> list[BankQuestion]:
        """Those that leave enough of the time for the places still to fill; the shortest where none does."""
        if self.minutes is None:
            return left
        room = self.minutes - tally.minutes - self._least * (places - 1)
        shortest = min(question.time_minutes for question in left)
        return [question for question in left if question.time_minutes <= max(room, shortest)]

    def _draft(self, question: BankQuestion, tally: Tally) -> Draft:
        evidence = self._evidence(question, tally)
        if evidence is not None and tally.fragments[evidence.fragment] >= self._share:
            evidence = None
        tally.take(question, evidence)
        return Draft(
            question,
            evidence=evidence,
            requirement=evidence.requirement if evidence else None,
            is_wished=self.fit(question).tier is Tier.WISHED,
        )

    def _evidence(self, question: BankQuestion, tally: Tally) -> Evidence | None:
        """Of the places that speak for the question the one used least; of these what is asked for, then what is told.

        Outside of a technical set, where many questions fit any line, what the posting marks as a must comes first.
        """
        return min(
            self.fit(question).evidence,
            key=lambda e: (
                tally.fragments[e.fragment] >= self._share,
                not e.is_must and self._order.interview_type != TECHNICAL,
                tally.fragments[e.fragment],
                -e.weight,
                e.start,
            ),
            default=None,
        )

    @property
    def _share(self) -> int:
        """How many questions may quote the same place."""
        return max(int(self._order.question_count * LARGEST_SHARE), 1)

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
                return 0

    def _model_question(self) -> Model | None:
        """The question that further ones are to resemble."""
        position = like_in(self._order.request, len(self._order.current)) if self._order.kind is Kind.ADD else None
        if position is None:
            return None
        current = self._order.current_at(position)
        source = self._workshop.source(self._order.interview_type, str(current.get("text", "")))
        skills = source.skills[:FIRST_SKILLS] if source else ()
        return Model(position, str(current.get("category")), frozenset(skills))

    def _is_free(self, question: BankQuestion) -> bool:
        return not (self._is_refused(question) or self._is_used(question) or self._order.examples.hold(question.text))

    def _is_refused(self, question: BankQuestion) -> bool:
        spoken = f" {question.text.lower()} "
        return any(topic.covers(question) or f" {topic.wording.lower()} " in spoken for topic in self.job.left_out)

    def _is_used(self, question: BankQuestion) -> bool:
        text = _plain(question.text)
        if any(used.startswith(text) or (len(used) > 20 and text.startswith(used)) for used in self._used):
            return True
        return is_alike(text, self._compared)


def _plain(text: str) -> str:
    return " ".join(text.split())


def _minutes_left(order: Order) -> int | None:
    """The time that the new questions of an order may take; None where nobody limits it."""
    limits = [limit for text in (order.request, *reversed(order.wishes)) if (limit := minutes_in(text)) is not None]
    if not limits:
        return None
    standing = order.current if order.kind is not Kind.NEW else ()
    kept = (question for question in standing if question.get("position") not in order.positions)
    return limits[0] - sum(int(question.get("time_minutes") or 0) for question in kept)
