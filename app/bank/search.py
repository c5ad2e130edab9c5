"""Browsing the bank: by interview type, level, skill and words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.bank.questions import BankQuestion, ExperienceLevel, QuestionBank
from app.bank.skills import SkillFinder


@dataclass(frozen=True)
class Found:
    """A question of the bank and the interview type it belongs to."""

    interview_type: str
    question: BankQuestion


class BankSearch:
    """Searches one bank. Built once: the skill names and the searched texts are prepared."""

    def __init__(self, bank: QuestionBank) -> None:
        self._bank = bank
        self._skills = SkillFinder(bank.skill_names())
        self._texts = {id(found.question): _searched(found.question) for found in self._all()}

    @property
    def interview_types(self) -> tuple[str, ...]:
        """The types that have questions."""
        return tuple(self._bank.by_type)

    def find(
        self,
        *,
        interview_type: str | None = None,
        level: ExperienceLevel | None = None,
        skill: str | None = None,
        words: str | None = None,
    ) -> Sequence[Found]:
        """Questions that meet every condition given, in the order of the bank.

        A skill may be written in any spelling the bank knows ("k8s"); with every one of the words, a word of the
        question, its category, skills, fields, criteria or case must begin.
        """
        skills = self._named(skill) if skill else frozenset()
        wanted = [re.compile(rf"(?<!\w){re.escape(word)}") for word in (words or "").casefold().split()]
        return [
            found
            for found in self._all()
            if interview_type in {None, found.interview_type}
            and level in {None, found.question.level}
            and (not skill or skills.intersection(found.question.skills))
            and all(word.search(self._texts[id(found.question)]) for word in wanted)
        ]

    def _named(self, skill: str) -> frozenset[str]:
        found = {mention.skill for mention in self._skills.find(skill, is_request=True)}
        return frozenset(found or {skill.casefold().strip()})

    def _all(self) -> Iterator[Found]:
        for interview_type, questions in self._bank.by_type.items():
            for question in questions:
                yield Found(interview_type, question)


def _searched(question: BankQuestion) -> str:
    case = [question.case.scenario, *question.case.data] if question.case else []
    parts = [question.text, question.category.replace("_", " "), question.category, *question.skills, *question.fields]
    return " ".join([*parts, *question.evaluation_criteria, *case]).casefold()
