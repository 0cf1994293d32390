"""The settings that `pliant train` was asked for: from the words typed, or those of the run that is resumed."""

import argparse
import dataclasses
from pathlib import Path

from pliant import errors
from pliant.config import advice, config
from pliant.storage import record
from pliant.system import outside


def load(arguments: argparse.Namespace, settings: dict[str, str]) -> config.Config:
    """The settings asked for on the command line."""
    return config.load_config(
        arguments.algorithm,
        arguments.family,
        _overrides(arguments, settings),
        arguments.preset,
        arguments.seed or 0,
        arguments.policy,
    )


def advise(arguments: argparse.Namespace, settings: dict[str, str]) -> None:
    """Name the preset that was made for these settings, if another one is used: one line on stderr."""
    if line := advice.of_presets(arguments.algorithm, arguments.family, settings, arguments.preset):
        errors.warn(line)


def resumed(arguments: argparse.Namespace, settings: dict[str, str], out: Path) -> config.Config:
    """The settings of the run in `out`, with more iterations if asked for. Refuses anything else that differs from the run."""
    for name in (arguments.algorithm, arguments.family, arguments.policy):
        if name and outside.is_outside(name):
            outside.import_outside(name)  # typed here, so trusted
    old = config.from_dict(record.Run.open(out).config)
    if (old.algorithm, old.family) != (arguments.algorithm, arguments.family):
        asked = f"{arguments.algorithm} on {arguments.family}"
        raise errors.UserError(f"{out} is a run of {old.algorithm} on {old.family}, not {asked}: choose another --out")
    overrides = _overrides(arguments, settings)
    if arguments.preset is not None or arguments.policy not in (None, old.policy):
        new = load(arguments, settings)
        if "train.iterations" not in overrides:
            new = config.override(new, {"train.iterations": old.parts["train"].iterations})
    else:
        new = config.override(old, overrides)
    new = dataclasses.replace(new, seed=old.seed if arguments.seed is None else arguments.seed)
    config.require_continues(old, new, out)
    return new


def again(arguments: argparse.Namespace, settings: dict[str, str]) -> list[str]:
    """The flags of `train` as words, for the process of one seed."""
    named = {"--preset": arguments.preset, "--policy": arguments.policy, "--device": arguments.device}
    words = [word for flag, value in named.items() if value is not None for word in (flag, value)]
    words += [word for module in arguments.imports for word in ("--import", module)]
    return words + [f"--{name}={value}" for name, value in _overrides(arguments, settings).items()]


def _overrides(arguments: argparse.Namespace, settings: dict[str, str]) -> dict[str, str]:
    if arguments.iterations is None:
        return settings
    if "train.iterations" in settings:
        raise errors.UserError("--iterations and --train.iterations are the same setting: give one")
    return {**settings, "train.iterations": str(arguments.iterations)}
