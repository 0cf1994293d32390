"""A chemical reactor that nobody has identified: learn from reactors like it, then take over one that was never seen.

    python examples/industry.py                              # trains for about six minutes, then draws industry.png
    python examples/industry.py --run runs/rl2-reactor-seed0 # of `pliant train rl2 reactor`

The agent feels a new plant out in its first episode and knows it from then on. Beside it a PI controller that was tuned on the
nominal plant, as one does.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt

import pliant
from pliant.config import registry
from pliant.rollout import rollout
from pliant.running.curve import curve_on
from pliant.streams import Stream


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a trained run instead of training here")
    parser.add_argument("--plant", type=int, default=0, help="which of the unseen plants")
    parser.add_argument("--out", type=Path, default=Path("industry.png"))
    asked = parser.parse_args()
    agent = pliant.load_agent(asked.run) if asked.run else pliant.Agent("rl2", "reactor", seed=0)
    if agent.config.family != "reactor":
        parser.error(f"{asked.run} is of the family {agent.config.family}: expected reactor")
    if not asked.run:
        agent.learn(agent.config.parts["train"].iterations, progress=True)
    family = agent.learner.family
    plant = family.sample(asked.plant + 1, "test", Stream(0).at("plants").rng())[-1]
    batch = family.batch(plant, 1, family.episodes)
    _, rollouts = curve_on(agent.learner, batch, family.episodes - 1, Stream(0))
    classical = registry.players("reactor").players(family, Stream(0))["pi"]
    controlled = rollout(batch, Stream(0), classical, {})

    ours, theirs = (r.obs[0, 0].unflatten(0, (-1, family.horizon)) for r in (rollouts[-1], controlled))  # [episodes, steps, 3]
    shown = [("PI tuned on the nominal plant", theirs[0]), ("agent, first episode", ours[0]), ("agent, last episode", ours[-1])]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), sharey=True, layout="constrained")
    for axis, (name, seen) in zip(axes, shown, strict=True):
        temperature, wanted = (350 + 10 * seen[:, i] for i in (0, 1))
        axis.plot(wanted, color="0.6", drawstyle="steps-post", label="set-point")
        axis.plot(temperature, color="C0", label="reactor")
        axis.set_title(f"{name}\nmean error {float((temperature - wanted).abs().mean()):.1f} K")
        axis.set_xlabel("control step of 0.1 min")
    axes[0].set_ylabel("temperature, K")
    axes[1].legend(frameon=False, loc="lower right")
    figure.savefig(asked.out, dpi=150)
    print(", ".join(f"{name} {value[0].item():.2f}" for name, value in plant.arrays.items()))


if __name__ == "__main__":
    main()
