"""`python -m pliant`."""

import sys

from pliant.cli import main as cli

if __name__ == "__main__":
    sys.exit(cli.main())
