"""What candidates ask of the service all day, put together from parts: short requests, most of them in the imperative.

Attacks are imperative as well. Without many of these, the screen would learn that asking for anything is suspicious.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import yaml

SEED = 20_261_126
ENGLISH, OTHERS = 2400, 300
"""How many of them."""
CAPITALISED = 0.7
"""Share of people who begin with a capital letter."""

PARTS = Path(__file__).with_name("corpus") / "requests.yaml"
"""By language: how a sentence is built, with `{slots}`, and what may stand in each."""


def requests() -> Iterator[tuple[str, str]]:
    """Yield texts, each once, and their languages; the same ones in every run."""
    chance = random.Random(SEED)  # noqa: S311 - nothing secret
    for language, parts in yaml.safe_load(PARTS.read_text(encoding="utf-8")).items():
        wanted = ENGLISH if language == "en" else OTHERS
        for text in sorted({_made(parts, chance) for _ in range(wanted)}):
            yield text, language


def _made(parts: dict[str, list[str]], chance: random.Random) -> str:
    text = chance.choice(parts["sentence"])
    for name, others in parts.items():
        while (slot := f"{{{name}}}") in text:
            text = text.replace(slot, chance.choice(others), 1)
    text = text.strip()
    return text[:1].upper() + text[1:] if chance.random() < CAPITALISED else text
