"""Asks the checks of a subject, one after another. One that makes no sense yet, because another has failed, is skipped."""

import inspect
from collections.abc import Callable
from typing import Any

from pliant import errors
from pliant.checking import blame
from pliant.checking.answer import Answer, Checks, Fault, Misasked
from pliant.checking.report import Finding
from pliant.system.progress import Progress


def every(checks: Checks, subject: Any, quiet: bool = True) -> tuple[Finding, ...]:
    """What each check finds about `subject`; how far it is, on stderr, unless `quiet`. Raises Misasked."""
    findings: list[Finding] = []
    with Progress(len(checks), 0, quiet, what="checking", unit="check") as progress:
        for ask, needs in checks:
            progress.update(len(findings), {})  # a check that is over at once says nothing but its table
            passed = {f.check for f in findings if f.verdict in ("ok", "warning")}
            missing = [need for need in needs if need not in passed]
            findings.append(_skipped(ask, missing[0]) if missing else _found(ask, subject))
    return tuple(findings)


def _found(ask: Callable[[Any], Answer], subject: Any) -> Finding:
    """Ask one check. What the code under check raises is a finding too."""
    try:
        answer = ask(subject)
    except Misasked:
        raise
    except errors.UserError as error:
        answer = Fault(str(error), "see the message")
    except (Exception, SystemExit) as error:
        answer = Fault(blame.said(error), f"mend that line: {blame.line(error)}")
    if isinstance(answer, str):
        return Finding(_name(ask), _asks(ask), "ok", blame.flat(answer), "")
    return Finding(_name(ask), _asks(ask), "warning" if answer.warning else "wrong", blame.flat(answer.words), answer.mend)


def _skipped(ask: Callable[[Any], Answer], missing: str) -> Finding:
    return Finding(_name(ask), _asks(ask), "skipped", f"once {missing} is mended", "")


def _name(ask: Callable[[Any], Answer]) -> str:
    return ask.__name__.rstrip("_")


def _asks(ask: Callable[[Any], Answer]) -> str:
    return blame.flat(inspect.getdoc(ask) or "").rstrip(".")
