"""`pliant check --policy`: policies that ship pass, each way to break one is found by the check that asks for it."""

import json

import pytest

from pliant import errors
from pliant.checking import check
from pliant.cli import main as cli
from pliant.config import registry

from . import breaking, code
from .breaking import changed, found, written

SLOW = {"episodic", "external", "transformer", "linear-attention"}
NAMES = [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in registry.names("policy") if n != "module"]
FLAT = "obs = inputs.obs.flatten(1, 2)"

BROKEN: breaking.Broken = {
    "exports": {
        "no make": ("def make(", "def makes(", "does not define make", "def make(spec, settings, stream)"),
        "settings that change": ("(frozen=True)", "", "Settings can be changed", "frozen=True"),
        "make is a number": ("def make(", "make = 3\ndef makes(", "make is a int", "def make("),
    },
    "settings": {"a class": ("int = 5", "int = 5\n    more: type = int", "cannot be written to run.json", "int, float")},
    "construction": {
        "nothing is made": ("    return Net(", "    Net(", "make returned None", "return MyPolicy"),
        "nothing to learn": (
            "return Net(spec, settings, stream.generator())",
            "return nn.Tanh()",
            "no parameters",
            "Parameter",
        ),
        "float64": ("stream.generator())", "stream.generator()).double()", "the parameter into is float64", "float32"),
        "not a number": ("columns**0.5)", "0.0)", "the parameter into is not finite", "finite numbers"),
        "it raises": ("super().__init__()", "super().__init__()\n        {}['size']", "KeyError: 'size'", "mend that line"),
    },
    "repeats": {"chance of its own": ("generator=generator", "generator=None", "differently the second time", "generator()")},
    "shapes": {
        "no output": ("return Output(dist), state", "return dist", "forward returned a Tensor", "return Output(dist), state"),
        "lanes are lost": (
            "        dist = dist.unflatten(1, inputs.obs.shape[1:3])\n",
            "",
            "dist is float64 [2, 21, 6]",
            "dist",
        ),
        "single precision": ("Output(dist), state", "Output(dist.float()), state", "is float32 [2, 3, 7, 6]", "[M, B"),
        "features": ("Output(dist), state", "Output(dist, dist), state", "does not say that it has a memory", "memory = True"),
        "it raises": (FLAT, FLAT + "\n        obs @ self.out", "RuntimeError", "mend that line: obs @ self.out"),
    },
    "state": {"a state": ("Output(dist), state", "Output(dist), dist", "it returned a Tensor as its state", "memory = True")},
    "generators": {"noise": (FLAT, FLAT + "\n        torch.rand(1)", "an answer draws from, or seeds", "samples the action")},
    "finite": {"exponential": (").tanh()", ").exp()", "not finite", "tanh, symlog")},
    "copies": {
        "the inputs": (FLAT, "obs = inputs.obs.mul_(1.1).flatten(1, 2)", "changed the inputs in place", "x = x + change")
    },
    "same": {
        "a counter": (FLAT, FLAT + " * self.calls\n        self.calls += 1", "another answer the second time", "no dropout"),
        "modes": (FLAT, FLAT + " * (2 if self.training else 1)", "eval() changes the answer", "no batch normalisation"),
    },
    "lanes": {
        "the mean": (
            FLAT,
            FLAT + " - inputs.obs.mean(1, True).expand_as(inputs.obs).flatten(1, 2)",
            "changed the answers of other lanes",
            "own",
        )
    },
    "number": {"the number of lanes": (FLAT, FLAT + " / inputs.obs.shape[1]", "a lane alone is answered otherwise", "size of")},
    "stepwise": {
        "the future": (FLAT, "obs = (inputs.obs - inputs.obs.mean(2, True)).flatten(1, 2)", "than 7 steps at once", "its time"),
        "the past": (FLAT, "obs = inputs.obs.cumsum(2).flatten(1, 2)", "than 7 steps at once", "memory = True"),
    },
    "stacked": {
        "the bias of task 0": (
            "self.bias.unsqueeze(-2)",
            "(self.bias if self.bias.dim() == 1 else self.bias[0])",
            "task 1 is answered otherwise",
            "broadcasts = True",
        ),
    },
    "first": {
        "detached": ("hidden @ self.out", "hidden.detach() @ self.out", "the parameter into changes the answer but", "detach"),
        "a wrong one": (
            ").tanh()",
            ").tanh()\n        hidden = hidden + (hidden**2).detach()",
            "finite differences say",
            "detach",
        ),
    },
    "second": {
        "a backward of constants": (
            ").tanh()\n",
            ")\n        hidden = Squash.apply(hidden)\n",
            "the gradient of a gradient is",
            "needs a backward that can itself be differentiated",
        ),
    },
}
SQUASH = """
class Squash(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.tanh()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        return g * (1 - ctx.saved_tensors[0].detach() ** 2)
"""
FORGETS = "state = self.start(M, B) if isinstance(state, tuple) else state"
BROKEN_MEMORY: breaking.Broken = {
    "construction": {
        "no size": (
            "size_out = spec.obs_size + 1",
            "size_out = torch.tensor(spec.obs_size + 1)",
            "how many features",
            "self.size_out = F",
        ),
    },
    "shapes": {
        "no features": ("(B, -1)), features)", "(B, -1)))", "features is None: expected a tensor [2, 3, 7, 5]", "size_out = F"),
        "other features": (
            "(B, -1)), features)",
            "(B, -1)), features[..., :2])",
            "features is float64 [2, 3, 7, 2]",
            "size_out",
        ),
    },
    "state": {
        "lanes in a row": (
            "features), state",
            "features), state.flatten(0, 1)",
            "a tensor [6, 5]: expected [2, 3, ...]",
            "unflatten",
        ),
        "a number": (
            "features), state",
            "features), (state, 3)",
            "the state holds a int: expected tensors alone",
            "torch.full",
        ),
        "nothing": ("features), state", "features), []", "the state is a list without a tensor in it", "tensors [M, B, *]"),
    },
    "copies": {
        "the state": (
            "state = 0.5 * state + x",
            "state = state.mul_(0.5) + x",
            "changed the state in place",
            "goes into the state",
        ),
    },
    "stepwise": {
        "never goes on": (FORGETS, "state = self.start(M, B)", "than 7 steps at once", "go on from the state"),
    },
    "remembered": {
        "it forgets": ("0.5 * state + x", "0 * state + x", "it remembers nothing", "carry what is seen"),
    },
    "opens": {
        "another start": (
            FORGETS,
            "state = self.start(M, B) + 1 if isinstance(state, tuple) else state",
            "differently",
            "start",
        ),
    },
    "scales": {
        "observations are left": (
            "    def start(",
            "    def rescale(self, fixed, obs, reward):\n        return fixed\n\n    def start(",
            "with new scales it does not answer",
            "return fixed | {",
        ),
        "another buffer": (
            "    def start(",
            "    def rescale(self, fixed, obs, reward):\n        return {'unit': reward}\n\n    def start(",
            "rescale returned ['unit']: expected the buffers []",
            "return fixed | {",
        ),
        "in place": (
            "    def start(",
            "    def rescale(self, fixed, obs, reward):\n        fixed['unit'] = 1\n        return fixed\n\n    def start(",
            "rescale changed a buffer in place",
            "return fixed | {",
        ),
    },
    "restored": {
        "it is kept in self": (
            FORGETS,
            "state = self.start(M, B) if isinstance(state, tuple) else self.kept",
            "a trial that went on from a state in a file took another course, the second time",
            "none of it in self",
        ),
    },
}


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_that_ships_with_pliant_passes(name: str) -> None:
    report = check.check_policy(name)
    assert report.failed == () and {f.verdict for f in report.findings} == {"ok"}, report.line()


