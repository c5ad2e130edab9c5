"""The files of this repository, as a clone would hold them."""

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from app.core.config import REPOSITORY_ROOT


def python_files(*folders: str) -> Iterator[Path]:
    """Every committed Python file under these folders."""
    for path in repository_files():
        if path.suffix == ".py" and path.relative_to(REPOSITORY_ROOT).parts[0] in folders:
            yield path


@cache
def repository_files() -> tuple[Path, ...]:
    """Every file that `.gitignore` does not name."""
    lines = (REPOSITORY_ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [line.strip().rstrip("/") for line in lines if line.strip() and not line.startswith("#")]

    def is_kept(name: str) -> bool:
        return name != ".git" and not any(fnmatch(name, pattern) for pattern in ignored)

    found = []
    for folder, folders, files in os.walk(REPOSITORY_ROOT):
        folders[:] = sorted(filter(is_kept, folders))
        found += [Path(folder, name) for name in sorted(filter(is_kept, files))]
    return tuple(found)
