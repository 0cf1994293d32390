"""An iteration is reached as a whole or not at all, whatever breaks it off, wherever, and however often."""

import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch

import pliant
from pliant.agent.agent import Agent
from pliant.algorithms.parts import adam
from pliant.algorithms.parts.gradient import ByGradient
from pliant.config import config
from pliant.errors import UserError
from pliant.running import train
from pliant.storage import checkpoint

HERE = (str(Path(pliant.__file__).parent), str(Path(torch.optim.__file__).parent))
"""Where an iteration may be broken off: in our lines, and between an optimiser's writes of parameters."""
SMALL = {"train.threads": 1, "train.meta_batch": 2, "train.lanes": 2}
POINT = SMALL | {"family.horizon": 4, "policy.hidden": (4,)}
BANDIT = SMALL | {"family.pulls": 3, "policy.size": 4, "outer.scale": "both", "outer.epochs": 2, "critic.told": True}
REPLAY = SMALL | {"family.pulls": 3, "policy.size": 4, "policy.head": (4,), "critic.hidden": (4,), "outer.warmup": 0}
REPLAY |= {"outer.updates": 2, "outer.trials": 2, "outer.steps": 2}
ERRORS = (KeyboardInterrupt, MemoryError, UserError)
AGENTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "maml": ("maml", "point", POINT | {"outer.epochs": 2, "inner.learn_lr": True}),
    "reptile": ("reptile", "point", POINT | {"outer.method": "adam", "outer.lr": 0.01}),
    "promp": ("promp", "point", POINT | {"outer.epochs": 2, "outer.kl_target": 0.01}),
    "cavia": ("cavia", "point", POINT | {"outer.epochs": 2, "inner.learn_lr": True}),
    "rl2": ("rl2", "bandit", BANDIT),
    "replay": ("replay", "bandit", REPLAY),
    "conditioned": ("conditioned", "point", POINT | {"outer.epochs": 2}),
    "pretrain": ("pretrain", "point", POINT | {"outer.method": "trpo"}),
}


def made(name: str) -> Agent:
    algorithm, family, settings = AGENTS[name]
    return Agent(algorithm, family, preset="none", settings=settings)


def held(agent: Agent) -> dict[str, Any]:
    """Everything but the clock, as values that can be compared."""
    counters = {n: v for n, v in agent.counters.items() if n in ("iteration", "env_steps")}
    return counters | {n: (x.dtype, x.tolist()) for n, x in agent.learner.algorithm.state().items()}


