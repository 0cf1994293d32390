"""`python -m pliant`: the command line. Python has put the working directory first where it looks for modules: not for us."""

import sys

if __name__ == "__main__":
    if __spec__ and not sys.flags.safe_path:
        here = sys.path.pop(0)
        if __file__.startswith(here):  # a source folder that pliant itself lies in
            sys.path.append(here)

    from pliant.cli import main as cli

    sys.exit(cli.main())
