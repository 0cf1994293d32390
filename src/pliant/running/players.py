"""What reference agents reach on the tasks of an evaluation."""

from types import ModuleType
from typing import Any

from pliant import errors
from pliant.maths import statistics
from pliant.maths.layouts import Layout
from pliant.rollout import episode_returns, rollout
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks


def others(
    module: ModuleType,
    family: Family,
    tasks: Tasks,
    split: str,
    lanes: int,
    episodes: int,
    seed: int,
    layout: Layout | None = None,
) -> dict[str, Any]:
    """What reference agents reach in trials of `episodes` episodes on the same tasks: classical controllers, exact optima.

    The optimum is that of tasks as in training: shifted ones have none. A player that cannot play this long is left out.
    `layout` says which tasks are the same.
    """
    stream = Stream(seed).at("players")
    played = {}
    for name, player in module.players(family, stream).items():
        batch = family.batch(tasks, lanes, episodes)
        try:
            returns = episode_returns(rollout(batch, stream.at("acts"), player, {}), episodes).mean(1).numpy()  # [M, E]
        except errors.UserError as error:
            errors.warn(f"{name} is left out: {error}")
            continue
        final, whole = statistics.summary(returns[:, -1], layout), statistics.summary(returns.sum(1), layout)
        played[name] = {"trial_return": whole, "final": final, "return": returns.mean(0).tolist()}
    optimum = None if split == "ood" else module.optimum(family, episodes)
    bounds = {"optimum": optimum, "ceiling": float(module.ceiling(family, tasks, episodes).mean())}
    return {"episodes": episodes, **bounds, "each": played}
