"""Changes to a question set that need no new question: drop, keep, restore. The model decides, code carries out."""

from dataclasses import replace
from typing import Annotated

import structlog
from semantic_kernel.functions import kernel_function

from app.orchestration.catalog import CHOICES
from app.orchestration.order import filled_in, no_such_position, numbers_in, with_wish
from app.orchestration.questions import Question, QuestionSet
from app.orchestration.turn import TurnState

EDITING_PLUGIN = "questions"
NOTE_CHARACTERS = 600

Positions = Annotated[str, 'Positions in the current set, for example "3" or "1,4"']
Note = Annotated[
    str, "The one sentence the candidate reads, in their language: what changed, and what could be done next"
]
Wish = Annotated[str, CHOICES["standing_wish"]]

logger = structlog.get_logger(__name__)


class EditingPlugin:
    """What an agent may do to the current set of its interview type without writing a question.

    Each function leaves the new revision in the turn's state and has said the reply; or it returns a sentence that
    tells the model why nothing was done.
    """

    def __init__(self, state: TurnState, interview_type: str) -> None:
        self._state = state
        self._interview_type = interview_type

    @kernel_function(
        name="drop", description="Take questions out of the current set. The others stay as they are and move up."
    )
    async def drop(self, positions: Positions, note: Note = "", standing_wish: Wish = "") -> str:
        """Keep what is not named."""
        base = self._base()
        named = set(numbers_in(positions))
        if base is None or not named or max(named) > len(base.questions):
            return no_such_position(self._interview_type, len(base.questions) if base else 0)
        staying = [question for question in base.questions if question.position not in named]
        if not staying:
            return "A set cannot be empty. Ask whether the candidate wants a new set instead."
        self._remember(standing_wish)
        return self._revise(staying, note, default=f"Dropped {_listed(sorted(named))}.")

    @kernel_function(
        name="keep",
        description=(
            "Keep only these questions of the current set, in this order: to filter by a topic, to fit a time limit, "
            "to reorder. Nothing is written anew."
        ),
    )
    async def keep(self, positions: Positions, note: Note = "", standing_wish: Wish = "") -> str:
        """Keep what is named, in the order named."""
        base = self._base()
        order = list(dict.fromkeys(numbers_in(positions)))
        if base is None or not order or max(order) > len(base.questions):
            return no_such_position(self._interview_type, len(base.questions) if base else 0)
        if order == [question.position for question in base.questions]:
            return "That is the set as it is: nothing would change. Tell the candidate."
        self._remember(standing_wish)
        return self._revise([base.questions[position - 1] for position in order], note, default="Kept these.")

    @kernel_function(
        name="restore",
        description="Bring back an earlier revision of the current set, such as 1 for the first version.",
    )
    async def restore(self, revision: Annotated[str, "Number of the revision"], note: Note = "") -> str:
        """The earlier revision's questions become the newest revision; nothing in between is lost."""
        base, numbers = self._base(), numbers_in(revision)
        if base is None or not numbers or not 1 <= numbers[0] < base.revision:
            latest = base.revision if base else 0
            return f"The current {self._interview_type} set is at revision {latest}; only an earlier one comes back."
        try:
            earlier = await self._state.task.recall(base.id, numbers[0])
        except Exception as error:  # noqa: BLE001 - Semantic Kernel would tell the model the exception's text
            self._state.fail(error)
            return "The earlier revision cannot be read now."
        if earlier is None:
            return f"Revision {numbers[0]} is not there any more. Tell the candidate."
        if earlier.experience_level and not self._state.task.is_level_fixed:
            self._state.experience_level = earlier.experience_level
        return self._revise(list(earlier.questions), note, default=f"Back to revision {numbers[0]}.", of=earlier)

    def _remember(self, wish: str) -> None:
        self._state.wishes = with_wish(self._state.wishes, filled_in(wish))

    def _base(self) -> QuestionSet | None:
        return self._state.task.question_sets.get(self._interview_type)

    def _revise(self, questions: list[Question], note: str, *, default: str, of: QuestionSet | None = None) -> str:
        base = self._base()
        if base is None:
            raise AssertionError("only a set that is there is revised")
        placed = tuple(
            question.model_copy(update={"position": position}) for position, question in enumerate(questions, start=1)
        )
        state = self._state
        state.question_set = replace(of or base, revision=base.revision + 1, questions=placed)
        lines = "\n".join(f"{question.position}. {question.text}" for question in placed)
        state.say(f"{filled_in(note)[:NOTE_CHARACTERS] or default}\n\n{lines}\n")
        logger.info("set_edited", interview_type=self._interview_type, questions=len(placed))
        return DONE


DONE = "Done, and the candidate has been told."


def _listed(numbers: list[int]) -> str:
    """`1`, `1 and 5`, `1, 2 and 5`."""
    head, last = numbers[:-1], str(numbers[-1])
    return f"{', '.join(map(str, head))} and {last}" if head else last
