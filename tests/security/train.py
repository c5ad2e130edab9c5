"""`python -m tests.security.train`: learn the screen's weights anew and write them where the screen reads them."""

import sys

from plugins.security.model import WEIGHTS_FILE
from tests.security import learning
from tests.security.corpus import SHARED, examples


def main() -> None:
    """Fit on everything there is and write `weights.tsv`, sorted, so that a change can be reviewed."""
    if not SHARED.is_dir():
        sys.stderr.write("The development data is not beside the repository: training on the own texts only.\n")
    found = examples()
    model = learning.fit(found, learning.windows(found))
    lines = sorted(f"{' '.join(feature)}\t{weight:g}\n" for feature, weight in model.weights.items())
    WEIGHTS_FILE.write_text("".join(lines), encoding="utf-8")
    sys.stderr.write(f"{len(lines)} weights learned from {len(found)} texts.\n")


if __name__ == "__main__":
    main()
