"""What makes a question set good, as far as code can tell: one entry per item, each counts passed of total.

Pure: a check sees the set, what was asked for and the posting, and returns one verdict per thing it looked at. The
items follow the rules that the prompts in `plugins/` give a model. An item that does not apply looks at nothing.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.bank.questions import ExperienceLevel
from app.conversations.schemas import QuestionSetPublic
from app.orchestration.questions import Question, is_asked_in, verbatim
from tests.quality import wording

MOST_WORDS = 45
LARGEST_SHARE = 0.4
OWN_STEPS = 0.5
"""Of a set's recommendations, that stand in no other job's set."""

CASE_STUDY, REVERSE = "case_study", "reverse"
MINUTES: Mapping[str, Sequence[tuple[int, int]]] = {
    "behavioral": ((2, 4),),
    CASE_STUDY: ((8, 12), (20, 30)),
    REVERSE: ((1, 2),),
    "technical": ((3, 5), (15, 25), (35, 45)),
}
REVERSE_CATEGORIES = frozenset({"role", "team", "growth", "culture", "technology", "balance"})

LevelOf = Callable[[str], ExperienceLevel | None]
"""The level that a question was written for, by its text as asked; None where it is nobody's."""


@dataclass(frozen=True)
class Subject:
    """One question set beside what was asked for."""

    question_set: QuestionSetPublic
    reply: str
    posting: str
    interview_type: str
    level: ExperienceLevel
    question_count: int
    employers: frozenset[str] = frozenset()
    must_haves: tuple[str, ...] = ()
    """Fragments of the posting known to be requirements, where somebody has marked them."""
    prompt: str = ""
    """The rules that the technique gave the model."""
    level_of: LevelOf | None = None
    """None where the questions come from no bank: then nobody can look up their level."""

    @property
    def questions(self) -> Sequence[Question]:
        """In the order of the set."""
        return self.question_set.questions


class Verdict(NamedTuple):
    """Whether one thing is as it should be, and the text to show if it is not."""

    is_good: bool
    text: str


Check = Callable[[Subject], Iterator[Verdict]]


@dataclass(frozen=True)
class Result:
    """How a set did in one item."""

    name: str
    passed: int
    total: int
    failures: tuple[str, ...] = ()


def _count(subject: Subject) -> Iterator[Verdict]:
    found = len(subject.questions)
    yield Verdict(found == subject.question_count, f"{found} of {subject.question_count} questions")


def _complete(subject: Subject) -> Iterator[Verdict]:
    """No field empty; `requirement` and `case` may be null."""
    for question in subject.questions:
        empty = [name for name, value in question.model_dump().items() if value in ("", [])]
        yield Verdict(not empty, f"{', '.join(empty)} empty: {question.text}")


def _distinct(subject: Subject) -> Iterator[Verdict]:
    texts = [question.text for question in subject.questions]
    for place, text in enumerate(texts):
        yield Verdict(not is_asked_in(text, texts[:place]), text)


def _verbatim(subject: Subject) -> Iterator[Verdict]:
    for question in subject.questions:
        if question.requirement is not None:
            yield Verdict(verbatim(question.requirement, subject.posting) is not None, question.requirement)


def _tied(subject: Subject) -> Iterator[Verdict]:
    for question in subject.questions:
        yield Verdict(verbatim(question.requirement, subject.posting) is not None, question.text)


def _spread(subject: Subject) -> Iterator[Verdict]:
    """No requirement takes more than two of five questions, or more than one where two of five make none."""
    asked = Counter(question.requirement for question in subject.questions if question.requirement)
    most = max(math.floor(len(subject.questions) * LARGEST_SHARE), 1)
    taken = [f"{times} x {requirement}" for requirement, times in asked.items() if times > most]
    yield Verdict(not taken, "; ".join(taken))


def _must_haves(subject: Subject) -> Iterator[Verdict]:
    """As many of the marked requirements as there are questions should be asked for."""
    places = [_span(fragment, subject.posting) for fragment in subject.must_haves]
    cited = [_span(q.requirement, subject.posting) for q in subject.questions if q.requirement]
    asked = [place for place in places if any(_overlap(place, other) for other in cited)]
    for number in range(min(len(places), subject.question_count)):
        yield Verdict(number < len(asked), f"{len(asked)} of {len(places)} must-haves")


