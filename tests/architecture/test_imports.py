"""The import contracts of pyproject.toml hold, and each would notice a breach; importing the app does no work."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from app.core.config import REPOSITORY_ROOT

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

BREACHES = {
    "Imports point one way": ("app/core/clock.py", "import app.providers.base"),
    "Native plugins import nothing from the application": ("plugins/cost/prices.py", "import app.core.clock"),
    "The core imports no plugin": ("app/core/fences.py", "import plugins.security.screen"),
    "Orchestration and providers know neither web nor database": ("app/orchestration/events.py", "import sqlmodel"),
    "Only endpoints know the web framework": ("app/chat/schemas.py", "import fastapi"),
    "Only orchestration and providers know Semantic Kernel": ("app/usage/schemas.py", "import semantic_kernel"),
    "Only the services of conversations use the conversations repository": (
        "app/chat/runner.py",
        "import app.conversations.repository",
    ),
    "Only the usage service uses the usage repository": ("app/chat/sse.py", "import app.usage.repository"),
    "Only the services of accounts use the accounts repository": (
        "app/exports/service.py",
        "import app.accounts.repository",
    ),
    "Inside accounts imports point one way": ("app/accounts/models.py", "import app.accounts.tokens"),
    "Inside a domain imports point one way": ("app/usage/models.py", "import app.usage.schemas"),
}

WATCH = """
import json, sys
work = []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        work.append(f"opens {arguments[0]} to write")
    elif event == "open" and str(arguments[0]).endswith((".yaml", ".txt", ".json", ".env", ".db", ".ini")):
        if str(arguments[0]).startswith(ROOT) and "/.venv/" not in str(arguments[0]):
            work.append(f"reads {arguments[0]}")
    elif event in {"sqlite3.connect", "socket.connect", "socket.bind", "socket.getaddrinfo"}:
        work.append(f"{event} {arguments[1:]}")
sys.addaudithook(watch)
import app.main
import threading
work += [f"starts {thread.name}" for thread in threading.enumerate() if thread is not threading.main_thread()]
print(json.dumps(work))
"""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True, check=False
    )


def contracts() -> list[dict[str, object]]:
    document = tomllib.loads((REPOSITORY_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, object]] = document["tool"]["importlinter"]["contracts"]
    return found


def test_the_contracts_hold() -> None:
    result = lint(REPOSITORY_ROOT)

    assert result.returncode == 0, result.stdout


@pytest.fixture(scope="module")
def report_on_breaches(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What import-linter says of a copy in which every contract is broken once."""
    copy = tmp_path_factory.mktemp("breaches")
    for folder in ("app", "plugins"):
        shutil.copytree(REPOSITORY_ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY_ROOT / "pyproject.toml", copy)
    for path, line in BREACHES.values():
        with (copy / path).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    return lint(copy).stdout


@pytest.mark.parametrize("contract", [str(contract["name"]) for contract in contracts()])
def test_each_contract_notices_a_breach(contract: str, report_on_breaches: str) -> None:
    assert contract in BREACHES, "add a line to BREACHES that breaks the new contract"
    assert f"{contract} BROKEN" in report_on_breaches


def test_every_repository_is_protected() -> None:
    protected = {str(name) for contract in contracts() for name in contract.get("protected_modules", ())}  # type: ignore[attr-defined]  # TOML is untyped
    repositories = {f"app.{path.parent.name}.repository" for path in (REPOSITORY_ROOT / "app").glob("*/repository.py")}

    assert repositories
    assert repositories <= protected


def test_importing_the_application_does_no_work(tmp_path: Path) -> None:
    """No file of ours is read, none is written, nothing is connected, no thread runs: all of that is the lifespan's."""
    result = subprocess.run(
        [sys.executable, "-B", "-c", f"ROOT = {str(REPOSITORY_ROOT)!r}{WATCH}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(REPOSITORY_ROOT), os.environ.get("PYTHONPATH", "")))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == []
