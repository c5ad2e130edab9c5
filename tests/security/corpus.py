"""What the screen learns from: texts written for it, and the development data where it lies beside the repository."""

import ast
import codecs
import itertools
import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

CORPUS = Path(__file__).with_name("corpus")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
ADVERTS = Path(__file__).resolve().parents[1] / "quality" / "adverts"
PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
SEED = 20_240_601
MANUAL_CHARACTERS = 200
BANK_EVERY = 3
DISGUISED_EVERY = 8
VARIANTS = 14
"""Texts made of one template at most."""

_CHOICE = re.compile(r"\{([^{}]*\|[^{}]*)\}")
_SHINGLE_WORDS = 7
_TRANSLATED_ROWS = 180
"""The first 180 rows of deepset's training split are in English, the next 180 the same in German."""


@dataclass(frozen=True)
class Example:
    """A text, whether it is an attack, and the group of texts like it that must not straddle folds.

    Role play and off-topic wishes that somebody else labelled as attacks have `trains` false: they are reported only.
    """

    text: str
    is_attack: bool
    source: str
    kind: str
    group: str
    trains: bool = True


DEEPSET_CLASSES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("role escape", ("evil ai|böse ki|programming guidelines|zero moderation|dan mode",)),
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


def deepset_class(text: str) -> str:
    """Return `extraction`, `override` or `role play or off topic`."""
    lowered = text.casefold()
    return next(
        (name for name, patterns in DEEPSET_CLASSES if any(re.search(pattern, lowered) for pattern in patterns)),
        "role play or off topic",
    )


def own() -> Iterator[Example]:
    """Texts of the templates under `corpus`: the same ones every time."""
    dice = random.Random(SEED)  # noqa: S311 - not for secrets
    for path in sorted(CORPUS.glob("*.txt")):
        kind = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
            if line.startswith("[") and line.endswith("]") and "|" not in line and " " not in line:
                kind = line.strip("[]")
            elif line and not line.startswith("# "):
                for text in _texts(line, dice):
                    yield Example(text, path.stem != "benign", f"own {path.stem}", kind, f"{path.stem} {number}")


def _texts(template: str, dice: random.Random) -> list[str]:
    def choose(found: re.Match[str]) -> str:
        return dice.choice(cast("str", found.group(1)).split("|"))

    texts = {_CHOICE.sub(choose, template).replace("¦", "|") for _ in range(VARIANTS * 2)}
    return sorted(texts)[:: max(1, len(texts) // VARIANTS)][:VARIANTS]


def shared() -> Iterator[Example]:
    """The development data; nothing when it is not there."""
    rows = list(_rows("prompt_injection_dev.jsonl"))
    groups = _groups([row["text"] for row in rows])
    deepset = itertools.count()
    for row, group in zip(rows, groups, strict=True):
        source = row["source"].split("-")[0]
        kind = row.get("attack_type", row.get("kind", ""))
        trains = not source.startswith(("bipia_code", "bipia_text"))
        if source == "deepset":
            place = next(deepset)
            group = f"deepset {place % _TRANSLATED_ROWS}" if place < 2 * _TRANSLATED_ROWS else group  # noqa: PLW2901
            kind = deepset_class(row["text"]) if row["label"] else ""
            trains = kind != "role play or off topic"
        yield Example(row["text"], row["label"] == 1, source, kind, group, trains)
    for row in _rows("job_descriptions.jsonl"):
        yield Example(row["text"], row["injected"], "job_descriptions", row["field"], row["id"], not row["injected"])


def _rows(name: str) -> Iterator[dict[str, Any]]:
    path = SHARED / name
    if path.is_file():
        yield from (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())


def adverts() -> Iterator[Example]:
    """The job descriptions that the repository ships."""
    for path in sorted(ADVERTS.glob("*.txt")):
        yield Example(path.read_text(encoding="utf-8"), is_attack=False, source="adverts", kind="", group=path.stem)


def manuals() -> Iterator[Example]:
    """Docstrings of Python's standard library: much honest English about systems, commands, overriding and ignoring."""
    for path in sorted(Path(json.__file__).parents[1].glob("*.py")):
        tree = ast.parse(path.read_bytes())
        documented = (node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
        for text in filter(None, (ast.get_docstring(node) for node in documented)):
            if len(text) >= MANUAL_CHARACTERS:
                yield Example(text, is_attack=False, source="manuals", kind="", group=f"manual {path.stem}")


def bank() -> Iterator[Example]:
    """Questions, criteria, hints and frames for answers that the service ships: how people talk in interviews."""
    for path in sorted(PLUGINS.glob("*/questions/*.yaml")):
        for text in re.findall(r'"([^"\n]{40,})"', path.read_text(encoding="utf-8"))[::BANK_EVERY]:
            yield Example(text, is_attack=False, source="bank", kind="", group=f"bank {path.parts[-3]} {path.stem}")


def disguised(found: list[Example]) -> Iterator[Example]:
    """Some of the attacks once more, in costumes that are taken off word by word."""
    leet = str.maketrans("aeiost", "431057")
    for example in found[::DISGUISED_EVERY]:
        if example.is_attack and example.text.isascii() and "<" not in example.text:
            spaced = "  ".join(" ".join(word) for word in example.text.split())
            turned = example.text.lower()[::-1], codecs.encode(example.text, "rot13")
            for text in (spaced, example.text.translate(leet), *turned):
                yield replace(example, text=text, source="own disguised")


def _groups(texts: list[str]) -> list[str]:
    """Return a group for each text; two texts that share seven words in a row are in the same one."""
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    seen: dict[tuple[str, ...], int] = {}
    for i, text in enumerate(texts):
        words = re.findall(r"\w+", text.casefold())
        for start in range(max(1, len(words) - _SHINGLE_WORDS + 1)):
            shingle = tuple(words[start : start + _SHINGLE_WORDS])
            parent[root(i)] = root(seen.setdefault(shingle, i))
    return [f"like {root(i)}" for i in range(len(texts))]


def examples() -> list[Example]:
    """Everything there is to learn from or to be measured on."""
    written = list(own())
    return [*written, *disguised(written), *shared(), *adverts(), *manuals(), *bank()]


def by_group(found: list[Example]) -> dict[str, list[Example]]:
    """Return the examples of each group."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for example in found:
        groups[example.group].append(example)
    return groups
