"""What the documents name exists: paths, commands, settings, tasks; and what commits are checked with can run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.core.config import REPOSITORY_ROOT, Settings
from tests.architecture.repository import repository_files
from tests.architecture.test_readme import layout_paths
from tests.cli.test_help import COMMANDS

GUIDES = {path.name for path in (REPOSITORY_ROOT / "docs").glob("adding-*.md")}
DOCUMENTS = [
    path
    for path in repository_files()
    if path.suffix == ".md" and path.name not in GUIDES and "tests" not in path.parts
]
MADE_BY_RUNNING = {"questions.pdf", "posting.txt", "openapi.json", "greenroom.db"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY_ROOT)))
def test_the_paths_that_a_document_names_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    names = {path.name for path in repository_files()}
    roots = (REPOSITORY_ROOT, document.parent)
    missing = {
        path
        for path in layout_paths(text)
        if not any(any(root.glob(path.rstrip("/"))) for root in roots)
        and Path(path).name not in names | MADE_BY_RUNNING
    }

    assert sorted(path for path in missing if not path.startswith((".venv", "plugins/salary_talk"))) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY_ROOT)))
def test_the_commands_that_a_document_names_are_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY_ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]+)", text, re.MULTILINE))
    words = {words.split()[0] for words in COMMANDS}

    assert named <= targets | {"run", "test"}
    assert set(re.findall(r"`(?:\.venv/bin/)?greenroom ([a-z-]+)", text)) <= words


def test_every_setting_in_capitals_is_one() -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name in ("operating.md", "sizing.md", "first-day.md"):
        text = (REPOSITORY_ROOT / "docs" / name).read_text(encoding="utf-8")
        assigned = set(re.findall(r"`([A-Z][A-Z_]{4,})(?:=[^`]*)?`", text))
        assert assigned <= known | {"FORWARDED_ALLOW_IPS", "VACUUM"}, name


def test_the_list_of_decisions_is_complete_and_each_has_its_parts() -> None:
    folder = REPOSITORY_ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("0*.md"))
    listed = re.findall(r"`(0\d{3}-[\w-]+\.md)`", (folder / "README.md").read_text(encoding="utf-8"))

    assert listed == records
    for number, name in enumerate(records, 1):
        text = (folder / name).read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. "), name
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Against it", "Held by"], name


def test_the_hooks_are_those_of_the_gate_and_can_run() -> None:
    document: Any = yaml.safe_load((REPOSITORY_ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    makefile = (REPOSITORY_ROOT / "Makefile").read_text(encoding="utf-8")
    programs = Path(sys.executable).parent
    for hook in document["repos"][0]["hooks"]:
        program = Path(hook["entry"].split()[0]).name
        assert shutil.which(programs / program), program
        assert f"$(BIN)/{program}" in makefile, "make check is the one gate"
    command = [str(programs / "pre-commit"), "validate-config", ".pre-commit-config.yaml"]
    done = subprocess.run(command, cwd=REPOSITORY_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
