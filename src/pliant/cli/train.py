"""What `pliant train`, `evaluate` and `adapt` do once their words are understood. Imports torch."""

import argparse
import contextlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from pliant import errors
from pliant.cli import explain
from pliant.config import config
from pliant.storage import record
from pliant.system import outside


def train(arguments: argparse.Namespace, dotted: dict[str, str]) -> int:
    """Begin or resume a run, or explain its settings."""
    from pliant.running import train as loop

    for module in arguments.imports:
        outside.import_outside(module)
    if arguments.help:
        print(explain.settings(arguments.algorithm, arguments.family, _load(arguments, dotted), arguments.preset), end="")
        return 0
    if arguments.seeds is not None:
        return _train_seeds(arguments, dotted)
    if arguments.jobs is not None:
        raise errors.UserError("--jobs goes with --seeds: one seed is one process")
    seed = arguments.seed or 0
    out = arguments.out or record.default_out(arguments.algorithm, arguments.family, seed, arguments.resume)
    check_device(arguments.device)
    if arguments.resume and (out / "run.json").exists():
        wanted = _resumed(arguments, dotted, out)
    else:
        wanted = _load(arguments, dotted)
        if arguments.resume and not arguments.quiet:
            print(f"pliant: there is no run in {out} yet: beginning it", file=sys.stderr)
    path = loop.train(wanted, out, device=arguments.device, resume=arguments.resume, quiet=arguments.quiet)
    foreign = filter(outside.is_outside, (wanted.algorithm, wanted.family, wanted.policy))
    print(f"run: {path}\nnext: pliant evaluate {path}" + "".join(f" --import {name}" for name in foreign))
    return 0


def _train_seeds(arguments: argparse.Namespace, dotted: dict[str, str]) -> int:
    """Begin or resume a run for each of several seeds."""
    from pliant.cli import seeds
    from pliant.running import learner as learners
    from pliant.system import machine

    if arguments.seed is not None:
        raise errors.UserError("--seed and --seeds: give one")
    check_device(arguments.device)
    wanted = _load(arguments, dotted)  # what is wrong is said once, before any process begins
    learner = learners.build(wanted, arguments.device)
    learner.family.batch(learner.family.sample(1, "train", np.random.default_rng(0)), 1, 1)
    names = (arguments.algorithm, arguments.family)
    outs = {
        seed: arguments.out / f"seed{seed}" if arguments.out else record.default_out(*names, seed, arguments.resume)
        for seed in arguments.seeds
    }
    for out in outs.values():
        record.require_free(out, arguments.resume)
    iterations = learner.settings.iterations if getattr(learner.algorithm, "learns", True) else 1
    words = [*names, *_again(arguments, dotted)]
    seeds.train(["train", *words], outs, arguments.jobs or machine.cores(), iterations, arguments.quiet)
    print("\n".join(f"run: {path}" for path in outs.values()))
    print(f"next: pliant compare {' '.join(map(str, outs.values()))}")
    return 0


def _again(arguments: argparse.Namespace, dotted: dict[str, str]) -> list[str]:
    """The flags of `train` as words, for the process of one seed."""
    named = {"--preset": arguments.preset, "--policy": arguments.policy, "--device": arguments.device}
    words = [word for flag, value in named.items() if value is not None for word in (flag, value)]
    words += [word for module in arguments.imports for word in ("--import", module)]
    words += ["--resume"] if arguments.resume else []
    return words + [f"--{name}={value}" for name, value in _overrides(arguments, dotted).items()]


def evaluate(arguments: argparse.Namespace, dotted: dict[str, str]) -> int:
    """Print the adaptation curve of a run."""
    if other := [flag for flag in dotted if not flag.startswith("family.")]:
        raise errors.UserError(f"--{other[0]} cannot be changed in an evaluation: settings of the family can, as --family.NAME")
    prepare(arguments)
    from pliant.reporting import curves
    from pliant.reporting import terminal as report
    from pliant.running import evaluate as evaluation

    if arguments.protocol and (given := [n for n in ("tasks", "lanes") if getattr(arguments, n) is not None]):
        raise errors.UserError(f"--{given[0]} and --protocol: the published protocol settles tasks and lanes; give one")
    with contextlib.redirect_stdout(sys.stderr) if arguments.json else contextlib.nullcontext():
        document = evaluation.evaluate_run(
            arguments.run,
            split=arguments.split,
            tasks=arguments.tasks or 40,
            stages=arguments.stages,
            lanes=arguments.lanes,
            seed=arguments.seed,
            device=arguments.device,
            players=arguments.players,
            protocol=arguments.protocol,
            changed=dotted,
        )
    if arguments.json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        Console().print(report.curve_table(document))
        if "headline" in document:
            print(report.headline(document))
        if "players" in document:
            Console().print(report.players_table(document))
        kept = evaluation.document_path(arguments.run, document)
        print(f"document: {kept}\npicture: {curves.curve_picture(document, kept.with_suffix('.png'))}")
    return 0


