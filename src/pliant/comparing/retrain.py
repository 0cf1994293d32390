"""The command that trains an agent again, as it can be pasted into a shell."""

import dataclasses
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from pliant import errors
from pliant.config import config as configuration
from pliant.system import outside


def command(config: configuration.Config, seeds: Sequence[int]) -> str:
    """What trains this agent again: its preset, what differs from it, and the code outside pliant that it needs."""
    words = ["pliant", "train", config.algorithm, config.family, *_seeds(seeds)]
    usual = configuration.load_config(config.algorithm, config.family, seed=config.seed)
    if config.policy != usual.policy:
        words += ["--policy", config.policy]
        usual = configuration.load_config(config.algorithm, config.family, seed=config.seed, policy=config.policy)
    for flag, _, value in configuration.differences(usual, config):
        words += [flag, _typed(value)]
    return shlex.join([*words, *(word for module in _imports(config) for word in ("--import", module))])


def command_like(algorithm: str, config: configuration.Config, seeds: Sequence[int]) -> str:
    """What trains another algorithm on the same family, under the settings of `config`."""
    usual = configuration.load_config(algorithm, config.family)
    wanted = dataclasses.replace(usual, seed=seeds[0], parts=usual.parts | {"family": config.parts["family"]})
    return command(wanted, seeds)


def _typed(value: Any) -> str:
    """A value as one types it."""
    if isinstance(value, (list, tuple)):
        return ",".join(map(_typed, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _imports(config: configuration.Config) -> list[str]:
    """Of the modules that the user has named in this process, those that the settings name or may need."""
    named = [value for part in config.parts.values() for value in vars(part).values() if isinstance(value, str)]
    known = outside.trusted()
    needed = {module for module in known for text in named if re.search(rf"(?<![\w.]){re.escape(module)}(?!\w)", text)}
    if config.family == "gymnasium":
        needed.update(_registering(config.parts["family"].env, known))
    own = {outside.module_name(name) for name in (config.algorithm, config.family, config.policy) if outside.is_outside(name)}
    return sorted(needed - own)


def _registering(env: str, known: Sequence[str]) -> Iterator[str]:
    """Of some modules, those that may have registered an id: that of its code, else all of them."""
    import gymnasium  # which others need not wait for

    spec = gymnasium.registry.get(env.rpartition(":")[2])
    code: Any = spec.entry_point if spec else ""
    module = code if isinstance(code, str) else str(getattr(getattr(code, "func", code), "__module__", ""))
    root = re.split(r"[.:]", module)[0]
    same = [name for name in known if name.partition(".")[0] == root]
    yield from same or (() if root in {"", "gymnasium", *errors.EXTRAS} else known)


def _seeds(seeds: Sequence[int]) -> list[str]:
    """Some seeds as flags of `pliant train`."""
    first, last = min(seeds), max(seeds)
    if first == last:
        return ["--seed", str(first)]
    whole = sorted(seeds) == list(range(first, last + 1))
    return ["--seeds", f"{first}..{last}" if whole else ",".join(map(str, sorted(seeds)))]
