"""A robot arm that must reach places it is not told: feel for the reward for a few episodes, learn from them, then go there.

    python examples/robots.py                                     # trains on Meta-World's reach-v3 for about ten minutes
    python examples/robots.py --run runs/maml-metaworld-ml1-seed0 # of `train maml metaworld-ml1 --preset reach`

Each gradient step has four episodes. Beside it Meta-World's scripted controller, told the middle of all training goals.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import pliant
from pliant.config import registry
from pliant.rollout import rollout
from pliant.running.curve import curve_on, measure
from pliant.simulators.metaworld import goals
from pliant.streams import Stream


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a trained run instead of training here")
    parser.add_argument("--steps", type=int, default=3, help="gradient steps on every unseen goal")
    parser.add_argument("--goal", type=int, default=4, help="which of the 40 unseen goals to draw")
    parser.add_argument("--out", type=Path, default=Path("robots.png"))
    asked = parser.parse_args()
    agent = pliant.load_agent(asked.run) if asked.run else pliant.Agent("maml", "metaworld-ml1", seed=0, preset="reach")
    if agent.config.family != "metaworld-ml1":
        parser.error(f"{asked.run} is of the family {agent.config.family}: expected metaworld-ml1")
    if not asked.run:
        agent.learn(agent.config.parts["train"].iterations, progress=True)
    family, stream = agent.learner.family, Stream(0)
    batch = family.batch(family.sample(40, "test", stream.at("goals").rng()), agent.learner.settings.lanes, 1)
    curve, played = curve_on(agent.learner, batch, asked.steps, stream)
    scripted = registry.players("metaworld-ml1").players(family, stream)["scripted"]
    classical = measure([rollout(batch, stream, scripted, {})], batch, True, 0.0, False).success.mean()
    goal = goals.vector(curve.tasks.arrays["task"][asked.goal])[-3:]

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for stage, colour in {0: "0.6", asked.steps: "C0"}.items():
        hand = 100 * np.linalg.norm(played[stage].next_obs[asked.goal, :, :, :3].numpy() - goal, axis=-1)  # [lanes, steps]
        for episode, distance in enumerate(hand):
            axes[0].plot(distance, color=colour, alpha=0.8, label=None if episode else f"after {stage} gradient steps")
    axes[0].axhline(5, color="C2", linestyle=":", label="close enough: success")
    axes[0].set(title="one unseen goal", xlabel="step of an episode", ylabel="distance of the hand, cm", ylim=(0, None))
    axes[1].plot(curve.success.mean(0), marker="o", label="agent")
    axes[1].axhline(classical, color="C1", linestyle="--", label="scripted controller")
    axes[1].set(title="40 unseen goals", xlabel="gradient step", ylabel="success", ylim=(0, 1), xticks=range(asked.steps + 1))
    for axis in axes:
        axis.legend(frameon=False)
    figure.savefig(asked.out, dpi=150)
    print(f"success {curve.success[:, 0].mean():.0%} before, {curve.success[:, -1].mean():.0%} after {asked.steps} steps")


if __name__ == "__main__":
    main()
