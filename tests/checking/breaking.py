"""How code under check is written, broken and looked at."""

from pathlib import Path

import pytest

from pliant.checking.answer import Checks
from pliant.checking.report import Finding, Report

Broken = dict[str, dict[str, tuple[str, str, str, str]]]
"""check: {what is broken: (line, what stands in its place, words of the fault, words of how to mend it)}"""


def written(text: str, name: str) -> str:
    Path(name).write_text(text)
    return name


def changed(old: str, new: str, text: str) -> str:
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the code"
    return text.replace(old, new)


def found(report: Report, name: str) -> Finding:
    return next(finding for finding in report.findings if finding.check == name)


def cases(broken: Broken) -> list:
    return [pytest.param(name, *case, id=what) for name, each in broken.items() for what, case in each.items()]


def until(checks: Checks, name: str) -> Checks:
    """The checks up to one, itself included: those that follow take their time."""
    names = [ask.__name__ for ask, _ in checks]
    return checks[: names.index(name) + 1]


def require(report: Report, name: str, words: str, mend: str) -> None:
    """The check `name` failed, alone, and said so."""
    finding = found(report, name)
    assert report.failed == (name,), [(f.check, f.words) for f in report.findings if f.verdict == "wrong"]
    assert words in finding.words and "\n" not in finding.words, finding.words
    assert mend in finding.mend, finding.mend
    assert report.line().endswith(f": {name}")
