"""Fitting the screen's linear model: which window of an attack is the attack is learned along with the weights.

A text is a bag of windows (see `plugins.security.model`). All windows of an honest text are honest; of an attack at
least one attacks, and it is taken to be the one that the last round weighed most. Of honest texts each round adds the
windows that the last round mistook for attacks most.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from plugins.security.model import DAMPING, REASONS, Model, Windows, windows
from plugins.security.ngrams import BITS, features
from plugins.security.reasons import Reason
from tests.security.corpus import LEARNED_ONLY, Example

ROUNDS = 3
RIDGE = 0.1
"""Strength of the L2 penalty on weights."""
ATTACK_COST = 2.0
LEARNED_ONLY_COST = 0.3
CORE, CORE_COST = "core", 12.0
"""The texts of one file are what everybody tries first and what nobody may be refused for: they have to be right."""
HARD_EACH, HARD_ONE_IN = 2, 12
"""Windows that a round adds of an honest text, and of one with many windows one in so many."""
SHORT_WINDOWS = 12
"""In the first round attacks of no more windows are taken whole, and longer ones are left out."""
CAUTION = 2.2
"""How much more evidence the screen asks for than was learned; `report` shows what it costs and what it spares."""
MAX_STEPS = 30
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
    """The windows of many texts: features of each token, then tokens of each window, then windows of each text."""

    tokens: csr_matrix
    spans: Windows
    edges: Ints

    def rows(self, chosen: Ints) -> csr_matrix:
        """Return the features of windows, damped as the model does it."""
        first, end = self.spans.first[chosen], self.spans.end[chosen]
        lengths = end - first
        starts = np.concatenate([[0], np.cumsum(lengths)])
        columns = np.arange(starts[-1]) - np.repeat(starts[:-1] - first, lengths)
        values = np.repeat(1 / np.sqrt(lengths + DAMPING), lengths).astype(np.float32)
        picked = csr_matrix((values, columns, starts), shape=(len(chosen), self.tokens.shape[0]))
        return picked @ self.tokens

    def logits(self, weights: Floats, bias: float) -> Floats:
        """Return the logit of each window."""
        sums = np.concatenate([[0.0], np.cumsum(self.tokens @ weights)])
        lengths = self.spans.end - self.spans.first
        return np.asarray((sums[self.spans.end] - sums[self.spans.first]) / np.sqrt(lengths + DAMPING) + bias)

    def heaviest(self, logits: Floats, bags: Ints, count: int, *, one_in: int | None = None) -> Ints:
        """Return the windows of the bags that weigh most, up to so many each, or one in so many if that is more."""
        picked = []
        for bag in bags:
            first, end = self.edges[bag], self.edges[bag + 1]
            most = max(count, (end - first) // one_in) if one_in else count
            picked.append(first + np.argsort(-logits[first:end])[:most])
        return np.concatenate(picked) if picked else np.zeros(0, dtype=np.int64)


def bags_of(examples: Sequence[Example]) -> Bags:
    """Compute the features of texts; one without a token has no windows."""
    places, indptr, firsts, ends, edges, count = [], [np.zeros(1, dtype=np.int64)], [], [], [0], 0
    stored = 0
    for example in examples:
        found = features(example.text)
        spans = windows(found)
        tokens = len(found.tokens.starts)
        places.append(found.table_places[np.argsort(found.owners, kind="stable")].astype(np.int32))
        indptr.append(stored + np.cumsum(np.bincount(found.owners, minlength=tokens)))
        stored += len(found.table_places)
        firsts.append(spans.first + count)
        ends.append(spans.end + count)
        edges.append(edges[-1] + len(spans.first))
        count += tokens
    columns = np.concatenate(places)
    values = np.ones(len(columns), dtype=np.float32)
    matrix = csr_matrix((values, columns, np.concatenate(indptr)), shape=(count, PLACES))
    return Bags(matrix, Windows(np.concatenate(firsts), np.concatenate(ends)), np.array(edges))


def fit(examples: Sequence[Example], bags: Bags, learned: Iterable[int]) -> Model:
    """Learn weights from the texts with these numbers. Deterministic."""
    has_windows = np.diff(bags.edges) > 0
    numbers = np.array([i for i in learned if examples[i].trains and has_windows[i]])
    is_attack = np.array([examples[i].is_attack for i in numbers])
    attacks, honest = numbers[is_attack], numbers[~is_attack]
    lengths = (bags.spans.end - bags.spans.first).astype(np.float64)
    hard = np.union1d(bags.heaviest(lengths, honest, 1), bags.heaviest(_chance(len(lengths)), honest, 1))
    chosen = bags.heaviest(lengths, attacks[np.diff(bags.edges)[attacks] <= SHORT_WINDOWS], 1)
    bag_of = np.repeat(np.arange(len(examples)), np.diff(bags.edges))
    costs = np.array([_cost(example) for example in examples])
    point = (np.zeros(PLACES), 0.0)
    for round_number in range(ROUNDS):
        if round_number:
            logits = bags.logits(*point)
            chosen = bags.heaviest(logits, attacks, 1)
            hard = np.union1d(hard, bags.heaviest(logits, honest, HARD_EACH, one_in=HARD_ONE_IN))
        rows = bags.rows(np.concatenate([chosen, hard]))
        point = _fit(rows, len(chosen), costs[bag_of[np.concatenate([chosen, hard])]], point)
    weights, bias = point
    return Model(weights, _reasons(examples, bags.rows(chosen), bag_of[chosen]), bias - CAUTION)


def _cost(example: Example) -> float:
    if example.source == CORE:
        return CORE_COST
    if example.is_attack:
        return ATTACK_COST
    return LEARNED_ONLY_COST if example.source in LEARNED_ONLY else 1.0


def _chance(count: int) -> Floats:
    return np.random.default_rng(0).random(count)


def _fit(rows: csr_matrix, attacks: int, costs: Floats, start: tuple[Floats, float]) -> tuple[Floats, float]:
    used = np.unique(rows.indices)
    matrix = csr_matrix((rows.data, np.searchsorted(used, rows.indices), rows.indptr), shape=(rows.shape[0], len(used)))
    transposed = matrix.T.tocsr()
    labels = np.where(np.arange(matrix.shape[0]) < attacks, 1.0, -1.0)

    def loss(point: Floats) -> tuple[float, Floats]:
        weights, bias = point[:-1], point[-1]
        margins = labels * (matrix @ weights.astype(np.float32) + bias)
        slope = -labels * costs / (1 + np.exp(np.clip(margins, -500, 500)))
        value = float(costs @ np.logaddexp(0, -margins) + RIDGE * weights @ weights / 2)
        return value, np.append(transposed @ slope.astype(np.float32) + RIDGE * weights, slope.sum())

    begun = np.append(start[0][used], start[1])
    found = minimize(loss, begun, jac=True, method="L-BFGS-B", options={"maxiter": MAX_STEPS}).x
    weights = np.zeros(PLACES)
    weights[used] = found[:-1]
    return weights, float(found[-1])


def _reasons(examples: Sequence[Example], rows: csr_matrix, bags_of_rows: Ints) -> NDArray[np.uint8]:
    """Return for each place the reason whose attacks have it more often than others do."""
    reasons = np.array([_number_of(examples[bag].kind) for bag in bags_of_rows])
    present = csr_matrix((np.ones(len(rows.data)), rows.indices, rows.indptr), shape=rows.shape)
    rates = np.zeros((len(REASONS), PLACES))
    for number in range(len(REASONS)):
        members = np.flatnonzero(reasons == number)
        rates[number] = (np.asarray(present[members].sum(axis=0)).ravel() + 0.1) / (len(members) + 10.0)
    numbers: NDArray[np.uint8] = rates.argmax(axis=0).astype(np.uint8)
    return numbers


def _number_of(kind: str) -> int:
    return REASONS.index(REASON_OF_CLASS[kind]) if kind in REASON_OF_CLASS else len(REASONS)
