"""Every test that README's security tables name is there."""

import ast
import re

import pytest

from app.core.config import REPOSITORY_ROOT
from tests.architecture.repository import python_files

README = REPOSITORY_ROOT / "README.md"
HEADING = "## What holds the security"
REFERENCE = re.compile(r"\btests/[\w./-]*(?:::\w+)*")
ROW = re.compile(r"\| (?P<item>V\d+\.\d+\.\d+|LLM\d\d)[^|]*\|[^|]*\| (?P<tests>[^|]*) \|")
NOT_APPLICABLE = {"LLM08"}
"""What Greenroom has nothing of; every other row names a test."""


def section(text: str) -> str:
    """The part of README under the heading, up to the next one of its rank."""
    _, heading, rest = f"\n{text}".partition(f"\n{HEADING}\n")
    assert heading, f"README has no {HEADING!r}"
    return rest.partition("\n## ")[0]


def references(text: str) -> set[str]:
    """Every test file or function that the text names, such as `tests/core/test_edge.py::test_name`."""
    return set(REFERENCE.findall(text))


def known_tests() -> set[str]:
    """Every test file of the repository, and every test function at the top of one."""
    found = set()
    for path in python_files("tests"):
        if path.name.startswith("test_"):
            name = path.relative_to(REPOSITORY_ROOT).as_posix()
            found.add(name)
            found |= {
                f"{name}::{node.name}"
                for node in ast.parse(path.read_text(encoding="utf-8")).body
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
            }
    return found


def test_the_tests_that_the_security_tables_name_exist() -> None:
    named = references(section(README.read_text(encoding="utf-8")))

    assert named
    assert sorted(named - known_tests()) == []


def test_every_row_names_a_test() -> None:
    rows = [match.group("item", "tests") for match in ROW.finditer(section(README.read_text(encoding="utf-8")))]

    assert {f"LLM{number:02}" for number in range(1, 11)} < {item for item, _ in rows}
    assert {item for item, tests in rows if not references(tests)} == NOT_APPLICABLE


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("see `tests/a/test_b.py::test_c`, `tests/a/test_d.py`.", {"tests/a/test_b.py::test_c", "tests/a/test_d.py"}),
        ("`tests/a/test_b.py::Group::test_c`", {"tests/a/test_b.py::Group::test_c"}),
        ("no test of it, contests/none", set()),
    ],
)
def test_a_reference_is_read_whole(text: str, named: set[str]) -> None:
    assert references(text) == named


def test_the_section_ends_where_the_next_begins() -> None:
    assert section(f"# A\n\n{HEADING}\n\none\n\n### Two\n\n## Three\n\nfour\n") == "\none\n\n### Two\n"
