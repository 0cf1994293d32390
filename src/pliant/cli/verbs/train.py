"""`pliant train`: meta-train an algorithm on a family of tasks, one seed or several."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pliant import errors
from pliant.cli import arguments as shared_arguments
from pliant.cli import shared

if TYPE_CHECKING:
    from pliant.config import Config

HELP = "meta-train an algorithm on a family of tasks"
EXAMPLES = """\
pliant train maml point
pliant train maml point --help       every setting of this pair
pliant train maml point --seeds 0..4                  five runs, side by side
pliant train fomaml point --seed 1 --iterations 50 --inner.steps 3 --out runs/mine
pliant train maml point --out runs/mine --resume
pliant train maml gymnasium --env CartPole-v1 --vary 'length=0.3:1.5, force_mag=-15:-5|5:15'
"""
PLACE = 1
SETTINGS = True


def add(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    natural, positive = shared_arguments.natural, shared_arguments.positive
    parser.usage = "pliant train ALGORITHM FAMILY [options] [--PART.NAME VALUE ...]"
    parser.set_defaults(explain_all=parser.format_help)
    parser.add_argument("algorithm", nargs="?", metavar="ALGORITHM", help="e.g. maml (`pliant list` names all)")
    parser.add_argument("family", nargs="?", metavar="FAMILY", help="e.g. half-cheetah-dir")
    said = "show this help; after ALGORITHM FAMILY, every setting of the pair"
    parser.add_argument("-h", "--help", action="store_true", help=said)
    parser.add_argument("--seed", type=natural, metavar="N", help="address of all random numbers (default: 0)")
    several = "several runs side by side, e.g. 0..4 or 0,1,5"
    parser.add_argument("--seeds", type=shared_arguments.seeds, metavar="A..B", help=several)
    parser.add_argument("--jobs", type=positive, metavar="N", help="of --seeds, how many at a time (default: one per core)")
    updates = "meta-updates in total; the same as --train.iterations"
    parser.add_argument("--iterations", type=positive, metavar="N", help=updates)
    where = "run folder (default: runs/ALGORITHM-FAMILY-seedN; the same run is not trained there twice)"
    parser.add_argument("--out", type=shared_arguments.place, metavar="DIR", help=where)
    shared_arguments.add_device(parser)
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, or begin it if there is none")
    parser.add_argument("--preset", metavar="NAME", help="a preset of the pair, a .toml file, or none (default: the plain one)")
    parser.add_argument("--policy", metavar="NAME", help="policy (default: the algorithm's)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    shared_arguments.add_import(parser)


def run(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """Begin or resume a run or several, or explain the settings."""
    if arguments.help and not (arguments.algorithm and arguments.family):
        shared.say(*arguments.explain_all().splitlines())
        return 0
    _require_names(arguments)
    shared.trust(arguments)
    from pliant.cli import explain, settled

    if arguments.help:
        chosen = settled.load(arguments, settings)
        shared.say(*explain.settings(arguments.algorithm, arguments.family, chosen, arguments.preset).splitlines())
        return 0
    if arguments.seeds is not None:
        return _train_seeds(arguments, settings)
    if arguments.jobs is not None:
        raise errors.UserError("--jobs goes with --seeds: one seed is one process")
    return _train_one(arguments, settings)


def _require_names(arguments: argparse.Namespace) -> None:
    """Raise UserError for a wrong name or a missing one, before anything slow is imported."""
    from pliant.config import registry
    from pliant.system import outside

    kinds: tuple[registry.Kind, ...] = ("algorithm", "family", "policy")
    for kind in kinds:
        name = getattr(arguments, kind)
        if name is not None and not outside.is_outside(name):
            registry.source(kind, name)
    for kind in kinds[:2]:
        if getattr(arguments, kind) is None:
            known = ", ".join(registry.names(kind))
            raise errors.UserError(
                f"train needs ALGORITHM and FAMILY, e.g. pliant train maml point; known {kind} names are {known}"
            )


def _train_one(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """One run in this process."""
    from pliant.cli import place, settled
    from pliant.running import train
    from pliant.system import crew, outside

    shared.check_device(arguments)
    rank, ranks = crew.place()
    if ranks > 1 and arguments.out is None:
        raise errors.UserError(f"{ranks} processes share this training: give --out, the folder of its run")
    arguments.quiet |= rank > 0
    resume, held = arguments.resume, place.Holds.NOTHING
    out = arguments.out
    if resume:
        shown = place.shown_family(arguments.family, settings)
        out = out or place.default(arguments.algorithm, shown, arguments.seed or 0, resume=True)
    if resume and (out / "run.json").exists():
        wanted = settled.resumed(arguments, settings, out)
    else:
        wanted = settled.load(arguments, settings)
        if resume:
            _say(f"there is no run in {out} yet: beginning it", arguments.quiet)
        if rank == 0:
            settled.advise(arguments, settings)
    if out is None:
        out, held = place.of(wanted)
    elif ranks > 1 and not resume:  # a group that is begun again goes on
        held = place.held(out, wanted)
    if held is place.Holds.WHOLE:
        _say(f"{out} is this very run, trained to its end: taking it (another --out trains it again)", arguments.quiet)
    else:
        if held is place.Holds.BEGINNING:
            _say(f"{out} is this very run, not yet at its end: going on with it", arguments.quiet)
        resume = resume or held is place.Holds.BEGINNING
        out = train.train(wanted, out, device=arguments.device, resume=resume, quiet=arguments.quiet)
    foreign = filter(outside.is_outside, (wanted.algorithm, wanted.family, wanted.policy))
    if rank == 0:
        shared.say(f"run: {out}", f"next: {shared.command('evaluate', out, imports=(*foreign, *arguments.imports))}")
    return 0


def _train_seeds(arguments: argparse.Namespace, settings: dict[str, str]) -> int:
    """A run for each of several seeds, each in a process of its own."""
    import numpy as np

    from pliant.cli import seeds, settled
    from pliant.running import learner as learners
    from pliant.system import crew, machine, outside

    if arguments.seed is not None:
        raise errors.UserError("--seed and --seeds: give one")
    if crew.place()[1] > 1:
        raise errors.UserError("--seeds begins processes of its own: begin it without torchrun, or give --seed")
    shared.check_device(arguments)
    wanted = settled.load(arguments, settings)  # what is wrong is said once, before any process begins
    settled.advise(arguments, settings)
    learner = learners.build(wanted, arguments.device)
    learner.family.batch(learner.family.sample(1, "train", np.random.default_rng(0)), 1, 1)
    learners.warn_of_doubts(learner.family)
    outs, whole, resume = _places(arguments, wanted)
    if whole:
        _say(f"trained to their end, and taken as they are: {', '.join(str(outs[seed]) for seed in whole)}", arguments.quiet)
    if left := {seed: out for seed, out in outs.items() if seed not in whole}:
        iterations = learner.settings.iterations if getattr(learner.algorithm, "learns", True) else 1
        words = [arguments.algorithm, arguments.family, *settled.again(arguments, settings), *(["--resume"] if resume else [])]
        seeds.train(["train", *words], left, arguments.jobs or machine.cores(), iterations, arguments.quiet)
    foreign = filter(outside.is_outside, (wanted.algorithm, wanted.family, wanted.policy))
    following = shared.command("compare", *outs.values(), imports=(*foreign, *arguments.imports))
    shared.say(*(f"run: {path}" for path in outs.values()), f"next: {following}")
    return 0


def _places(arguments: argparse.Namespace, wanted: "Config") -> tuple[dict[int, Path], list[int], bool]:
    """The folder of each seed, the seeds that are trained to their end there, and whether others are begun."""
    import dataclasses

    from pliant.cli import place
    from pliant.storage import record, shown

    family = shown.family(wanted.family, vars(wanted.parts["family"]))
    outs, whole, resume = dict[int, Path](), list[int](), bool(arguments.resume)
    for seed in arguments.seeds:
        held = place.Holds.NOTHING
        if arguments.out:
            outs[seed] = arguments.out / f"seed{seed}"
        elif arguments.resume:
            outs[seed] = place.default(arguments.algorithm, family, seed, resume=True)
        else:
            outs[seed], held = place.of(dataclasses.replace(wanted, seed=seed))
        if held is place.Holds.WHOLE:
            whole.append(seed)
        resume |= held is place.Holds.BEGINNING
        record.require_free(outs[seed], arguments.resume or held is not place.Holds.NOTHING)
    return outs, whole, resume


def _say(line: str, quiet: bool) -> None:
    """One line on stderr."""
    if not quiet:
        shared.say_aside(line)
