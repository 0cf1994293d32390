"""The best way to search a grid for one hidden goal over several episodes, with a proof.

Until it finds the goal, nothing that happens can tell an agent more than "not here": it follows one path through all
episodes, and the best agent follows the best path. With H steps an episode and E episodes, finding a goal d moves from the
start in step k (1 to H) of episode e (0 to E-1) earns as much as having known it, but for so many steps on the goal:

    late(e, k, d) = (k - d) + e (H + 1 - d)

which for a goal never found is late(E, d, d). The path is to have the least sum of that over all possible goals.

The search keeps, step by step, the most promising states (cell, goals ruled out), and of equal ones the earlier. What it finds
is proven best if it never dropped a state, or if it meets a bound that no path can beat: the first episode's steps find
nothing until the nearest goal can be reached and at most one goal each from then on, and k + e (H + 1 - d) is at least H + 1
in every later episode (or never), as k is at least d.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pliant.simulators import grid

Ints = NDArray[np.int64]

WIDTH = 4000
"""States kept at each step."""


class Tour(NamedTuple):
    """A path of search."""

    cells: Ints
    """[episodes played before everything is searched, H] the cell after each step."""
    late: int
    """Sum over the possible goals of the steps lost against knowing them."""
    proven: bool
    """No path loses fewer."""


class _States(NamedTuple):
    """All of [states]."""

    cell: Ints
    searched: Ints
    """One bit for each possible goal."""
    spent: Ints
    """Sum of k + e (H + 1 - d) over the goals searched."""
    parent: Ints
    """Which state of the step before this one came from."""


def search(size: int, goals: tuple[int, ...], horizon: int, episodes: int, width: int = WIDTH) -> Tour:
    """The best path found from cell 0 of a size x size grid, over `episodes` episodes of `horizon` steps."""
    far = grid.distances(size)[0].numpy()
    possible = np.array([goal for goal in goals if far[goal] <= horizon], dtype=np.int64)
    bit = np.zeros(size * size, dtype=np.int64)  # [cells]
    bit[possible] = 1 << np.arange(len(possible), dtype=np.int64)
    again = horizon + 1 - far  # [cells] steps lost for each episode in which a goal is not found
    states = _start()
    history: list[_States] = []
    dropped = False
    for episode in range(episodes):
        states = states._replace(cell=np.zeros_like(states.cell))
        for step in range(1, horizon + 1):
            states = _merged(_moved(states, grid.destinations(size).numpy(), bit, step + episode * again))
            hope = states.spent + _rest(states, possible, episode * again, horizon, step)
            if len(hope) > width:
                dropped = True
                keep = np.sort(np.argsort(hope, kind="stable")[:width])
                states, hope = _States(*(field[keep] for field in states)), hope[keep]
            history.append(states)
        best = int(hope.argmin())
        if states.searched[best] == (1 << len(possible)) - 1:
            break
    late = int(hope[best] - far[possible].sum())
    idle = int(far[possible].min(initial=horizon)) - 1  # steps before the nearest goal can be found
    bound = int(_rest(_start(), possible, 0 * again, horizon, idle)[0] - far[possible].sum())
    return Tour(_path(history, best).reshape(-1, horizon), late, not dropped or late == bound)  # [episodes, H]


def _start() -> _States:
    return _States(*(np.zeros(1, dtype=np.int64) for _ in range(4)))


def _moved(states: _States, destination: Ints, bit: Ints, cost: Ints) -> _States:
    """Every state after every move: [states * actions]. `cost` [cells] is that of finding a goal now."""
    cell = destination[states.cell]  # [states, actions]
    found = bit[cell] & ~states.searched[:, None]
    searched = states.searched[:, None] | found
    spent = states.spent[:, None] + np.where(found > 0, cost[cell], 0)
    parent = np.broadcast_to(np.arange(len(cell))[:, None], cell.shape)
    return _States(cell.ravel(), searched.ravel(), spent.ravel(), parent.ravel())


def _merged(states: _States) -> _States:
    """One state for each cell and goals searched: the one that has spent least."""
    order = np.lexsort((states.spent, states.searched, states.cell))
    cell, searched = states.cell[order], states.searched[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (cell[1:] != cell[:-1]) | (searched[1:] != searched[:-1])
    return _States(*(field[order[new]] for field in states))


def _rest(states: _States, possible: Ints, lost: Ints, horizon: int, step: int) -> Ints:
    """What the goals not yet searched must at least cost after `step`, [states]: one a step, then H + 1 each.

    `lost` [cells] is what each of them costs for the episodes before this one.
    """
    open_ = (states.searched[:, None] >> np.arange(len(possible))) & 1 == 0  # [states, goals]
    left = open_.sum(1)
    now = np.minimum(left, horizon - step)
    cost: Ints = open_ @ lost[possible] + now * step + now * (now + 1) // 2 + (left - now) * (horizon + 1)
    return cost


def _path(history: list[_States], last: int) -> Ints:
    """The cells on the way to state `last` of the last step, [steps]."""
    cells = []
    for states in reversed(history):
        cells.append(states.cell[last])
        last = int(states.parent[last])
    return np.array(cells[::-1], dtype=np.int64)
