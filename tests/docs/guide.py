"""A guide of `docs/`, followed as its reader would: its files are written, its diffs applied, its names looked up.

A block of code that is a file, or a change of one, stands below a line that says so: ``**`path`** (new file)`` or
``**`path`** (change)``. Blocks of shell commands stand by themselves.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.core.config import REPOSITORY_ROOT
from tests.architecture.repository import repository_files
from tests.architecture.test_readme import PATH_IN_TEXT

DOCS = REPOSITORY_ROOT / "docs"
NEW_FILE, CHANGE = "new file", "change"
COMMANDS = "sh"

_FENCED = re.compile(r"^```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(
    rf"^\*\*`(?P<path>[^`]+)`\*\* \((?P<kind>{NEW_FILE}|{CHANGE})\)\n\n(?={_FENCED.pattern})", re.MULTILINE | re.DOTALL
)
_HUNK = re.compile(r"@@ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@")
_IN_BACKTICKS = re.compile(r"`([^`\n]+)`")
_WORD = re.compile(r"[A-Za-z_]\w*")


class GuideError(Exception):
    """The guide cannot be followed."""


@dataclass(frozen=True)
class Block:
    """A file to write, or a diff to apply."""

    path: str
    kind: str
    language: str
    text: str


@dataclass(frozen=True)
class Guide:
    """What a guide says, and what it wants done."""

    text: str
    blocks: tuple[Block, ...]

    @classmethod
    def read(cls, name: str) -> "Guide":
        """The guide of that name in `docs/`."""
        return cls.of((DOCS / f"{name}.md").read_text(encoding="utf-8"))

    @classmethod
    def of(cls, text: str) -> "Guide":
        """A guide from its Markdown.

        Raises:
            GuideError: a block says neither which file it is nor that it holds commands.
        """
        blocks = tuple(Block(**match.groupdict()) for match in _NAMED.finditer(text))
        others = [match["language"] for match in _FENCED.finditer(text) if match["language"] != COMMANDS]
        if len(others) != len(blocks):
            raise GuideError(f"{len(others)} blocks are files or diffs, but {len(blocks)} say which")
        return cls(text, blocks)

    @property
    def prose(self) -> str:
        """What is said between the blocks."""
        return _FENCED.sub("", self.text)

    def block(self, path: str) -> str:
        """The text of the block about this file."""
        return next(block.text for block in self.blocks if block.path == path)

    def follow(self, folder: Path) -> None:
        """Write and change everything in `folder`, a copy of the repository, in the order of the guide.

        Raises:
            GuideError: a new file is there already, one to be changed is not, or a diff does not apply.
        """
        for block in self.blocks:
            path = folder / block.path
            if path.exists() is (block.kind == NEW_FILE):
                raise GuideError(f"{block.path} is a {block.kind}, but it is {'' if path.exists() else 'not '}there")
            path.parent.mkdir(parents=True, exist_ok=True)
            before = path.read_text(encoding="utf-8") if block.kind == CHANGE else ""
            path.write_text(patched(before, block) if block.kind == CHANGE else block.text, encoding="utf-8")

    def unknown_names(self, folder: Path) -> list[str]:
        """The paths and names in backticks that do not occur in `folder`, in which the guide has been followed."""
        files = list(files_of(folder))
        known = {path.name for path in files}.union(*map(_words, files))
        paths = set(PATH_IN_TEXT.findall(self.prose))
        spans = set(_IN_BACKTICKS.findall(self.prose)) - paths
        missing = {path for path in paths if path not in known and not (folder / path).exists()}
        return sorted(missing) + sorted({word for span in spans for word in _WORD.findall(span)} - known)


def files_of(folder: Path) -> Iterator[Path]:
    """Every file of a copy but the guides and their tests, which would vouch for themselves."""
    for path in folder.rglob("*"):
        if path.is_file() and "docs" not in path.relative_to(folder).parts[:2]:
            yield path


@cache
def _words(path: Path) -> frozenset[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return frozenset()
    return frozenset(_WORD.findall(text))


def copy_repository(folder: Path) -> Path:
    """What a clone would hold, in a folder to change."""
    for path in repository_files():
        copied = folder / path.relative_to(REPOSITORY_ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
    return folder


def patched(text: str, block: Block) -> str:
    """The text with the block's unified diff applied. Line numbers may have drifted; the lines themselves may not.

    Raises:
        GuideError: the diff is malformed or of another file, or the lines of a hunk are not there exactly once.
    """
    old_name, new_name, *lines = block.text.splitlines()
    if (old_name, new_name) != (f"--- a/{block.path}", f"+++ b/{block.path}"):
        raise GuideError(f"{block.path}: the diff is of {old_name} and {new_name}")
    for old, new in _hunks(block.path, lines):
        places = [match.span() for match in re.finditer(f"^{re.escape(old)}", text, re.MULTILINE)]
        if len(places) != 1:
            raise GuideError(f"{block.path}: these lines are there {len(places)} times instead of once:\n{old}")
        ((start, end),) = places
        text = text[:start] + new + text[end:]
    return text


def _hunks(path: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    """The lines before and after, of each hunk."""
    starts = [number for number, line in enumerate(lines) if line.startswith("@@")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        body = lines[start + 1 : end]
        old = [line[1:] for line in body if not line.startswith("+")]
        new = [line[1:] for line in body if not line.startswith("-")]
        header = _HUNK.fullmatch(lines[start])
        if header is None or (len(old), len(new)) != (int(header["old"] or 1), int(header["new"] or 1)):
            raise GuideError(f"{path}: {lines[start]} does not count its lines, {len(old)} and {len(new)}")
        yield "\n".join((*old, "")), "\n".join((*new, ""))
