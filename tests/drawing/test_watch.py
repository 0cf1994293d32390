"""Videos and drawings: what is filmed is what an evaluation plays, it opens elsewhere, and wrong words write nothing."""

import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pictures

import pliant
from pliant import errors
from pliant.cli import main as cli
from pliant.drawing import _gl, base, behaviour, film, video, watch
from pliant.families import cartpole, dark_room, driving, gridnavi, minigrid, point
from pliant.running import curve as curves
from pliant.running import learner as learners
from pliant.running.learner import Learner
from pliant.storage import record
from pliant.streams import Stream
from pliant.tasks.base import Family

STEPS = 12
"""Of an episode of point."""
SMALL = "--iterations 1 --train.meta_batch 2 --train.lanes 2 --quiet"
RUNS = {
    "point": f"maml point --horizon {STEPS}",
    "grid": "rl2 gridnavi --train.episodes 3 --policy.size 8",
    "bandit": "maml bandit",
    "pulls": "rl2 bandit --train.episodes 1 --policy.size 8",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a run of each kind, trained for one iteration; one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("watched")
    for name, words in RUNS.items():
        assert cli.main(["train", *shlex.split(f"{words} {SMALL}"), "--out", str(path / name)]) == 0
    yield path
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PLIANT_TRACEBACK", raising=False)


def learner_of(name: str) -> Learner:
    return learners.trained(record.Run.open(Path(name)))[0]


def films_of(monkeypatch: pytest.MonkeyPatch) -> list[film.Film]:
    """The films that are put beside each other from now on."""
    seen: list[film.Film] = []
    beside = film.beside

    def noted(films: list[film.Film], header: str) -> Iterator[base.Image]:
        seen.extend(films)
        return beside(films, header)

    monkeypatch.setattr(film, "beside", noted)
    return seen


def listing() -> list[tuple[str, int, int]]:
    return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in Path().rglob("*"))


# ---- what is filmed is what is played


@pytest.mark.parametrize("name, last", [("point", 2), ("grid", 2)])
def test_what_is_filmed_is_what_an_evaluation_plays(name: str, last: int) -> None:
    """All lanes of the first of 40 tasks, reward by reward, to the last bits; and the return that the film states."""
    learner = learner_of(name)
    curve, rollouts = curves.played_on(learner, "test", watch.TASKS, learner.schedule(last, 2), 0)
    tasks, stream, _ = watch._subject(learner.family, None, "test", 0)
    assert tasks.digest == curve.tasks[0].digest
    takes = behaviour.play(learner, learner.family.batch(tasks, 2, learner.schedule(last).episodes), stream, last, lane=1)
    for stage, take in zip((0, last), takes, strict=True):
        played = rollouts[stage if name == "point" else 0].part(slice(1))
        near = 0 if name == "grid" else 2e-6  # products of matrices for one task and for forty differ in the last bits
        assert torch.allclose(take.rollout.reward, played.reward, rtol=0, atol=near)
        assert torch.allclose(take.rollout.action, played.action, rtol=0, atol=near)
        steps = base.played(played, 0, 1, stage if name == "grid" else 0)
        assert take.total == take.reward.sum() == pytest.approx(float(played.reward[0, 1, steps].double().sum()), abs=1e-4)
        assert len(take.scenes) == len(steps) + 1
        assert take.rollout.reward.shape[:2] == (1, 2)
    assert [take.episode for take in takes] == ([0, 2] if name == "grid" else [0, 0])
    names = ["episode 1", "episode 3"] if name == "grid" else ["before adaptation", "after 2 gradient steps"]
    assert [take.title for take in takes] == names


def test_a_named_task_is_filmed_as_adapt_plays_it() -> None:
    goal = {"goal": [0.3, -0.2]}
    curve = pliant.load("point").adapt(goal, stages=1, seed=3).document["curve"]
    learner = learner_of("point")
    tasks, stream, _ = watch._subject(learner.family, goal, "test", 3)
    takes = behaviour.play(learner, learner.family.batch(tasks, 2), stream, 1)
    assert [float(take.rollout.reward.double().sum(2).mean()) for take in takes] == [c["return"]["mean"] for c in curve]


def test_scenes_are_where_the_agent_was() -> None:
    learner = learner_of("point")
    tasks = learner.family.task({"goal": [0.3, -0.2]})
    take = behaviour.play(learner, learner.family.batch(tasks, 2), Stream(0), 1)[1]
    assert np.array_equal(np.array(take.scenes[0]), [0.0, 0.0])
    assert np.allclose(np.stack(take.scenes[1:]), take.rollout.next_obs[0, 0, : len(take.scenes) - 1].numpy(), atol=1e-6)


