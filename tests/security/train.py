"""`python -m tests.security.train`: learn the screen's weights anew and write them where the screen reads them."""

import sys

from plugins.security.model import WEIGHTS_FILE, write
from tests.security import learning, published
from tests.security.corpus import SHARED, examples


def main() -> None:
    """Fit on everything there is and write the tables."""
    if not SHARED.is_dir():
        sys.stderr.write("The development data is not beside the repository: training without it.\n")
    published.fetch()
    found = examples()
    write(learning.fit(found, learning.bags_of(found), range(len(found))))
    sys.stderr.write(f"Learned from {len(found)} texts; {WEIGHTS_FILE.stat().st_size // 1000} kB.\n")


if __name__ == "__main__":
    main()
