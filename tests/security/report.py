"""`make security-report`: what the security screen catches, whom it blocks by mistake, and how long it takes.

On the development data and the texts written for the screen by cross-validation: a text is judged by weights that were
learned without it and without the texts like it. On `tests/security/held_out/*.jsonl` by the shipped weights. One
global threshold throughout. A missed threshold on held-out data, or of time, gives exit code 1.

deepset's own label also counts role play and off-topic wishes as attacks; its classes are told apart by
`tests.security.corpus.DEEPSET_CLASSES`, and both figures are printed.
"""

import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from plugins.security.model import Model
from plugins.security.reasons import Reason
from plugins.security.screen import SHIPPED, neutralise, screen
from tests.security import learning, published
from tests.security.corpus import LEARNED_ONLY, Example, examples, is_document, written
from tests.security.intervals import wilson
from tests.security.timing import SLOWEST_MS, timings

HELD_OUT = Path(__file__).with_name("held_out")
FOLDS = 4
LIMIT = 200_000
MIN_RECALL = 0.90
MAX_REFUSED_HONEST = 0.005
MAX_REFUSED_PROMPTS = 0.015
ANSWERS = ("answer", "star_answer")
"""How classes of interview answers begin."""
SECURITY_PEOPLE = "benign_security_people"
"""What these people say is full of attacks, and counted with the prompts."""
SHOWN_CHARACTERS = 110
SHOWN_EACH = 8


@dataclass(frozen=True)
class Judged:
    """A text, its score, and whether it was refused; of a document, whether something was taken out of it."""

    example: Example
    score: float
    is_refused: bool

    @property
    def is_right(self) -> bool:
        """Whether an attack was refused, or an honest text let through."""
        return self.is_refused == self.example.is_attack


def main() -> int:
    """Measure, print, and return the exit code."""
    say("# The security screen\n")
    if not any(published.texts()):
        say("The published sets are not here: `python -m tests.security.train` fetches them.\n")
    say(f"## Development data, {FOLDS}-fold cross-validation grouped by likeness\n")
    judged = list(cross_validated(examples()))
    print_tables(judged)
    thresholds_met(judged)
    is_met = held_out_met(HELD_OUT)
    return 0 if print_timings() and is_met else 1


def held_out_met(folder: Path) -> bool:
    """Judge the rows of a folder's .jsonl files by the shipped weights; nothing is ever learned from them."""
    held_out = list(written(folder))
    if not held_out:
        say(f"\nNo held-out data: {folder.name} holds no .jsonl file.\n")
        return True
    say("\n## Held-out data, shipped weights\n")
    judged = [judge(example, SHIPPED) for example in held_out]
    print_tables(judged)
    return thresholds_met(judged)


def cross_validated(found: Sequence[Example]) -> Iterator[Judged]:
    """Judge each text by weights learned from the other folds."""
    groups = sorted({example.group for example in found})
    random.Random(FOLDS).shuffle(groups)  # noqa: S311 - not for secrets
    fold_of = {group: place % FOLDS for place, group in enumerate(groups)}
    bags = learning.bags_of(found)
    for fold in range(FOLDS):
        model = learning.fit(found, bags, (i for i, example in enumerate(found) if fold_of[example.group] != fold))
        for example in found:
            if fold_of[example.group] == fold and example.source not in LEARNED_ONLY:
                yield judge(example, model)


def judge(example: Example, model: Model) -> Judged:
    """Screen a message, or neutralise a document, as the service does it.

    That something hidden was taken out of an honest document is true, and no false alarm.
    """
    verdict = screen(example.text, max_characters=LIMIT, model=model)
    if not is_document(example):
        return Judged(example, verdict.score, is_refused=not verdict.is_allowed)
    reasons = set(neutralise(example.text, model).reasons)
    return Judged(example, verdict.score, is_refused=bool(reasons if example.is_attack else reasons - {Reason.MARKUP}))