def test_recording_changes_nothing_and_leaves_the_batch_as_it_was() -> None:
    family = cartpole.family(cartpole.Settings(horizon=20))
    tasks = family.sample(2, "train", np.random.default_rng(0))
    action = torch.randint(2, (2, 40, 3), generator=torch.Generator().manual_seed(0))

    def played(batch: cartpole.CartPole) -> torch.Tensor:
        first = batch.reset(Stream(1))
        return torch.stack([first, *(batch.step(action[:, t]).obs for t in range(40))])

    plain, filmed = family.batch(tasks, 3, 2), family.batch(tasks, 3, 2)
    before = set(vars(filmed))
    with base.recording(filmed, 1, 2) as episodes:
        seen = played(filmed)
    assert torch.equal(seen, played(plain))
    assert set(vars(filmed)) <= set(vars(plain)) | before and "begin" not in vars(filmed) and "advance" not in vars(filmed)
    assert len(episodes) == 2 and [len(e) > 1 for e in episodes] == [True, True]
    with pytest.raises(RuntimeError), base.recording(filmed, 0, 0):
        raise RuntimeError
    assert "begin" not in vars(filmed)


def test_what_stood_in_for_begin_before_stands_in_again() -> None:
    family = point.family()
    batch = family.batch(family.sample(1, "train", np.random.default_rng(0)), 1)
    begun = []
    begin = batch.begin
    batch.begin = lambda *words: begun.append(1) or begin(*words)
    with base.recording(batch, 0, 0):
        batch.reset(Stream(0))
    batch.reset(Stream(0))
    assert len(begun) == 2


# ---- videos


def test_a_gif_of_point_opens_and_shows_both_stages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    films = films_of(monkeypatch)
    assert cli.main(shlex.split("watch point --task goal=0.3,-0.2 --stages 1 --out new/folder/a.gif")) == 0
    assert capsys.readouterr().out == "video: new/folder/a.gif\n"
    with Pictures.open("new/folder/a.gif") as gif:
        assert gif.format == "GIF" and gif.n_frames == STEPS + 1 and gif.info["loop"] == 0
        assert gif.width % 2 == gif.height % 2 == 0
        assert gif.width == 2 * 360 + film.GAP + 2 * film.EDGE
        assert gif.info["duration"] == 70  # 15 steps a second, in hundredths
        gif.seek(STEPS)
        assert gif.info["duration"] == 1000 * video.HOLD
        last = np.asarray(gif.convert("RGB"))
    half = last.shape[1] // 2
    assert not np.array_equal(last[:, :half], last[:, half:])
    before, after = films
    assert before.title.startswith("before adaptation: return -") and after.title.startswith("after 1 gradient step: return -")
    assert before.title.split("return ")[1] != after.title.split("return ")[1]
    for each in films:
        total = each.title.split("return ")[1]
        assert each.captions[0][0] == f"step 0 of {STEPS}, return so far 0.00"
        assert each.captions[-1][0] == f"step {STEPS} of {STEPS}, return {total}"
        assert each.captions[0][1] == "0.36 from the goal"


def test_a_video_is_the_same_twice_and_named_by_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "has_mp4", lambda: False)
    first = watch.watch(Path("point"), {"goal": [0.3, -0.2]}, stages=1, quiet=True)
    assert first == Path("point/videos/goal=0.300,-0.200-seed0-stages1.gif")
    data = first.read_bytes()
    assert watch.watch(Path("point"), {"goal": [0.3, -0.2]}, stages=1, quiet=True).read_bytes() == data
    assert watch.watch(Path("grid"), seed=2, quiet=True) == Path("grid/videos/test-seed2-stages2.gif")
    assert not list(Path().rglob(".tmp-*"))


@pytest.mark.parametrize("fps, frames", [(5, 5), (60, 13)])
def test_frames_per_second_leave_steps_out(fps: int, frames: int) -> None:
    """Of 15 steps a second five frames a second show every third; 0, 3, 6, 9, 12."""
    made = watch.watch(Path("point"), {"goal": [0.3, -0.2]}, stages=1, out=Path(f"fps{fps}.gif"), fps=fps, quiet=True)
    with Pictures.open(made) as gif:
        assert gif.n_frames == frames and gif.info["duration"] == round(100 / fps) * 10


def test_an_mp4_has_the_same_frames() -> None:
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    made = watch.watch(Path("point"), {"goal": [0.3, -0.2]}, stages=1, out=Path("a.mp4"), quiet=True)
    reader = ffmpeg.read_frames(str(made))
    about = next(reader)
    reader.close()
    assert about["codec"] == "h264" and about["size"][0] == 2 * 360 + film.GAP + 2 * film.EDGE
    assert ffmpeg.count_frames_and_secs(str(made))[0] == STEPS + 1 + round(15 * video.HOLD)


