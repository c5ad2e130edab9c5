"""What a candidate says is never turned against them: when in doubt the set stays, and the reply says so."""

import pytest

from tests.providers.offline.follow_ups import BY_HAND, NOTHING_CHANGES
from tests.providers.offline.talk import shape, talking
from tests.providers.offline.test_follow_ups import held

STAYS: dict[str, str] = {
    **dict.fromkeys(
        (
            "never mind", "do not change anything", "no new questions please", "don't give me new questions",
            "I don't want more questions", "no", "stop", "cancel", "forget it",
            "don't drop 2", "do not remove question 3, I like it", "never drop 1", "I don't want to lose question 4",
            "don't make 3 harder", "don't go back to version 1", "keep 3 as it is", "lösche 2 nicht",
        ),
        "nothing has changed: the 5 questions stay as they are",
    ),
    **dict.fromkeys(
        (
            "should I drop 2?", "what happens if I drop 2?", "should I keep 3?", "what changed since version 1?",
            "is version 1 better?", "how would I revert a bad deploy?", "what are the top 3 mistakes?",
            "is 3 harder than 2?",
        ),
        "reads as a question",
    ),
    "why did you drop 2?": "Question 2",
    "in question 2 I would drop the index, right?": "did not understand",
    "drop me a line about 3": "did not understand",
    "delete the word tenant from question 1": "Only whole questions",
    "drop the hints from 2": "Only whole questions",
    "rate my answer to 1: I drop the duplicates": "Question 1",
    "my answer is to drop 2 and keep 3": "takes a language model",
    "compare version 1 and version 2": "did not understand",
    **dict.fromkeys(
        (
            "drop 1 and add 2 more", "keep 3 but make it harder", "undo and drop 2",
            "back to the first version and drop 1",
        ),
        "One change at a time",
    ),
    "I have been thinking about this set for a while, and about what my interviewer said the last time that we spoke, "
    "and about how much time is left until then, and so in the end I would like you to drop 2 and 4 of these, please":
        "did not understand",
    "Warum würden sie das fragen?": "why they would ask it",
    "rückgängig": "nothing to undo",
    "zurück zur ersten Version": "nothing to undo",
    "redo": "nothing to redo",
    "drop 999999999999999999999": "numbered 1 to 5",
    "drop question -1": "numbered 1 to 5",
    "keep the best 2": "no ranking",
    "drop every second question": "Say the numbers",
    "drop the even ones": "Say the numbers",
    "make everything except the SQL one harder": "Say the numbers",
    "1000 more": "1 to 20",
    "I only have 1 minute": "shortest is question 3",
    "I only have 0 minutes": "shortest is question 3",
}  # fmt: skip

BECOMES: dict[str, tuple[int, ...]] = {
    "too hard": (0, 0, 0, 0, 0),
    "too easy": (0, 0, 0, 0, 0),
    "drop all but 3": (3,),
    "keep everything except 2": (1, 3, 4, 5),
    "drop 3 and 4, keep the rest": (1, 2, 5),
    "make all but 2 harder": (0, 2, 0, 0, 0),
    "make them harder, but leave 3 as it is": (0, 0, 3, 0, 0),
    "drop 2 but keep 3": (1, 3, 4, 5),
    "drop 1-3 but not 2": (2, 4, 5),
    "drop everything apart from questions 1 and 2": (1, 2),
    "drop all but the SQL one": (2,),
    "keep 3 and drop the rest": (3,),
    "lösche alle außer 3": (3,),
    "don't drop 2, drop 3": (1, 2, 4, 5),
    "can you drop 2?": (1, 3, 4, 5),
    "could you make 3 harder?": (1, 2, 0, 4, 5),
    "Entferne die Fragen 1 und 3": (2, 4, 5),
    "behalte die Fragen 1 und 3": (1, 3),
    "streiche die letzte": (1, 2, 3, 4),
    "nur die über PostgreSQL": (2,),
    "just 1": (3,),
    "drop 3 to 1": (4, 5),
    "keep 5,4,3": (5, 4, 3),
    "reverse the order": (5, 4, 3, 2, 1),
}


@pytest.mark.parametrize(("message", "says"), STAYS.items())
async def test_nothing_changes(message: str, says: str) -> None:
    async with talking(agent="technical") as talk:
        before = held(talk, BY_HAND)
        answer = await talk.say(message)
        assert shape(before, answer.question_set) is NOTHING_CHANGES, answer.reply
        assert answer.agent == "technical"
        assert says in answer.reply


@pytest.mark.parametrize(("message", "becomes"), BECOMES.items())
async def test_what_was_said_is_done(message: str, becomes: tuple[int, ...]) -> None:
    async with talking(agent="technical") as talk:
        before = held(talk, BY_HAND)
        answer = await talk.say(message)
        assert shape(before, answer.question_set) == becomes, answer.reply


async def test_undo_goes_on_to_the_version_before_and_redo_takes_one_step_forward() -> None:
    async with talking(agent="technical") as talk:
        held(talk, BY_HAND)
        sizes = []
        for message in ("drop 1", "drop 1", "undo", "undo", "undo", "redo", "redo"):
            await talk.say(message)
            sizes.append(len(talk.own_set.questions))
        assert sizes == [4, 3, 4, 5, 5, 4, 4]


@pytest.mark.parametrize("message", ["version 101", "back to version 101"])
async def test_a_version_that_is_not_there(message: str) -> None:
    async with talking(agent="technical") as talk:
        held(talk, BY_HAND)
        await talk.say("drop 1")
        answer = await talk.say(message)
        assert answer.question_set is None
        assert "The set is at version 2" in answer.reply
