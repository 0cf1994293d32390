"""Does a family of tasks keep its contract? What is wrong, in words, and the line that mends it.

    report = check.check("my_family.py")
    print(report.failed, report.line())

What is checked is in `_check_tasks` (the module, what it says, its tasks), `_check_play` (a trial) and `_check_same` (what may
change a trial). A check whose question makes no sense yet, because another has failed, is skipped.
"""

import inspect
import linecache
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple

from rich.table import Table
from rich.text import Text

from pliant import errors
from pliant.checking import play, same, says
from pliant.checking.subject import Answer, Fault, Subject
from pliant.config import registry
from pliant.storage import record
from pliant.storage.schema import check as schema
from pliant.streams import Stream
from pliant.system import outside
from pliant.tasks.base import Family

SCHEMA = schema.SCHEMA
Verdict = Literal["ok", "warning", "wrong", "skipped"]
STYLES: dict[Verdict, str] = {"ok": "green", "warning": "yellow", "wrong": "bold red", "skipped": "dim"}

_CHECKS = (*says.CHECKS, *play.CHECKS, *same.CHECKS)
_HERE = Path(__file__).resolve().parent.parent


class Finding(NamedTuple):
    """What one check has found."""

    check: str
    """Its name."""
    asks: str
    """What must hold, in words."""
    verdict: Verdict
    words: str
    """What is wrong, or a note."""
    mend: str
    """The line to write where something is wrong, else empty."""


@dataclass(frozen=True)
class Report:
    """What every check has found about a family."""

    name: str
    """As it was asked for."""
    family: str
    """As the family calls itself; empty if there is none."""
    seed: int
    settings: Mapping[str, Any]
    """Those that were given."""
    findings: tuple[Finding, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that found something wrong."""
        return tuple(f.check for f in self.findings if f.verdict == "wrong")

    def line(self) -> str:
        """The result in one line."""
        count = Counter(f.verdict for f in self.findings)
        more = "".join(f", {count[v]} {v}" for v in ("warning", "skipped") if count[v])
        result = f"{len(self.failed)} of {len(self.findings)} checks failed" if self.failed else f"{count['ok']} checks passed"
        return f"{result} for {self.name}{more}" + (f": {', '.join(self.failed)}" if self.failed else "")

    def document(self) -> dict[str, Any]:
        """Everything, as the document pliant.check/1."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "family": self.family,
            "seed": self.seed,
            "settings": dict(self.settings),
            "versions": record.versions(),
            "failed": list(self.failed),
            "findings": [f._asdict() for f in self.findings],
        }

    def table(self) -> Table:
        """A row for each check, for the terminal; one for all that were skipped."""
        table = Table(title=Text(self.line()), show_lines=False)
        for name in ("check", "", "what must hold, and what was found"):
            table.add_column(name, overflow="fold")
        for f in (f for f in self.findings if f.verdict != "skipped"):
            cell = Text(f.asks)
            if f.words:
                cell.append(f"\n{f.words}", "dim" if f.verdict == "ok" else STYLES[f.verdict])
            if f.mend:
                cell.append(f"\nto mend: {f.mend}")
            table.add_row(Text(f.check), Text(f.verdict, STYLES[f.verdict]), cell)
        if skipped := [f.check for f in self.findings if f.verdict == "skipped"]:
            cell = Text(f"not asked before what is wrong is mended: {', '.join(skipped)}", STYLES["skipped"])
            table.add_row("", Text("skipped", STYLES["skipped"]), cell)
        return table


def check(name: str, settings: Mapping[str, Any] | None = None, seed: int = 0) -> Report:
    """Run every check on a family.

    `name` is a name of pliant's, a module outside it (`my_family.py`, `package.module`), or `module:attribute` where the
    attribute is a Family or a function that returns one. `settings` are those of the family that shall differ from the
    defaults, as text or as values. What `name` says is imported and run: it is the user's to trust.

    Raises UserError if there is nothing of that name, if it cannot be imported, and for settings that it does not have.
    """
    code = _find(name)
    if settings and not isinstance(code, ModuleType):
        raise errors.UserError(f"{name} takes no settings: only a module with Settings does, got {', '.join(settings)}")
    subject = Subject(name, code, dict(settings or {}), Stream(seed).at("check"))
    findings: list[Finding] = []
    for ask, needs in _CHECKS:
        passed = {f.check for f in findings if f.verdict in ("ok", "warning")}
        missing = [need for need in needs if need not in passed]
        findings.append(_skipped(ask, missing[0]) if missing else _found(ask, subject))
    family = subject.family.name if isinstance(subject.family, Family) else ""
    return Report(name, str(family), seed, dict(settings or {}), tuple(findings))


