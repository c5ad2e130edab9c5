"""From a technique's text to a question set, while it streams: what is shown, what is thrown away, what is missing."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from app.bank.questions import ExperienceLevel
from app.core.errors import AnswerTooLong, EmptyAnswer, GreenroomError, ProviderError
from app.orchestration.events import QuestionReady
from app.orchestration.markdown import question_markdown
from app.orchestration.order import Change, TechniqueOrder
from app.orchestration.questions import (
    MAX_QUESTIONS,
    Question,
    QuestionContent,
    QuestionSet,
    is_asked_in,
    is_copied_from,
    is_form_of,
    is_same_text,
    verbatim,
)
from app.orchestration.reader import QuestionReader, TechniqueOutput
from app.orchestration.turn import TurnState


@dataclass(frozen=True)
class Needs:
    """What an output lacks of its order, for the one repair call."""

    missing_count: int
    changing: tuple[Question, ...]
    """The questions of the base whose replacement or rewording is missing."""
    incomplete: tuple[Question, ...]
    """Delivered questions with empty fields."""
    rejected: tuple[str, ...]
    """Texts that were thrown away, each with the reason."""
    unreadable: str
    """The text in which no question could be found, or an empty string."""

    def __bool__(self) -> bool:
        """Whether anything is lacking."""
        return bool(self.missing_count or self.incomplete)


class Delivery:
    """Takes a technique's text as it streams; questions and reply go out at once, the set is made at the end."""

    def __init__(self, order: TechniqueOrder, state: TurnState) -> None:
        self._order = order
        self._state = state
        self._reader = QuestionReader()
        self._output = TechniqueOutput(summary="", experience_level=None, late_questions=(), recommendations=())
        self._questions: list[Question] = []
        self._rejected: list[str] = []
        self._echoed_count = 0
        self._has_summary = False
        first = len(order.staying) + 1
        self._open_positions = list(order.positions or range(first, first + order.question_count))
        self._asked = [question.text for question in order.staying]
        if order.change is not Change.REWORD:
            # "Harder" and "easier" stay with their question, and may come back to an earlier form of it.
            replaced = [question.text for question in order.changing]
            self._asked += [text for text in state.task.seen_questions if not is_form_of(text, replaced)]
        self._examples = [order.examples] if order.examples else []

    @property
    def questions(self) -> tuple[Question, ...]:
        """What has been delivered so far."""
        return tuple(self._questions)

    @property
    def experience_level(self) -> ExperienceLevel | None:
        """The level the technique says it wrote for; known when it has ended."""
        return self._output.experience_level

    def feed(self, piece: str) -> None:
        """The next piece of the technique's text."""
        known = len(self._reader.questions)
        for content, place in zip(self._reader.feed(piece), self._reader.places[known:], strict=True):
            self._deliver(content, place)

    def end(self) -> Needs:
        """The technique has ended; the recommendations are said when nothing can follow any more, by `finish`."""
        self._output = self._reader.finish()
        first_late = len(self._reader.questions) - len(self._output.late_questions)
        for content, place in zip(self._output.late_questions, self._reader.places[first_late:], strict=True):
            self._deliver(content, place)
        # A rewording that did not come leaves the question as it was: nobody could say whose rewording a repair is.
        is_partly_reworded = self._order.change is Change.REWORD and bool(self._questions)
        if not self._reader.text.strip():
            # Silence cannot be mended.
            return Needs(missing_count=0, changing=(), incomplete=(), rejected=(), unreadable="")
        return Needs(
            missing_count=0 if is_partly_reworded else len(self._open_positions),
            changing=tuple(q for q in self._order.changing if q.position in self._open_positions),
            incomplete=tuple(question for question in self._questions if question.gaps),
            rejected=tuple(self._rejected),
            unreadable="" if self._reader.questions else self._reader.text.strip(),
        )

    def mend(self, text: str) -> None:
        """The output of the repair call: incomplete questions, completed, and further ones."""
        reader = QuestionReader()
        reader.feed(text)
        reader.finish()
        for content in reader.questions:
            incomplete = [question for question in self._questions if question.gaps]
            twin = next((q for q in incomplete if is_asked_in(content.text, [q.text])), None)
            if twin is not None:
                self._complete(twin, content)
            else:
                self._deliver(content)

    def finish(self) -> QuestionSet:
        """Say what is left to say and return the set.

        Raises:
            EmptyAnswer, AnswerTooLong, ProviderError: nothing could be read as a question.
        """
        if not self._questions:
            raise self._nothing_to_show()
        if self._open_positions:
            left = f" Unchanged: {', '.join(map(str, self._open_positions))}." if self._order.positions else ""
            why = ": the model reached its limit of length" if self._state.is_cut_by_length else ""
            came = f"Only {len(self._questions)} of {self._order.question_count} questions came back{why}."
            self._state.say(f"{came}{left}\n\n")
        question_set = self._question_set(self._output)
        if question_set.recommendations and self._order.change is Change.NEW:
            lines = "\n".join(f"- {item}" for item in question_set.recommendations)
            self._state.say(f"**To prepare**\n\n{lines}\n")
        if self._order.change is Change.ADD and len(question_set.questions) == MAX_QUESTIONS:
            self._state.say(f"The set is full now: it holds at most {MAX_QUESTIONS} questions.\n")
        return question_set

    def _nothing_to_show(self) -> GreenroomError:
        if self._rejected:
            return ProviderError("Every question that came back had been asked before. Ask for another topic.")
        if not self._reader.text.strip():
            return EmptyAnswer("The model came to no answer. Try again, or ask more simply.")
        if self._state.is_cut_by_length:
            return AnswerTooLong("The model reached its limit of length before its first question. Ask for fewer.")
        return ProviderError("The model's answer could not be read as questions. Try again.")

    def _deliver(self, content: QuestionContent, place: int | None = None) -> None:
        """Take the question at this place of the output, from 0; of the repair, whose place says nothing, None."""
        if self._order.positions and is_same_text(content.text, [question.text for question in self._order.staying]):
            self._echoed_count += 1  # Asked to change one question, models also send the whole set.
            return
        position = self._position_for(place)
        if position is None:
            return
        if reason := self._flaw(content):
            self._rejected.append(f"{content.text} ({reason})")
            return
        if not self._has_summary:
            self._has_summary = True
            self._state.say(f"{self._reader.summary}\n\n" if self._reader.summary else "")
        question = self._placed(content, position)
        self._open_positions.remove(position)
        self._questions.append(question)
        self._asked.append(question.text)
        self._state.emit(QuestionReady(question))
        self._state.say(question_markdown(question))

    def _position_for(self, place: int | None) -> int | None:
        """Where the question goes; None for one too many.

        A question that is thrown away leaves its own position open, so that those after it do not move up.
        """
        if place is None or not self._order.positions:
            return next(iter(self._open_positions), None)
        place -= self._echoed_count
        position = self._order.positions[place] if place < len(self._order.positions) else None
        return position if position in self._open_positions else None

    def _flaw(self, content: QuestionContent) -> str | None:
        """Why the question is thrown away, or None. A rewording is no new question."""
        if self._order.change is Change.REWORD:
            return None
        if is_asked_in(content.text, self._asked):
            return "was asked already"
        if self._order.change is Change.REPLACE and is_same_text(content.text, [q.text for q in self._order.changing]):
            return "is the question it should replace"
        if is_copied_from(content.text, self._examples):
            return "was copied from an example"
        return None

    def _placed(self, content: QuestionContent, position: int) -> Question:
        """The question in its place; a reworded one stays who it is, and what it tests."""
        fields: dict[str, Any] = {name: getattr(content, name) for name in QuestionContent.model_fields}
        fields["requirement"] = verbatim(content.requirement, self._state.task.brief.job_description)
        if self._order.change is Change.REWORD:
            before = next(question for question in self._order.changing if question.position == position)
            kept = ("id", "position", "difficulty", "category", "time_minutes", "requirement")
            filled = {name: value for name, value in fields.items() if value}
            return before.model_copy(update=filled | {name: getattr(before, name) for name in kept}, deep=True)
        return Question(id=uuid4(), position=position, **fields)

    def _complete(self, question: Question, content: QuestionContent) -> None:
        """Fill the empty fields of a delivered question, and let the reader see it again."""
        filled = question.model_copy(update={name: getattr(content, name) for name in question.gaps})
        if filled != question:
            self._questions[self._questions.index(question)] = filled
            self._state.emit(QuestionReady(filled))

    def _question_set(self, output: TechniqueOutput) -> QuestionSet:
        order, base = self._order, self._order.base
        recommendations, level = output.recommendations, order.experience_level or output.experience_level
        # A replacement that did not come leaves the question there.
        unchanged = [question for question in order.changing if question.position in self._open_positions]
        questions = sorted([*order.staying, *unchanged, *self._questions], key=lambda question: question.position)
        if base is not None and order.change is not Change.NEW:
            is_whole_text_new = order.change is Change.REWORD and not order.staying
            recommendations = (recommendations if is_whole_text_new else ()) or base.recommendations
            # One question of another level does not make it the level of the others.
            level = (base.experience_level if order.staying else None) or level or base.experience_level
        return QuestionSet(
            id=base.id if base else uuid4(),
            revision=base.revision + 1 if base else 1,
            interview_type=order.interview_type,
            technique=order.technique.name,
            experience_level=level,
            questions=tuple(questions),
            recommendations=recommendations,
        )
