"""`pliant check --algorithm`: algorithms that ship pass, each way to break one is found by the check that asks for it."""

import json

import pytest

from pliant import errors
from pliant.checking import check
from pliant.cli import main as cli
from pliant.config import registry

from . import breaking, code
from .breaking import changed, found, written

QUICK = {"random"}
NAMES = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in registry.names("algorithm")]

LEARN = 'return {"length": float(sum(g.square().sum() for g in gradient.values()))}'
STATE = 'parameters = {f"params/{n}": p.clone() for n, p in self.params.items()}'
RETURNED = 'return parameters | {f"speed/{n}": v.clone() for n, v in self.speed.items()}'
SPEED = 'self.speed = {name: state[f"speed/{name}"].clone() for name in self.speed}'
MAKE = 'return Nudge(policy, spec, parts["nudge"], stream)'
ADAPTED = "return params, None"
BEGIN = "self.params = functional.parameters(policy)"

BROKEN: breaking.Broken = {
    "exports": {
        "no parts": ("PARTS, POLICY", "PART, POLICY", "does not define PARTS", 'PARTS = {"inner": Settings}'),
        "a part that is taken": ('{"nudge": Settings}', '{"train": Settings}', "a part is named 'train'", "PARTS"),
        "a part that is no dataclass": (
            '{"nudge": Settings}',
            '{"nudge": 3}',
            "the settings of nudge is not a dataclass",
            "frozen",
        ),
        "no such policy": ('"mlp"', '"mpl"', "unknown policy 'mpl': did you mean 'mlp'?", "see the message"),
    },
    "options": {
        "told by a word": (
            "PARTS, POLICY",
            'TOLD = "yes"\nPARTS, POLICY',
            "TOLD is a str: expected True or False",
            "TOLD = True",
        ),
        "inputs that are a number": ("PARTS, POLICY", "inputs = 3\nPARTS, POLICY", "inputs is a int", "def inputs(parts)"),
        "borrowed from nobody": ("PARTS, POLICY", 'BORROWS = "mml", dict\nPARTS, POLICY', "names 'mml'", 'BORROWS = ("maml"'),
    },
    "settings": {
        "a class": ("lr: float = 0.1", "lr: float = 0.1\n    more: type = int", "cannot be written to run", "int, float")
    },
    "construction": {
        "nothing is made": (MAKE, MAKE.replace("return ", ""), "make returned nothing, which has no method adapt", "def adapt"),
        "no load": ("def load(", "def lode(", "make returned a Nudge, which has no method load", "def load"),
        "no stage": ('"gradient step"', '"step"', "stage is 'step': expected one of 'gradient step', 'episode'", "stage ="),
    },
    "adapt": {
        "one rollout too few": (
            "steps) + 1)",
            "steps))",
            "adapt(collect, 2) returned 2 rollouts: expected 3",
            "collect(self.policy",
        ),
        "a tuple": (
            "        return rollouts",
            "        return tuple(rollouts)",
            "adapt returned a tuple: expected a list",
            "rollouts =",
        ),
        "it learns by being looked at": (
            "        return rollouts",
            "        self.params = {n: p + 1 for n, p in self.params.items()}\n        return rollouts",
            "adapting changed params/",
            "not in self",
        ),
    },
    "unadapted": {
        "another name": (
            ADAPTED,
            'return (params if rollouts else params | {"rate": torch.ones(1)}), None',
            "rate is no parameter",
            "leave out",
        ),
        "one is missing": (
            ADAPTED,
            'params.pop("log_std")\n        return params, None',
            "log_std, a parameter of the policy, is",
            "all",
        ),
        "not stacked": (ADAPTED, "return (params if rollouts else self.params), None", "is [", "functional.stack"),
        "a carry": (ADAPTED, "return params, (None if rollouts else 3)", "adapted([]) carries a int", "return params, None"),
        "a graph": (
            ADAPTED,
            "return {n: p.requires_grad_() for n, p in params.items()}, None",
            "still requires a gradient",
            "detach",
        ),
    },
    "zero": {
        "other parameters": (
            "rollouts = [collect(self.policy, self.params, 0)]",
            "rollouts = [collect(self.policy, {n: 2 * p + 1 for n, p in self.params.items()}, 0)]",
            "was not played with the parameters of adapted([])",
            "functional.stack(self.params, 1)",
        ),
    },
    "adapted": {
        "not finite": (
            ADAPTED,
            "return ({n: p / 0 for n, p in params.items()} if rollouts[2:] else params), None",
            "is not finite",
            "floor",
        ),
        "a memory": (ADAPTED, "return params, (3 if rollouts else None)", "it carries a int on", "return params, None"),
    },
    "alone": {
        "the mean over tasks": (
            "rollout.reward * rollout.valid)",
            "(rollout.reward - rollout.reward.mean()) * rollout.valid)",
            "of task 0 depends on what was seen of task 1",
            "a loss for each task, [M]",
        ),
    },
    "untouched": {
        "the rollout": (
            "for rollout in rollouts:",
            "for rollout in rollouts:\n            rollout.reward.mul_(0.5)",
            "adapted changed the rollouts",
            "no operation in place",
        ),
    },
    "repeats": {
        "chance": (
            BEGIN,
            BEGIN + "\n        self.params['log_std'] = torch.rand(2)",
            "params/log_std began differently",
            "`stream`",
        ),
    },
    "learn": {
        "a tensor": (
            "float(sum(g.square().sum() for g in gradient.values()))",
            "sum(g.sum() for g in gradient.values())",
            "is a Tensor",
            "float(loss)",
        ),
        "not a number": (LEARN, 'return {"length": float("nan")}', "length, which learn returned, is nan", "float(loss)"),
        "no numbers": (LEARN, "return None", "learn returned None: expected a dict", "float(loss)"),
        "it diverges": (
            "self.settings.lr * self.speed[name]",
            "float('inf')",
            "action is not finite in task 0, lane 0",
            "the message",
        ),
        "it diverges late": (
            LEARN,
            "once = hasattr(self, 'o')\n        self.o = 1\n        "
            "self.params = {n: p / (not once) for n, p in self.params.items()}\n        " + LEARN,
            "is not finite after 2 meta-updates",
            "smaller step",
        ),
        "the rollout": (
            LEARN,
            "rollouts[0].obs.add_(1)\n        " + LEARN,
            "learn changed the rollouts",
            "no operation in place",
        ),
    },
    "generators": {
        "a global seed": (LEARN, "torch.manual_seed(0)\n        " + LEARN, "learning draws from, or seeds", "`stream`")
    },
    "same_bits": {
        "the time": (
            LEARN,
            'import time\n        return {"now": time.perf_counter()}',
            "now, which learn returned, differs",
            "no time",
        ),
    },
    "refuses": {
        "without a word": ("if not all(", "if False and not all(", "was learned: params/", "raise pliant.UserError"),
        "too late": (
            "        if not all(",
            "        self.params = {n: p + 1 for n, p in self.params.items()}\n        if not all(",
            "was refused, but params/",
            "or put them back",
        ),
        "as a bug": ("raise UserError", "raise KeyError", "ended in KeyError", "raise pliant.UserError"),
    },
    "state": {
        "a number": (RETURNED, RETURNED + ' | {"count": 3}', "count in state() is a int: expected a tensor", "counter"),
        "a gradient": (
            STATE,
            STATE.replace(".clone()", ".clone().requires_grad_()"),
            "requires a gradient",
            "p.detach().clone()",
        ),
        "a list": (STATE, "return list(self.params)\n        " + STATE, "state() is a list: expected a dict", "p.clone()"),
    },
    "kept": {
        "its own tensors": (STATE, STATE.replace(".clone()", ""), "learning on changed params/", "p.detach().clone()"),
    },
    "load": {
        "nothing is loaded": (
            SPEED,
            "pass",
            "speed/head.bias is not what it was after what was learned was loaded",
            "load takes all",
        ),
        "another type": (SPEED, SPEED.replace(".clone()", ".double()"), "is not what it was", "changes no type"),
    },
    "continued": {
        "momentum is forgotten": (
            RETURNED,
            "return parameters",
            "differs after one more meta-update from a checkpoint",
            "moments, step counts",
        ),
    },
}
MORE = {
    "its own tensors": [
        ("self.params = {name: p - self.settings.lr * self.speed[name]", "self.params = {name: p.sub_(self.speed[name])")
    ],
    "momentum is forgotten": [(SPEED, "self.speed = {name: torch.zeros_like(p) for name, p in self.params.items()}")],
}
"""What some need in other places."""


