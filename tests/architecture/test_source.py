"""Rules about the source that no linter of ours holds."""

import ast
import inspect
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.config import REPOSITORY_ROOT, Settings
from app.providers import registry
from tests.architecture.repository import python_files, repository_files
from tests.conftest import MakeSettings

BARE_TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore(?:\[[^\]]*\])?\s*$")
BARE_BROAD_CATCH = re.compile(r"#\s*noqa:[^#]*\bBLE001\b[\w,\s]*$")

INDEX_ADDRESS = re.compile(r"--(?:extra-)?index-url|--find-links|--trusted-host|https?://[^\s\"']*/simple\b|pypi\.org")
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:home|Users|root|work)/\w|\b[A-Z]:\\Users\\")


def comments(path: Path) -> Iterator[tuple[int, str]]:
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(REPOSITORY_ROOT)}:{line}"


@pytest.mark.parametrize("bare", [BARE_TYPE_IGNORE, BARE_BROAD_CATCH], ids=["type-ignore", "broad-catch"])
def test_every_exception_to_a_rule_has_its_reason(bare: re.Pattern[str]) -> None:
    found = [
        place(path, line)
        for path in python_files("app", "plugins", "tests", "alembic")
        for line, comment in comments(path)
        if bare.search(comment)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("comment", "is_bare"),
    [
        ("# type: ignore", True),
        ("# type: ignore[arg-type]", True),
        ("# type: ignore[arg-type]  # the stub is wrong", False),
        ("# noqa: BLE001", True),
        ("# noqa: BLE001, S110", True),
        ("# noqa: BLE001 - logged by the caller", False),
        ("# noqa: T201", False),
    ],
)
def test_the_check_for_reasons_knows_a_reason(comment: str, is_bare: bool) -> None:  # noqa: FBT001 - a table's column
    assert bool(BARE_TYPE_IGNORE.search(comment) or BARE_BROAD_CATCH.search(comment)) is is_bare


def test_nothing_prints() -> None:
    found = [
        place(path, node.lineno)
        for path in python_files("app", "plugins", "alembic")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "breakpoint"}
    ]

    assert found == []


def test_no_file_names_a_package_index_or_a_path_of_one_machine() -> None:
    here = Path(__file__)
    machine = {str(REPOSITORY_ROOT), str(Path.home())} - {"/", "/root"}
    found = []
    for path in repository_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        found += [
            f"{place(path, number)}: {line.strip()[:120]}"
            for number, line in enumerate(lines, 1)
            if path != here
            and (INDEX_ADDRESS.search(line) or MACHINE_PATH.search(line) or any(name in line for name in machine))
        ]

    assert found == []


PROVIDER_SETTINGS: dict[str, dict[str, Any]] = {
    "azure": {
        "azure_openai_endpoint": "https://example.invalid",
        "azure_openai_api_key": "key",
        "azure_openai_deployment": "chat",
        "default_model": "gpt-4o",
    },
    "compatible": {"openai_base_url": "http://127.0.0.1:9/v1", "default_model": "llama"},
    "openai": {"openai_api_key": "sk-test"},
    "offline": {},
}


def test_the_provider_registry_is_complete() -> None:
    """Whatever `app/providers` offers as `*_provider` is an entry; the offline engine is what is left without one."""
    offered = {
        node.name.removesuffix("_provider")
        for path in (REPOSITORY_ROOT / "app" / "providers").rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.endswith("_provider") and node.name != "active_provider"
    }

    assert offered == set(registry.PROVIDERS) == set(PROVIDER_SETTINGS) - {"offline"}


@pytest.mark.parametrize("name", PROVIDER_SETTINGS)
async def test_each_entry_is_chosen_by_its_settings_and_offers_the_whole_interface(
    name: str, make_settings: MakeSettings
) -> None:
    provider = registry.active_provider(make_settings(**PROVIDER_SETTINGS[name]))
    try:
        assert provider.name == name
        assert provider.models[0] == provider.default_model
        assert provider.service(provider.default_model).ai_model_id
    finally:
        await provider.close()


def test_settings_are_read_nowhere_but_in_their_module() -> None:
    """`os.environ` and `Settings()` elsewhere would make a second, hidden configuration."""
    found = [
        place(path, node.lineno)
        for path in python_files("app", "plugins")
        # The command reads settings, and OpenTelemetry's own variables are read where it is set up.
        if path.name not in {"config.py", "commands.py", "doctor.py", "telemetry.py"}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"})
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == Settings.__name__)
    ]

    assert found == []
    assert "settings" in inspect.signature(registry.active_provider).parameters
