"""`python -m pliant`."""

import sys

from pliant import cli

if __name__ == "__main__":
    sys.exit(cli.main())