@pytest.mark.parametrize("text", [code.POLICY, code.MEMORY])
def test_a_good_policy_passes_every_check(text: str) -> None:
    report = check.check_policy(written(text, "a_policy.py"))
    assert [f for f in report.findings if f.verdict != "ok"] == []
    assert report.line() == f"{len(report.findings)} checks passed for a_policy.py"
    says = found(report, "second").words
    assert says == "maml, fomaml and reptile can train it" + (", and rl2" if text == code.MEMORY else "")


def test_every_check_has_a_policy_that_fails_it() -> None:
    names = {f.check for f in check.check_policy(written(code.POLICY, "a_policy.py")).findings}
    assert names - set(BROKEN) - set(BROKEN_MEMORY) == {"depends", "reached"}  # these warn


@pytest.mark.parametrize("name, old, new, words, mend", breaking.cases(BROKEN))
def test_a_broken_policy_fails_the_check_that_asks(name: str, old: str, new: str, words: str, mend: str) -> None:
    text = changed(old, new, code.POLICY) + (SQUASH if name == "second" else "")
    breaking.require(check.check_policy(written(text, "a_policy.py")), name, words, mend)


@pytest.mark.parametrize("name, old, new, words, mend", breaking.cases(BROKEN_MEMORY))
def test_a_broken_memory_fails_the_check_that_asks(name: str, old: str, new: str, words: str, mend: str) -> None:
    text = changed(old, new, code.MEMORY)
    if name == "restored":
        text = changed("features = torch", "self.kept = state\n        features = torch", text).replace("start(", "begin(")
    breaking.require(check.check_policy(written(text, "a_policy.py")), name, words, mend)