def _find(name: str) -> Any:
    """The module, function or Family that `name` stands for."""
    module, colon, attribute = name.partition(":")
    if not colon:
        return _imported(name) if outside.is_outside(name) else registry.load("family", name)
    if not module or not attribute:
        raise errors.UserError(f"{name!r} names no family: expected my_family.py, package.module or module:attribute")
    found = _imported(module)
    if not hasattr(found, attribute):
        known = [n for n, value in vars(found).items() if _makes_family(value, found) and not n.startswith("_")]
        raise errors.unknown(f"attribute of {module}", attribute, known)
    value = getattr(found, attribute)
    if not _makes_family(value, found, anywhere=True):
        kind = f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
        raise errors.UserError(f"{name} is {kind}: expected a Family, or a function that returns one")
    return value


def _makes_family(value: Any, module: ModuleType, anywhere: bool = False) -> bool:
    if isinstance(value, Family):
        return True
    return callable(value) and not isinstance(value, type) and (anywhere or getattr(value, "__module__", "") == module.__name__)


def _imported(module: str) -> ModuleType:
    """A module outside pliant. What it raises while it is imported is one line that says where."""
    try:
        return outside.import_outside(module)
    except errors.UserError:
        raise
    except ImportError as error:
        if extra := errors.missing_extra(error, module):
            raise extra from error
        raise errors.UserError(f"{module} cannot be imported: {_said(error)}") from error
    except (Exception, SystemExit) as error:
        raise errors.UserError(f"{module} cannot be imported: {_said(error)}") from error


def _found(ask: Callable[[Subject], Answer], subject: Subject) -> Finding:
    """Ask one check. What the user's code raises is a finding too."""
    try:
        answer = ask(subject)
    except errors.UserError as error:
        if ask is says.settings:  # what was asked for, not what was found
            raise
        answer = Fault(_flat(str(error)), "see the message")
    except (Exception, SystemExit) as error:
        answer = Fault(_said(error), f"mend that line: {_line(error)}")
    if isinstance(answer, str):
        return Finding(_name(ask), _asks(ask), "ok", _flat(answer), "")
    return Finding(_name(ask), _asks(ask), "warning" if answer.warning else "wrong", _flat(answer.words), answer.mend)


def _skipped(ask: Callable[[Subject], Answer], missing: str) -> Finding:
    return Finding(_name(ask), _asks(ask), "skipped", f"once {missing} is mended", "")


def _name(ask: Callable[[Subject], Answer]) -> str:
    return ask.__name__.rstrip("_")


def _asks(ask: Callable[[Subject], Answer]) -> str:
    return inspect.cleandoc(ask.__doc__ or "").rstrip(".")


def _said(error: BaseException) -> str:
    """`file:line: kind: message` of where the user's code stood when it raised."""
    where = _where(error)
    place = f"{_short(where.filename)}:{where.lineno}: " if where else ""
    return _flat(f"{place}{type(error).__name__}: {error}")


def _line(error: BaseException) -> str:
    where = _where(error)
    return linecache.getline(where.filename, where.lineno or 0).strip() if where else type(error).__name__


def _where(error: BaseException) -> traceback.FrameSummary | None:
    """The innermost frame outside pliant, installed packages and Python itself, else the innermost of all."""
    if isinstance(error, SyntaxError) and error.filename:
        return traceback.FrameSummary(error.filename, error.lineno or 0, "")
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if _HERE not in Path(f.filename).resolve().parents and not _is_installed(f.filename)]
    families = [f for f in frames if _HERE / "families" in Path(f.filename).resolve().parents]
    found = own or families or list(frames)
    return found[-1] if found else None


def _is_installed(filename: str) -> bool:
    path = Path(filename)
    return filename.startswith("<") or "site-packages" in path.parts or path.resolve().is_relative_to(_PYTHON)


_PYTHON = Path(inspect.__file__).resolve().parent


def _short(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else path.name


def _flat(text: str) -> str:
    return " ".join(text.split())