def print_tables(judged: Sequence[Judged]) -> None:
    """Print recall and false alarms by source and class, then the texts that were judged wrongly."""
    say("| source | class | n | measure | 95 % interval |\n|---|---|---|---|---|")
    for (source, kind, is_attack), rows in sorted(by_class(judged).items()):
        say(f"| {source} | {kind} | {len(rows)} | {'recall' if is_attack else 'refused'} {share(rows)} |")
    attacks = [row for row in judged if row.example.is_attack and row.example.source == "deepset"]
    if attacks:
        say(f"| deepset | its own label, role play included | {len(attacks)} | recall {share(attacks)} |")
    for is_attack, title in ((True, "Misses"), (False, "False alarms")):
        say(f"\n### {title}\n")
        print_texts([row for row in judged if row.example.is_attack is is_attack and not row.is_right])
    say("")


def print_texts(rows: Sequence[Judged]) -> None:
    """Print texts shortened, a few of each source and class."""
    shown: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        example = row.example
        shown[example.source, example.kind] += 1
        if example.trains and shown[example.source, example.kind] <= SHOWN_EACH:
            text = " ".join(example.text.split())[:SHOWN_CHARACTERS]
            say(f"- {example.source} {example.kind} ({row.score:.2f}): {text}")


def by_class(judged: Sequence[Judged]) -> dict[tuple[str, str, bool], list[Judged]]:
    """Return the rows of each source, class and label."""
    classes: dict[tuple[str, str, bool], list[Judged]] = defaultdict(list)
    for row in judged:
        classes[row.example.source, row.example.kind, row.example.is_attack].append(row)
    return classes


def is_genuine(example: Example) -> bool:
    """Whether an honest text is a document or an answer, of which fewer may be refused than of prompts."""
    return (is_document(example) or example.kind.startswith(ANSWERS)) and not example.source.endswith(SECURITY_PEOPLE)


def is_direct(example: Example) -> bool:
    """Whether an attack is a message; those inside documents are neutralised rather than refused."""
    return not is_document(example) and example.kind != "indirect"


def thresholds_met(judged: Sequence[Judged]) -> bool:
    """Print the figures that the service promises, and whether they hold."""
    attacks = [row for row in judged if row.example.is_attack and row.example.trains and is_direct(row.example)]
    honest = [row for row in judged if not row.example.is_attack]
    figures = (
        ("recall on direct attacks", attacks, MIN_RECALL, 1),
        (
            "refused of documents and answers",
            [row for row in honest if is_genuine(row.example)],
            MAX_REFUSED_HONEST,
            -1,
        ),
        ("refused of prompts", [row for row in honest if not is_genuine(row.example)], MAX_REFUSED_PROMPTS, -1),
    )
    is_met = True
    for name, rows, bound, direction in figures:
        is_held = not rows or (refused(rows) / len(rows) - bound) * direction >= 0
        say(f"{'held' if is_held else 'MISSED'}: {name} {share(rows)} (bound {bound:.1%})")
        is_met = is_met and is_held
    return is_met


def print_timings() -> bool:
    """Print how long 5,000 characters of several kinds take, and whether the slowest hundredth is fast enough."""
    say("## Milliseconds for 5,000 characters\n\n| text | p50 | p99 |\n|---|---|---|")
    slowest = 0.0
    for name, median, p99 in timings():
        say(f"| {name} | {median:.2f} | {p99:.2f} |")
        slowest = max(slowest, p99)
    say(f"\nSlowest p99: {slowest:.2f} ms (bound {SLOWEST_MS} ms)")
    return slowest <= SLOWEST_MS


def refused(rows: Sequence[Judged]) -> int:
    """Return how many were refused."""
    return sum(row.is_refused for row in rows)


def share(rows: Sequence[Judged]) -> str:
    """Return the share that was refused with its 95 % Wilson interval, as two cells of a table."""
    if not rows:
        return "none | "
    low, high = wilson(refused(rows), len(rows))
    return f"{refused(rows) / len(rows):.1%} | {low:.1%} to {high:.1%}"


def say(line: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
