"""`pliant`, and `python -m pliant`: the command line, which may be interrupted while it is still being imported."""

import sys


def main() -> int:
    """Run the command line; its exit status."""
    try:
        from pliant.cli import main as cli
    except KeyboardInterrupt:
        print("pliant: interrupted", file=sys.stderr)
        return 130
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
