"""Fitting the screen's linear model: which stretch of an attack is the attack is learned along with the weights.

A text is a bag of stretches (see `plugins.security.model`). All stretches of an honest text are honest; of an attack
at least one attacks. The first round takes every stretch of short attacks for one, each later round the stretch of each
attack that the round before weighed most. The fit is scikit-learn's linear support vector machine.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags_array
from sklearn.svm import LinearSVC

from plugins.security.model import DAMPING, RARITY_STEP, REASONS, SQUARES, Model, Windows, sentences, stretches
from plugins.security.ngrams import BITS, features
from plugins.security.reasons import Reason
from tests.security.corpus import HIDDEN, LEARNED_ONLY, PUBLISHED, Example, is_document

ROUNDS = 2
PENALTY = 2.0
"""How much an error costs, against the size of the weights."""
COSTS = {"core": 4.0, **dict.fromkeys((*LEARNED_ONLY, *PUBLISHED), 0.3), "variants": 0.5, HIDDEN: 0.5}
"""Sources whose errors cost more or less than those of others. `core` is what everybody tries first and what nobody may
be refused for: it has to be right."""
LEAST_STRETCHES = 2
"""Features of fewer stretches are not learned."""
SHORT_STRETCHES = 3
"""In the first round attacks of no more stretches are taken whole, and longer ones are left out."""
CAUTION = 0.36
"""How much more evidence the screen asks for than was learned; `report` shows what it costs and what it spares."""
LARGEST_SHARE = 0.9995
"""Weights beyond those of this share are cut down to them: the step of all is what the largest one needs."""
PLACES = 1 << BITS
REASON_OF_CLASS = {
    "override": Reason.INSTRUCTION_OVERRIDE,
    "extraction": Reason.PROMPT_EXTRACTION,
    "exfiltration": Reason.PROMPT_EXTRACTION,
    "jailbreak": Reason.ROLE_ESCAPE,
    "forgery": Reason.DELIMITER_FORGERY,
    "documents": Reason.ADDRESSED_TO_AI,
    "indirect": Reason.ADDRESSED_TO_AI,
    "coercion_output": Reason.OUTPUT_FORCING,
}
"""What an attack of a class is refused for; the features of each reason are learned from the classes named here."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Bags:
    """How often stretches of texts, and sentences of documents, have each feature; and the text that each is of."""

    counts: csr_matrix
    texts: Ints


def bags_of(examples: Sequence[Example]) -> Bags:
    """Compute the features of texts; one without a token has no stretches."""
    places, sizes, texts = [], [], []
    for number, example in enumerate(examples):
        found = features(example.text)
        if len(found.tokens.starts):
            spans = [stretches(found), *([sentences(found)] if is_document(example) else [])]
            rows = [row for kind in spans for row in _rows(found.table_places, found.owners, kind)]
            places += rows
            sizes += [len(row) for row in rows]
            texts += [number] * len(rows)
    columns = np.concatenate(places)
    edges = np.concatenate([[0], np.cumsum(sizes)])
    counts = csr_matrix((np.ones(len(columns), dtype=np.float32), columns, edges), shape=(len(sizes), PLACES))
    counts.sum_duplicates()
    return Bags(counts, np.array(texts))


def _rows(places: Ints, owners: Ints, spans: Windows) -> list[Ints]:
    order = np.argsort(owners, kind="stable")
    places, owners = places[order].astype(np.int32), owners[order]
    edges = zip(np.searchsorted(owners, spans.first), np.searchsorted(owners, spans.end), strict=True)
    return [places[first:end] for first, end in edges]


def fit(examples: Sequence[Example], bags: Bags, learned: Iterable[int]) -> Model:
    """Learn weights from the texts with these numbers. Deterministic."""
    chosen = {number for number in learned if examples[number].trains}
    is_chosen = np.array([number in chosen for number in range(len(examples))])[bags.texts]
    is_attack = np.array([example.is_attack for example in examples])[bags.texts]
    costs = np.array([COSTS.get(example.source, 1.0) for example in examples])[bags.texts]
    usual = np.array([example.source not in (*LEARNED_ONLY, *PUBLISHED) for example in examples])[bags.texts]
    rarity = _rarity(bags.counts[is_chosen & usual])
    lengths = np.sqrt(bags.counts @ SQUARES[rarity] + DAMPING)
    rows = diags_array(1 / lengths) @ bags.counts @ diags_array(np.sqrt(SQUARES[rarity]))
    honest = np.flatnonzero(is_chosen & ~is_attack)
    attacks = np.flatnonzero(is_chosen & is_attack)
    taken = attacks[np.bincount(bags.texts)[bags.texts[attacks]] <= SHORT_STRETCHES]
    for _ in range(ROUNDS):
        used = np.concatenate([taken, honest])
        machine = LinearSVC(C=PENALTY, random_state=0).fit(rows[used], is_attack[used], sample_weight=costs[used])
        taken = _heaviest(machine.decision_function(rows), bags.texts, attacks)
    weights = machine.coef_[0] * np.sqrt(SQUARES[rarity])
    return _in_bytes(weights, rarity, _reasons(examples, bags, taken), float(machine.intercept_[0]) - CAUTION)


def _rarity(counts: csr_matrix) -> NDArray[np.uint8]:
    """Return for each place how seldom stretches have it, in steps; 0 for what too few have to learn from."""
    having = np.bincount(counts.indices, minlength=PLACES)
    rarity = (np.log((counts.shape[0] + 1) / (having + 1)) + 1) / RARITY_STEP
    steps: NDArray[np.uint8] = np.where(having >= LEAST_STRETCHES, np.minimum(np.rint(rarity), 255), 0).astype(np.uint8)
    return steps


def _heaviest(margins: Floats, texts: Ints, rows: Ints) -> Ints:
    """Return of each text's rows the one with the largest margin."""
    order = rows[np.lexsort((-margins[rows], texts[rows]))]
    return order[np.unique(texts[order], return_index=True)[1]]


def _in_bytes(weights: Floats, rarity: NDArray[np.uint8], reasons: NDArray[np.uint8], bias: float) -> Model:
    step = float(np.quantile(np.abs(weights[weights != 0]), LARGEST_SHARE)) / 127
    rounded = np.clip(np.rint(weights / step), -127, 127).astype(np.int8)
    return Model(rounded, step, rarity, np.where(rounded > 0, reasons, 0).astype(np.uint8), bias)


def _reasons(examples: Sequence[Example], bags: Bags, taken: Ints) -> NDArray[np.uint8]:
    """Return for each place the reason whose attacks have it more often than others do."""
    reasons = np.array([_number_of(examples[text].kind) for text in bags.texts[taken]])
    rates = np.zeros((len(REASONS), PLACES))
    for number in range(len(REASONS)):
        members = bags.counts[taken[reasons == number]]
        rates[number] = (np.bincount(members.indices, minlength=PLACES) + 0.1) / (members.shape[0] + 10.0)
    numbers: NDArray[np.uint8] = rates.argmax(axis=0).astype(np.uint8)
    return numbers


def _number_of(kind: str) -> int:
    return REASONS.index(REASON_OF_CLASS[kind]) if kind in REASON_OF_CLASS else len(REASONS)
