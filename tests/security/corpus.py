"""What the screen learns from and is measured on: texts written for it, what the repository ships, and shared data.

A text is an `Example`; texts that resemble each other are of one group, which never straddles folds.
"""

import ast
import importlib.metadata
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tests.security import published
from tests.security.requests import requests

CORPUS = Path(__file__).with_name("corpus")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ADVERTS = Path(__file__).resolve().parents[1] / "quality" / "adverts"
PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SEED = 20_240_601
MANUAL_CHARACTERS = (120, 1500)
MANUALS_EVERY, BANK_EVERY = 4, 12
GLUED_EVERY, MIXED_EVERY, HIDDEN_EVERY = 6, 4, 3
DOCUMENTS = ("advert", "jd", "job_description", "resume", "letter")
DOCUMENT_SOURCES = frozenset({"adverts", "job_descriptions"})
"""How classes, and which sources, of documents begin."""
HIDDEN = "hidden"
LEARNED_ONLY = ("manuals", "bank", "variants", HIDDEN, "descriptions", "requests", *published.MESSAGES)
"""Sources that no person would send, or whose texts are all alike: learned from and not measured on."""
PUBLISHED = tuple(sorted(published.READERS))
"""Sources that others have published."""
DESCRIPTION_CHARACTERS, DESCRIPTION_PARTS = 2_500, 4

_SHINGLE_WORDS = 5
_TRANSLATED_ROWS = 180
"""The first 180 rows of deepset's training split are in English, the next 180 the same in German."""

_UNTRAINED_KIND = "role play or off topic"
DEEPSET_CLASSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("jailbreak", ("evil ai|böse ki|programming guidelines|zero moderation|dan mode",)),
    (
        "extraction",
        (
            "prompt.?te?xt|copy of the full prompt|beginning of this prompt|what (?:is|was) written (?:above|at)",
            "what are your instructions|sentences before|folgenden texte\\b(?!.*unwahre)|show the following texts",
        ),
    ),
    (
        "override",
        (
            "\\b(?:ignor\\w*|forget|vergiss|vergessen|olvid\\w+|oubliez|zaboravi|забудьте|disregarding|drop all)\\b",
            "abweichend|abandon all|despite what you|change your instructions|your instructions are now",
            "new (?:tasks|instructions) follow|neue (?:aufgaben|anweisungen)|previous (?:information|tasks)",
            "vorherigen informationen|bisherigen informationen|vorangegangenen aufgaben|additional instruction",
            "do not (?:look|answer)|don'nt answer|instruction: ",
        ),
    ),
)
"""The class of an attack of deepset: the first with a pattern found in it; the rest is role play or off topic.

Only the named ones are attacks in an interview service; role play and off-topic wishes are its business.
"""


@dataclass(frozen=True)
class Example:
    """A text, whether it is an attack, and the group of texts like it.

    Role play and off-topic wishes that somebody else labelled as attacks have `trains` false: they are reported only.
    """

    text: str
    is_attack: bool
    source: str
    kind: str
    group: str = ""
    trains: bool = True


def is_document(example: Example) -> bool:
    """Whether a text is one that its sender did not write: what attacks is taken out of it, instead of refusing it."""
    return example.kind.startswith((*DOCUMENTS, "document")) or example.source in {HIDDEN, *DOCUMENT_SOURCES}


def deepset_class(text: str) -> str:
    """Return `jailbreak`, `extraction`, `override` or `role play or off topic`."""
    lowered = text.casefold()
    return next(
        (name for name, patterns in DEEPSET_CLASSES if any(re.search(pattern, lowered) for pattern in patterns)),
        _UNTRAINED_KIND,
    )


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a .jsonl file; none when it is not there."""
    if path.is_file():
        yield from (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


def written(folder: Path = CORPUS) -> Iterator[Example]:
    """Texts in files of `{"text", "label", "class", "language"}`, one author a file."""
    for path in sorted(folder.glob("*.jsonl")):
        for row in rows_of(path):
            yield Example(row["text"], row["label"] == 1, path.stem, row.get("class", ""))


def shared() -> Iterator[Example]:
    """The development data; nothing when it is not there."""
    for place, row in enumerate(rows_of(SHARED / "prompt_injection_dev.jsonl")):
        source = row["source"].split("-")[0]
        kind, group = row.get("kind", ""), ""
        # Most of these are harmless sentences, attacks only because a document says them.
        trains = not source.startswith(("bipia_code", "bipia_text"))
        if source == "deepset":
            group = f"deepset {place % _TRANSLATED_ROWS}" if place < 2 * _TRANSLATED_ROWS else ""
            kind = deepset_class(row["text"]) if row["label"] else ""
            trains = kind != _UNTRAINED_KIND
        yield Example(row["text"], row["label"] == 1, source, kind, group, trains)
    for row in rows_of(SHARED / "job_descriptions.jsonl"):
        yield Example(row["text"], row["injected"], "job_descriptions", "document" if row["injected"] else "")


def adverts() -> Iterator[Example]:
    """The job descriptions that the repository ships."""
    for path in sorted(ADVERTS.glob("*.txt")):
        yield Example(path.read_text(encoding="utf-8"), is_attack=False, source="adverts", kind="")


def manuals() -> Iterator[Example]:
    """Docstrings of Python's standard library: much honest English about systems, commands, overriding and ignoring."""
    for path in sorted(Path(json.__file__).parents[1].glob("*.py")):
        tree = ast.parse(path.read_bytes())
        documented = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
        for text in islice(filter(None, (ast.get_docstring(node) for node in documented)), 0, None, MANUALS_EVERY):
            if MANUAL_CHARACTERS[0] <= len(text) <= MANUAL_CHARACTERS[1]:
                yield Example(text, is_attack=False, source="manuals", kind="", group=f"manual {path.stem}")


