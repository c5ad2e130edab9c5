"""The security screen: pure code that decides, before any model call, whether a text looks like an attack.

A text is cut into passages, words are read as concepts whatever their language or costume, and a small linear model
weighs which of them stand near each other (`passages`, `lexicon`, `model`). One global threshold decides. An attack in
a message is refused; in a document, which its sender did not write, it is taken out and flagged.

The screen is one layer. It does not replace delimiting candidate text in prompts, and it reads words, not intent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from plugins.security.characters import hidden_payload, hides_text, without_invisible
from plugins.security.findings import Finding, findings
from plugins.security.markup import without_hidden_markup
from plugins.security.model import LEAST_EVIDENCE, SHIPPED, Model
from plugins.security.reasons import Reason

THRESHOLD = 1.0
"""A text scoring this much or more is refused. The same number holds for every kind of text."""

REMOVED = "[removed: text addressed to an AI]"
"""What stands in a document where a passage was taken out."""

LINGERING = 0.4
"""Beside a passage that was taken out, one that scores this much goes with it: orders come in several sentences."""

MAX_ROUNDS = 20
"""Passages move together when one between them is taken out, and may then say something else."""

_QUOTES = frozenset("\"'“”„«»`")
_FAINT = 0.5
"""Below this score nothing is worth a reason."""


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
    visible = _unquoted(without_invisible(text))
    if not visible.strip() and not hidden_payload(text):
        return Verdict(THRESHOLD, (Reason.EMPTY,))
    found = [*findings(visible, model, above=_logit(_FAINT)), *_hidden(text, model)]
    heaviest = max(found, key=lambda finding: finding.logit, default=None)
    score = round(_score(heaviest), 3) if heaviest else 0.0
    reasons = heaviest.reasons if heaviest else ()
    if hides_text(text):
        return Verdict(max(score, THRESHOLD), tuple(dict.fromkeys((*reasons, Reason.HIDDEN_CHARACTERS))))
    return Verdict(score, reasons)


def _unquoted(text: str) -> str:
    """Return a text that is one quotation without its quotes: it is spoken, not mentioned."""
    bare = text.strip()
    inside = bare[1:-1]
    is_quotation = len(bare) > 1 and bare[0] in _QUOTES and bare[-1] in _QUOTES and not _QUOTES & set(inside)
    return inside if is_quotation else text


def neutralise(text: str) -> Neutralised:
    """Return a document without hidden content and without passages that read as instructions to an AI.

    What is visible and honest stays letter for letter, because requirements are quoted from it. Idempotent.
    """
    reasons = [Reason.HIDDEN_CHARACTERS] if hides_text(text) else []
    visible = without_invisible(text)
    for _ in range(MAX_ROUNDS):
        shown = without_hidden_markup(visible)
        if shown != visible:
            reasons.append(Reason.MARKUP)
        spans = _spans_to_remove(shown)
        reasons.extend(reason for finding in spans for reason in finding.reasons)
        visible = _without(shown, spans)
        if not spans:
            return Neutralised(visible, tuple(dict.fromkeys(reasons)))
    # Whoever writes a text that is still not clean after so many rounds does it on purpose.
    return Neutralised(REMOVED, tuple(dict.fromkeys(reasons)))


def _hidden(text: str, model: Model) -> Sequence[Finding]:
    return list(findings(payload, model, above=_logit(_FAINT))) if (payload := hidden_payload(text)) else []


def _spans_to_remove(text: str) -> list[Finding]:
    """Return what to take out, in order: the shortest spans that score, and the lingering ones beside them."""
    found = sorted(findings(text, SHIPPED, above=_logit(LINGERING)), key=lambda finding: finding.end - finding.start)
    taken = bytearray(len(text))
    attacks = _apart([finding for finding in found if finding.logit >= 0], taken)
    starts, ends = {finding.start for finding in attacks}, {finding.end for finding in attacks}
    beside = [
        finding
        for finding in found
        if (finding.start in ends and not _opens_paragraph(text, finding.start))
        or (finding.end in starts and not _opens_paragraph(text, finding.end))
    ]
    tight = [finding if finding.is_encoded else _tight(text, finding) for finding in attacks]
    return sorted((*tight, *_apart(beside, taken)), key=lambda finding: finding.start)


def _apart(found: Sequence[Finding], taken: bytearray) -> list[Finding]:
    """Return the spans that overlap none before them, and mark what they take."""
    chosen = []
    for finding in found:
        if taken.find(1, finding.start, finding.end) < 0:
            taken[finding.start : finding.end] = b"\1" * (finding.end - finding.start)
            chosen.append(finding)
    return chosen


def _opens_paragraph(text: str, place: int) -> bool:
    return "\n\n" in text[max(0, place - 2) : place + 2]


def _tight(text: str, finding: Finding) -> Finding:
    """Return the finding without lines at its ends that the attack does not need: a heading, the line before."""
    start, end = finding.start, finding.end
    while (cut := text.find("\n", start, end) + 1) and _speaks(text[cut:end]):
        start = cut
    while (cut := text.rfind("\n", start, end)) > start and _speaks(text[start:cut]):
        end = cut
    return replace(finding, start=start, end=end)


def _speaks(text: str) -> bool:
    return any(True for _ in findings(text, SHIPPED, above=0.0))


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


def _score(finding: Finding) -> float:
    return max(0.0, THRESHOLD + finding.logit / LEAST_EVIDENCE)


def _logit(score: float) -> float:
    return (score - THRESHOLD) * LEAST_EVIDENCE
