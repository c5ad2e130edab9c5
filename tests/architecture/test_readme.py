"""README and `.env.example` name what the code has.

`python -m tests.architecture.test_readme` prints the settings table for README.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from app.core.config import REPOSITORY_ROOT, Settings
from tests.architecture.repository import repository_files

README = REPOSITORY_ROOT / "README.md"
COMPOSE_VARIABLES = ("COMPOSE_FILE", "POSTGRES_PASSWORD", "GRAFANA_PASSWORD")
OPENING, CLOSING = "<!-- settings -->", "<!-- /settings -->"
PATH_IN_TEXT = re.compile(r"`((?:\.?[\w-]+/)+[\w.*-]*|[\w-]+\.(?:py|ini|toml|yaml))`")


def settings_table() -> str:
    """The settings as README shows them between its two markers."""
    rows = ["| Variable | Default | What it does |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        description = (field.description or "").replace("|", r"\|")
        rows.append(f"| `{name.upper()}` | {_default(field.default)} | {description} |")
    return "\n".join(rows)


def _default(value: Any) -> str:
    if value is None or value is PydanticUndefined or value == ():
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Path):
        return f"`{value.relative_to(REPOSITORY_ROOT)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _tree_paths(block: str) -> Iterator[str]:
    """The paths of an indented tree such as `app/`, then two spaces and `main.py  what it is`."""
    folders: list[tuple[int, str]] = []
    for line in block.splitlines():
        plain = re.sub("[│├└─]", " ", line).rstrip()
        if not plain:
            continue
        depth = len(plain) - len(plain.lstrip())
        name = plain.split()[0]
        while folders and folders[-1][0] >= depth:
            folders.pop()
        path = "".join(folder for _, folder in folders) + name
        if name.endswith("/"):
            folders.append((depth, name))
        if re.fullmatch(r"[\w./*-]+", name):
            yield path


def layout_paths(text: str) -> set[str]:
    """Every path of the repository that a Markdown text mentions in backticks or draws as a tree."""
    blocks = re.findall(r"^```[\w-]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    trees = [block for block in blocks if re.match(r"[\w.-]+/(?:\s|$)", block)]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return {path for tree in trees for path in _tree_paths(tree)} | set(PATH_IN_TEXT.findall(prose))


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_readme_shows_the_settings_as_the_code_has_them() -> None:
    text = README.read_text(encoding="utf-8")

    assert text.count(OPENING) == text.count(CLOSING) == 1
    shown = text.split(OPENING)[1].split(CLOSING)[0].strip()
    # A table may be aligned with spaces, and its head may be worded otherwise.
    rows = [re.sub(r"\s*\|\s*", "|", line.strip()) for line in shown.splitlines()[2:]]
    assert rows == [re.sub(r"\s*\|\s*", "|", line.strip()) for line in settings_table().splitlines()[2:]]


def test_the_paths_that_readme_names_exist() -> None:
    paths = layout_paths(README.read_text(encoding="utf-8"))

    assert {path for path in paths if path.startswith(("app/", "plugins/"))}, "README shows where to look first"
    names = {path.name for path in repository_files()}
    missing = {path for path in paths if not any(REPOSITORY_ROOT.glob(path.rstrip("/")))}
    # "`filters.py` beside it" names a file without its folder.
    assert sorted(path for path in missing if path not in names) == []


def test_a_layout_is_read_as_a_tree_and_from_prose() -> None:
    tree = "See `app/chat/service.py`.\n```\napp/\n  main.py   the application\n  core/\n    clock.py\nplugins/\n```\n"

    assert layout_paths(tree) == {
        "app/chat/service.py",
        "app/",
        "app/main.py",
        "app/core/",
        "app/core/clock.py",
        "plugins/",
    }


def test_the_example_environment_has_every_setting_valid_and_no_secret() -> None:
    lines = (REPOSITORY_ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    pairs = [match.groups() for line in lines if (match := re.fullmatch(r"#?\s?([A-Z][A-Z0-9_]+)=(.*)", line))]

    settings = {name.upper() for name in Settings.model_fields}
    others = {name for name, _ in pairs} - settings
    assert settings <= {name for name, _ in pairs}
    # Of others who read the same file.
    assert {name for name in others if not name.startswith("OTEL_")} == set(COMPOSE_VARIABLES)
    secret = ("_KEY", "_SECRET", "_TOKEN", "_PASSWORD")
    assert [name for name, value in pairs if name.endswith(secret) and value] == []
    assert [f"{name}={value}" for name, value in pairs if name in settings and is_wrong(name, value)] == []


def is_wrong(name: str, value: str) -> bool:
    """Whether the setting cannot have this value; others that it needs are another matter."""
    try:
        Settings.__pydantic_validator__.validate_assignment(Settings.model_construct(), name.lower(), value)
    except ValidationError as error:
        return bool(value) and any(gap["loc"] for gap in error.errors())
    return False


def test_a_wrong_value_in_the_example_environment_would_be_found() -> None:
    assert is_wrong("APP_PORT", "80000")


if __name__ == "__main__":
    print(settings_table())  # noqa: T201 - this is what the module is run for
