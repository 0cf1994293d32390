"""How fast agents with memory act and learn, against what anybody can install, in one run.

    python benchmarks/recurrent.py           # about five minutes; writes benchmarks/results/recurrent.json

- Acting: GRU 256 in 256 lanes, one step of the policy, against a bare `torch.nn.GRUCell` of the same sizes and two heads.
- `bandit` alone: pulls per second of 20,000 lanes with random arms.
- Learning: `rl2` on bandits of 100 pulls and 5 arms, memory of 256, 64 trials an iteration, 4 epochs of 4 minibatches,
  environment steps per second with everything, against RecurrentPPO of sb3-contrib as it comes (LSTM 256 for the actor and
  one for the critic, 64 environments, the same bandit as a Gymnasium environment, as many steps, epochs and minibatches) and
  with one LSTM for both. Beside it pliant with an LSTM instead of its GRU, and with 2,000 trials.
- The other memories, as ratios to `gru`, learning and acting alike.
- `replay` at the sizes of AMAGO's: 24 trials of 200 steps an update, memories of 3 layers of 256 units: steps of trials
  that are learned from, per second; with a pass of the memory for each update and actor and critic at every step, as AMAGO
  learns, and with a pass for four updates and actor and critic at 32 steps of each trial, as our presets do.
- Memory that learning needs over the trial's length, 100 to 10,000 steps, in fresh processes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import recorded
import stepping
import torch
from torch import nn

from pliant.config.config import load_config
from pliant.maths import functional
from pliant.running import learner as learners
from pliant.running import loop
from pliant.running.learner import Learner
from pliant.streams import Stream
from pliant.system import machine
from pliant.types import Inputs

BARS = {"acting / bare": 1.3, "pulls per second": 5e6, "learning / RecurrentPPO": 6.0}
ARMS, PULLS, LANES = 5, 100, 64
MEMORIES = ("gru", "lstm", "mean", "linear-attention", "external", "episodic", "transformer")
DRAWN, LENGTH, UPDATES = 24, 200, 12
AMAGO = {"gru": 6_055, "transformer": 1_922}
"""Steps learned from, per second, at these sizes on 2 cores of this kind; AMAGO itself cannot be installed from a registry."""
WAYS = {"like AMAGO": {"outer.steps": LENGTH, "outer.refresh": 1}, "like a preset": {"outer.steps": 32, "outer.refresh": 4}}
"""Actor and critic learn at every step of the drawn trials, and every update has a pass of the memory; or at some steps, and a
pass serves several updates."""
GROWTH = """
import sys
from pathlib import Path
from pliant.config.config import load_config
from pliant.running import learner, loop
from pliant.system import machine
machine.keep_memory()
settings = {"train.meta_batch": 64, "train.lanes": 1, "family.pulls": int(sys.argv[1]), "outer.epochs": 1, "outer.chunk": 100}
list(loop.iterate(learner.build(load_config("rl2", "bandit", settings, "none")), 0, 1))
peak = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(int(peak[0].split()[1]) / 1024)
"""


def learner_of(lanes: int, size: int, policy: str = "gru") -> Learner:
    """RL^2 on bandits of 100 pulls."""
    settings = {
        "train.meta_batch": lanes,
        "train.lanes": 1,
        "family.arms": ARMS,
        "family.pulls": PULLS,
        "policy.size": size,
        "outer.epochs": 4,
        "outer.minibatches": 4,
        "outer.max_kl": 0.0,
    }
    return learners.build(load_config("rl2", "bandit", settings, "none", 0, policy))


def seconds(act: Callable[[], Any]) -> float:
    """Wall time of one call."""
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def acting(turns: int, size: int = 256, lanes: int = 256) -> dict[str, float]:
    """One step of the policy, in turn with a bare cell and two heads."""
    learner = learner_of(lanes, size)
    policy = functional.bound(learner.algorithm.policy, learner.algorithm.params)  # type: ignore[attr-defined]
    seen = Inputs(
        torch.zeros(lanes, 1, 1, 1), torch.zeros(lanes, 1, 1, dtype=torch.int64), torch.ones(lanes, 1, 1),
        torch.ones(lanes, 1, 1, dtype=torch.bool),
    )  # fmt: skip
    state = policy(seen, ())[1]
    cell, actor, critic = nn.GRUCell(1 + ARMS + 2, size), nn.Linear(size, ARMS), nn.Linear(size, 1)
    x, h = torch.zeros(lanes, 1 + ARMS + 2), torch.zeros(lanes, size)

    def bare() -> None:
        new = cell(x, h)
        actor(new), critic(new)

    with torch.no_grad():
        pairs = [(seconds(lambda: policy(seen, state)), seconds(bare)) for _ in range(50 * turns)][turns:]
    return {
        "microseconds": 1e6 * statistics.median(a for a, _ in pairs),
        "bare_microseconds": 1e6 * statistics.median(b for _, b in pairs),
        "ratio": statistics.median(a / b for a, b in pairs),
    }


def pulling(turns: int, lanes: int = 20_000) -> float:
    """Pulls per second of the bandit alone."""
    family = load_family()
    batch = family.batch(family.sample(lanes, "train", Stream(0).rng()), 1, 50)
    action = torch.randint(0, ARMS, (lanes, 1))
    rates = []
    for _ in range(turns):
        batch.reset(Stream(0))
        taken = seconds(lambda: [batch.step(action) for _ in range(50)])
        rates.append(50 * lanes / taken)
    return statistics.median(rates)


def load_family() -> Any:
    """Bandits of 5 arms."""
    return learner_of(1, 8).family


class Pulls(gymnasium.Env[Any, Any]):
    """The same bandit as a Gymnasium environment: arms drawn anew every 100 pulls; the last arm and reward are observed."""

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (ARMS + 3,), np.float32)
    action_space = gymnasium.spaces.Discrete(ARMS)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.p, self.t = self.np_random.random(ARMS), 0
        return np.zeros(ARMS + 3, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.t += 1
        reward = float(self.np_random.random() < self.p[action])
        obs = np.zeros(ARMS + 3, np.float32)
        obs[int(action)], obs[ARMS], obs[ARMS + 1] = 1.0, reward, 1.0
        return obs, reward, self.t == PULLS, False, {}


def recurrent_ppo(**policy: Any) -> Callable[[], Any]:
    """A function that collects and learns from 64 x 100 steps."""
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    env = DummyVecEnv([Pulls for _ in range(LANES)])
    size = {"n_steps": PULLS, "batch_size": LANES * PULLS // 4, "n_epochs": 4}
    model = RecurrentPPO("MlpLstmPolicy", env, **size, policy_kwargs=policy, device="cpu", seed=0)
    return lambda: model.learn(LANES * PULLS, reset_num_timesteps=False)


def iteration(learner: Learner) -> Callable[[], Any]:
    """A function that runs the next meta-iteration."""
    steps = loop.iterate(learner, 0, 10**6)
    return lambda: next(steps)


def learning(turns: int) -> dict[str, Any]:
    """Environment steps per second, in turn."""
    acts = {
        "RecurrentPPO": recurrent_ppo(),
        "RecurrentPPO, one LSTM": recurrent_ppo(net_arch=[], enable_critic_lstm=False, shared_lstm=True),
        "pliant": iteration(learner_of(LANES, 256)),
        "pliant, LSTM": iteration(learner_of(LANES, 256, "lstm")),
    }
    for act in acts.values():
        act()
    taken = [{name: seconds(act) for name, act in acts.items()} for _ in range(turns)]
    rates = {name: LANES * PULLS / statistics.median(each[name] for each in taken) for name in acts}
    large = iteration(learner_of(2000, 256))
    large()
    return {
        "steps_per_second": rates | {"pliant, 2,000 trials": 2000 * PULLS / seconds(large)},
        "ratio": statistics.median(each["RecurrentPPO"] / each["pliant"] for each in taken),
        "ratio, one LSTM each": statistics.median(each["RecurrentPPO, one LSTM"] / each["pliant, LSTM"] for each in taken),
    }


def memories(turns: int) -> dict[str, float]:
    """Seconds of an iteration with each memory, as a ratio to `gru`; memories of 64 units, 256 trials."""
    acts = {name: iteration(learner_of(256, 64, name)) for name in MEMORIES}
    for act in acts.values():
        act()
    taken = [{name: seconds(act) for name, act in acts.items()} for _ in range(max(1, turns // 2))]
    return {name: statistics.median(each[name] / each["gru"] for each in taken) for name in MEMORIES}


def off_policy(turns: int) -> dict[str, dict[str, dict[str, float]]]:
    """Steps of drawn trials that `replay` learns from, per second, by memory and way, all at AMAGO's sizes."""
    rates: dict[str, dict[str, dict[str, float]]] = {}
    for memory, reference in AMAGO.items():
        for way, own in WAYS.items():
            rate = updated(memory, own, max(2, turns // 2))
            rates.setdefault(memory, {})[way] = {"steps_per_second": rate, "ratio": rate / reference}
    return rates


def updated(memory: str, own: dict[str, Any], turns: int) -> float:
    """Steps of drawn trials per second of learning, a median."""
    settings = {
        "train.meta_batch": DRAWN,
        "train.lanes": 1,
        "family.horizon": LENGTH,
        "policy.size": 256,
        "policy.layers": 3,
        "policy.head": (256, 256),
        "critic.hidden": (256, 256),
        "critic.told": False,
        "critic.infer": 0.0,
        "critic.shared": True,
        "outer.warmup": 0,
        "outer.updates": UPDATES,
        "outer.trials": DRAWN,
    }
    steps = loop.iterate(learners.build(load_config("replay", "half-cheetah-vel", settings | own, "none", 0, memory)), 0, 10**6)
    next(steps)
    return UPDATES * DRAWN * LENGTH / statistics.median(next(steps).seconds["outer_seconds"] for _ in range(turns))


def growth() -> dict[int, float]:
    """Peak MiB of one iteration of 64 trials, chunks of 100 steps, by the length of a trial."""
    lengths = (100, 1000, 2000, 5000, 10_000)
    run = [subprocess.run([sys.executable, "-c", GROWTH, str(n)], check=True, capture_output=True, text=True) for n in lengths]
    return {n: float(done.stdout) for n, done in zip(lengths, run, strict=True)}


def main() -> None:
    """Measure, print, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7, help="how often everything is timed")
    parser.add_argument("--out", type=Path, help="where the result is written, instead of where it is tracked")
    wanted = parser.parse_args()
    load = os.getloadavg()[0]
    machine.keep_memory()  # as `pliant train` does
    result: dict[str, Any] = {"acting": acting(wanted.turns), "pulls per second": pulling(wanted.turns)}
    result |= {"learning": learning(wanted.turns), "memories": memories(wanted.turns), "off-policy": off_policy(wanted.turns)}
    result |= {"peak MiB": growth()}
    print(json.dumps(result, indent=1))
    met = {
        "acting / bare": result["acting"]["ratio"] <= BARS["acting / bare"],
        "pulls per second": result["pulls per second"] >= BARS["pulls per second"],
        "learning / RecurrentPPO": result["learning"]["ratio"] >= BARS["learning / RecurrentPPO"],
    }
    for name, bar in BARS.items():
        print(f"bar {name} {bar:g}: {'met' if met[name] else 'MISSED'}")
    document = {"command": "python benchmarks/recurrent.py", "machine": stepping.machine() | {"load_before": load}}
    document |= {"turns": wanted.turns, "bars": BARS, "results": result}
    recorded.write("recurrent", document, wanted.out)


if __name__ == "__main__":
    main()
