"""What the offline engine says about the questions that are there. Every sentence comes from the set itself."""

import re
from collections.abc import Callable
from typing import Any

from app.providers.offline.conversation import Conversation, CurrentSet
from app.providers.offline.wishes import positions_in

SIGNATURE = "*(Offline engine: no language model was used.)*"

_QUESTION_MARK = re.compile(r"\bquestion (\d{1,2})\b", re.IGNORECASE)
_LISTED_QUESTION = re.compile(r"^\*\*(\d{1,2})\.\*\*", re.MULTILINE)
_HINT_GIVEN = re.compile(r"\*\*Question (\d{1,2}), hint (\d)")
_ASKED_ALOUD = re.compile(r"\*\*Question (\d{1,2}) of \d{1,2}\*\*")

Explain = Callable[[Conversation, CurrentSet, int], str]


def signed(text: str) -> str:
    """A text answer, with the plain word that no model wrote it."""
    return f"{text.strip()}\n\n{SIGNATURE}"


def explanation(conversation: Conversation) -> str | None:
    """The answer to a question about the current set, or None where the message asks no such thing."""
    current = conversation.own_set
    explain = next((explain for words, explain in _EXPLANATIONS if words.search(conversation.message)), None)
    if explain is None:
        return None
    if current is None:
        size = conversation.own_size
        return (
            f"The set has {size} questions. Ask once more now that we are back at it: say which one "
            f"you mean, by its number."
        )
    named = positions_in(conversation.message, len(current.questions))
    if named and named[-1] > len(current.questions):
        return no_such_question(len(current.questions))
    position = named[0] if named else last_discussed(conversation)
    note = "" if position is not None else "\n\nI took question 1; name another number for another one."
    if explain is _one_by_one:
        note = ""
    return explain(conversation, current, position or 1) + note


def criteria(conversation: Conversation, positions: tuple[int, ...]) -> str:
    """What the first of these questions is after."""
    current, size = conversation.own_set, conversation.own_size
    if current is None or not positions or positions[-1] > size:
        return no_such_question(size)
    text = current.question(positions[0])["text"]
    return f"{_criteria(conversation, current, positions[0]).strip()}\n\nIt reads: {text}"


def no_such_question(size: int) -> str:
    """For a position that the set does not have."""
    if size == 1:
        return "The current set has 1 question, number 1. Which one do you mean?"
    return f"The current set has {size} questions, numbered 1 to {size}. Which one do you mean?"


def last_discussed(conversation: Conversation) -> int | None:
    """The position that the last messages were about, or None where a whole set came last."""
    for is_candidate, text in reversed(conversation.past):
        if not is_candidate and len(set(_LISTED_QUESTION.findall(text))) > 1:
            return None
        size = conversation.own_size
        marks = _QUESTION_MARK.findall(text) or ([] if is_candidate else _LISTED_QUESTION.findall(text))
        found = [int(mark) for mark in marks] or (
            list(positions_in(text, size)) if is_candidate and len(text) < 120 else []
        )
        if found and found[0] <= size:
            return found[0]
    return None


def next_in_mock(conversation: Conversation) -> str | None:
    """In a question-by-question round: what to check the answer against, and the next question; else None."""
    current = conversation.own_set
    if current is None or not conversation.past or conversation.past[-1][0]:
        return None
    asked = _ASKED_ALOUD.findall(conversation.past[-1][1])
    if not asked or int(asked[-1]) > len(current.questions):
        return None
    position = int(asked[-1])
    check = "Check your answer to question {} yourself; did it do this?\n\n{}".format(
        position, _bullets(current.question(position).get("evaluation_criteria"))
    )
    if position == len(current.questions):
        return f"{check}\n\nThat was the last one. Take the weakest answer and say it once more, in half the time."
    return f"{check}\n\n{_asked(current, position + 1)}"


def _why(_conversation: Conversation, current: CurrentSet, position: int) -> str:
    question = current.question(position)
    requirement, topic = question.get("requirement"), _topic(question)
    reason = (
        f'the posting asks for this: "{requirement}".'
        if requirement
        else f"it is a general question about {topic}; the posting does not name it."
    )
    signal = question.get("level_signal") or "how far the answer goes beyond the obvious"
    criteria = _bullets(question.get("evaluation_criteria"), most=2)
    return (
        f"**Question {position}**: why they would ask it: {reason}\n\nWhat it tells apart: "
        f"{signal}\n\nThey listen for:\n\n{criteria}"
    )


def _how(_conversation: Conversation, current: CurrentSet, position: int) -> str:
    question = current.question(position)
    return (
        f"**Question {position}**: an outline for your answer, with blanks for what is "
        f"yours:\n\n> {question.get('sample_framework') or '___'}"
        f"\n\nThese two weigh most:\n\n{_bullets(question.get('evaluation_criteria'), most=2)}"
    )


