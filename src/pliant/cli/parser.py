"""The parsers of all commands: names, help, examples. Imports nothing heavy."""

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn

from pliant import errors
from pliant.version import VERSION

SPLITS = ("train", "test", "ood")
SHELLS = ("bash", "zsh", "fish")
MOST_SEEDS = 1000
EXAMPLES = {
    "": "pliant train maml half-cheetah-dir\npliant evaluate runs/maml-half-cheetah-dir-seed0\npliant list",
    "train": "pliant train maml point\npliant train maml point --help       every setting of this pair\n"
    "pliant train maml point --seeds 0..4                  five runs, side by side\n"
    "pliant train fomaml point --seed 1 --iterations 50 --inner.steps 3 --out runs/mine\n"
    "pliant train maml point --out runs/mine --resume\n"
    "pliant train maml gymnasium --env CartPole-v1 --vary 'length=0.3:1.5, force_mag=-15:-5|5:15'",
    "evaluate": "pliant evaluate runs/maml-point-seed0\npliant evaluate runs/maml-point-seed0 --split ood --stages 5 --json\n"
    "pliant evaluate runs/rl2-bandit-seed0 --tasks 1000 --lanes 1 --players\n"
    "pliant evaluate runs/maml-driving-seed0 --tasks 10 --family.simulator highway-env",
    "adapt": "pliant adapt runs/maml-point-seed0 --task goal=0.3,-0.2\n"
    "pliant adapt runs/maml-half-cheetah-vel-seed0 --task velocity=1.5 --stages 3 --out adapted",
    "compare": "pliant compare runs/maml-point-seed* runs/rl2-point-seed* runs/pretrain-point-seed*\n"
    "pliant compare runs/maml-point-seed* --split ood --json",
    "report": "pliant report runs/*-point-seed* --out report.html\n"
    "pliant report runs/*-half-cheetah-vel-seed* --sweep velocity=0:4 --out report.html",
    "sweep": "pliant sweep runs/maml-half-cheetah-vel-seed0 --axis velocity=0:4\n"
    "pliant sweep runs/rl2-bandit-seed0 --axis arms=2,5,10 --tasks 1000",
    "watch": "pliant watch runs/maml-half-cheetah-vel-seed0 --task velocity=1.5 --out run.mp4\n"
    "pliant watch runs/rl2-gridnavi-seed0",
    "check": "pliant check my_family.py\npliant check package.module:make_family\npliant check --algorithm my_algorithm.py\n"
    "pliant check --policy my_memory.py\npliant check point --json",
    "list": "pliant list\npliant list --json",
    "completion": 'eval "$(pliant completion bash)"\npliant completion fish > ~/.config/fish/completions/pliant.fish',
}


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, and name what is nearest."""

    def error(self, message: str) -> NoReturn:
        raise errors.UserError(re.sub(r"^argument (\S+): is ", r"\1 is ", message) + f" (see {self.prog} --help)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = "command" if action.dest == "command" else action.metavar or action.dest
            raise errors.unknown(str(kind).lower(), value, [c for c in action.choices if not c.startswith("_")])


def parser() -> Parser:
    """The parser of all commands."""
    root: Parser = _parser(Parser, "", prog="pliant", description="Train agents that adapt to tasks they have never seen.")
    root.add_argument("--version", action="version", version=f"pliant {VERSION}")
    commands = root.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    _add_train(commands)
    evaluate = _parser(commands.add_parser, "evaluate", help="adaptation curve of a run on tasks of a split")
    _add_run(evaluate)
    evaluate.add_argument("--split", choices=SPLITS, metavar="SPLIT", default="test", help="train, test or ood (default: test)")
    evaluate.add_argument("--tasks", type=_positive, metavar="N", help="number of tasks (default: 40)")
    evaluate.add_argument("--lanes", type=_positive, metavar="N", help="lanes per task (default: as in training)")
    evaluate.add_argument("--players", action="store_true", help="play the family's classical players on the same tasks too")
    evaluate.add_argument("--protocol", action="store_true", help="evaluate as the family's publishers do, e.g. Meta-World's")
    evaluate.add_argument("--json", action="store_true", help="print one pliant.evaluation/1 document")
    adapt = _parser(commands.add_parser, "adapt", help="adapt a run to one named task and save the adapted policy")
    _add_run(adapt)
    adapt.add_argument(
        "--task", action="append", metavar="NAME=VALUES", help="the task, e.g. goal=0.3,-0.2; repeat for more parameters"
    )
    adapt.add_argument("--episodes", type=_positive, metavar="N", help="episodes of each stage (default: as in training)")
    adapt.add_argument("--out", type=Path, metavar="DIR", help="where to save (default: RUN/adapted/TASK)")
    _add_comparisons(commands)
    listing = _parser(commands.add_parser, "list", help="algorithms, families with their parameters and splits, presets")
    listing.add_argument("--json", action="store_true", help="print one pliant.list/1 document")
    completion = _parser(commands.add_parser, "completion", help="print a shell completion script")
    completion.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    return root


def _add_comparisons(commands: Any) -> None:
    compare = _parser(commands.add_parser, "compare", help="who adapts faster and further, with intervals")
    report = _parser(
        commands.add_parser, "report", help="one page that compares runs: tables, curves, sweeps, costs, behaviour"
    )
    for command in (compare, report):
        runs = "run folders, or evaluation documents; runs that differ in the seed only are one agent"
        command.add_argument("runs", type=Path, nargs="+", metavar="RUN", help=runs)
        command.add_argument(
            "--split", choices=SPLITS, metavar="SPLIT", default="test", help="train, test or ood (default: test)"
        )
        command.add_argument("--tasks", type=_positive, metavar="N", default=40, help="number of tasks (default: 40)")
        command.add_argument("--stages", type=_natural, metavar="N", help="last stage (default: as `evaluate`)")
        command.add_argument("--seed", type=_natural, metavar="N", default=0, help="address of all random numbers (default: 0)")
        command.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, ... (default: cpu)")
        command.add_argument(
            "--sweep", action="append", default=[], metavar="AXIS=LOW:HIGH", help="sweep every run along it too"
        )
        _add_import(command)
    compare.add_argument("--json", action="store_true", help="print one pliant.comparison/1 document")
    report.add_argument("--out", type=Path, metavar="FILE", default=Path("report.html"), help="page (default: report.html)")
    sweep = _parser(
        commands.add_parser, "sweep", help="the same agent along one axis of its family, within training and beyond"
    )
    _add_run(sweep)
    axis = "what shifts: a scalar parameter of the family or an axis of its own (a wrong name lists them)"
    sweep.add_argument("--axis", required=True, metavar="NAME=LOW:HIGH", help=axis)
    sweep.add_argument("--points", type=_positive, metavar="N", default=9, help="values in the range (default: 9)")
    sweep.add_argument("--tasks", type=_positive, metavar="N", default=20, help="tasks of each value (default: 20)")
    sweep.add_argument("--lanes", type=_positive, metavar="N", help="lanes per task (default: as in training)")
    sweep.add_argument("--json", action="store_true", help="print one pliant.sweep/1 document")
    watch = _parser(commands.add_parser, "watch", help="video of the same task before and after adaptation, side by side")
    _add_run(watch)
    watch.add_argument("--task", action="append", metavar="NAME=VALUES", help="the task (default: the first of --split)")
    watch.add_argument("--split", choices=SPLITS, metavar="SPLIT", default="test", help="train, test or ood (default: test)")
    watch.add_argument("--fps", type=_positive, metavar="N", help="frames per second (default: real time)")
    watch.add_argument("--out", type=Path, metavar="FILE", help=".mp4 or .gif (default: in RUN/videos)")
    check = _parser(
        commands.add_parser, "check", help="does code of yours keep its contract? what is wrong, how to mend it"
    )
    family = "my_family.py, package.module, module:attribute, or a name of pliant's"
    check.add_argument("family", nargs="?", metavar="FAMILY", help=family)
    check.add_argument("--algorithm", metavar="MODULE", help="an algorithm instead: my_algorithm.py, package.module or a name")
    policy = "a policy instead: my_policy.py, package.module, module:Factory (a body) or a name"
    check.add_argument("--policy", metavar="MODULE", help=policy)
    check.add_argument("--seed", type=_natural, metavar="N", default=0, help="address of all random numbers (default: 0)")
    check.add_argument("--json", action="store_true", help="print one pliant.check/1 document")


def _add_train(commands: Any) -> None:
    train = _parser(commands.add_parser, "train", help="meta-train an algorithm on a family of tasks", add_help=False)
    train.add_argument("algorithm", nargs="?", metavar="ALGORITHM", help="e.g. maml (`pliant list` names all)")
    train.add_argument("family", nargs="?", metavar="FAMILY", help="e.g. half-cheetah-dir")
    train.add_argument(
        "-h", "--help", action="store_true", help="show this help; after ALGORITHM FAMILY, every setting of the pair"
    )
    train.add_argument("--seed", type=_natural, metavar="N", help="address of all random numbers (default: 0)")
    train.add_argument("--seeds", type=_seeds, metavar="A..B", help="several runs side by side, e.g. 0..4 or 0,1,5")
    train.add_argument("--jobs", type=_positive, metavar="N", help="of --seeds, how many at a time (default: one per core)")
    train.add_argument(
        "--iterations", type=_positive, metavar="N", help="meta-updates in total; the same as --train.iterations"
    )
    train.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/ALGORITHM-FAMILY-seedN)")
    train.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: cpu)")
    train.add_argument("--resume", action="store_true", help="continue the run in --out, or begin it if there is none")
    train.add_argument("--preset", metavar="NAME", help="a preset of the pair, a .toml file, or none (default: the plain one)")
    train.add_argument("--policy", metavar="NAME", help="policy (default: the algorithm's)")
    train.add_argument("--quiet", action="store_true", help="no progress on stderr")
    _add_import(train)
    train.usage = "pliant train ALGORITHM FAMILY [options] [--PART.NAME VALUE ...]"


def _add_run(command: argparse.ArgumentParser) -> None:
    command.add_argument("run", type=Path, metavar="RUN", help="run folder")
    stages = "last stage: gradient steps (default: 3), or the index of a memory's last episode (default: as trained)"
    command.add_argument("--stages", type=_natural, metavar="N", help=stages)
    command.add_argument("--seed", type=_natural, metavar="N", default=0, help="address of all random numbers (default: 0)")
    command.add_argument("--device", default="cpu", metavar="NAME", help="cpu, cuda, ... (default: cpu)")
    _add_import(command)


def _add_import(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--import", action="append", default=[], dest="imports", metavar="MODULE", help="code outside pliant the run may use"
    )


def _parser(make: Any, name: str, **keywords: Any) -> Any:
    """A parser with its examples at the end."""
    examples = "\n".join(f"  {line}" for line in EXAMPLES[name].splitlines())
    keywords.setdefault("description", keywords.get("help", "").capitalize() + ".")
    style = argparse.RawDescriptionHelpFormatter
    return make(
        *([name] if name else []), epilog=f"examples:\n{examples}", formatter_class=style, allow_abbrev=False, **keywords
    )


def _seeds(text: str) -> list[int]:
    """`0..4` or `0,2,5`, ascending."""
    words = re.fullmatch(r"(\d{1,9})\.\.(\d{1,9})", text)
    if words:
        found = list(range(int(words[1]), int(words[2]) + 1)) if int(words[2]) - int(words[1]) < MOST_SEEDS else []
    else:
        found = sorted({int(word) for word in text.split(",")}) if re.fullmatch(r"\d{1,9}(,\d{1,9})*", text) else []
    if not found:
        raise argparse.ArgumentTypeError(f"is {text!r}: expected one or more seeds, as 0..4 or 0,2,5 (at most {MOST_SEEDS})")
    return found


def _natural(text: str) -> int:
    if not re.fullmatch(r"\d{1,18}", text):
        raise argparse.ArgumentTypeError(f"is {text!r}: expected an integer of at least 0")
    return int(text)


def _positive(text: str) -> int:
    if not re.fullmatch(r"0*[1-9]\d{0,17}", text):
        raise argparse.ArgumentTypeError(f"is {text!r}: expected an integer of at least 1")
    return int(text)
