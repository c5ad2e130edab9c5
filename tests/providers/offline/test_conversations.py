"""Whole turns through the real conductor, with the catalog that ships."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from shutil import copytree
from typing import Any
from uuid import uuid4

import pytest

from app.core.config import REPOSITORY_ROOT, Settings
from app.orchestration.catalog import load_catalog
from app.orchestration.conductor import Conductor
from app.orchestration.events import QuestionReady, TextDelta, TurnAnswer, TurnEvent, UsageUpdated
from app.orchestration.questions import QuestionSet
from app.orchestration.turn import Brief, PastMessage, TurnLimits, TurnTask
from app.providers.base import Sampling
from app.providers.offline.composition import DISCLOSURE
from app.providers.offline.provider import offline_provider
from plugins.cost.plugin import Spending
from tests.providers.offline.calls import POSTING


@dataclass
class Talk:
    """A conversation that keeps what the service would keep between turns."""

    plugins_dir: Path = REPOSITORY_ROOT / "plugins"
    brief: Brief = field(default_factory=lambda: Brief(job_description=POSTING))
    agent: str | None = None
    history: tuple[PastMessage, ...] = ()
    sets: dict[str, QuestionSet] = field(default_factory=dict)
    seen: tuple[str, ...] = ()
    events: list[TurnEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = Settings(_env_file=None, plugins_dir=self.plugins_dir)
        self.provider = offline_provider(settings)
        self.conductor = Conductor(load_catalog(self.plugins_dir), self.provider, TurnLimits(silence_seconds=10))

    async def say(self, message: str, *, technique: str | None = None) -> TurnAnswer:
        self.events = []
        task = TurnTask(
            turn_id=uuid4(),
            message=message,
            agent=self.agent,
            technique=technique,
            brief=self.brief,
            is_level_fixed=False,
            is_count_fixed=False,
            history=self.history,
            question_sets=self.sets,
            seen_questions=self.seen,
            model=self.provider.default_model,
            sampling=Sampling(),
            spending=Spending(Decimal(0), 0, 0, 0, 0),
        )
        answer = await self.conductor.run(task, self.events.append)
        self.agent = answer.agent
        self.history += (PastMessage(True, message), PastMessage(False, answer.reply))  # noqa: FBT003 - its one flag
        self.brief = replace(self.brief, experience_level=answer.experience_level)
        if answer.question_set is not None:
            kind = answer.question_set.interview_type
            self.sets = {key: value for key, value in self.sets.items() if key != kind} | {kind: answer.question_set}
            self.seen += tuple(question.text for question in answer.question_set.questions)
        return answer

    @property
    def calls(self) -> Sequence[str | None]:
        """The functions of the last turn's model calls; None is an agent's own decision."""
        return [event.call.function for event in self.events if isinstance(event, UsageUpdated)]


def new_set(answer: TurnAnswer) -> QuestionSet:
    assert answer.question_set is not None
    return answer.question_set


async def test_three_turns_with_as_many_model_calls_as_designed() -> None:
    talk = Talk()

    first = await talk.say("I have a senior backend interview on Tuesday")
    assert talk.calls == [None, None, "few_shot"]
    assert (first.agent, len(new_set(first).questions), new_set(first).revision) == ("technical", 5, 1)
    assert first.reply.startswith(DISCLOSURE)
    assert first.experience_level == "senior"
    assert any(question.requirement for question in new_set(first).questions)

    second = await talk.say("make question 3 harder")
    assert talk.calls == [None, "few_shot"]
    before, after = new_set(first).questions, new_set(second).questions
    assert new_set(second).revision == 2
    assert [old.position for old, new in zip(before, after, strict=True) if old != new] == [3]
    assert [new.id for new in after if new.position != 3] == [old.id for old in before if old.position != 3]
    assert after[2].text.startswith(before[2].text + " ")
    assert "Question 3 is harder now: " in second.reply

    third = await talk.say("why would they ask that?")
    assert talk.calls == [None]
    assert third.question_set is None
    assert "**Question 3**" in third.reply
    assert "no language model was used" in third.reply


async def test_a_given_type_takes_two_model_calls() -> None:
    talk = Talk(agent="case_study")
    answer = await talk.say("I have an interview as a software engineer")
    assert talk.calls == [None, "structured_output"]
    assert all(question.case is not None for question in new_set(answer).questions)


async def test_another_type_is_handed_over_without_a_word() -> None:
    talk = Talk()
    await talk.say("coding interview")
    answer = await talk.say("now behavioral questions for the same job")
    assert talk.calls == [None, None, "zero_shot"]
    assert [(handoff.source, handoff.target) for handoff in answer.handoffs] == [("technical", "behavioral")]
    assert answer.reply.startswith(DISCLOSURE)


async def test_back_in_a_type_its_set_is_still_there_to_change() -> None:
    talk = Talk()
    first = await talk.say("coding interview")
    await talk.say("now behavioral questions")
    answer = await talk.say("make technical question 2 harder")
    assert answer.agent == "technical"
    assert new_set(answer).revision == 2
    assert [
        new.position for old, new in zip(new_set(first).questions, new_set(answer).questions, strict=True) if old != new
    ] == [2]


async def test_spending_is_told_from_the_ledger() -> None:
    talk = Talk()
    await talk.say("coding interview")
    answer = await talk.say("what have I spent?")
    assert talk.calls == [None, None]
    assert "$0" in answer.reply


async def test_a_technique_asked_for_in_the_request_is_the_one_used() -> None:
    talk = Talk(agent="technical")
    answer = await talk.say("questions please", technique="chain_of_thought")
    assert new_set(answer).technique == "chain_of_thought"


async def test_questions_arrive_one_by_one_and_the_reply_is_what_was_streamed() -> None:
    talk = Talk(agent="reverse")
    answer = await talk.say("8 questions please")
    ready = [event.question for event in talk.events if isinstance(event, QuestionReady)]
    assert tuple(ready) == new_set(answer).questions
    assert len(ready) == 8
    assert "".join(event.text for event in talk.events if isinstance(event, TextDelta)) == answer.reply


@pytest.mark.parametrize("agent", ["technical", "behavioral", "case_study", "reverse"])
async def test_a_wrong_position_is_asked_back(agent: str) -> None:
    talk = Talk(agent=agent)
    await talk.say("questions please")
    answer = await talk.say("make question 9 harder")
    assert talk.calls == [None]
    assert "has 5 questions" in answer.reply


async def test_a_fifth_type_works_without_a_line_of_python(tmp_path: Path) -> None:
    plugins: Any = copytree(REPOSITORY_ROOT / "plugins", tmp_path / "plugins")
    folder = copytree(plugins / "behavioral" / "zero_shot", plugins / "salary_negotiation" / "plain").parent
    (folder / "agent.yaml").write_text(
        "name: salary_negotiation\ntitle: Salary\ndescription: The talk about money, offers and counter-offers.\n"
        "instructions: You practise the talk about money.\n",
        encoding="utf-8",
    )
    talk = Talk(plugins_dir=plugins)
    answer = await talk.say("they made me a counter-offer, help")
    assert talk.calls == [None, None, "plain"]
    assert (answer.agent, len(new_set(answer).questions)) == ("salary_negotiation", 5)
    assert "no bank for salary negotiation yet" in answer.reply


async def test_a_greeting_is_answered_by_triage() -> None:
    talk = Talk(brief=Brief())
    answer = await talk.say("hi")
    assert (answer.agent, answer.question_set) == ("triage", None)
    assert "Which interview" in answer.reply
