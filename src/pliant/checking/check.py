"""Does a family, an algorithm or a policy keep its contract? What is wrong, in words, and the line that mends it.

    report = check.check_family("my_family.py")
    print(report.failed, report.line())

What is checked stands in the folders `family`, `algorithm` and `policy`, a check being a function whose docstring is what must
hold. Names that are checked are imported and run: they are the user's to trust.
"""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pliant import errors
from pliant.checking import ask, code
from pliant.checking.algorithm import adapts, learns
from pliant.checking.algorithm import says as algorithm_says
from pliant.checking.algorithm.subject import Subject as AlgorithmSubject
from pliant.checking.answer import Checks
from pliant.checking.family import play, same
from pliant.checking.family import says as family_says
from pliant.checking.family.subject import Subject as FamilySubject
from pliant.checking.policy import acts, gradients, keeps
from pliant.checking.policy import says as policy_says
from pliant.checking.policy.subject import Subject as PolicySubject
from pliant.checking.report import Kind, Report
from pliant.config import registry
from pliant.streams import Stream
from pliant.tasks.base import Family

CHECKS: dict[Kind, Checks] = {
    "family": (*family_says.CHECKS, *play.CHECKS, *same.CHECKS),
    "algorithm": (*algorithm_says.CHECKS, *adapts.CHECKS, *learns.CHECKS),
    "policy": (*policy_says.CHECKS, *acts.CHECKS, *keeps.CHECKS, *gradients.CHECKS),
}
"""Of each kind of code, in the order in which they are asked."""


def check(
    kind: Kind, name: str, settings: Mapping[str, Any] | None = None, seed: int = 0, quiet: bool = True
) -> Report:
    """Run every check on the family, algorithm or policy `name`, with settings other than the defaults as each takes them."""
    run = {"family": check_family, "algorithm": check_algorithm, "policy": check_policy}[kind]
    return run(name, settings, seed, quiet)


def check_family(name: str, settings: Mapping[str, Any] | None = None, seed: int = 0, quiet: bool = True) -> Report:
    """Run every check on a family.

    `name` is a name of pliant's, a module outside it (`my_family.py`, `package.module`), or `module:attribute` where the
    attribute is a Family or a function that returns one. `settings` are those of the family that shall differ from the
    defaults, as text or as values. Progress goes to stderr unless `quiet`.

    Raises UserError if there is nothing of that name, if it cannot be imported, and for settings that it does not have.
    """
    found = code.find("family", name)
    _require_settings(name, found, settings)
    subject = FamilySubject(name, found, dict(settings or {}), Stream(seed).at("check"))
    findings = ask.every(CHECKS["family"], subject, quiet)
    own = subject.family.name if isinstance(subject.family, Family) else ""
    return Report("family", name, str(own), seed, dict(settings or {}), findings)


def check_algorithm(name: str, settings: Mapping[str, Any] | None = None, seed: int = 0, quiet: bool = True) -> Report:
    """Run every check on an algorithm: it adapts to tasks of small families, and learns from them for a few iterations.

    `name` is a name of pliant's or a module outside it. `settings` are those that shall differ from the defaults, by part:
    {"inner.steps": 2}.

    Raises UserError if there is nothing of that name, if it cannot be imported, and for settings that it does not have.
    """
    found = code.find("algorithm", name)
    subject = AlgorithmSubject(name, found, dict(settings or {}), seed)
    return Report("algorithm", name, "", seed, dict(settings or {}), ask.every(CHECKS["algorithm"], subject, quiet))


def check_policy(name: str, settings: Mapping[str, Any] | None = None, seed: int = 0, quiet: bool = True) -> Report:
    """Run every check on a policy: it answers to inputs at random, all at once and step by step, and is differentiated.

    `name` is a name of pliant's, a module outside it, or `module:Factory`, the body of pliant's policy `module`. `settings` are
    those of the policy that shall differ from the defaults.

    Raises UserError if there is nothing of that name, if it cannot be imported, and for settings that it does not have.
    """
    found = code.find("policy", name)
    if found is registry.load("policy", "module"):
        raise errors.UserError("the policy module is nothing without its body: check --policy package.module:Factory")
    _require_settings(name, found, settings)
    subject = PolicySubject(name, found, dict(settings or {}), Stream(seed).at("check"))
    return Report("policy", name, "", seed, dict(settings or {}), ask.every(CHECKS["policy"], subject, quiet))


def _require_settings(name: str, found: Any, settings: Mapping[str, Any] | None) -> None:
    if settings and not isinstance(found, ModuleType):
        raise errors.UserError(f"{name} takes no settings: only a module with Settings does, got {', '.join(settings)}")
