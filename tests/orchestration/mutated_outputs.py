"""Valid outputs of techniques with one seeded accident each, and the questions that may be read from them."""

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.answers import technique_output
from tests.orchestration.malformed_outputs import DETAILED, GOOD, INDENTED, NUMBERED, YAML

REALISTIC = json.dumps(
    {
        "summary": 'A set for "Halden": storage, people, speed.',
        "questions": [
            {
                "text": text,
                "category": "depth",
                "requirement": "Keep `Map<String, List<Quote>>` caches honest: a < b && b < c",
                "evaluation_criteria": ["Names one trade-off, and its price", "Asks who is paged"],
                "follow_ups": [{"question": "What's your evidence, exactly?"}, "What if it's 10x?"],
                "case": {"scenario": "A bakery's 40 shops lose sales.", "data": ["Visits: flat; sales: -20 %"]},
            }
            for text in (
                "A partner's API times out on one call in fifty. What do you change first, and why?",
                "You've inherited a service nobody owns. How do you decide whether it's worth keeping?",
                "Tell me about a time when you were wrong about a deadline.",
            )
        ],
        "recommendations": ["Rehearse one incident, aloud.", "Read one query plan."],
    },
    indent=1,
    ensure_ascii=False,
)

BASES = {
    "compact": technique_output(3),
    "indented": INDENTED,
    "realistic": REALISTIC,
    "fenced": f"Here's the set:\n\n```json\n{GOOD}\n```\n\nGood luck!",
    "bare list": json.dumps(json.loads(REALISTIC)["questions"], ensure_ascii=False),
    "numbered": f"Here are your questions:\n\n{NUMBERED}\n",
    "detailed": f"{DETAILED}\n\n### Tips\n\n- Explain one incident aloud.\n",
    "yaml": f"questions:\n{YAML}\n",
}
IS_JSON = ("compact", "indented", "realistic", "fenced", "bare list")


@dataclass(frozen=True)
class Mutated:
    """A text after one accident."""

    text: str
    whole: tuple[str, ...]
    """The questions of the valid output."""
    also: tuple[str, ...] = ()
    """What a question may have become where the accident happened inside its text."""


@dataclass(frozen=True)
class Base:
    """A valid output, with the places of its questions."""

    text: str
    spans: tuple[tuple[int, int], ...]

    @property
    def whole(self) -> tuple[str, ...]:
        """The questions, as they stand in the text."""
        return tuple(self.text[start:end] for start, end in self.spans)

    def with_change(self, at: int, removed: int, inserted: str) -> Mutated:
        """The text with a small change; inside of a question, the question changes with it."""
        also = tuple(
            self.text[start:at] + inserted + self.text[at + removed : end]
            for start, end in self.spans
            if start - 1 <= at <= at + removed <= end
        )
        return Mutated(self.text[:at] + inserted + self.text[at + removed :], self.whole, also)


def base(name: str) -> Base:
    """The valid output of this name."""
    text = BASES[name]
    if name in IS_JSON:
        spans = [found.span(1) for found in re.finditer(r'"text": "([^"]*)"', text)]
    else:
        spans = [found.span(1) for found in re.finditer(r"(?m)^\s*(?:\d\. |- text: )(?:\*\*)?(\w[^*\n]{30,})", text)]
    return Base(text, tuple(spans))


def cut(source: Base, chance: random.Random) -> Mutated:
    """The end is missing."""
    return Mutated(source.text[: chance.randrange(len(source.text))], source.whole)


def dropped(source: Base, chance: random.Random) -> Mutated:
    """One sign of the syntax is missing."""
    at = chance.choice([found.start() for found in re.finditer(r'["{}\[\],:*\n]', source.text)])
    return source.with_change(at, 1, "")


def inserted(source: Base, chance: random.Random) -> Mutated:
    """One sign of the syntax is too many."""
    return source.with_change(chance.randrange(len(source.text)), 0, chance.choice('"{}[],:*\n'))


def exchanged(source: Base, chance: random.Random) -> Mutated:
    """One sign of the syntax has become another."""
    at = chance.choice([found.start() for found in re.finditer(r'["{}\[\],:]', source.text)])
    return source.with_change(at, 1, chance.choice("\"'{}[],:;`"))


def requoted(source: Base, chance: random.Random) -> Mutated:
    """All quotes are of another kind, or those of the keys."""
    quote = chance.choice(["'", "`", "\u201d", '\\"', "''"])
    sought = chance.choice([r'"', r'"(?=\w+":)|(?<=\w)"(?=:)'])
    return Mutated(re.sub(sought, lambda _: quote, source.text), source.whole)


def wrapped(source: Base, chance: random.Random) -> Mutated:
    """Prose stands around it, on the same line or on lines of its own."""
    before = chance.choice(
        ["Sure! ", "I've {kept} it \"short: ", "As asked [1]:\n", "<think>hm</think>", "\n\n> ", "}]"]
    )
    after = chance.choice([" Good luck!", "\n\nWould you like more?", "\n```", '"}', "\n1. Anything else?", "<|end|>"])
    return Mutated(before + source.text + after, source.whole)


def renamed(source: Base, chance: random.Random) -> Mutated:
    """One key is written otherwise, wherever it stands."""
    key = chance.choice(["text", "questions", "follow_ups", "category", "summary", "hints"])
    other = chance.choice([key.upper(), key.title(), f"{key}_1", f" {key} ", "question", "items", "x", ""])
    return Mutated(re.sub(rf"\b{key}(?=\"?:)", other, source.text), source.whole)


def repeated(source: Base, chance: random.Random) -> Mutated:
    """A region stands there twice, one after the other."""
    text = source.text
    is_json = text.lstrip().startswith(("{", "[")) or "```" in text
    places = range(len(text)) if is_json else [found.end() for found in re.finditer("\n", text)]
    first, last = sorted(chance.choice(places) for _ in range(2))
    tail = re.split(r'(?<=.)["\n]', text[first:])[0]
    also = tuple(text[start:last] + tail for start, end in source.spans if start <= last <= end)
    return Mutated(text[:last] + text[first:], source.whole, also)


def split(source: Base, chance: random.Random) -> Mutated:
    """A line break stands where none may."""
    return source.with_change(chance.randrange(len(source.text)), 0, chance.choice(["\n", "\r\n", "\n\n", "\t", "\0"]))


ACCIDENTS: dict[str, Callable[[Base, random.Random], Mutated]] = {
    accident.__name__: accident
    for accident in (cut, dropped, inserted, exchanged, requoted, wrapped, renamed, repeated, split)
}


def mutated(accident: str, rounds: int) -> Iterator[tuple[str, Mutated]]:
    """Every base with this accident, so many times, each under a name; the same in every run."""
    for name in BASES:
        for number in range(rounds):
            seed = f"{accident} {name} {number}"
            yield seed, ACCIDENTS[accident](base(name), random.Random(seed))  # noqa: S311