def _span(fragment: str, text: str) -> tuple[int, int]:
    start = text.casefold().find(fragment.casefold())
    return (start, start + len(fragment)) if start >= 0 else (-1, -1)


def _overlap(first: tuple[int, int], second: tuple[int, int]) -> bool:
    return first[0] >= 0 and max(first[0], second[0]) < min(first[1], second[1])


def _short(subject: Subject) -> Iterator[Verdict]:
    return (Verdict(len(q.text.split()) <= MOST_WORDS, q.text) for q in subject.questions)


def _one_ask(subject: Subject) -> Iterator[Verdict]:
    return (Verdict(wording.asks_once(q.text), q.text) for q in subject.questions)


def _open(subject: Subject) -> Iterator[Verdict]:
    return (Verdict(wording.is_open(q.text), q.text) for q in subject.questions)


def _minutes(subject: Subject) -> Iterator[Verdict]:
    """In one of the ranges of the type; a type of somebody's own has none."""
    ranges = MINUTES.get(subject.interview_type, ((1, 120),))
    for question in subject.questions:
        is_usual = any(low <= question.time_minutes <= high for low, high in ranges)
        yield Verdict(is_usual, f"{question.time_minutes} min: {question.text}")


def _criteria(subject: Subject) -> Iterator[Verdict]:
    for question in subject.questions:
        found = len(question.evaluation_criteria)
        yield Verdict(3 <= found <= 5, f"{found} criteria: {question.text}")


def _verbs(subject: Subject) -> Iterator[Verdict]:
    """Of the candidate's answer. What an employer replies may be told in any form: see `_reverse`."""
    questions = subject.questions if subject.interview_type != REVERSE else ()
    return (Verdict(wording.opens_with_verb(text), text) for q in questions for text in q.evaluation_criteria)


def _traits(subject: Subject) -> Iterator[Verdict]:
    return (Verdict(not wording.names_trait(text), text) for q in subject.questions for text in q.evaluation_criteria)


def _follow_ups(subject: Subject) -> Iterator[Verdict]:
    for question in subject.questions:
        again = [text for text in question.follow_ups if wording.restates(text, question.text)]
        found = len(question.follow_ups)
        yield Verdict(2 <= found <= 3 and not again, f"{found} follow-ups, {again} say it again: {question.text}")


def _hints(subject: Subject) -> Iterator[Verdict]:
    return (Verdict(len(q.hints) == 3, f"{len(q.hints)} hints: {q.text}") for q in subject.questions)


def _nudge(subject: Subject) -> Iterator[Verdict]:
    """The first hint holds no key term of the criteria."""
    for question in subject.questions:
        if not question.hints:
            continue
        case = [question.case.scenario, *question.case.data] if question.case else []
        known = " ".join([question.text, question.requirement or "", *case])
        terms = wording.shared_terms(question.hints[0], question.evaluation_criteria, known)
        yield Verdict(not terms, f"{', '.join(sorted(terms))}: {question.hints[0]}")


def _blanks(subject: Subject) -> Iterator[Verdict]:
    return (Verdict("__" in q.sample_framework, q.sample_framework) for q in subject.questions)


def _case(subject: Subject) -> Iterator[Verdict]:
    """A case study has a case with all its parts; nothing else has one."""
    for question in subject.questions:
        case = question.case
        if subject.interview_type == CASE_STUDY:
            is_good = case is not None and bool(case.scenario and case.data and case.expected_approach)
        else:
            is_good = case is None
        yield Verdict(is_good, question.text)


def _reverse(subject: Subject) -> Iterator[Verdict]:
    """A question to the employer has one of six categories, and says how a strong and a worrying reply sound."""
    for question in subject.questions if subject.interview_type == REVERSE else ():
        kinds = {criterion.partition(":")[0].strip().lower() for criterion in question.evaluation_criteria}
        is_good = question.category in REVERSE_CATEGORIES and kinds == {"strong", "worrying"}
        yield Verdict(is_good, f"{question.category}, {sorted(kinds)}: {question.text}")


