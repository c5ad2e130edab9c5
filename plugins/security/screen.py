"""The security screen: pure code that decides, before any model call, whether a text looks like an attack.

A text is folded to plain letters (`folding`) and cut into tokens (`tokens`), parts in disguise are read as well
(`disguises`), all of it is hashed into n-grams of words and letters (`ngrams`), and a linear model weighs stretches of
it (`model`). One global threshold decides. An attack in a message is refused; in a document, which its sender did not
write, it is taken out and flagged.

The screen is one layer. It does not replace delimiting candidate text in prompts, and it reads words, not intent.
"""

from dataclasses import dataclass

from plugins.security.characters import hidden_payload, hides_text, shows_nothing, without_invisible
from plugins.security.findings import Finding, findings_in, weigh
from plugins.security.markup import without_hidden_markup
from plugins.security.model import Model, read
from plugins.security.reasons import Reason

THRESHOLD = 1.0
"""A text scoring this much or more is refused. The same number holds for every kind of text."""

REMOVED = "[removed: text addressed to an AI]"
"""What stands in a document where a passage was taken out."""

LINGERING = 0.4
"""Beside a passage that was taken out, one that scores this much goes with it: orders come in several sentences."""

MAX_ROUNDS = 20
"""Passages move together when one between them is taken out, and may then say something else."""

SHIPPED = read()

_QUOTES = frozenset("\"'“”„«»`")


@dataclass(frozen=True)
class Verdict:
    """What the screen found. `score` is 0 for a clean text; `reasons` are ordered by weight, the heaviest first.

    An allowed text may carry reasons: they were noticed and weighed too little.
    """

    score: float
    reasons: tuple[Reason, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether the text may go on to a model."""
        return self.score < THRESHOLD


@dataclass(frozen=True)
class Neutralised:
    """A document as a model may see it, and why it differs; without reasons only invisible characters do."""

    text: str
    reasons: tuple[Reason, ...]


def screen(text: str, *, max_characters: int, model: Model = SHIPPED) -> Verdict:
    """Judge one text. Deterministic, without I/O; raises nothing for any string.

    A text longer than `max_characters` is refused unread: the limit also bounds the work.
    """
    if len(text) > max_characters:
        return Verdict(THRESHOLD, (Reason.TOO_LONG,))
    payload = hidden_payload(text)
    if not payload and shows_nothing(text):
        return Verdict(THRESHOLD, (Reason.EMPTY,))
    found = [finding for part in (_unquoted(text), payload) if part for finding in findings_in(part, model)]
    found.sort(key=lambda finding: -finding.margin)
    score = round(_score(found[0].margin), 3) if found else 0.0
    speaking = [finding for finding in found if finding.margin >= 0] or (found[:1] if score else [])
    reasons = tuple(dict.fromkeys(reason for finding in speaking for reason in finding.reasons))
    if hides_text(text):
        named = reasons if score >= THRESHOLD else ()
        return Verdict(max(score, THRESHOLD), tuple(dict.fromkeys((*named, Reason.HIDDEN_CHARACTERS))))
    return Verdict(score, reasons)


def _unquoted(text: str) -> str:
    """Return a text that is one quotation without its quotes: it is spoken, not mentioned."""
    bare = text.strip()
    inside = bare[1:-1]
    is_quotation = len(bare) > 1 and bare[0] in _QUOTES and bare[-1] in _QUOTES and not _QUOTES & set(inside)
    return inside if is_quotation else text


def neutralise(text: str, model: Model = SHIPPED) -> Neutralised:
    """Return a document without hidden content and without passages that read as instructions to an AI.

    What is visible and honest stays letter for letter, because requirements are quoted from it. Idempotent.
    """
    reasons = [Reason.HIDDEN_CHARACTERS] if hides_text(text) else []
    visible = without_invisible(text)
    for _ in range(MAX_ROUNDS):
        shown = without_hidden_markup(visible)
        if shown != visible:
            reasons.append(Reason.MARKUP)
        spans = _spans_to_remove(shown, model)
        reasons.extend(reason for finding in spans for reason in finding.reasons)
        visible = _without(shown, spans)
        if not spans:
            return Neutralised(visible, tuple(dict.fromkeys(reasons)))
    # Whoever writes a text that is still not clean after so many rounds does it on purpose.
    return Neutralised(REMOVED, tuple(dict.fromkeys(reasons)))


def _spans_to_remove(text: str, model: Model) -> list[Finding]:
    """Return what to take out, in order: the shortest windows that score, and the lingering ones beside them."""
    # A marker says nothing, and letters that stay where they are keep the places of all others.
    weighed = weigh(text.replace(REMOVED, " " * len(REMOVED)), model)
    taken = _Taken(len(text))
    attacks = [
        finding
        for finding in weighed.beside_windows()
        if finding.margin >= 0 and taken.claims(finding.start, finding.end)
    ]
    parts = weighed.with_sentences()
    attacks += parts.findings([number for number, *span in parts.shortest_first(0) if taken.claims(*span)])
    if not attacks:
        return []
    starts, ends = {finding.start for finding in attacks}, {finding.end for finding in attacks}
    beside = [
        number
        for number, start, end in parts.shortest_first(LINGERING - THRESHOLD)
        if (_before(text, start) in ends or _after(text, end) in starts) and taken.claims(start, end)
    ]
    return sorted((*attacks, *parts.findings(beside)), key=lambda finding: finding.start)


def _before(text: str, place: int) -> int:
    """Return where what stands before a place ends, or -1 when an empty line lies between."""
    end = len(text[max(0, place - 40) : place].rstrip()) + max(0, place - 40)
    return -1 if "\n\n" in text[end:place] else end


def _after(text: str, place: int) -> int:
    rest = text[place : place + 40]
    start = place + len(rest) - len(rest.lstrip())
    return -1 if "\n\n" in text[place:start] else start


class _Taken:
    """Which characters of a text are taken out already."""

    def __init__(self, characters: int) -> None:
        self._marks = bytearray(characters)

    def claims(self, start: int, end: int) -> bool:
        """Whether none of a span was taken; it is now."""
        if self._marks.find(1, start, end) >= 0:
            return False
        self._marks[start:end] = b"\1" * (end - start)
        return True


def _without(text: str, spans: list[Finding]) -> str:
    """Return the text with each span replaced by the marker; white space around it stays."""
    parts, shown = [], 0
    for span in spans:
        inside = text[span.start : span.end]
        lead = len(inside) - len(inside.lstrip())
        trail = len(inside) - len(inside.rstrip())
        parts += [text[shown : span.start + lead], REMOVED]
        shown = span.end - trail
    return "".join([*parts, text[shown:]])


def _score(margin: float) -> float:
    return max(0.0, THRESHOLD + margin)
