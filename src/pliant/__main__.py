"""`pliant`, and `python -m pliant`: the command line, which may be interrupted while it is still being imported.

Python puts the working directory first where `python -m` looks for modules: not for us.
"""

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
    if __spec__ and not sys.flags.safe_path:
        here = sys.path.pop(0)
        if __file__.startswith(here):  # a source folder that pliant itself lies in
            sys.path.append(here)
    sys.exit(main())
