"""Drop, keep and restore: code carries out what the model names, and writes no question."""

from dataclasses import replace
from uuid import UUID

import pytest

from app.bank.questions import ExperienceLevel
from app.orchestration.questions import QuestionSet
from tests.answers import calls, hands_to, says_questions
from tests.chat.conducting import Conducted, brief, question_set, stage
from tests.conftest import MakeSettings
from tests.model_server import CallTools, ModelServer, RecordedRequest, Say, ToolCall

CURRENT = replace(question_set(5), revision=3, experience_level=ExperienceLevel.SENIOR)


def _tool_results(request: RecordedRequest) -> list[str]:
    return [str(message["content"]) for message in request.messages if message["role"] == "tool"]


def _order(turn: Conducted, base: QuestionSet = CURRENT) -> list[int]:
    """Where each question of the result stood in the base."""
    places = {found.id: found.position for found in base.questions}
    return [places[found.id] for found in turn.questions.questions]


class _Revisions:
    """The conversation's earlier revisions, and what was asked for."""

    def __init__(self, *sets: QuestionSet) -> None:
        self._sets = {(found.id, found.revision): found for found in sets}
        self.asked: list[tuple[UUID, int]] = []

    async def recall(self, question_set_id: UUID, revision: int) -> QuestionSet | None:
        self.asked.append((question_set_id, revision))
        return self._sets.get((question_set_id, revision))


# Drop and keep.


@pytest.mark.parametrize(
    ("function", "positions", "left"),
    [
        ("drop", "3", [1, 2, 4, 5]),
        ("drop", "1,5", [2, 3, 4]),
        ("drop", "2-4", [1, 5]),
        ("drop", "2\u20134", [1, 5]),
        ("drop", "Q2", [1, 3, 4, 5]),
        ("drop", "Q2 and Q4", [1, 3, 5]),
        ("drop", [1, 3], [2, 4, 5]),
        ("drop", 5, [1, 2, 3, 4]),
        ("drop", "4, 4, 4", [1, 2, 3, 5]),
        ("keep", "3", [3]),
        ("keep", "1,5", [1, 5]),
        ("keep", "5, 1, 3", [5, 1, 3]),
        ("keep", [2, 1, 2], [2, 1]),
        ("keep", "2-4", [2, 3, 4]),
        ("keep", "Q4, Q2", [4, 2]),
        ("keep", "5,1-4", [5, 1, 2, 3, 4]),
        ("keep", "1-4", [1, 2, 3, 4]),
        ("keep", "5-3", [5, 4, 3]),
    ],
)
async def test_the_questions_left_stand_in_order_under_their_ids(
    openai_settings: MakeSettings, model_server: ModelServer, *, function: str, positions: object, left: list[int]
) -> None:
    model_server.script(calls(f"questions-{function}", positions=positions, note="As you wish."))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("fewer", agent="technical", question_sets={"technical": CURRENT})

    after = turn.questions
    assert _order(turn) == left
    assert [found.position for found in after.questions] == list(range(1, len(left) + 1))
    same = [found.model_copy(update={"position": was}) for found, was in zip(after.questions, left, strict=True)]
    assert same == [CURRENT.questions[position - 1] for position in left], "nothing but the position changes"
    assert replace(after, revision=3, questions=()) == replace(CURRENT, questions=())
    assert after.revision == 4
    assert len(turn.calls) == 1, "after an edit no model is asked"
    assert turn.answer.reply.startswith("As you wish.\n\n1. Question")
    assert turn.text_seen == turn.answer.reply


@pytest.mark.parametrize("function", ["drop", "keep"])
@pytest.mark.parametrize(
    ("positions", "is_empty"), [("6", False), ("1,6", False), ("0", False), ("", False), ("all", False), ("1", True)]
)
async def test_a_position_that_is_not_there_is_a_sentence_for_the_model_which_answers(
    openai_settings: MakeSettings, model_server: ModelServer, function: str, positions: str, *, is_empty: bool
) -> None:
    model_server.script(calls(f"questions-{function}", positions=positions), Say("Which one do you mean?"))
    sets = {} if is_empty else {"technical": CURRENT}
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("drop six", agent="technical", question_sets=sets)

    (told,) = _tool_results(model_server.requests[-1])
    assert told.startswith(f"Questions in the current technical set: {0 if is_empty else 5}.")
    assert turn.answer.reply == "Which one do you mean?"
    assert turn.answer.question_set is None