def adapt(arguments: argparse.Namespace) -> int:
    """Adapt to one named task, print its curve, save the adapted policy."""
    task = parse_task(arguments.task or [])
    prepare(arguments)
    from pliant.agent import agent
    from pliant.reporting import terminal as report

    trained = agent.load(arguments.run, device=arguments.device)
    adapted = trained.adapt(task, stages=arguments.stages, seed=arguments.seed, episodes=arguments.episodes)
    Console().print(report.curve_table(adapted.document))
    out = arguments.out or _free(arguments.run / "adapted", task)
    adapted.save(out)
    print(f"adapted policy: {out}")
    return 0


def parse_task(words: list[str]) -> dict[str, Any]:
    """`["goal=0.3,-0.2", "speed=2"]` as {"goal": [0.3, -0.2], "speed": 2.0}; one word may hold several, spaces between."""
    task: dict[str, Any] = {}
    for word in " ".join(words).split():
        name, equals, value = word.partition("=")
        try:
            numbers = [float(number) for number in value.rstrip(",").split(",")]
        except ValueError:
            raise errors.UserError(f"--task is {word!r}: expected NAME=NUMBER or NAME=NUMBER,NUMBER,...") from None
        if not equals or not name or name in task:
            raise errors.UserError(
                f"--task names {name!r} twice" if name in task else f"--task is {word!r}: expected NAME=NUMBERS"
            )
        task[name] = numbers if "," in value else numbers[0]
    if not task:
        raise errors.UserError("adapt needs --task, e.g. --task goal=0.3,-0.2 (`pliant list` names every family's parameters)")
    return task


def _load(arguments: argparse.Namespace, dotted: dict[str, str]) -> config.Config:
    """The settings asked for on the command line."""
    return config.load_config(
        arguments.algorithm,
        arguments.family,
        _overrides(arguments, dotted),
        arguments.preset,
        arguments.seed or 0,
        arguments.policy,
    )


def _overrides(arguments: argparse.Namespace, dotted: dict[str, str]) -> dict[str, str]:
    if arguments.iterations is None:
        return dotted
    if "train.iterations" in dotted:
        raise errors.UserError("--iterations and --train.iterations are the same setting: give one")
    return {**dotted, "train.iterations": str(arguments.iterations)}


def _resumed(arguments: argparse.Namespace, dotted: dict[str, str], out: Path) -> config.Config:
    """The settings of the run in `out`, with more iterations if asked for. Refuses anything else that differs from the run."""
    for name in (arguments.algorithm, arguments.family, arguments.policy):
        if name and outside.is_outside(name):
            outside.import_outside(name)  # typed here, so trusted
    old = config.from_dict(record.Run.open(out).config)
    if (old.algorithm, old.family) != (arguments.algorithm, arguments.family):
        asked = f"{arguments.algorithm} on {arguments.family}"
        raise errors.UserError(f"{out} is a run of {old.algorithm} on {old.family}, not {asked}: choose another --out")
    overrides = _overrides(arguments, dotted)
    if arguments.preset is not None or arguments.policy not in (None, old.policy):
        new = _load(arguments, dotted)
        if "train.iterations" not in overrides:
            new = config.override(new, {"train.iterations": old.parts["train"].iterations})
    else:
        new = config.override(old, overrides)
    seed = old.seed if arguments.seed is None else arguments.seed
    new = config.Config(new.algorithm, new.family, new.policy, seed, new.parts)
    for flag, before, after in config.differences(old, new):
        if flag != "--train.iterations":
            was = f"{flag} is {after!r} but {out} was begun with {before!r}"
            raise errors.UserError(f"{was}: a resumed run keeps its settings, except for more --iterations")
        if after < before:
            raise errors.UserError(
                f"--iterations is {after} but {out} was begun with {before}: a resumed run can only have more"
            )
    return new


def prepare(arguments: argparse.Namespace) -> None:
    """Refuse a wrong folder or device early, and import what the user trusts this run with."""
    record.Run.open(arguments.run)
    check_device(arguments.device)
    for module in arguments.imports:
        outside.import_outside(module)


def check_device(name: str) -> None:
    """Raise UserError for a device that torch cannot use."""
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise errors.UserError(f"--device is {name!r}: torch cannot use it ({reason})") from error


def _free(folder: Path, task: dict[str, Any]) -> Path:
    """A folder for this task that does not exist yet."""
    words = (f"{name}={value}" for name, value in task.items())
    name = re.sub(r"[^A-Za-z0-9=.,_-]", "", "_".join(words).replace(", ", ","))[:100]
    path, number = folder / name, 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}"
    return path
