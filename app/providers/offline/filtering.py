"""Which questions of a set a message means by what they are: about a topic, easy, short, the hardest."""

import re
from collections.abc import Callable
from typing import Any

from app.providers.offline.conversation import Conversation, CurrentSet
from app.providers.offline.job import Workshop

_DIFFICULTY = re.compile(r"^(?:the )?(easy|easier|simple|simpler|medium|hard|harder|difficult|tough)$", re.IGNORECASE)
_RATED = {"easier": "easy", "simple": "easy", "simpler": "easy", "harder": "hard", "difficult": "hard", "tough": "hard"}
_LENGTH = re.compile(r"^(?:the )?(short(?:er)?|quick|long(?:er)?)$", re.IGNORECASE)
_EXTREME = re.compile(r"\b(easiest|simplest|hardest|toughest|shortest|quickest|longest)\b", re.IGNORECASE)
_IN_POSTING = re.compile(
    r"\b(?:from|in|named in|tied to) (?:the|my) (?:posting|ad|advert|job description)\b", re.IGNORECASE
)
_FILLERS = frozenset(
    {
        "the",
        "a",
        "an",
        "me",
        "my",
        "about",
        "on",
        "with",
        "for",
        "those",
        "these",
        "that",
        "are",
        "is",
        "really",
        "want",
    }
)
_SHORT_MINUTES = 5


def extreme(message: str, current: CurrentSet) -> int | None:
    """The position of the hardest, easiest, shortest or longest question, where a message names one so."""
    match = _EXTREME.search(message)
    if match is None:
        return None
    word = match.group(1).lower()
    places = range(1, len(current.questions) + 1)
    key = minutes_of if word in {"shortest", "quickest", "longest"} else hardness
    pick = max if word in {"hardest", "toughest", "longest"} else min
    return pick(places, key=lambda place: key(current.question(place)))


def matching(workshop: Workshop, conversation: Conversation, what: str) -> tuple[int, ...]:
    """The positions of the questions that are what the words say."""
    current = conversation.own_set
    if current is None:
        return ()
    tests = _tests(workshop, current, what)
    return tuple(
        place for place, question in enumerate(current.questions, start=1) if any(test(question) for test in tests)
    )


def hardness(question: dict[str, Any]) -> tuple[int, int]:
    """How hard a question is; of two with the same rating the one that takes longer is harder."""
    rank = {"easy": 0, "medium": 1, "hard": 2}.get(str(question.get("difficulty")), 1)
    return rank, int(question.get("time_minutes") or 0)


def minutes_of(question: dict[str, Any]) -> int:
    """How long a question takes."""
    return int(question.get("time_minutes") or 0)


def _tests(workshop: Workshop, current: CurrentSet, what: str) -> list[Callable[[dict[str, Any]], bool]]:
    plain = what.strip().strip("\"'.!?").lower()
    if match := _DIFFICULTY.match(plain):
        rated = _RATED.get(match.group(1), match.group(1))
        return [lambda question: question.get("difficulty") == rated]
    if match := _LENGTH.match(plain):
        is_long = match.group(1).startswith("long")
        return [lambda question: (minutes_of(question) > _SHORT_MINUTES) is is_long]
    if _IN_POSTING.search(plain):
        return [lambda question: bool(question.get("requirement"))]
    if topics := workshop.topics(what):
        return [lambda q, topic=topic: workshop.is_about(q, topic, current.interview_type) for topic in topics]  # type: ignore[misc]  # mypy knows no defaults in lambdas
    stems = [word[: max(len(word) - 2, 4)] for word in re.findall(r"[a-z]{3,}", plain) if word not in _FILLERS]
    return [lambda question: bool(stems) and all(stem in _words_of(question) for stem in stems)]


def _words_of(question: dict[str, Any]) -> str:
    parts = (question.get("category"), question.get("text"), question.get("requirement"))
    return " ".join(str(part or "").replace("_", " ").lower() for part in parts)