WARNED = {
    "depends": (code.POLICY, FLAT, "obs = 0 * inputs.obs.flatten(1, 2)", "other observations have the same answer"),
    "reached": (code.POLICY, "self.calls = 0", "self.more = nn.Parameter(torch.ones(2))", "no answer depends on more"),
    "remembered": (code.MEMORY, "inputs.prev_reward.unsqueeze", "0 * inputs.prev_reward.unsqueeze", "rewards change no answer"),
    "construction": (
        code.POLICY,
        "    return Net(",
        "    if spec.discrete:\n        raise UserError('numbers only')\n    return Net(",
        "it is not made for actions that are choices: numbers only",
    ),
    "repeats": (
        code.POLICY,
        "stream.generator()",
        "torch.Generator().manual_seed(0)",
        "every seed begins with the same policy",
    ),
}


@pytest.mark.parametrize("name", WARNED)
def test_what_may_be_meant_is_a_warning(name: str) -> None:
    text, old, new, words = WARNED[name]
    report = check.check_policy(written(changed(old, new, text), "a_policy.py"))
    assert report.failed == () and found(report, name).verdict == "warning" and words in found(report, name).words


TORCH_GRU = """
class Trace(nn.Module):
    memory = True

    def __init__(self, spec, settings, generator):
        super().__init__()
        self.size_out = 4
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(generator.initial_seed())
            self.gru = nn.GRU(spec.obs_size + 1, 4, batch_first=True)
            self.head = nn.Linear(4, spec.action_size * (1 if spec.discrete else 2))

    def forward(self, inputs, state):
        M, B = inputs.first.shape[:2]
        h = torch.zeros(M, B, 4).to(inputs.obs) if isinstance(state, tuple) else state
        x = torch.cat([inputs.obs, inputs.prev_reward.unsqueeze(-1)], dim=-1).clamp(-9, 9)
        features, h = self.gru(x.flatten(0, 1), h.flatten(0, 1)[None].contiguous())
        features = features.unflatten(0, (M, B))
        return Output(self.head(features), features), h[0].unflatten(0, (M, B))

def make(spec, settings, stream):
    return Trace(spec, settings, stream.generator())
"""


def test_a_memory_that_torch_cannot_map_over_tasks_is_told_who_can_train_it() -> None:
    report = check.check_policy(written(code.SETTINGS + TORCH_GRU, "a_policy.py"))
    assert report.failed == (), [(f.check, f.words) for f in report.findings if f.verdict != "ok"]
    warned = [f for f in report.findings if f.verdict == "warning"]
    assert warned and "rl2 can train it, maml, fomaml and reptile cannot" in warned[0].words


# ---- bodies, settings, the command

BODY = """
from torch import nn

def body(size):
    return nn.Sequential(nn.Linear(size, 6), nn.Tanh())

def mixing(size):
    return nn.Sequential(nn.Linear(size, 6), nn.BatchNorm1d(6))

VALUE = 3
"""


def test_a_body_is_checked_as_the_policy_around_it() -> None:
    written(BODY, "a_body.py")
    report = check.check_policy("a_body.py:body")
    assert report.failed == () and found(report, "stacked").words.startswith("through vmap")
    assert check.check_policy("a_body:mixing").failed != ()
    with pytest.raises(errors.UserError, match="a_body:VALUE is a int: expected a function or class that takes the size"):
        check.check_policy("a_body:VALUE")
    with pytest.raises(errors.UserError, match="did you mean 'body'"):
        check.check_policy("a_body:bodi")
    with pytest.raises(errors.UserError, match="takes no settings"):
        check.check_policy("a_body:body", {"units": 3})
    with pytest.raises(errors.UserError, match="nothing without its body: check --policy package.module:Factory"):
        check.check_policy("module")


def test_settings_other_than_the_defaults_are_checked() -> None:
    name = written(code.POLICY, "a_policy.py")
    assert found(check.check_policy(name), "construction").words.startswith("41 parameters")
    assert found(check.check_policy(name, {"units": 7}), "construction").words.startswith("55 parameters")
    with pytest.raises(errors.UserError, match="unit"):
        check.check_policy(name, {"unit": 7})


def test_the_command_says_what_is_wrong_and_how_to_mend_it(capsys: pytest.CaptureFixture[str]) -> None:
    name = written(changed(").tanh()", ").exp()", code.POLICY), "a_policy.py")
    assert cli.main(["check", "--policy", name]) == 2
    out, err = capsys.readouterr()
    assert "wrong" in out and "to mend: squash what comes in" in out
    assert err == f"pliant: 1 of {len(check.CHECKS['policy'])} checks failed for a_policy.py: finite\n"


def test_the_command_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--policy", "mlp", "--json", "--seed", "3"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "pliant.check/1" and document["kind"] == "policy" and document["name"] == "mlp"
    assert document["seed"] == 3 and document["failed"] == [] and document["family"] == ""


@pytest.mark.parametrize("words", [[], ["point", "--policy", "mlp"], ["--policy", "mlp", "--algorithm", "maml"]])
def test_one_thing_is_checked_at_a_time(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", *words]) == 2
    assert "expected one of FAMILY, --algorithm MODULE, --policy MODULE" in capsys.readouterr().err
