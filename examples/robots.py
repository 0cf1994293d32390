"""A robot arm that must reach places it is not told: feel for the reward, then go there.

    python examples/robots.py                                   # trains on Meta-World's reach-v3 for about 20 minutes
    python examples/robots.py --run runs/rl2-metaworld-ml1-seed0 # of `train rl2 metaworld-ml1 --preset reach`

Beside it the same agent without training.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import pliant
from pliant.evaluate import Curve, curve_on
from pliant.streams import Stream
from pliant.tasks import _metaworld
from pliant.types import Rollout

GOALS = 40


def trial(agent: pliant.Agent, episodes: int) -> tuple[Curve, Rollout]:
    """One trial of every test goal."""
    goals = agent.learner.family.sample(GOALS, "test", Stream(0).at("goals").rng())
    curve, played = curve_on(agent.learner, agent.learner.family.batch(goals, 1, episodes), episodes - 1, Stream(0))
    return curve, played[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a trained run instead of training here")
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("robots.png"))
    asked = parser.parse_args()
    agent = pliant.load(asked.run) if asked.run else pliant.Agent("rl2", "metaworld-ml1", seed=0, preset="reach")
    if not asked.run:
        agent.learn(agent.config.parts["train"].iterations, progress=True)
    curve, played = trial(agent, asked.episodes)
    untrained, _ = trial(pliant.Agent("rl2", "metaworld-ml1", seed=0, preset="reach"), asked.episodes)
    horizon, goal = agent.learner.family.horizon, _metaworld.vector(curve.tasks.arrays["task"][0])[-3:]
    hand = played.next_obs[0, 0, :, :3].unflatten(0, (-1, horizon))  # [episodes, steps, 3] m

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for episode in (0, asked.episodes - 1):
        axes[0].plot(100 * np.linalg.norm(hand[episode] - goal, axis=-1), label=f"episode {episode + 1}")
    axes[0].set(title="one unseen goal", xlabel="step", ylabel="distance of the hand, cm (5: success)")
    axes[0].legend(frameon=False)
    axes[1].plot(range(1, asked.episodes + 1), curve.success.mean(0), marker="o", label="agent")
    axes[1].plot(range(1, asked.episodes + 1), untrained.success.mean(0), marker="o", color="0.6", label="untrained")
    axes[1].set(title=f"{GOALS} unseen goals", xlabel="episode", ylabel="success", ylim=(0, 1.03))
    axes[1].legend(frameon=False)
    figure.savefig(asked.out, dpi=150)
    print(f"success {curve.success[:, 0].mean():.0%} in the first episode, {curve.success[:, -1].mean():.0%} in the last")


if __name__ == "__main__":
    main()
