"""`python -m app` is the `greenroom` command where it is not installed."""

import sys

from app.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
