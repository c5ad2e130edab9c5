"""The security screen: pure code that decides, before any model call, whether a text looks like an attack.

Weighted signals are looked for in every reading of the text (see `unmask`); signals that stand near each other add
up, and one global threshold decides. A phrase that is *mentioned* rather than used, because it is quoted or reported
("documents that say ..."), counts for less: people who defend against such attacks for a living must be able to say so.

The screen is one layer. It does not replace delimiting candidate text in prompts, and it reads words, not intent.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from plugins.security.signals import SIGNALS, Reason, Signal
from plugins.security.unmask import Reading, hidden_payload, readings, visible

THRESHOLD = 1.0
"""A text scoring this much or more is refused. The same number holds for every kind of text."""

WINDOW_CHARACTERS = 400
"""Signals support each other only within this distance, so a long text does not collect coincidences."""

MAX_WINDOW_HITS = 50
"""Hits weighed together at most: a text that repeats itself is no worse for it, and costs no more to judge."""

QUOTED_FACTOR = 0.4
REPORTED_FACTOR = 0.5
ENCODED_BONUS = 0.5
HIDDEN_WEIGHT = 1.0

_QUOTED = re.compile(r'"[^"]{1,300}"|`[^`]{1,300}`|(?<!\w)\'[^\']{1,300}\'(?!\w)')
_MAX_QUOTED_SHARE = 0.6
_INVISIBLE_RUN = re.compile(r"[\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\U000e0100-\U000e01ef]{8,}")
_CONTEXT_CHARACTERS = 160
_SENTENCE_END = re.compile(r"[.!?](?= )")

_NARRATOR = re.compile(
    r"\b(?:i|we|they|he|she|it|who|that|which|someone|somebody|anyone|nobody|people|users?|attackers?|hackers?|"
    r"adversar(?:y|ies)|customers?|candidates?|employees?|(?:an?|the) (?:model|assistant|bot|agent|llm|chatbot|prompt)|"
    r"drivers?|teams?|managers?|engineers?|never|avoid)(?: (?:can|could|may|might|would|will|do|does|should|just|"
    r"simply|"
    r"often|sometimes|always|then|to)){0,3} $|"
    r"\b(?!you\b)\w{1,20} (?:may|might|can|could|would|will|does|did) (?:\w{1,12} )?$"
)
_INFINITIVE = re.compile(r"\bto(?: \w{1,12})? $")
_TOLD_YOU = re.compile(r"\byou(?:r|rself)?\b")
_REPORT = re.compile(
    r"\b(?:(?:users?|attackers?|someone|somebody|people|customers?|documents?|e-?mails?|messages?|texts?|pages?|"
    r"payloads?|"
    r"phrases?|strings?|inputs?|candidates?|resumes?|candidate)(?: (?:who|that|which))?(?: \w{1,12}){0,2} (?:says?|"
    r"said|asks?|asked|"
    r"tells?|told|tr(?:y|ies|ied)|types?|typed|writes?|wrote|contain(?:s|ed|ing)?|reads?|reading|saying|asking|telling|"
    r"trying)|(?:how|why|when|where) (?:do|can|could|should|would|did) (?:i|we|they|people|one)|such as|e\.g\.|"
    r"for (?:example|instance)|phrases? like|attacks? like|(?:prompt|indirect|direct) injections?|"
    r"jailbreak (?:attempts?|attacks?|tests?)|red[- ]team(?:ing|ed|s|er)?|adversarial|(?:defend|mitigat|prevent|"
    r"detect|protect|"
    r"guard|filter|block)(?:ing|s|ed|e|es)?\b)"
)
_REPORT_AFTER = re.compile(
    r"^['\"`,]{0,2} ?(?:\w{1,12} ){0,2}(?:attacks?|attempts?|payloads?|injections?|jailbreaks?|exploits?|tests?|"
    r"cases?)\b"
)


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
class _Hit:
    signal: Signal
    start: int
    end: int
    weight: float
    is_quoted: bool = False


def screen(text: str, *, max_characters: int) -> Verdict:
    """Judge one text. Deterministic, without I/O; raises nothing for any string.

    A text longer than `max_characters` is refused unread: the limit also bounds the work.
    """
    if len(text) > max_characters:
        return Verdict(THRESHOLD, (Reason.TOO_LONG,))
    if not visible(text).strip() and not hidden_payload(text):
        return Verdict(THRESHOLD, (Reason.EMPTY,))
    weights = _heaviest_reading(*readings(text))
    if _hides_text(text):
        weights[Reason.HIDDEN_CHARACTERS] = HIDDEN_WEIGHT
    ranked = sorted(weights, key=lambda reason: -weights[reason])
    return Verdict(round(sum(weights.values()), 3), tuple(ranked))


def _heaviest_reading(plain: Reading, *others: Reading) -> dict[Reason, float]:
    """Weigh the text as it stands; a disguised reading counts where it says more, and the disguise counts as well."""
    heaviest = _heaviest_window(_hits(plain))
    for reading in others:
        weights = _heaviest_window(_hits(reading))
        if sum(weights.values()) > sum(heaviest.values()):
            heaviest = weights | {Reason.ENCODED_PAYLOAD: ENCODED_BONUS}
    return heaviest


def _hits(reading: Reading) -> list[_Hit]:
    hits = []
    quoted = [match.span() for match in _QUOTED.finditer(reading.words)]
    for signal in SIGNALS:
        if signal.on_letters != reading.has_no_word_breaks:
            continue
        text = reading.lines if signal.on_lines else reading.words
        for match in signal.pattern.finditer(text):
            if signal.on_lines:
                hits.append(_Hit(signal, match.start(), match.end(), signal.weight))
            else:
                hits.append(_word_hit(signal, match, quoted))
    return sorted(hits, key=lambda hit: hit.start)


def _heaviest_window(hits: list[_Hit]) -> dict[Reason, float]:
    """Return the weight of each reason over the window of neighbouring hits that weighs most."""
    heaviest: dict[Reason, float] = {}
    for i, first in enumerate(hits):
        weights = _weigh(_within_window(hits, i, first.start))
        if sum(weights.values()) > sum(heaviest.values()):
            heaviest = weights
    return heaviest


def _within_window(hits: list[_Hit], index: int, start: int) -> Iterator[_Hit]:
    for hit in hits[index : index + MAX_WINDOW_HITS]:
        if hit.start - start > WINDOW_CHARACTERS:
            return
        yield hit


def _weigh(hits: Iterable[_Hit]) -> dict[Reason, float]:
    """Add up what hits say, nothing twice.

    A signal counts once; hits of one reason on the same words count as their heaviest; and of all that is quoted only
    the heaviest counts, because one quotation is one mention.
    """
    phrases: list[_Hit] = []
    mentions: list[_Hit] = []
    for hit in sorted(hits, key=lambda hit: -hit.weight):
        if hit.is_quoted:
            mentions.append(hit)
        elif not any(_says_the_same(hit, heavier) for heavier in phrases):
            phrases.append(hit)
    weights: dict[Reason, float] = {}
    for hit in (*phrases, *mentions[:1]):
        weights[hit.signal.reason] = weights.get(hit.signal.reason, 0.0) + hit.weight
    return weights


def _says_the_same(one: _Hit, other: _Hit) -> bool:
    if one.signal is other.signal:
        return True
    return one.signal.reason is other.signal.reason and one.start < other.end and other.start < one.end


def _word_hit(signal: Signal, match: re.Match[str], quoted: list[tuple[int, int]]) -> _Hit:
    """Weigh one match: less when the phrase is quoted or reported rather than spoken.

    A message that is one long quotation is speech in quotation marks, unless what little surrounds it reports.
    """
    text, start = match.string, match.start()
    before = _SENTENCE_END.split(text[max(0, start - _CONTEXT_CHARACTERS) : start])[-1]
    is_reported = _is_reported(before, text[match.end() : match.end() + 40])
    weight = signal.weight * (REPORTED_FACTOR if is_reported else 1.0)
    for begin, end in quoted:
        is_whole_text = end - begin > _MAX_QUOTED_SHARE * len(text)
        if begin < start < end and (is_reported or not is_whole_text):
            return _Hit(signal, start, match.end(), weight * QUOTED_FACTOR, is_quoted=True)
    return _Hit(signal, start, match.end(), weight)


def _is_reported(before: str, after: str) -> bool:
    """Whether somebody other than the assistant is the subject, or the phrase is named as an attack."""
    if _INFINITIVE.search(before) and not _TOLD_YOU.search(before):
        return True
    return bool(_NARRATOR.search(before) or _REPORT.search(before) or _REPORT_AFTER.search(after))


def _hides_text(text: str) -> bool:
    """Whether the text carries characters that show nothing and spell something: tags, or long invisible runs."""
    return bool(hidden_payload(text)) or bool(_INVISIBLE_RUN.search(text))
