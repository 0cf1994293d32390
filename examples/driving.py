"""Traffic nobody described, in a car whose pedals may be reversed: drive, adapt by gradient, drive again in highway-env itself.

    python examples/driving.py                               # trains on the batched twin for about 20 minutes
    python examples/driving.py --run runs/maml-driving-seed0 # of `pliant train maml driving`

Drawn is the share of episodes that crash, a dot for each unseen road, for the agent before and after one
gradient step and by a careful driver (the intelligent driver model) who takes the controls to be as usual.
"""

import argparse
import dataclasses
from pathlib import Path

import matplotlib.pyplot as plt

import pliant
from pliant.config import registry
from pliant.families import driving
from pliant.rollout import rollout
from pliant.running import curve as curves
from pliant.streams import Stream


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a trained run instead of training here")
    parser.add_argument("--roads", type=int, default=8, help="unseen roads; each takes highway-env about a minute")
    parser.add_argument("--simulator", choices=("twin", "highway-env"), default="highway-env")
    parser.add_argument("--out", type=Path, default=Path("driving.png"))
    asked = parser.parse_args()
    agent = pliant.load_agent(asked.run) if asked.run else pliant.Agent("maml", "driving", seed=0)
    if agent.config.family != "driving":
        parser.error(f"{asked.run} is of the family {agent.config.family}: expected driving")
    if not asked.run:
        agent.learn(agent.config.parts["train"].iterations, progress=True)
    family = driving.family(dataclasses.replace(agent.learner.family.settings, simulator=asked.simulator))
    roads = family.sample(asked.roads, "test", Stream(0).at("roads").rng())
    batch = family.batch(roads, agent.learner.settings.lanes, family.episodes)
    curve, _ = curves.curve_on(agent.learner, batch, 1, Stream(0))
    careful = registry.players("driving").players(family, Stream(0))["idm"]
    theirs = curves.measure([rollout(batch, Stream(0), careful, {})], batch, True, 0.0, False)

    crashes = 1 - curve.success  # [roads, stages]
    columns = {"careful driver": 1 - theirs.success[:, 0], "agent, unadapted": crashes[:, 0], "agent, adapted": crashes[:, 1]}
    figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for x, (name, share) in enumerate(columns.items()):
        axis.bar(x, share.mean(), width=0.6, color="C0" if name.endswith(" adapted") else "0.75")
        axis.plot([x] * len(share), share, "k.", alpha=0.4)
        print(f"{name}: {share.mean():.0%} of episodes end in a crash")
    axis.set_xticks(range(3), columns)
    axis.set(ylabel="episodes that crash", ylim=(0, 1), title=f"{asked.roads} unseen roads in {asked.simulator}")
    figure.savefig(asked.out, dpi=150)


if __name__ == "__main__":
    main()
