"""Errors that are the user's to mend, and how they become one line.

An expected error is a message: what was got, what was expected, what to do. At the command line it is one line and exit
status 2. Everything else is a bug of ours and keeps its traceback. Nothing heavy is imported here.
"""

import contextlib
import re
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unicodedata import category

EXTRAS = {
    "mujoco": "mujoco",
    "metaworld": "metaworld",
    "minigrid": "games",
    "ale_py": "games",
    "highway_env": "driving",
    "gym_electric_motor": "industry",
    "imageio": "mujoco",
    "imageio_ffmpeg": "video",
    "tensorboard": "tensorboard",
}
"""Optional modules and the extra of pliant that installs each."""

MOST_NAMED = 24
"""An error lists the known names up to this many."""
MOST_NEAR = 4
"""A suggestion names at most this many."""
MOST_SLIPS = 3
"""No name is so long that more slips of the fingers are forgiven."""

_NO_MEMORY = re.compile(
    "can't allocate memory|out of memory|Storage size calculation overflowed|Overflow when unpacking long"
    "|multiplication overflow|[Aa]rray is too big|Maximum allowed dimension exceeded"
)
"""What torch says on a processor and on a graphics card, and what torch and NumPy say of sizes that no memory has."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""What Gymnasium's warnings begin and end with."""
_HERE = Path(__file__).resolve().parent


class UserError(ValueError):
    """An expected error: its message is one line that says what was got, what was expected and what to do."""


class Stopped(Exception):
    """A run that was asked to stop by a signal and has saved; the message says where and how to go on."""

    def __init__(self, message: str, number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = int(number)


def unknown(kind: str, got: object, known: Iterable[str], hint: str = "") -> UserError:
    """The error for a name nobody knows: the nearest ones, and the known ones while they are few."""
    names = sorted(known)
    near = nearest(str(got), names)
    message = f"unknown {kind} {str(got)!r}"
    if near:
        message += f": did you mean {' or '.join(map(repr, near))}?"
    if not names:
        message += ": there is none"
    elif len(names) <= MOST_NAMED:
        message += (" Known: " if near else ": known are ") + ", ".join(names)
    return UserError(f"{message} ({hint})" if hint else message)


def nearest(got: str, names: Iterable[str]) -> list[str]:
    """Which of `names` was meant by `got`: at most MOST_NEAR, none if nobody can tell.

    Of a dotted flag the last part is enough (`--lr` for `--inner.lr`), of a name with a version the name (`reach` for
    `reach-v3`), of several names that begin alike their beginning. Otherwise a name is near that a slip of the fingers
    explains: a letter too many, missing, wrong, or two exchanged. A wrong suggestion is worse than none.
    """
    word, every = _bare(got), list(names)
    for part in (str, _last, _unversioned):
        if same := [name for name in every if part(word) == part(_bare(name))]:
            return same[-MOST_NEAR:]
    slips = {name: min(_slips(word, _bare(name)), _slips(_last(word), _last(_bare(name)))) for name in every}
    allowed = _allowed(_last(word))
    least = min((n for name, n in slips.items() if _begins_alike(word, name)), default=allowed + 1)
    if least <= allowed:
        return [name for name, n in slips.items() if n == least and _begins_alike(word, name)][:1]
    begun = [name for name in every if len(word) > 2 and _bare(name).startswith(f"{word}-")]
    return begun if len(begun) <= MOST_NEAR else []


def _bare(name: str) -> str:
    return name.removeprefix("--").replace("_", "-").casefold()


def _unversioned(name: str) -> str:
    return re.sub(r"-v\d+$", "", name)


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _allowed(word: str) -> int:
    """How many slips are forgiven: none in two letters, one in up to seven, then one more for every five."""
    return 0 if len(word) <= 2 else 1 if len(word) <= 7 else 2 if len(word) <= 12 else 3


def _begins_alike(word: str, name: str) -> bool:
    """Short words that begin differently are different words; nobody mistypes the first letter and no other."""
    return len(_last(word)) > 5 or _last(word)[:1] == _last(_bare(name))[:1]


def _slips(a: str, b: str) -> int:
    """The letters to add, drop, replace or exchange with their neighbour that make `b` of `a` (optimal string alignment)."""
    if abs(len(a) - len(b)) > MOST_SLIPS:
        return MOST_SLIPS + 1
    before, last = [0] * (len(b) + 1), list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def missing_extra(error: ImportError, wanted_by: str = "") -> UserError | None:
    """The error that names the extra to install, or None if `error` is not about one."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return None
    subject = f"{wanted_by} needs" if wanted_by else "this needs"
    return UserError(f"{subject} the package {module}, which is not installed: pip install 'pliant[{EXTRAS[module]}]'")


def no_memory(error: BaseException) -> str | None:
    """What is said where memory does not suffice, None for any other error. Some sizes overflow before memory is asked for."""
    overflows = isinstance(error, (RuntimeError, ValueError, TypeError, OverflowError)) and _NO_MEMORY.search(str(error))
    if not isinstance(error, MemoryError) and not overflows:
        return None
    asked = re.search(r"allocate ([\d.]+ \w+)", str(error))
    tried = f" (tried to allocate {asked[1]})" if asked else ""
    return f"there is not enough memory{tried}: fewer tasks, lanes or units take less"


@contextlib.contextmanager
def mendable() -> Iterator[None]:
    """In Python too, what the command line has one line for is a `UserError` with that line."""
    try:
        yield
    except (UserError, Stopped):
        raise
    except Exception as error:
        line = one_line(error)
        if line is None:
            raise
        raise UserError(line) from error


def one_line(error: BaseException) -> str | None:
    """What the command line says for an expected error, or None for a bug.

    Expected are: a `UserError`; a ValueError or non-finite number raised by a line of pliant itself (its settings and families
    explain themselves that way), not by a library below it; a missing extra; what the operating system refuses, memory too.
    """
    if isinstance(error, ImportError):
        extra = missing_extra(error)
        return str(extra) if extra else None
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return _flat(f"{where}{error.strerror.lower()}")
    if line := no_memory(error):
        return line
    ours = isinstance(error, (ValueError, FloatingPointError)) and _raised_here(error)
    return _flat(str(error)) if isinstance(error, (UserError, Stopped)) or ours else None


def status_of(error: BaseException) -> int:
    """The exit status for an expected error: 2, or 128 plus the signal that stopped the run."""
    return 128 + error.number if isinstance(error, Stopped) else 2


said: set[str] = set()
"""What this process has warned of."""


def warn(message: str) -> None:
    """One line of warning on stderr."""
    said.add(_flat(message))
    print(f"pliant: warning: {_flat(message)}", file=sys.stderr, flush=True)


def show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: str | None = None
) -> None:
    """A warning of a library in which no word of an environment moves the cursor, without colours: a `warnings.showwarning`."""
    text = _COLOUR.sub("", warnings.formatwarning(message, category, filename, lineno, line))
    with contextlib.suppress(OSError, AttributeError):  # stderr is gone
        print("\n".join(map(printable, text.splitlines())), file=file or sys.stderr)


def printable(text: str) -> str:
    """Text as a terminal may show it: what would move its cursor, change its title or turn its words round is escaped.

    Files, folders and environments have names and messages too; whatever is printed goes through here.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or category(c) == "Zs" else c.encode("unicode_escape").decode() for c in text)


def _flat(message: str) -> str:
    return printable(" ".join(message.split()))


def _raised_here(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return bool(trace) and _HERE in Path(trace.tb_frame.f_code.co_filename).resolve().parents if trace else False