def descriptions() -> Iterator[Example]:
    """What the packages of the development environment say of themselves: long honest texts, full of instructions."""
    found = {
        place.name: str(place.metadata.json.get("description", "")) for place in importlib.metadata.distributions()
    }
    for name, text in sorted(found.items()):
        for part in range(DESCRIPTION_PARTS):
            start = part * DESCRIPTION_CHARACTERS
            if text[start:].strip():
                excerpt = text[start : start + DESCRIPTION_CHARACTERS]
                yield Example(excerpt, is_attack=False, source="descriptions", kind="", group=f"description {name}")


def published_texts() -> Iterator[Example]:
    """What others have published; nothing when `python -m tests.security.train` has not fetched it."""
    for text, is_attack, source in published.texts():
        yield Example(text, is_attack, source, kind="jailbreak" if is_attack else "")


def ordinary_requests() -> Iterator[Example]:
    """What candidates ask for."""
    for text, language in requests():
        yield Example(text, is_attack=False, source="requests", kind="request", group=f"requests {language}")


def bank() -> Iterator[Example]:
    """Questions, criteria, hints and frames for answers that the service ships: how people talk in interviews."""
    for path in sorted(PLUGINS.glob("*/questions/*.yaml")):
        lines = re.findall(r"(?:: |- )([^\n]{40,})", path.read_text(encoding="utf-8"))[::BANK_EVERY]
        for line in lines:
            yield Example(line, is_attack=False, source="bank", kind="", group=f"bank {path.parts[-3]} {path.stem}")


def examples() -> list[Example]:
    """Everything there is to learn from or to be measured on, in groups."""
    honest = [*adverts(), *manuals(), *descriptions(), *bank(), *ordinary_requests()]
    found = grouped([*written(), *shared(), *published_texts(), *honest])
    return [*found, *variants(found)]


def variants(found: Sequence[Example]) -> Iterator[Example]:
    """Some of the attacks once more: without spaces between words, behind a harmless request, and in a document."""
    attacks = [example for example in found if example.is_attack and example.trains and len(example.text) < 400]
    requests = [example.text for example in found if example.kind == "request"]
    documents = [example.text for example in found if example.kind.startswith(DOCUMENTS) and not example.is_attack]
    for number, example in enumerate(attacks):
        if number % GLUED_EVERY == 0 and example.text.isascii():
            yield replace(example, text=example.text.replace(" ", ""), source="variants")
        if number % MIXED_EVERY == 0 and requests:
            request = requests[number % len(requests)]
            yield replace(example, text=f"{request} {example.text}", source="variants")
        if number % HIDDEN_EVERY == 0 and documents:
            document = documents[number % len(documents)]
            yield replace(example, text=_inside(document, example.text, number), source=HIDDEN)


def _inside(document: str, text: str, number: int) -> str:
    """Return a document with a text behind one of its sentences."""
    ends = [match.end() for match in re.finditer(r"[.!?:;\n]\s|$", document)]
    place = ends[number % len(ends)]
    return f"{document[:place]}{text} {document[place:]}"


def grouped(found: Iterable[Example]) -> list[Example]:
    """Put texts that share five words in a row, or a group already, into one group."""
    examples = list(found)
    parent = list(range(len(examples)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: dict[object, int] = {}
    for i, example in enumerate(examples):
        words = re.findall(r"\w+", example.text.casefold())
        likenesses: list[object] = [
            tuple(words[start : start + _SHINGLE_WORDS]) for start in range(max(1, len(words) - _SHINGLE_WORDS + 1))
        ]
        if example.source not in LEARNED_ONLY and len(words) < 200:
            for likeness in likenesses:
                parent[root(i)] = root(seen.setdefault(likeness, i))
        if example.group:
            parent[root(i)] = root(seen.setdefault(example.group, i))
    return [replace(example, group=f"{root(i)}") for i, example in enumerate(examples)]
