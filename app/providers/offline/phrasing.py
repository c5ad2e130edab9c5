"""Lists and numbers in sentences."""

from collections.abc import Iterable, Sequence


def listed(words: Sequence[str]) -> str:
    """`SQL`, `SQL and Kafka`, `SQL, Kafka and Go`."""
    return ", ".join(words[:-1]) + (" and " if words[:-1] else "") + "".join(words[-1:])


def numbered(positions: Iterable[int]) -> str:
    """`question 3`, `questions 1 and 5`."""
    names = [str(position) for position in positions]
    return f"question{'' if len(names) == 1 else 's'} {listed(names)}"


def counted(count: int, noun: str = "question") -> str:
    """`1 question`, `4 questions`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def sentence(text: str) -> str:
    """With a capital letter, the rest as it is."""
    return text[:1].upper() + text[1:]
