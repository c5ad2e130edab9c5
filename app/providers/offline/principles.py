"""What each technique looks for among questions that fit, and in which order it gives them.

| technique         | its questions                                                            | given                |
| ----------------- | ------------------------------------------------------------------------ | -------------------- |
| few_shot          | the most typical of the job: most skills in common, no category twice    | most typical first   |
| chain_of_thought  | one for each requirement: what is marked as one, then the most exact     | as in the posting    |
| zero_shot         | quick to ask and to answer: few minutes, few words                       | shortest first       |
| role_based        | situations with people in them, as an interviewer plays them; the manner | an easy one first    |
|                   | asked for colours voice and follow-ups, never the choice                 |                      |
| structured_output | spread over difficulties, then categories; with figures to work with     | from easy to hard    |

All of them take what is tied to the posting before what is not. A question goes to the technique for which it is the
better example: see `leanings`. So two techniques share few questions as long as the bank has enough that fit.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.bank.questions import BankQuestion, Difficulty
from app.providers.offline.fitting import Fit
from app.providers.offline.job import Evidence

Key = tuple[float | str, ...]

_PEOPLE = re.compile(
    r"\b(?:asks?|tells?|says?|wants?|insists?|refuses?|complains?|claims?|demands?|disagrees?|promised|argues?"
    r"|colleagues?|managers?|customers?|clients?|patients?|pupils?|parents?|team|boss|director|relatives?|person"
    r"|candidates?|employees?|he|she|they|somebody|someone|nobody|users?|buyers?|engineers?|sales|board)\b",
    re.IGNORECASE,
)
_FIGURES = re.compile(r"\d+|\b(?:half|third|quarter|fifth|twice|two|three|four|five|six|seven|eight|nine|ten)\b")


@dataclass
class Tally:
    """What a growing set already holds."""

    fragments: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    difficulties: Counter[Difficulty] = field(default_factory=Counter)
    tied: int = 0
    minutes: int = 0

    def take(self, question: BankQuestion, evidence: Evidence | None) -> None:
        """Count a chosen question with the place it quotes."""
        if evidence is not None:
            self.fragments[evidence.fragment] += 1
            self.tied += 1
        self.minutes += question.time_minutes
        self.categories[question.category] += 1
        self.difficulties[question.difficulty] += 1


@dataclass(frozen=True)
class Candidate:
    """A question that fits, with what a principle may look at."""

    question: BankQuestion
    fit: Fit
    evidence: Evidence | None
    """The place it would quote now."""


def _typical(candidate: Candidate, tally: Tally) -> Key:
    return (tally.categories[candidate.question.category],)


def _by_requirement(candidate: Candidate, tally: Tally) -> Key:
    return (_quoted(candidate, tally), tally.categories[candidate.question.category])


def _quickest(candidate: Candidate, tally: Tally) -> Key:
    return (max(tally.categories[candidate.question.category] - 1, 0),)


def _evenly(candidate: Candidate, tally: Tally) -> Key:
    question = candidate.question
    return (tally.difficulties[question.difficulty], tally.categories[question.category])


def _quoted(candidate: Candidate, tally: Tally) -> int:
    return tally.fragments[candidate.evidence.fragment] if candidate.evidence else 0


@dataclass(frozen=True)
class Principle:
    """A technique's way of choosing; the smallest comes first in all three."""

    said: str
    """What the candidate reads of it."""
    merit: Callable[[Candidate], Key]
    """How good an example of the principle a question is, whatever the set holds."""
    spread: Callable[[Candidate, Tally], Key]
    """How well it goes with what the set holds."""
    place: Callable[[BankQuestion, Evidence | None], Key] | None = None
    """Where it stands in the set; None leaves the order in which they were chosen."""
    keeps_to_field: bool = False
    """Whether a tied question of the field comes before a tied one that fits any job."""


PRINCIPLES: Mapping[str, Principle] = {
    "few_shot": Principle(
        said="the most typical ones for this job come first",
        merit=lambda one: (-one.fit.strength,),
        spread=_typical,
        keeps_to_field=True,
    ),
    "chain_of_thought": Principle(
        said="one for each requirement as far as the bank has them, in the posting's order",
        merit=lambda one: (-one.evidence.weight if one.evidence else 0, len(one.fit.evidence)),
        spread=_by_requirement,
        place=lambda _, evidence: (evidence is None, evidence.start if evidence else 0),
        keeps_to_field=True,
    ),
    "zero_shot": Principle(
        said="quick ones, the shortest first",
        merit=lambda one: (one.question.time_minutes, len(one.question.text.split())),
        spread=_quickest,
        place=lambda question, _: (question.time_minutes,),
    ),
    "role_based": Principle(
        said="situations with people in them, as an interviewer plays them",
        merit=lambda one: (-len(_PEOPLE.findall(one.question.text)),),
        spread=_typical,
        place=lambda question, _: (question.difficulty is not Difficulty.EASY,),
    ),
    "structured_output": Principle(
        said="spread over difficulties and topics, from easy to hard",
        merit=lambda one: (-len(_FIGURES.findall(one.question.text)),),
        spread=_evenly,
        place=lambda question, _: (question.difficulty.rank, question.time_minutes),
    ),
}
"""By technique; one of somebody's own chooses as few-shot does."""

USUAL = PRINCIPLES["few_shot"]


def leanings(principle: Principle, candidates: Sequence[Candidate]) -> dict[str, float]:
    """By question: its rank under this principle less its best rank under another one; the smallest comes first.

    Ranks run from 0 to 1. What is a better example of another technique's principle is left to that one.
    """
    ranks = {name: _ranks(name, other, candidates) for name, other in PRINCIPLES.items()}
    own = next(name for name, other in PRINCIPLES.items() if other is principle)
    return {
        one.question.id: ranks[own][one.question.id]
        - min(found[one.question.id] for name, found in ranks.items() if name != own)
        for one in candidates
    }


def _ranks(name: str, principle: Principle, candidates: Sequence[Candidate]) -> dict[str, float]:
    ordered = sorted(candidates, key=lambda one: (*principle.merit(one), turn(name, one.question)))
    return {one.question.id: place / len(ordered) for place, one in enumerate(ordered)}


def turn(technique: str, question: BankQuestion) -> str:
    """The place among equals: as good as random, another one for each technique, and always the same."""
    return hashlib.sha256(f"{technique}\n{question.id}".encode()).hexdigest()
