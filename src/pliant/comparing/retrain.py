"""The command that trains an agent again."""

import dataclasses
from collections.abc import Sequence

from pliant.config import config as configuration


def command(config: configuration.Config, seeds: Sequence[int]) -> str:
    """What trains this agent again: its preset, and what differs from it."""
    words = ["pliant", "train", config.algorithm, config.family, *_seeds(seeds)]
    usual = configuration.load_config(config.algorithm, config.family, seed=config.seed)
    if config.policy != usual.policy:
        words += ["--policy", config.policy]
        usual = configuration.load_config(config.algorithm, config.family, seed=config.seed, policy=config.policy)
    for flag, _, value in configuration.differences(usual, config):
        words += [flag, ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)]
    return " ".join(words)


def command_like(algorithm: str, config: configuration.Config, seeds: Sequence[int]) -> str:
    """What trains another algorithm on the same family, under the settings of `config`."""
    usual = configuration.load_config(algorithm, config.family)
    wanted = dataclasses.replace(usual, seed=seeds[0], parts=usual.parts | {"family": config.parts["family"]})
    return command(wanted, seeds)


def _seeds(seeds: Sequence[int]) -> list[str]:
    """Some seeds as flags of `pliant train`."""
    first, last = min(seeds), max(seeds)
    if first == last:
        return ["--seed", str(first)]
    whole = sorted(seeds) == list(range(first, last + 1))
    return ["--seeds", f"{first}..{last}" if whole else ",".join(map(str, sorted(seeds)))]