def _answer(_conversation: Conversation, current: CurrentSet, position: int) -> str:
    question = current.question(position)
    first_step = (question.get("hints") or ["Say the first sentence aloud."])[-1]
    return (
        f"**Question {position}**: the outline; what goes into the blanks only you know:\n\n> "
        f"{question.get('sample_framework') or '___'}"
        f"\n\nTry the first step: {first_step}"
    )


def _hint(conversation: Conversation, current: CurrentSet, position: int) -> str:
    hints = current.question(position).get("hints") or []
    if not hints:
        return (
            f"**Question {position}**: there is no hint for this one. Its outline begins: "
            f"{_topic(current.question(position))}."
        )
    given = [
        int(rung)
        for _, text in conversation.past
        for number, rung in _HINT_GIVEN.findall(text)
        if int(number) == position
    ]
    rung = max(given, default=0) + 1
    if rung > len(hints):
        return f"**Question {position}**: those were all the hints. Ask for the outline, or try an answer aloud now."
    return f"**Question {position}, hint {rung} of {len(hints)}**: {hints[rung - 1]}"


def _realistic(_conversation: Conversation, current: CurrentSet, position: int) -> str:
    question = current.question(position)
    requirement = question.get("requirement")
    evidence = (
        f'The posting gives evidence for it: "{requirement}".'
        if requirement
        else "Nothing in the posting points to it: it is a usual question for such a role, so this is a guess."
    )
    return f"**Question {position}**: {evidence} What this employer really asks is not known here; only the posting is."


def _criteria(_conversation: Conversation, current: CurrentSet, position: int) -> str:
    question = current.question(position)
    return (
        f"**Question {position}**: a good answer does this:\n\n{_bullets(question.get('evaluation_criteria'))}"
        f"\n\n{question.get('level_signal') or ''}"
    )


def _rate(_conversation: Conversation, current: CurrentSet, position: int) -> str:
    return (
        f"**Question {position}**: to judge an answer takes a language model, and none is "
        f"connected. Tick off yourself what the answer "
        f"shows:\n\n{_bullets(current.question(position).get('evaluation_criteria'))}\n\nRedo the "
        f"first point that has no sentence of yours behind it."
    )


def _one_by_one(_conversation: Conversation, current: CurrentSet, position: int) -> str:
    return _asked(current, position)


def _asked(current: CurrentSet, position: int) -> str:
    return f"**Question {position} of {len(current.questions)}**\n\n{current.question(position)['text']}"


def _topic(question: dict[str, Any]) -> str:
    return str(question.get("category") or "the craft").replace("_", " ")


def _bullets(items: list[str] | None, most: int = 5) -> str:
    return "\n".join(f"- {item}" for item in (items or ["it is specific and true"])[:most])


_EXPLANATIONS: tuple[tuple[re.Pattern[str], Explain], ...] = tuple(
    (re.compile(words, re.IGNORECASE), explain)
    for words, explain in (
        (
            (
                r"\b(?:rate|score|grade|evaluate|assess|judge) (?:my|this|the|that) answer|how did i do"
                r"|(?:here is|here's|this is) my answer"
                r"|\bmy answer(?: (?:is|was|to)\b|:)|feedback on my"
            ),
            _rate,
        ),
        (r"\bhints?\b|\bclue\b|\bi'?m stuck\b|\bnudge\b", _hint),
        (
            (
                r"one by one|one at a time|quiz me|interview me|ask me (?:the|each|question|one)\b|start "
                r"(?:the|a) (?:mock|interview)"
            ),
            _one_by_one,
        ),
        (
            (
                r"\b(?:give|tell|show) me (?:the|an?|your) (?:\w+ )?(?:answer|solution)|what(?:'s| is) "
                r"the (?:\w+ )?(?:answer|solution)"
                r"|(?:model|sample|example|ideal) (?:answer|solution)|just the answer|answer (?:it|this"
                r"|that|\d+|q\d+) for me"
            ),
            _answer,
        ),
        (
            (
                r"\bhow (?:should|do|would|can|could|might|shall|to|best)\b.*\b(?:answer|approach|tackle"
                r"|handle|respond|structure|start|begin|reply|solve)"
                r"|help me (?:to )?(?:answer|with (?:question|q|number|\d))|\bframework\b|\boutline\b"
                r"|walk me through|what (?:do|should|would) i say"
            ),
            _how,
        ),
        (r"\brealistic\b|\blikely\b|really (?:ask|be asked)|(?:usually|typically|normally) asks?", _realistic),
        (r"\bwhy\b(?!.*\b(?:not|don't) (?:make|change)\b)|what'?s the point of|purpose of", _why),
        (
            (
                r"looking for|listen(?:ing)? for|good answer|strong answer|great answer|criteria|what "
                r"(?:do|would) they (?:want|expect)"
            ),
            _criteria,
        ),
    )
)
