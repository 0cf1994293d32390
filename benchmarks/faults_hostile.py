"""Hostile folders: modules that want to be run, links, pipes, devices. None is run, none waits, nothing outside changes."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from faults_counts import SMALL, Counts, Ended, forked, small_run

from pliant.storage import checkpoint
from pliant.system import interpreter

PACKAGES = (
    "torch numpy scipy gymnasium safetensors pydantic rich matplotlib filelock jinja2 PIL mujoco imageio imageio_ffmpeg"
    " tensorboard metaworld minigrid ale_py highway_env gym_electric_motor sitecustomize usercustomize yaml cloudpickle sympy"
    " networkx pygame OpenGL glfw cv2 pandas packaging markupsafe tensorflow triton cycler dateutil six absl google"
).split()
GYM = "train maml gymnasium --env CartPole-v1 --vary length=0.3:1.5 --workers 1 --iterations 1 --out gym"
COMMANDS = (
    "list",
    "completion bash",
    "check point",
    f"train maml point --iterations 1 --out new {SMALL}",
    f"train random point --seeds 0,1 --iterations 1 --out seeds {SMALL.replace('--policy.hidden 8', '')}",
    f"{GYM} {SMALL}",
    "evaluate run --tasks 2 --stages 1",
    "adapt run --task goal=0.1,0.2 --stages 1",
    "sweep run --axis distance=0:1 --points 2 --tasks 2 --stages 1",
    "compare run --tasks 2 --stages 1",
    "report run --tasks 2 --stages 1 --out page.html",
    "watch run --out film.gif",
)
SECONDS = 300.0


def hostile(times: float) -> Counts:
    """Every command in a folder of modules that are called as all others are; pipes, devices and links in a run's places."""
    counts = Counts()
    with tempfile.TemporaryDirectory() as folder:
        run = small_run(Path(folder))
        commands = COMMANDS[: max(1, round(len(COMMANDS) * times))]
        for first, own in ((interpreter.command("-m", "pliant"), set()), ([sys.executable, "-m", "pliant"], _of_python())):
            for words in commands:
                place = Path(folder) / "hostile"
                shutil.copytree(run, place / "run")
                counts.add("names of modules", _runs(place, [*first, *words.split()], own))
                shutil.rmtree(place)
        for become in (_pipe, _device, _linked, _folder, _loop):
            places = sorted(path.relative_to(run) for path in run.rglob("*") if path.suffix != ".png")
            for name in places[:: max(1, round(1 / times))]:
                for words in _commands():
                    counts.add("links, pipes, devices, folders", _replaced(run, Path(folder) / "copy", name, become, words))
    return counts


def _of_python() -> set[str]:
    """Modules that Python itself imports from the working directory before `-m` runs anything: nobody can help that."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nothing.py").write_text("import sys\nprint(*(name.partition('.')[0] for name in sys.modules))\n")
        return set(subprocess.check_output([sys.executable, "-m", "nothing"], cwd=folder, text=True).split())


def _runs(place: Path, command: list[str], own: set[str]) -> str | None:
    """None if a command in a folder of hostile modules runs none of them and ends well."""
    ran = place / "RAN"
    for name in {*sys.stdlib_module_names, *PACKAGES} - own:
        (place / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write('{name} ')\nraise ImportError('hostile {name}')\n")
    try:
        done = subprocess.run(
            command, cwd=place, env=interpreter.environment(), capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"{' '.join(command[-4:])}: it hangs"
    if ran.exists():
        return f"{' '.join(command[1:6])}: it runs {ran.read_text()}"
    failure = Ended(done.returncode, done.stdout + done.stderr).failure()
    return failure and f"{' '.join(command[1:6])}: {failure}"


def _commands() -> list[list[str]]:
    """What meets the files of a run."""
    small = "--tasks 2 --stages 1"
    resumed = f"train maml point --iterations 4 {SMALL} --resume --out"
    sweep = f"sweep RUN --axis distance=0:1 --points 2 {small}"
    every = (f"evaluate RUN {small}", f"{resumed} RUN", sweep, f"compare RUN {small}")
    return [each.split() for each in every]


def _replaced(run: Path, copy: Path, name: Path, become: Callable[[Path], None], words: list[str]) -> str | None:
    """None if a command is right where something else stands in the place of a file of the run."""
    shutil.copytree(run, copy)
    (copy.parent / "outside").mkdir()
    become(copy / name)
    before = _state(copy.parent / "outside")
    ended = forked([word.replace("RUN", str(copy)) for word in words], SECONDS)
    failure = ended.failure()
    if failure is None and _state(copy.parent / "outside") != before:
        failure = "what is outside has changed"
    if failure is None and words[0] == "train" and ended.status == 0 and not checkpoint.paths(copy / "checkpoints"):
        failure = "nothing is saved"
    shutil.rmtree(copy)
    shutil.rmtree(copy.parent / "outside")
    return failure and f"{name} {become.__name__}, {words[0]}: {failure}"


def _state(folder: Path) -> list[tuple[str, bytes]]:
    return [(str(path), path.read_bytes() if path.is_file() else b"") for path in sorted(folder.rglob("*"))]


def _aside(path: Path) -> Path:
    """What stood there, out of the run."""
    copy = next(folder for folder in path.parents if folder.name == "copy")
    return path.rename(copy.parent / "outside" / "moved")


def _pipe(path: Path) -> None:
    _aside(path)
    os.mkfifo(path)


def _device(path: Path) -> None:
    _aside(path)
    path.symlink_to("/dev/zero")


def _linked(path: Path) -> None:
    path.symlink_to(_aside(path))


def _folder(path: Path) -> None:
    _aside(path)
    path.mkdir()
    (path / "something").write_text("mine")


def _loop(path: Path) -> None:
    _aside(path)
    path.symlink_to(path)