def test_a_memory_is_shown_in_its_first_and_last_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    films = films_of(monkeypatch)
    watch.watch(Path("grid"), {"goal": 24}, out=Path("grid.gif"), quiet=True)
    assert [each.title.split(":")[0] for each in films] == ["episode 1", "episode 3"]
    assert films[0].captions[0][1] == "0 steps on the goal"


# ---- pictures of families


def random_film(family: Family, tasks: int = 1) -> tuple[list[base.Image], list[str]]:
    """An episode of random actions, its first, second and last picture, and all words."""
    generator = np.random.default_rng(0)
    batch = family.batch(family.sample(tasks, "train", generator), 1)
    drawing, spec = base.of(batch), family.spec
    drawing.prepare(batch)
    with base.recording(batch, 0, 0) as episodes:
        batch.reset(Stream(0))
        while bool(batch.active[0, 0]):
            chosen = generator.integers(spec.action_size, size=(tasks, 1))
            batch.step(torch.as_tensor(chosen if spec.discrete else generator.uniform(-1, 1, (tasks, 1, spec.action_size))))
    scenes = episodes[0]
    times = sorted({0, 1, len(scenes) - 1})
    assert drawing.pace(batch) > 0
    return list(drawing.pictures(batch, 0, scenes, times, [scenes])), [
        drawing.words(batch, 0, scenes, t) for t in range(len(scenes))
    ]


