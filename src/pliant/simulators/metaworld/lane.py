"""Makes lanes of Meta-World, where they are played: importing this imports no simulator."""

from typing import Any


def make(horizon: int, objects: bool) -> Any:
    """A `Remote` whose episodes have `horizon` steps, and whose observations show objects or not."""
    from pliant.simulators.metaworld import env

    return env.Lane(horizon, objects)