async def test_a_set_is_never_emptied(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    model_server.script(calls("questions-drop", positions="1-5"), Say("Shall I write a new set?"))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("drop all", agent="technical", question_sets={"technical": CURRENT})

    assert _tool_results(model_server.requests[-1]) == [
        "A set cannot be empty. Ask whether the candidate wants a new set instead."
    ]
    assert (turn.answer.question_set, turn.answer.reply) == (None, "Shall I write a new set?")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"positions": "1"}, "Dropped 1."),
        ({"positions": "5,1"}, "Dropped 1 and 5."),
        ({"positions": "4,1-2", "note": "  "}, "Dropped 1, 2 and 4."),
        ({"positions": "3", "note": None}, "Dropped 3."),
        ({"positions": "3", "note": "N/A"}, "Dropped 3."),
    ],
)
async def test_a_model_that_says_nothing_about_it_leaves_a_plain_sentence(
    openai_settings: MakeSettings, model_server: ModelServer, arguments: dict[str, str | None], sentence: str
) -> None:
    model_server.script(calls("questions-drop", **arguments))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("drop", agent="technical", question_sets={"technical": CURRENT})

    assert turn.answer.reply.startswith(f"{sentence}\n\n1. Question")


async def test_after_a_refusal_the_model_may_name_another_position(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("questions-drop", positions="6"), calls("questions-drop", positions="5"))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("drop the last", agent="technical", question_sets={"technical": CURRENT})

    assert _order(turn) == [1, 2, 3, 4]
    assert turn.questions.revision == 4
    assert len(turn.calls) == 2


