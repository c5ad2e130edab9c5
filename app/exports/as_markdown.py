"""A page of Markdown that reads well as it stands and cannot be anything but text where it quotes people and models."""

import re
from collections.abc import Iterator, Sequence

from app.exports.document import ExportDocument, tags
from app.orchestration.questions import Question

HARD_BREAK = "\\\n"

_ANYWHERE = re.compile(r"[\\`*_\[\]<|~$@]|&(?=#?\w+;)|(?<=[a-z]):(?=//)|(?<=www)\.", re.IGNORECASE)
"""Code, emphasis, links and images, HTML, tables, strike-through, mathematics, entities, and what some renderers make a
link of by itself."""
_AT_LINE_START = re.compile(r"^(?:[#>=+\-:]|\d{1,9}(?=[.)]))")
"""Headings, quotes, underlines and rules, lists, definitions."""
_ENTITIES = {"<": "&lt;", "&": "&amp;"}
"""Spelt out, because the oldest renderers know no backslash before these."""
_WHITE_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def as_markdown(document: ExportDocument) -> bytes:
    """The document as CommonMark in UTF-8."""
    return ("\n\n".join(_blocks(document)) + "\n").encode()


def escaped(text: str, *, indent: str = "") -> str:
    """Markdown that shows this text, with its line breaks and nothing else of its form.

    A backslash before ASCII punctuation is CommonMark for the sign itself, so that one rule disarms all of it. Leading
    white space, which would make code of a line, and blank lines, which would end a list item, are left out.
    """
    lines = (_WHITE_SPACE.sub(" ", line).strip() for line in text.splitlines())
    return f"{HARD_BREAK}{indent}".join(_escaped_line(line) for line in lines if line)


def _escaped_line(line: str) -> str:
    inner = _ANYWHERE.sub(lambda match: _ENTITIES.get(match.group(), f"\\{match.group()}"), line)
    return _AT_LINE_START.sub(_disarmed, inner)


def _disarmed(match: re.Match[str]) -> str:
    """A number keeps its digits: the full stop after it makes the list."""
    start = match.group()
    return f"{start}\\" if start[0].isdigit() else f"\\{start}"


def _blocks(document: ExportDocument) -> Iterator[str]:
    yield f"# {escaped(document.title)}"
    if document.job_title:
        yield f"**{escaped(document.job_title)}**"
    yield escaped(document.facts)
    for question in document.question_set.questions:
        yield from _question(question)
    if document.question_set.recommendations:
        yield "## Before the interview"
        yield _items(document.question_set.recommendations)


def _question(question: Question) -> Iterator[str]:
    yield f"## Question {question.position}"
    yield f"**{escaped(question.text)}**"
    yield escaped(tags(question))
    if question.case:
        yield from _text("Scenario", question.case.scenario)
        yield from _list("Data", question.case.data)
    yield from _text("From the posting", question.requirement)
    yield from _text("What tells this level", question.level_signal)
    yield from _list("A good answer", question.evaluation_criteria)
    if question.case:
        yield from _list("Expected approach", question.case.expected_approach, is_ordered=True)
    yield from _list("Follow-ups", question.follow_ups)
    yield from _list("Hints, one at a time", question.hints, is_ordered=True)
    yield from _text("Framework", question.sample_framework)


def _text(name: str, text: str | None) -> Iterator[str]:
    if text:
        yield f"### {name}"
        yield escaped(text)


def _list(name: str, texts: Sequence[str], *, is_ordered: bool = False) -> Iterator[str]:
    if texts:
        yield f"### {name}"
        yield _items(texts, is_ordered=is_ordered)


def _items(texts: Sequence[str], *, is_ordered: bool = False) -> str:
    marks = (f"{number}. " if is_ordered else "- " for number in range(1, len(texts) + 1))
    return "\n".join(mark + escaped(text, indent=" " * len(mark)) for mark, text in zip(marks, texts, strict=True))
