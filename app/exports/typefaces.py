"""The fonts a page is set in: those that came with the Python packages, then what the machine has.

| script | font | comes from |
| --- | --- | --- |
| Latin, Greek, Cyrillic, Hebrew | Libertinus Serif | typst itself |
| labels, rare Latin letters and signs | Noto Sans | fontpkg-noto-sans |
| Arabic | Noto Sans Arabic | justmytype-intl-rtl |
| Devanagari, Bengali, Tamil, Telugu | Noto Sans ... | justmytype-intl-south-asia |
| Thai, Lao, Khmer, Myanmar | Noto Sans ... | justmytype-intl-sea |
| Chinese, Japanese, Korean | Noto Sans CJK | noto-cjk-sans-otc |

Emoji and other scripts need a font of the machine, such as Debian's fonts-noto-color-emoji and fonts-noto-core.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

import structlog
import typst
from fontTools.ttLib import TTFont, TTLibError

FONT_PACKAGES = (
    "fontpkg_noto_sans",
    "justmytype_intl_rtl",
    "justmytype_intl_south_asia",
    "justmytype_intl_sea",
    "noto_cjk_sans_otc",
)

LAST_RESORT = "LastResort"
"""A font that covers every character, with boxes."""

logger = structlog.get_logger(__name__)


@dataclass
class Typefaces:
    """Fonts for the typesetter, and which characters they have."""

    fonts: typst.Fonts
    packaged: frozenset[int]
    """Code points that the packaged fonts have."""
    _machine: Iterator[frozenset[int]] = field(repr=False)
    _found: set[int] = field(default_factory=set, repr=False)
    """Code points of the machine's fonts, as far as these have been opened."""
    _lock: Lock = field(default_factory=Lock, repr=False)
    """Documents are set in threads."""

    def missing(self, characters: Set[str]) -> frozenset[str]:
        """Those that no font has. The machine's fonts are only opened for what the packaged ones lack."""
        missing = {character for character in characters if ord(character) not in self.packaged}
        with self._lock:
            missing = {character for character in missing if ord(character) not in self._found}
            while missing and (more := next(self._machine, None)) is not None:
                self._found |= more
                missing = {character for character in missing if ord(character) not in more}
        return frozenset(missing)


@cache
def typefaces(*, with_machine_fonts: bool = True) -> Typefaces:
    """Every font there is; without the machine's, what a bare machine would have. Fonts do not change while we run."""
    folders = [package_folder(name) for name in FONT_PACKAGES]
    fonts = typst.Fonts(include_system_fonts=with_machine_fonts, include_embedded_fonts=True, font_paths=folders)
    paths = {Path(font.path) for font in fonts.fonts() if font.path and LAST_RESORT not in font.family}
    packaged = {path for path in paths if any(path.is_relative_to(folder) for folder in folders)}
    return Typefaces(
        fonts=fonts,
        packaged=frozenset().union(*_coverage(sorted(packaged))),
        _machine=_coverage(sorted(paths - packaged)),
    )


def package_folder(name: str) -> Path:
    """Where a font package lies. It is not imported: only its files are wanted.

    Raises:
        RuntimeError: it is not installed.
    """
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"The font package {name} is not installed: run `make run` again, which installs it.")
    return Path(spec.submodule_search_locations[0])


def _coverage(paths: Iterable[Path]) -> Iterator[frozenset[int]]:
    """The code points of each font file. The faces of a collection share theirs, near enough."""
    for path in paths:
        try:
            with TTFont(path, fontNumber=0, lazy=True) as font:
                yield frozenset(font.getBestCmap() or ())
        except (TTLibError, OSError) as error:
            logger.warning("font_unreadable", font=path.name, error=type(error).__name__)