async def test_each_agent_edits_the_set_of_its_own_type(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    behavioral = question_set(3, "behavioral")
    model_server.script(hands_to("behavioral"), calls("questions-keep", positions="3,1"))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(
            "of the behavioral ones keep 3 and 1",
            agent="technical",
            question_sets={"behavioral": behavioral, "technical": CURRENT},
        )

    assert turn.answer.agent == "behavioral"
    assert (turn.questions.id, turn.questions.revision) == (behavioral.id, 2)
    assert _order(turn, behavioral) == [3, 1]
    assert len(turn.calls) == 2


# Restore.


async def test_an_earlier_revision_comes_back_as_the_newest(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    first = replace(question_set(4), id=CURRENT.id, technique="role_based", experience_level=ExperienceLevel.JUNIOR)
    revisions = _Revisions(first)
    model_server.script(calls("questions-restore", revision="1", note="Here is the first one again."))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(
            "the first version",
            agent="technical",
            question_sets={"technical": CURRENT},
            recall=revisions.recall,
        )

    assert turn.questions == replace(first, revision=4)
    assert revisions.asked == [(CURRENT.id, 1)]
    assert turn.answer.experience_level is ExperienceLevel.JUNIOR
    assert turn.answer.reply.startswith("Here is the first one again.\n\n1. Question 1")
    assert len(turn.calls) == 1


async def test_a_revision_without_a_level_leaves_the_level_that_is_known(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    first = replace(question_set(4), id=CURRENT.id)
    model_server.script(calls("questions-restore", revision="version 1"))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(
            "the first version",
            agent="technical",
            question_sets={"technical": CURRENT},
            recall=_Revisions(first).recall,
            brief=brief(experience_level=ExperienceLevel.LEAD),
        )

    assert turn.answer.experience_level is ExperienceLevel.LEAD
    assert turn.answer.reply.startswith("Back to revision 1.\n\n")


@pytest.mark.parametrize("revision", ["3", "4", "0", "", "the first", [3]])
async def test_only_an_earlier_revision_comes_back(
    openai_settings: MakeSettings, model_server: ModelServer, revision: object
) -> None:
    revisions = _Revisions(CURRENT)
    model_server.script(calls("questions-restore", revision=revision), Say("It is the current one."))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(
            "go back", agent="technical", question_sets={"technical": CURRENT}, recall=revisions.recall
        )

    (told,) = _tool_results(model_server.requests[-1])
    assert told == "The current technical set is at revision 3; only an earlier one comes back."
    assert revisions.asked == []
    assert (turn.answer.question_set, turn.answer.reply) == (None, "It is the current one.")


async def test_a_revision_that_is_gone_is_said_to_be(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    revisions = _Revisions()
    model_server.script(calls("questions-restore", revision="2"), Say("I no longer have it."))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn(
            "go back", agent="technical", question_sets={"technical": CURRENT}, recall=revisions.recall
        )

    assert _tool_results(model_server.requests[-1]) == ["Revision 2 is not there any more. Tell the candidate."]
    assert revisions.asked == [(CURRENT.id, 2)]
    assert turn.answer.question_set is None


async def test_without_a_set_nothing_comes_back(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    model_server.script(calls("questions-restore", revision="1"), Say("There is no set yet."))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("go back", agent="technical")

    (told,) = _tool_results(model_server.requests[-1])
    assert "at revision 0" in told
    assert turn.answer.reply == "There is no set yet."


# More than one action in an answer.


@pytest.mark.parametrize(
    "second",
    [
        ToolCall("questions-keep", {"positions": "1"}),
        ToolCall("questions-drop", {"positions": "2"}),
        ToolCall("technical-few_shot"),
        ToolCall("Handoff-transfer_to_behavioral"),
    ],
    ids=lambda call: call.name,
)
async def test_of_two_calls_in_one_answer_the_first_is_carried_out(
    openai_settings: MakeSettings, model_server: ModelServer, second: ToolCall
) -> None:
    model_server.script(CallTools((ToolCall("questions-drop", {"positions": "5", "note": "One less."}), second)))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("drop 5", agent="technical", question_sets={"technical": CURRENT})

    assert _order(turn) == [1, 2, 3, 4]
    assert turn.questions.revision == 4
    assert turn.answer.reply.count("One less.") == 1
    assert turn.answer.handoffs == ()
    assert len(turn.calls) == 1


async def test_beside_a_technique_no_edit_is_carried_out(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    both = CallTools(
        (
            ToolCall("technical-few_shot", {"change": "replace", "positions": "1"}),
            ToolCall("questions-drop", {"positions": "5"}),
        )
    )
    model_server.script(both, says_questions(1, first=20))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("another 1, drop 5", agent="technical", question_sets={"technical": CURRENT})

    assert len(turn.questions.questions) == 5
    assert turn.questions.revision == 4
    assert [found in CURRENT.questions for found in turn.questions.questions] == [False, True, True, True, True]


async def test_what_is_said_before_an_edit_reaches_nobody(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    call = ToolCall("questions-drop", {"positions": "5", "note": "One less."})
    model_server.script(CallTools((call,), preamble="Let me see. "))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("drop 5", agent="technical", question_sets={"technical": CURRENT})

    assert "Let me see" not in turn.text_seen
    assert turn.answer.reply.startswith("One less.")


async def test_triage_edits_nothing(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    model_server.script(Say("Which interview?"))
    async with stage(openai_settings()) as conducted:
        await conducted.turn("hello")

    (triage,) = model_server.requests
    assert [name for name in triage.tool_names if name.startswith("questions-")] == []


async def test_an_earlier_revision_that_cannot_be_read_fails_the_turn_and_tells_the_model_nothing(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    async def broken(_question_set_id: UUID, _revision: int) -> QuestionSet | None:
        raise ConnectionError("postgresql://me:SECRET@host")

    model_server.script(calls("questions-restore", revision="1"))
    before = replace(question_set(2), revision=3)
    async with stage(openai_settings()) as conducted:
        with pytest.raises(ConnectionError):
            await conducted.turn("undo", agent="technical", question_sets={"technical": before}, recall=broken)

    assert all("SECRET" not in str(request.body) for request in model_server.requests)


async def test_a_lasting_wish_is_kept_by_an_edit_too(openai_settings: MakeSettings, model_server: ModelServer) -> None:
    model_server.script(calls("questions-keep", positions="2", standing_wish="20 minutes in all"))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("20 minutes", agent="technical", question_sets={"technical": question_set(2)})

    assert turn.answer.wishes == ("20 minutes in all",)


async def test_keeping_everything_as_it_is_makes_no_revision(
    openai_settings: MakeSettings, model_server: ModelServer
) -> None:
    model_server.script(calls("questions-keep", positions="1,2"), Say("All of them fit."))
    async with stage(openai_settings()) as conducted:
        turn = await conducted.turn("only SQL", agent="technical", question_sets={"technical": question_set(2)})

    assert turn.answer.question_set is None
    assert turn.answer.reply == "All of them fit."