FAMILIES = {
    "point": lambda: point.family(point.Settings(horizon=10)),
    "gridnavi": lambda: gridnavi.family(),
    "dark-room": lambda: dark_room.family(),
    "cartpole": lambda: cartpole.family(cartpole.Settings(horizon=10)),
    "minigrid": lambda: minigrid.family(),
    "driving": lambda: driving.family(driving.Settings(horizon=4)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_pictures_that_change(name: str) -> None:
    pictures, words = random_film(FAMILIES[name]())
    assert {(p.shape, p.dtype) for p in pictures} == {(pictures[0].shape, np.dtype(np.uint8))}
    assert pictures[0].ndim == 3 and pictures[0].shape[2] == 3
    assert not all(np.array_equal(pictures[0], later) for later in pictures[1:])
    assert all(isinstance(line, str) and "\n" not in line for line in words)


class Shown(point.Point):
    """A world of the user's own, with pictures."""

    kind = np.uint8

    def frame(self, task: int, lane: int) -> np.ndarray:
        return np.full((40, 60, 3), 10 * int(self._elapsed[task, lane]), dtype=self.kind)


def own(environment: type[Shown]) -> Family:
    family = point.family(point.Settings(horizon=5))
    return Family(**{**vars(family), "name": "mine", "environment": environment})


def test_a_family_of_ones_own_is_drawn_by_its_frame() -> None:
    pictures, _ = random_film(own(Shown))
    assert [p.shape for p in pictures] == [(40, 60, 3)] * 3 and [int(p.max()) for p in pictures][:1] == [0]

    class Wrong(Shown):
        kind = np.float64

    with pytest.raises(errors.UserError, match=r"frame of Wrong returned float64 \[40, 60, 3\]: expected uint8 \[H, W, 3\]"):
        random_film(own(Wrong))


# ---- drawings for reports


def test_point_is_drawn_as_paths_of_both_stages() -> None:
    learner = learner_of("point")
    tasks = learner.family.sample(1, "test", Stream(0).at("evaluate", "test", "tasks").rng())
    (figure,) = behaviour.drawings(learner, tasks, 0, 1)
    assert figure["title"] == "before adaptation and after 1 gradient step" and figure["caption"] == "2 trials of one task"
    assert figure["svg"].lstrip().startswith("<") and "<svg" in figure["svg"] and "<script" not in figure["svg"]


def test_what_has_no_pictures_has_no_drawings() -> None:
    learner = learner_of("bandit")
    assert behaviour.drawings(learner, learner.family.sample(1, "test", np.random.default_rng(0)), 0) == []


def test_a_strip_has_the_first_and_the_last_picture() -> None:
    frames = [np.full((10, 20, 3), n, dtype=np.uint8) for n in range(9)]
    strip = film.strip(frames, 5)
    assert strip.shape == (10, 5 * 20 + 4 * 4, 3)
    assert [int(strip[0, 24 * n, 0]) for n in range(5)] == [0, 2, 4, 6, 8]
    assert film.strip(frames[:2], 5).shape == (10, 2 * 20 + 4, 3)
    with pytest.raises(ValueError, match="a strip of 5 of 0 pictures"):
        film.strip([], 5)


@pytest.mark.slow
def test_a_robot_is_drawn_without_a_display(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mujoco")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MUJOCO_GL", os.environ.get("MUJOCO_GL", ""))
    try:
        _gl.choose()
    except errors.UserError as error:
        pytest.skip(str(error))
    run = f"train maml half-cheetah-vel --horizon 6 {SMALL} --out {tmp_path / 'cheetah'}"
    assert cli.main(shlex.split(run)) == 0
    learner = learners.trained(record.Run.open(tmp_path / "cheetah"))[0]
    strips = behaviour.drawings(learner, learner.family.task({"velocity": 1.5}), 0, 1)
    assert [s["title"] for s in strips] == ["before adaptation", "after 1 gradient step"]
    images = [np.asarray(Pictures.open(io.BytesIO(s["png"])).convert("RGB")) for s in strips]
    width = behaviour.STRIP * behaviour.STRIP_WIDTH + 4 * (behaviour.STRIP - 1)
    assert [image.shape for image in images] == [(130, width, 3)] * 2
    assert not np.array_equal(images[0], images[1]) and images[0].std() > 10


def test_a_machine_that_cannot_draw_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_gl, "_works", lambda backend: False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(errors.UserError, match="neither EGL nor OSMesa works; install a library") as caught:
        _gl.choose()
    assert "\n" not in str(caught.value)


# ---- bad input

WRONG = {
    "watch point --task gaol=1,2": "task of point got unknown 'gaol'",
    "watch point --task goal=5,5": "is outside point",
    "watch point --task goal=0.1": "goal=0.1: expected 2 numbers",
    "watch point --task goal=nan,0": "expected 2 numbers",
    "watch point --task goal": "--task",
    "watch point --out a_file/x.gif": "cannot write a_file/x.gif in .*a_file: it is a file",
    "watch point --out a_file/deep/x.gif": "it is a file",
    "watch point --out .": "--out ends in ''",
    "watch point --out a_folder.gif": "--out is a_folder.gif, a folder: give a file",
    "watch point --out x.webm": "--out ends in '.webm': expected .gif or .mp4",
    "watch point --out x": "--out ends in ''",
    "watch point --fps 0": "--fps is '?0'?: expected",
    "watch point --fps 61 --out new/x.gif": "--fps is 61: expected 1 to 60 frames per second",
    "watch point --fps fast": "--fps",
    "watch point --split tset --out new/x.gif": "unknown split 'tset': did you mean 'test'",
    "watch point --stages 0": "--stages is '?0'?: expected",
    "watch point --device no-such --out new/x.gif": "no-such",
    "watch bandit --out new/x.gif": "bandit cannot be drawn: ant-dir, .* can; one of your own can, if its BatchEnv has frame",
    "watch pulls --out new/x.gif": "cannot be drawn|its trial is a single episode",
    "watch empty --out new/x.gif": "no checkpoint",
    "watch nowhere --out new/x.gif": "nowhere",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_words_are_one_line_and_write_nothing(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a_file").write_text("")
    Path("a_folder.gif").mkdir(exist_ok=True)
    if not Path("empty").exists():
        record.Run.start(Path("empty"), record.Run.open(Path("point")).config).close()
    before = listing()
    assert cli.main(shlex.split(words)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("pliant: ") and err.count("\n") == 1, err
    assert re.search(WRONG[words], err), err
    assert listing() == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(errors.UserError, match="it may not be written"):
        watch.watch(Path("point"), out=tmp_path / "x.gif", quiet=True)


def test_a_place_that_may_not_be_written_is_told_before_anything_is_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *words: False)
    monkeypatch.setattr(learners, "trained", lambda *words: pytest.fail("it is played"))
    with pytest.raises(errors.UserError, match=r"cannot write deep/x\.gif in .*: it may not be written"):
        watch.watch(Path("point"), out=Path("deep/x.gif"), quiet=True)


def test_an_mp4_without_its_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(errors.UserError, match=r"an \.mp4 needs the package imageio_ffmpeg, .*pip install 'pliant\[video\]'"):
        watch.watch(Path("point"), out=Path("x.mp4"), quiet=True)
    assert not video.has_mp4()


def test_a_lane_or_stage_that_is_not_there_is_an_error() -> None:
    learner = learner_of("point")
    batch = learner.family.batch(learner.family.task({"goal": [0.3, -0.2]}), 2)
    with pytest.raises(errors.UserError, match="lane is 2: expected 0 to 1"):
        behaviour.play(learner, batch, Stream(0), 1, lane=2)
    with pytest.raises(errors.UserError, match="--stages is 0: expected a stage after the first"):
        behaviour.play(learner, batch, Stream(0), 0)