class Broken:
    """Counts the lines of `HERE` that are executed within; raises at the line number `at`."""

    def __init__(self, at: int = -1, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.at, self.error, self.lines = at, error, 0

    def __enter__(self) -> "Broken":
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(HERE):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.at:
                raise self.error
        return self._trace


@pytest.mark.slow
@pytest.mark.parametrize("name", AGENTS)
def test_an_exception_anywhere_leaves_the_old_agent_or_the_new_one(name: str, length: Callable[[int, int], int]) -> None:
    """At 4 or 20 lines of an iteration, spread over it; and what is learned next is what is learned undisturbed."""
    agent, wanted = made(name), []
    for _ in range(3):
        agent.learn(1)
        wanted.append(held(agent))
        if len(wanted) == 1:
            begun, counters = agent.learner.algorithm.state(), dict(agent.counters)
    assert wanted[0] != wanted[1] != wanted[2]

    def restart() -> None:
        agent.learner.algorithm.load(begun)
        agent.counters.update(counters)

    restart()
    with Broken() as trace:
        agent.learn(1)
    rng, lines, points = random.Random(name), trace.lines, length(4, 20)
    for i in range(points):
        restart()
        place = rng.randrange(lines * i // points, lines * (i + 1) // points) + 1
        with pytest.raises(ERRORS), Broken(place, ERRORS[i % len(ERRORS)]):
            agent.learn(1)
        found = held(agent)
        assert found in wanted[:2], f"neither the old agent nor the new one after line {place} of {lines}"
        agent.learn(2 - wanted.index(found))
        assert held(agent) == wanted[2], f"something was left behind at line {place} of {lines}"


@pytest.mark.parametrize("name", ["maml", "rl2", "replay"])
def test_the_first_step_of_an_optimiser_may_be_broken_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has made its moments and written the first of the parameters."""
    agent, other = made(name), made(name)
    other.learn(1)
    start = held(agent)

    def half(values: list[torch.Tensor], gradients: list[torch.Tensor], *moments: list[torch.Tensor], **named: Any) -> None:
        step(values[:1], gradients[:1], *(each[:1] for each in moments), **named)
        raise KeyboardInterrupt

    step = adam.functional
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(adam, "functional", half)
        agent.learn(1)
    assert held(agent) == start
    agent.learn(1)
    assert held(agent) == held(other)


def interrupted(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, and Ctrl-C right after it."""

    def done(*given: Any, **named: Any) -> None:
        call(*given, **named)
        raise KeyboardInterrupt

    return done


@pytest.mark.parametrize("name", ["maml", "rl2", "replay"])
def test_a_second_interrupt_while_the_old_agent_comes_back_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    agent, undisturbed = made(name), made(name)
    agent.learn(1)
    undisturbed.learn(2)
    start, algorithm = held(agent), agent.learner.algorithm
    load = algorithm.load

    def half(state: dict[str, torch.Tensor]) -> None:
        load({n: torch.zeros_like(x) for n, x in state.items()})
        raise KeyboardInterrupt

    monkeypatch.setattr(type(algorithm), "learn", interrupted(type(algorithm).learn))
    monkeypatch.setattr(algorithm, "load", half)
    with pytest.raises(KeyboardInterrupt):
        agent.learn(1)
    assert not any(bool(x.any()) for n, x in algorithm.state().items() if "step" not in n), "the second came"
    monkeypatch.undo()
    assert held(agent) == start
    agent.learn(1)
    assert held(agent) == held(undisturbed)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="sends itself signals after a time")
def test_ctrl_c_again_and_again_at_any_moment(length: Callable[[int, int], int]) -> None:
    """Real signals at random moments, one shortly after another, until `learn` is left."""
    rng, agent, undisturbed, interrupts = random.Random(0), made("rl2"), made("rl2"), 0
    wanted = [held(undisturbed)]

    def ctrl_c(number: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code is not Agent.learn.__code__:
            frame = frame.f_back
        if frame is not None:
            raise KeyboardInterrupt

    handler = signal.signal(signal.SIGALRM, ctrl_c)
    try:
        while interrupts < length(5, 50):
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.05), rng.uniform(0.0002, 0.005))
            try:
                agent.learn(1)
            except KeyboardInterrupt:
                interrupts += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            while agent.counters["iteration"] >= len(wanted):
                undisturbed.learn(1)
                wanted.append(held(undisturbed))
            assert held(agent) == wanted[agent.counters["iteration"]]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def test_learning_and_adapting_need_no_grad_mode_of_the_caller() -> None:
    agent, other = made("maml"), made("maml")
    other.learn(1)
    with torch.no_grad():
        agent.learn(1)
        agent.adapt({"goal": [0.1, 0.2]}, stages=1)
    with torch.inference_mode():
        agent.adapt({"goal": [0.1, 0.2]}, stages=1)
    assert held(agent) == held(other)


def test_a_run_that_fails_within_an_iteration_keeps_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was due to be saved yet; the state that is saved is that of the last whole iteration."""
    algorithm, family, settings = AGENTS["maml"]
    wanted = config.load_config(algorithm, family, settings | {"train.iterations": 4}, preset="none")
    learn, calls = ByGradient.learn, []

    def learned(self: ByGradient, rollouts: Any) -> dict[str, float]:
        calls.append(1)
        found = learn(self, rollouts)
        if len(calls) == 3:
            raise MemoryError
        return found

    with monkeypatch.context() as patch, pytest.raises(UserError, match="not enough memory"):
        patch.setattr(ByGradient, "learn", learned)
        train.train(wanted, tmp_path / "run", quiet=True)
    agent = made("maml")
    agent.learn(2)
    found = checkpoint.load_latest(tmp_path / "run" / "checkpoints")
    assert found.iteration == 2
    assert all(torch.equal(x, found.tensors[n]) for n, x in agent.learner.algorithm.state().items())