def _claims(subject: Subject) -> Iterator[Verdict]:
    """Nothing invented is said of the employer."""
    employers = subject.employers | wording.employers_in(subject.posting)
    for question in subject.questions:
        said = next((text for text in _invented(question) if wording.claims_about(text, employers)), "")
        yield Verdict(not said, said)


def _invented(question: Question) -> Iterator[str]:
    yield question.text
    yield from question.follow_ups
    yield from question.hints
    if question.case is not None:
        yield from (question.case.scenario, *question.case.data)


def _protected(subject: Subject) -> Iterator[Verdict]:
    for question in subject.questions:
        texts = (question.text, *question.follow_ups, *question.evaluation_criteria)
        said = next((text for text in texts if wording.asks_protected(text)), "")
        yield Verdict(not said, said)


def _clean(subject: Subject) -> Iterator[Verdict]:
    """No reasoning and nothing of the prompt, in the set or in the reply."""
    texts = [subject.reply, *subject.question_set.recommendations]
    for question in subject.questions:
        texts += [*_invented(question), *question.evaluation_criteria, question.level_signal, question.sample_framework]
    found = [leak for text in texts if (leak := wording.leak_in(text, subject.prompt, subject.posting))]
    yield Verdict(not found, "; ".join(found))


def _steps(subject: Subject) -> Iterator[Verdict]:
    found = len(subject.question_set.recommendations)
    yield Verdict(3 <= found <= 5, f"{found} recommendations")


def _specific(subject: Subject) -> Iterator[Verdict]:
    for step in subject.question_set.recommendations:
        yield Verdict(wording.is_specific(step, subject.posting, subject.level), step)


def _stated_level(subject: Subject) -> Iterator[Verdict]:
    stated = subject.question_set.experience_level
    yield Verdict(stated == subject.level, f"{stated} instead of {subject.level}")


def _level(subject: Subject) -> Iterator[Verdict]:
    """Each question was written for the level asked for."""
    for question in subject.questions if subject.level_of else ():
        level = subject.level_of(question.text) if subject.level_of else None
        yield Verdict(level == subject.level, f"{level or 'unknown'} instead of {subject.level}: {question.text}")


CHECKS: Mapping[str, Check] = {
    "count": _count,
    "complete": _complete,
    "distinct": _distinct,
    "verbatim": _verbatim,
    "tied": _tied,
    "spread": _spread,
    "must-haves": _must_haves,
    "45 words": _short,
    "one ask": _one_ask,
    "open": _open,
    "minutes": _minutes,
    "criteria": _criteria,
    "verbs": _verbs,
    "no traits": _traits,
    "follow-ups": _follow_ups,
    "hints": _hints,
    "nudge": _nudge,
    "blanks": _blanks,
    "case": _case,
    "reverse": _reverse,
    "no claims": _claims,
    "no protected": _protected,
    "clean": _clean,
    "steps": _steps,
    "specific": _specific,
    "set level": _stated_level,
    "level": _level,
}
"""In the order of the report's columns."""

OWN = "own steps"
"""The item that needs several jobs: `own_steps`."""

MEASURED_NOT_JUDGED = frozenset({"tied", "must-haves"})
"""Shares that a good set need not have at 100 %: from five questions on, one may be usual rather than named."""


def review(subject: Subject) -> list[Result]:
    """How the set does in every item."""
    return [result_of(name, check(subject)) for name, check in CHECKS.items()]


def result_of(name: str, verdicts: Iterator[Verdict]) -> Result:
    """The verdicts of one item, counted."""
    seen = list(verdicts)
    failures = tuple(verdict.text for verdict in seen if not verdict.is_good)
    return Result(name, passed=len(seen) - len(failures), total=len(seen), failures=failures)


def own_steps(recommendations: Sequence[Sequence[str]]) -> list[Result]:
    """For each of several jobs, of the same type, level and technique: whether its advice is its own.

    At least half of the steps stand in no other job's set.
    """
    jobs_with = Counter(step for steps in recommendations for step in set(steps))
    results = []
    for steps in recommendations:
        shared = [step for step in steps if jobs_with[step] > 1]
        is_good = len(recommendations) < 2 or len(shared) <= len(steps) * OWN_STEPS
        results.append(result_of(OWN, iter([Verdict(is_good, " | ".join(shared))])))
    return results
