"""Fitting the screen's linear model: which window of an attack is the attack is learned along with the weights.

A text is a bag of windows (see `plugins.security.findings`). All windows of an honest text are honest; of an attack at
least one attacks, and it is taken to be the one that the last round weighed most.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from plugins.security.findings import windows_of
from plugins.security.lexicon import REASON_OF
from plugins.security.model import LEAST_EVIDENCE, NEAR, Feature, Model
from plugins.security.passages import BEGIN, DISGUISES, FORGERIES, GAP, QUOTE
from tests.security.corpus import Example

Window = frozenset[Feature]

ROUNDS = 3
RIDGE = 0.6
"""Strength of the L2 penalty on weights."""
ATTACK_COST = 2.0
HARD_COST = 3.0
"""What it costs to miss an attack or to refuse an honest window that resembles one, beside any other honest window."""
MIN_ATTACKS = 2
MIN_HONEST = 12
"""A feature of fewer windows is chance."""
MAX_STEPS = 80
CAUTION = 0.6
"""How much more evidence the screen asks for than what was learned: refusing an honest person is the worse error."""
SMALLEST = 0.05
"""Weights nearer to zero are not shipped."""
MOST_ALONE = 0.4
MOST_HONEST = 3.0
_TELLING = REASON_OF.keys() | DISGUISES | FORGERIES
_ALONE = DISGUISES | FORGERIES
_SILENT = frozenset({BEGIN, GAP, QUOTE, NEAR})


def windows(examples: Sequence[Example]) -> list[list[Window]]:
    """Return the windows of each text."""
    return [windows_of(example.text) for example in examples]


def fit(examples: Sequence[Example], bags: Sequence[Sequence[Window]]) -> Model:
    """Learn weights from the texts that train. Deterministic."""
    pairs = [(example, bag) for example, bag in zip(examples, bags, strict=True) if example.trains and bag]
    honest: dict[Window, float] = {}
    for example, bag in pairs:
        if not example.is_attack:
            cost = 1.0 if example.source in {"bank", "manuals"} else HARD_COST
            honest.update((window, max(cost, honest.get(window, 0.0))) for window in bag if _may_attack(window))
    attacks = [bag for example, bag in pairs if example.is_attack]
    chosen = [max(bag, key=_telling_marks) for bag in attacks]
    model = _fit(chosen, honest)
    for _ in range(ROUNDS - 1):
        chosen = [max(bag, key=lambda window: model.logit(model.weigh(window))) for bag in attacks]
        model = _fit(chosen, honest)
    return model


def _telling_marks(window: Window) -> tuple[int, int]:
    marks = {feature[0] for feature in window if len(feature) == 1}
    return len(marks & _TELLING), -len(window)


def _may_attack(window: Window) -> bool:
    """Whether a window says anything telling; without, no weights could make it an attack."""
    return any(len(feature) == 1 and feature[0] in _TELLING for feature in window)


def _limits(feature: Feature) -> tuple[float, float | None]:
    """Return how far a weight may go: one telling word alone is no attack, and words that tell nothing speak for none.

    Nor may honest words buy off an attack that stands among them: that is what the lower limit is for.
    """
    told = [mark for mark in feature if mark not in _SILENT]
    if any(mark in _ALONE for mark in told):
        return -MOST_HONEST, None
    if not any(mark in REASON_OF for mark in told):
        return -MOST_HONEST, 0.0
    return -MOST_HONEST, MOST_ALONE if len(told) == 1 else None


def _fit(attacks: Sequence[Window], honest: Mapping[Window, float]) -> Model:
    rows = [*attacks, *honest]
    counts = Counter(feature for window in rows for feature in window)
    used = Counter(feature for window in attacks for feature in window)
    kept = (f for f, n in counts.items() if used[f] >= MIN_ATTACKS or n >= MIN_HONEST)
    columns = {feature: i for i, feature in enumerate(sorted(kept))}
    places = [(row, columns[f]) for row, window in enumerate(rows) for f in window if f in columns]
    row_of, column_of = np.array(places).T
    matrix = csr_matrix((np.ones(len(places)), (row_of, column_of)), shape=(len(rows), len(columns)))
    labels = np.array([1.0] * len(attacks) + [-1.0] * len(honest))
    costs = np.array([ATTACK_COST] * len(attacks) + list(honest.values()))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = labels * (matrix @ weights - LEAST_EVIDENCE + CAUTION)
        slope = -labels * costs / (1 + np.exp(np.clip(margins, -500, 500)))
        value = float(costs @ np.logaddexp(0, -margins) + RIDGE * weights @ weights / 2)
        return value, matrix.T @ slope + RIDGE * weights

    limits = [_limits(feature) for feature in columns]
    start = np.zeros(len(columns))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": MAX_STEPS}).x
    weights = {f: round(float(found[i]), 2) for f, i in columns.items() if abs(found[i]) >= SMALLEST}
    return Model(weights)