@pytest.mark.parametrize("name", NAMES)
def test_an_algorithm_that_ships_with_pliant_passes(name: str) -> None:
    report = check.check_algorithm(name)
    assert report.failed == () and {f.verdict for f in report.findings} == {"ok"}, report.line()


def test_a_good_algorithm_passes_every_check() -> None:
    report = check.check_algorithm(written(code.ALGORITHM, "an_algorithm.py"))
    assert [f for f in report.findings if f.verdict != "ok"] == []
    assert report.line() == f"{len(report.findings)} checks passed for an_algorithm.py"
    assert "nothing was learned" in found(report, "refuses").words and "it records length" in found(report, "learn").words


def test_every_check_has_an_algorithm_that_fails_it() -> None:
    names = {ask.__name__ for ask, _ in check.CHECKS["algorithm"]}
    assert names - set(BROKEN) == {"choices"}  # it warns


@pytest.mark.parametrize("name, old, new, words, mend", breaking.cases(BROKEN))
def test_a_broken_algorithm_fails_the_check_that_asks(
    name: str, old: str, new: str, words: str, mend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = changed(old, new, code.ALGORITHM)
    for also in MORE.get(request.node.callspec.id, ()):
        text = changed(*also, text)
    monkeypatch.setitem(check.CHECKS, "algorithm", breaking.until(check.CHECKS["algorithm"], name))
    breaking.require(check.check_algorithm(written(text, "an_algorithm.py")), name, words, mend)


def test_a_method_that_learns_nothing_says_so() -> None:
    text = changed("p - self.settings.lr * self.speed[name] for", "p for", code.ALGORITHM)
    text = changed("self.settings.momentum * v + gradient[name] for", "v for", text)
    report = check.check_algorithm(written(text, "an_algorithm.py"))
    assert found(report, "learn").verdict == "warning" and "2 meta-updates changed nothing" in found(report, "learn").words
    assert "learns = False" in found(report, "learn").mend
    text = changed('stage = "gradient step"', 'stage, learns = "gradient step", False', text)
    assert found(check.check_algorithm(written(text, "another.py")), "learn").verdict == "ok"


def test_a_method_for_numbers_alone_is_told_so() -> None:
    text = changed(MAKE, "if spec.discrete:\n        raise UserError('numbers only')\n    " + MAKE, code.ALGORITHM)
    report = check.check_algorithm(written(text, "an_algorithm.py"))
    assert report.failed == () and found(report, "choices").verdict == "warning"
    assert "it does not learn where actions are choices: numbers only" in found(report, "choices").words


def test_settings_other_than_the_defaults_are_checked() -> None:
    name = written(code.ALGORITHM, "an_algorithm.py")
    report = check.check_algorithm(name, {"nudge.lr": 0.0})
    assert found(report, "adapted").words.endswith("moved parameters by 0 at most")
    with pytest.raises(errors.UserError, match="unknown setting 'nudge.rl'"):
        check.check_algorithm(name, {"nudge.rl": 0.0})


def test_the_command_says_what_is_wrong_and_how_to_mend_it(capsys: pytest.CaptureFixture[str]) -> None:
    name = written(changed("def load(", "def lode(", code.ALGORITHM), "an_algorithm.py")
    assert cli.main(["check", "--algorithm", name]) == 2
    out, err = capsys.readouterr()
    assert "wrong" in out and "to mend: def load(self, ...), as pliant/algorithms/base.py says" in out
    assert (
        err.startswith(f"pliant: 1 of {len(check.CHECKS['algorithm'])} checks failed for an_algorithm.py")
        and err.count("\n") == 1
    )


def test_the_command_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--algorithm", "random", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "pliant.check/1" and document["kind"] == "algorithm" and document["failed"] == []


@pytest.mark.parametrize(
    "name, words",
    {
        "mmal": "unknown algorithm 'mmal': did you mean 'maml'?",
        "nowhere.py": "there is no file nowhere.py",
        "an_algorithm:make": "'an_algorithm:make' names no algorithm: expected my_algorithm.py, package.module",
        "broken.py": "broken.py cannot be imported: broken.py:1: ZeroDivisionError",
    }.items(),
)
def test_a_name_that_is_no_algorithm_is_one_line(name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    written("1 / 0\n", "broken.py")
    assert cli.main(["check", "--algorithm", name]) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err and err.count("\n") == 1
