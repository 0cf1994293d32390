"""Wrong calls from Python: each is a UserError of one line that says so at once, and nothing is changed by it.

What is a wrong call is generated: an argument of each function, and for its kind the values that people and programs give by
mistake. The functions themselves are called, so the table also says what they take.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

import pliant
from pliant import errors
from pliant.agent.adapted import Adapted
from pliant.agent.agent import Agent
from pliant.config import config
from pliant.running import evaluate, train

TINY = {"train.threads": 1, "train.meta_batch": 2, "train.lanes": 2}
POINT = TINY | {"family.horizon": 4, "policy.hidden": (4,)}
BANDIT = TINY | {"family.pulls": 3, "policy.size": 4}
ARMS = {"p": [0.5] * 5}
TASK = {"goal": [0.1, 0.2]}
PATHS: tuple[Any, ...] = (None, 3, "", "  ", "a\0b", b"bytes", ["a"], "x" * 300, "taken/file/below")
NO_INTEGERS: tuple[Any, ...] = (-1, 2.5, "3", True, math.nan, [1], 10**30, np.float64(1.0), object())
DEVICES: tuple[Any, ...] = ("meta", "cpu:99", "tpu9", "", None, 3, *(() if torch.cuda.is_available() else ("cuda",)))


class World(NamedTuple):
    """What wrong calls are made on."""

    agent: Agent
    memory: Agent
    adapted: Adapted
    remembering: Adapted
    folder: Path
    """With a saved `agent`, a saved `adapted` policy and what is `taken` already; the working directory."""

    def held(self) -> Any:
        """All of it, as values that can be compared."""
        learned = [(a.counters, {n: x.tolist() for n, x in a.learner.algorithm.state().items()}) for a in self[:2]]
        drawn = [policy._generator.get_state().tolist() for policy in self[2:4]]
        files = {str(p): p.read_bytes() if p.is_file() else b"" for p in sorted(self.folder.rglob("*"))}
        return learned, drawn, files, torch.is_grad_enabled(), torch.get_num_threads()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    agent = Agent("maml", "point", preset="none", settings=POINT)
    memory = Agent("rl2", "bandit", preset="none", settings=BANDIT)
    adapted = agent.adapt(TASK, stages=1)
    remembering = memory.adapt(ARMS)
    agent.save(folder / "agent")
    adapted.save(folder / "adapted")
    (folder / "taken").mkdir()
    (folder / "taken" / "file").write_text("mine")
    return World(agent, memory, adapted, remembering, folder)


Call = Callable[[World], Any]


def made(**given: Any) -> Call:
    """An agent with some arguments wrong."""
    named = {"algorithm": "maml", "family": "point", "preset": "none", "settings": POINT} | given
    return lambda world: Agent(**named)


def of(settings: Any, **more: Any) -> Call:
    return made(settings=POINT | settings if isinstance(settings, dict) else settings, **more)


def called(who: str, what: str, *given: Any, **named: Any) -> Call:
    return lambda world: getattr(getattr(world, who), what)(*given, **named)


def predicted(who: str = "adapted", **given: Any) -> Call:
    named = {"obs": np.zeros(2) if who == "adapted" else np.zeros(1)} | given
    return lambda world: getattr(world, who).predict(**named)


def agents() -> Iterator[tuple[str, Call]]:
    """What is made wrong."""
    names: tuple[Any, ...] = (None, 3, "", "mmal", "../..", "..1", ["maml"], b"maml", math.nan, "nobody.module", "nowhere.py")
    for name, kind in itertools.product(names, ("algorithm", "family", "policy")):
        if (name, kind) != (None, "policy"):
            yield f"{kind} {name!r}", made(**{kind: name})
    yield from ((f"seed {seed!r}", made(seed=seed)) for seed in (*NO_INTEGERS, None, 2**63))
    yield from ((f"device {device!r}", made(device=device)) for device in DEVICES)
    yield from ((f"preset {name!r}", made(preset=name)) for name in (3, "", "nowhere", "nowhere.toml", True, ["none"]))
    bodies = ("x", nn.Linear, 3, nn.Linear(3, 4), nn.Flatten(0), nn.LSTM(2, 4), nn.Conv2d(3, 4, 3))
    for body in bodies:
        yield f"body {body!r:.20}", lambda world, body=body: Agent("maml", "point", preset="none", settings=TINY, body=body)
    yield "a body and another policy", made(body=nn.Linear(2, 4), policy="mlp", settings=TINY)
    yield "no memory", made(algorithm="rl2", policy="mlp", settings={})
    yield "unknown argument of a policy", made(policy="gru")
    wrong: tuple[Any, ...] = (3, "inner.steps=1", [("inner.steps", 1)], {3: 1}, {None: 1}, math.nan)
    yield from ((f"settings {settings!r}", of(settings)) for settings in wrong)
    flags = ("inner.stps", "steps", "", ".", "inner.", ".steps", "inner", "inner.steps.more", "warp.speed", "inner steps")
    yield from ((f"setting {flag!r}", of({flag: 1})) for flag in flags)
    values: dict[str, tuple[Any, ...]] = {
        "inner.steps": (0, -1, 2.5, True, "x", "", None, math.nan, [1], 10**30, object(), np.float64(2.5)),
        "inner.lr": (0, -1.0, math.nan, math.inf, "x", None, True, "1e999", [0.1], 1j),
        "inner.learn_lr": (1, "maybe", None, 0.0),
        "outer.method": ("x", "", 3, None),
        "policy.hidden": (3, (0,), (2.5,), ("x",), "1,x", "1,,2", (10**20,), "9" * 20, (10**12, 10**12), (2**62,)),
        "family.distance": ("far", None, 0),
        "family.horizon": (0, 2.5, "x", -3),
    }
    yield from ((f"{flag} {value!r:.30}", of({flag: value})) for flag, each in values.items() for value in each)


def learning() -> Iterator[tuple[str, Call]]:
    """What is learned and adapted wrong."""
    yield from ((f"learn {n!r:.9}", called("agent", "learn", n)) for n in (*NO_INTEGERS, 0, None))
    for n in NO_INTEGERS:
        yield f"stages {n!r:.9}", called("agent", "adapt", TASK, stages=n)
        yield f"seed {n!r:.9}", called("agent", "adapt", TASK, seed=n)
        yield f"episodes {n!r:.9}", called("agent", "adapt", TASK, episodes=n)
        yield f"episodes of a memory {n!r:.9}", called("memory", "adapt", ARMS, episodes=n)
    yield "no episodes", called("agent", "adapt", TASK, episodes=0)
    yield "stages and episodes", called("memory", "adapt", ARMS, stages=3, episodes=2)
    tasks: tuple[Any, ...] = (
        None, 3, "point", [0.1, 0.2], np.zeros(2), {}, {"gaol": [0.1, 0.2]}, {"goal": 3}, {"goal": [0.1]}, {"goal": "x"},
        {"goal": None}, {"goal": [math.nan, 0]}, {"goal": [9, 9]}, {"goal": [[0.1, 0.2]]}, {1: 2, "goal": [0, 0]}, {None: 1},
        {"goal": [0.1, 0.2], "more": 1}, {"goal": {"x": 1}}, gymnasium.Env, gymnasium.make("CartPole-v1"), {"goal": [1j, 0]},
    )  # fmt: skip
    yield from ((f"task {task!r:.30}", called("agent", "adapt", task)) for task in tasks)


def acting() -> Iterator[tuple[str, Call]]:
    """What is acted upon wrong."""
    seen: tuple[Any, ...] = (
        None, "x", 3, [], (), {}, {"a": 1}, np.zeros(3), np.zeros((2, 3)), np.zeros((1, 1, 2)), np.zeros((0, 2)), [[1, 2], [3]],
        [math.nan, 0], [math.inf, 0], [1e39, 0], ["a", "b"], [1j, 0], object(), (np.zeros(2), {}), [None, None], [{}, {}],
        np.array(["2020-01-01", "2020-01-02"], "M8"),
    )  # fmt: skip
    yield from ((f"obs {obs!r:.30}", predicted(obs=obs)) for obs in seen)
    states: tuple[Any, ...] = (3, "x", (), np.zeros(2), {}, torch.zeros(2), (None, None, None))
    for who in ("adapted", "remembering"):
        yield from ((f"state {state!r:.30} {who}", predicted(who, state=state)) for state in states)
    yield "state of two", lambda world: world.remembering.predict(
        np.zeros(1), world.remembering.predict(np.zeros((2, 1)), deterministic=True)[1]
    )
    yield "state of another", lambda world: world.adapted.predict(np.zeros(2), world.remembering.carry)
    rewards: tuple[Any, ...] = (
        math.nan, math.inf, -math.inf, 1e39, "1", {}, object(), 1j, [1.0, 2.0], [[1.0, 2.0]], [], [[1.0], [2.0, 3.0]], None,
    )[:-1]  # fmt: skip
    yield from ((f"reward {reward!r:.30}", predicted("remembering", reward=reward)) for reward in rewards)
    yield "a reward of two is NaN", predicted("remembering", obs=np.zeros((2, 1)), reward=np.array([0.0, math.nan]))
    starts: tuple[Any, ...] = ("x", math.nan, 0.5, 2, [True, False], object(), {}, [], "True")
    yield from ((f"start {start!r:.30}", predicted(episode_start=start)) for start in starts)
    yield from ((f"deterministic {x!r:.30}", predicted(deterministic=x)) for x in ("yes", None, math.nan, [True], 2, "False"))


def files() -> Iterator[tuple[str, Call]]:
    """What is saved, loaded and trained wrong."""
    for path in (*PATHS, "taken", "taken/file", "agent", Path("taken")):
        yield f"save agent {path!r:.20}", called("agent", "save", path)
        yield f"save adapted {path!r:.20}", called("adapted", "save", path)
    for path in (*PATHS, "nowhere", "taken", "taken/file", ".", Path("nowhere")):
        yield f"load {path!r:.20}", lambda world, path=path: pliant.load(path)
    for path in (*PATHS, "taken", "taken/file", "agent"):
        yield f"train into {path!r:.20}", lambda world, path=path: train.train(world.agent.config, path)
    for device in DEVICES:
        yield f"load on {device!r}", lambda world, device=device: pliant.load("agent", device=device)
        yield f"train on {device!r}", lambda world, device=device: train.train(world.agent.config, Path("new"), device=device)
    for body in ("x", nn.Linear, nn.Linear(2, 4)):
        yield f"load with {body!r:.20}", lambda world, body=body: pliant.load("agent", body=body)
    yield "no agent", lambda world: pliant.load_agent("adapted")
    yield "no adapted policy", lambda world: pliant.load_adapted("agent")
    for given in (None, {}, "maml", 3):
        yield f"train {given!r}", lambda world, given=given: train.train(given, Path("new"))
        yield f"config of {given!r}", lambda world, given=given: config.from_dict(given)
    for given in (3, "inner.steps=1", {3: 1}):
        yield f"override {given!r}", lambda world, given=given: config.override(world.agent.config, given)


def evaluating() -> Iterator[tuple[str, Call]]:
    """What is evaluated wrong."""

    def evaluated(path: Any = "agent", **named: Any) -> Call:
        return lambda world: evaluate.evaluate_run(path, **named)

    yield from ((f"evaluate {path!r:.20}", evaluated(path)) for path in (*PATHS, "nowhere", "taken", "adapted"))
    for name in ("tasks", "stages", "lanes", "seed"):
        yield from ((f"{name} {n!r:.9}", evaluated(**{name: n})) for n in NO_INTEGERS)
    yield from ((f"split {split!r}", evaluated(split=split)) for split in ("tset", "", None, 3, ["test"]))
    yield from ((f"device {device!r}", evaluated(device=device)) for device in DEVICES)
    for changed in (3, "family.horizon=3", {3: 1}, {"inner.steps": 2}, {"family.warp": 1}, {"family.horizon": 0}, {"x": 3}):
        yield f"changed {changed!r}", evaluated(changed=changed)
    yield "no protocol", evaluated(protocol=True)


GROUPS = {"agents": agents, "learning": learning, "acting": acting, "files": files, "evaluating": evaluating}


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS)
def test_a_wrong_call_is_one_line_and_changes_nothing(
    group: str, world: World, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    record_property("faults", len(list(GROUPS[group]())))
    monkeypatch.chdir(world.folder)
    before, wrong = world.held(), []
    for what, call in GROUPS[group]():
        try:
            got = call(world)
        except errors.UserError as error:
            line = str(error)
            if "\n" in line or not line or len(line) > 600:
                wrong.append((what, f"says {line!r}"))
            if world.held() != before:
                wrong.append((what, "has changed something"))
                break
        except Exception as error:
            wrong.append((what, f"{type(error).__name__}: {error}"[:300]))
        else:
            wrong.append((what, f"was accepted: {got!r:.100}"))
    assert not wrong, "\n".join(f"{what}: {how}" for what, how in wrong)


def test_there_are_many_wrong_calls() -> None:
    calls = [what for group in GROUPS.values() for what, _ in group()]
    assert len(calls) >= 150 and len({*calls}) > 0.9 * len(calls)
