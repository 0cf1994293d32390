"""A room with a key and a locked door that was never seen: search it once, then go straight to the goal.

    python examples/games.py                                # trains for about nine minutes, then draws games.png
    python examples/games.py --run runs/rl2-minigrid-seed0  # of `pliant train rl2 minigrid`
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import pliant
from pliant.config import registry
from pliant.rollout import rollout
from pliant.running import curve as curves
from pliant.simulators.minigrid import world
from pliant.streams import Stream

COLOUR = {world.WALL_TYPE: (90, 90, 90), world.DOOR: (255, 215, 0), world.KEY: (240, 230, 140), world.GOAL: (50, 205, 50)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a trained run instead of training here")
    parser.add_argument("--room", type=int, help="draw this of the 300 rooms, not the one where memory saves most")
    parser.add_argument("--out", type=Path, default=Path("games.png"))
    asked = parser.parse_args()
    agent = pliant.load_agent(asked.run) if asked.run else pliant.Agent("rl2", "minigrid", seed=0)
    if agent.config.family != "minigrid":
        parser.error(f"{asked.run} is of the family {agent.config.family}: expected minigrid")
    if not asked.run:
        agent.learn(agent.config.parts["train"].iterations, progress=True)
    family, stream = agent.learner.family, Stream(0)
    batch = family.batch(family.sample(300, "test", stream.at("rooms").rng()), 1, family.episodes)
    curve, (played,) = curves.curve_on(agent.learner, batch, family.episodes - 1, stream)
    walked = rollout(batch, stream, registry.players("minigrid").players(family, stream)["random"], {})
    chance = curves.measure([walked], batch, True, 0.0, True)
    batch.reset(stream.at("stage", 0).at("env"))  # once more, to see where it went
    began = played.first[:, 0].cumsum(1) * played.valid[:, 0]  # [rooms, steps] the episode, from 1
    m, where = int(((began == 1).sum(1) - (began == 3).sum(1)).argmax()) if asked.room is None else asked.room, []
    picture = [COLOUR.get(kind, (255,) * 3) for kind in world.PARTS[batch.world.cells[m, 0, :-1], 0].tolist()]
    for t in range(int(played.valid[m].sum())):
        where.append((int(began[m, t]), int(batch.world.position[m, 0])))
        batch.step(played.action[:, :, t])
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
    for episode, axis in enumerate(axes[:3], start=1):
        y, x = np.divmod([cell for e, cell in where if e == episode], family.settings.side)
        axis.imshow(np.reshape(picture, (family.settings.side, -1, 3)))
        axis.plot(x, y, color="C3", alpha=0.8)
        axis.set(title=f"episode {episode}: {len(x)} steps", xticks=[], yticks=[])
    axes[3].plot([1, 2, 3], np.stack([curve.success.mean(0), chance.success.mean(0)], 1), "o-", label=["agent", "random"])
    axes[3].set(title="300 unseen rooms", xlabel="episode", ylabel="goal reached", ylim=(0, 1), xticks=[1, 2, 3])
    axes[3].legend(frameon=False)
    figure.savefig(asked.out, dpi=150)


if __name__ == "__main__":
    main()
