"""A conversation with the offline engine through the real conductor, keeping what the service keeps between turns."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from app.bank.questions import ExperienceLevel
from app.core.config import REPOSITORY_ROOT, Settings
from app.orchestration.events import Handoff, QuestionReady, TurnAnswer
from app.orchestration.questions import Question, QuestionSet
from app.orchestration.turn import Brief, PastMessage
from tests.chat.conducting import Conducted, Stage, stage
from tests.providers.offline.calls import POSTING


@dataclass
class Talk:
    """One candidate's conversation."""

    stage: Stage
    brief: Brief = field(default_factory=lambda: Brief(job_description=POSTING))
    agent: str | None = None
    history: tuple[PastMessage, ...] = ()
    sets: dict[str, QuestionSet] = field(default_factory=dict)
    revisions: dict[tuple[UUID, int], QuestionSet] = field(default_factory=dict)
    seen: tuple[str, ...] = ()
    last: Conducted | None = None

    async def say(self, message: str, **changes: Any) -> TurnAnswer:
        """One turn; `changes` are to its task."""
        task = {
            "message": message,
            "agent": self.agent,
            "brief": self.brief,
            "history": self.history,
            "question_sets": self.sets,
            "seen_questions": self.seen,
            "recall": self._recall,
        }
        self.last = await self.stage.turn(**task | changes)
        answer = self.last.answer
        self.agent = answer.agent
        self.history += (PastMessage(True, message), PastMessage(False, answer.reply))  # noqa: FBT003 - its one flag
        self.brief = replace(self.brief, experience_level=answer.experience_level, wishes=answer.wishes)
        if answer.question_set is not None:
            self.hold(answer.question_set)
        return answer

    def hold(self, made: QuestionSet) -> None:
        """Keep a revision as the latest one of its type."""
        kind = made.interview_type
        self.sets = {name: kept for name, kept in self.sets.items() if name != kind} | {kind: made}
        self.revisions[made.id, made.revision] = made
        self.seen = (*(q.text for q in made.questions if q.text not in self.seen), *self.seen)

    @property
    def own_set(self) -> QuestionSet:
        """The set of the agent that speaks."""
        return self.sets[self.agent or ""]

    @property
    def calls(self) -> Sequence[str | None]:
        """The functions of the last turn's model calls; None is an agent's own decision."""
        assert self.last is not None
        return [call.function for call in self.last.calls]

    @property
    def handoffs(self) -> Sequence[Handoff]:
        """Those of the last turn."""
        assert self.last is not None
        return self.last.answer.handoffs

    @property
    def ready(self) -> Sequence[Question]:
        """The questions of the last turn in the order in which they arrived."""
        assert self.last is not None
        return [event.question for event in self.last.events if isinstance(event, QuestionReady)]

    async def _recall(self, question_set_id: UUID, revision: int) -> QuestionSet | None:
        return self.revisions.get((question_set_id, revision))


@asynccontextmanager
async def talking(plugins_dir: Path = REPOSITORY_ROOT / "plugins", **fields: Any) -> AsyncIterator[Talk]:
    """A new conversation."""
    async with stage(Settings(_env_file=None, plugins_dir=plugins_dir), silence_seconds=10) as on_stage:
        yield Talk(on_stage, **fields)


def made_by_hand(
    items: Sequence[dict[str, Any]], interview_type: str = "technical", level: ExperienceLevel | None = None
) -> QuestionSet:
    """The first revision of a set of these questions."""
    return QuestionSet(
        id=uuid4(),
        revision=1,
        interview_type=interview_type,
        technique="few_shot",
        experience_level=level,
        questions=tuple(Question(id=uuid4(), position=place, **item) for place, item in enumerate(items, start=1)),
        recommendations=("Rehearse one answer aloud.",),
    )


def shape(before: QuestionSet, after: QuestionSet | None) -> tuple[int, ...] | None:
    """Where each question stood before the turn, 0 for a new one; None where the turn made no revision."""
    if after is None:
        return None
    places = {question.id: question.position for question in before.questions}
    return tuple(places.get(question.id, 0) for question in after.questions)
