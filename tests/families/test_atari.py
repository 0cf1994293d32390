"""Atari modes and difficulties as tasks, beside Gymnasium's own environment of the same emulator."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from pliant.config import registry
from pliant.errors import UserError
from pliant.families import atari
from pliant.simulators import ale as emulator
from pliant.streams import Stream
from pliant.tasks import pool

ale_py = pytest.importorskip("ale_py")


@pytest.fixture(autouse=True)
def no_pool_is_left() -> Iterator[None]:
    yield
    while pool._idle:
        pool._idle.pop().close()


@pytest.mark.parametrize("game, skip", [("breakout", 4), ("freeway", 3), ("pong", 1)])
def test_memory_rewards_and_endings_are_those_of_gymnasium(game: str, skip: int) -> None:
    """In the second episode too, which opens from a state that was kept."""
    settings = atari.Settings(game=game, skip=skip, frames=1, horizon=60, workers=1, sticky=0.0)
    family = atari.family(settings)
    tasks = family.sample(3, "train", Stream(3).rng())
    batch = family.batch(tasks, 1, episodes=2)
    obs = batch.reset(Stream(0))
    gymnasium.register_envs(ale_py)
    rng = np.random.default_rng(0)
    envs = []
    for m, row in enumerate(tasks.rows()):
        keywords = {"mode": int(row["mode"]), "difficulty": int(row["difficulty"]), "obs_type": "ram", "frameskip": skip}
        keywords["repeat_action_probability"] = 0.0
        env = gymnasium.make(f"ALE/{game.capitalize()}-v5", disable_env_checker=True, **keywords)
        first, _ = env.reset()
        assert np.array_equal(first, (obs[m, 0] * 255).round().numpy())
        envs.append(env)
    paid = 0.0
    for t in range(120):
        action = rng.integers(0, family.spec.action_size, (3, 1))
        step = batch.step(torch.tensor(action))
        for m, env in enumerate(envs):
            seen, reward, terminated, _, _ = env.step(int(action[m, 0]))
            assert np.array_equal(seen, (step.next_obs[m, 0] * 255).round().numpy())
            assert (float(step.reward[m, 0]), bool(step.terminated[m, 0])) == (reward, terminated)
            paid += abs(float(reward))
            if t == 59:
                env.reset()
    assert paid > 0 or game != "breakout"
    assert len({tuple(step.next_obs[m, 0].tolist()) for m in range(3)}) == 3, "other rules, another game"


def test_an_action_sticks_as_often_as_it_should() -> None:
    """Two actions in turn, a frame each; with probability 0.25 a frame repeats the last one's, which is then what is asked for
    if that frame did not do what was asked: the share p of frames that do is 0.75 + 0.25 (1 - p) = 0.8."""
    console = emulator.Console("breakout", "ram", 1, 2, 1, 0.25, False)
    game = emulator.Game(console)
    game.begin(np.array([0.0, 0.0]), 7)
    taken = []
    for t in range(4000):
        game.advance(2 + t % 2)
        taken.append(game.last == game.moves[2 + t % 2])
    assert abs(np.mean(taken[1:]) - 0.8) < 5 * np.sqrt(0.2 * 0.8 / 4000)
    again = emulator.Game(console)
    ends = []
    for one in (game, again):
        one.begin(np.array([4.0, 1.0]), 5)
        ends.append([one.advance(t % 4)[0].tolist() for t in range(200)][-1])
    assert ends[0] == ends[1], "a game that was played before opens as a new one"


def test_images_are_blocks_of_the_brighter_of_two_frames() -> None:
    settings = atari.Settings(observation="image", frames=3, shrink=5, workers=1, sticky=0.0)
    family = atari.family(settings)
    assert family.spec.image == (3, 42, 32) and family.spec.obs_size == 3 * 42 * 32
    tasks = family.task({"mode": 4, "difficulty": 1})
    batch = family.batch(tasks, 1)
    first = batch.reset(Stream(0))[0, 0].reshape(3, 42, 32)
    assert torch.equal(first[0], first[1]) and torch.equal(first[0], first[2]) and 0 < float(first.max()) <= 1
    ale = emulator.interface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(emulator.roms.get_rom_path("breakout"))
    ale.setMode(4)
    ale.setDifficulty(1)
    ale.reset_game()
    moves = ale.getMinimalActionSet()
    for action in (1, 2, 3):
        shown = batch.step(torch.tensor([[action]])).next_obs[0, 0].reshape(3, 42, 32)
        screens: list[Any] = []
        for _ in range(4):
            ale.act(moves[action])
            screens.append(ale.getScreenGrayscale().astype(float))
        bright = np.maximum(screens[-1], screens[-2])
        i, j = 20, 11
        assert float(shown[2, i, j]) == pytest.approx(bright[5 * i : 5 * i + 5, 5 * j : 5 * j + 5].mean() / 255)
        assert float(shown[2].sum()) * 25 * 255 == pytest.approx(bright.sum(), rel=1e-6)


def test_rules_are_held_out() -> None:
    for game in ("breakout", "space_invaders", "freeway", "pong"):
        family = atari.family(atari.Settings(game=game))
        rows = {s: {tuple(r.values()) for r in family.sample(300, s, Stream(0).rng()).rows()} for s in ("train", "test", "ood")}
        assert rows["train"] and rows["test"] and rows["ood"]
        assert not rows["train"] & rows["test"] and not rows["train"] & rows["ood"] and not rows["test"] & rows["ood"]


def test_a_clipped_reward_is_a_sign() -> None:
    family = atari.family(atari.Settings(game="space_invaders", clip=True, skip=20, workers=1))
    batch = family.batch(family.sample(1, "train", Stream(0).rng()), 4)
    batch.reset(Stream(0))
    rewards = {float(x) for _ in range(40) for x in batch.step(torch.full((1, 4), 1)).reward.ravel()}
    assert rewards == {0.0, 1.0}, "an invader is worth 5 points or more"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"game": "braekout"}, "did you mean 'breakout'?"),
        ({"game": "asterix"}, "nothing to adapt to"),
        ({"shrink": 30}, "shrink is 30: expected between 1 and 20"),
        ({"sticky": 1.0}, "sticky is 1.0"),
        ({"frames": 0}, "frames is 0"),
        ({"timeout": 0.0}, "timeout is 0.0: expected above 0 seconds"),
    ],
)
def test_wrong_settings_are_one_line(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match="^[^\n]+$") as error:
        atari.family(atari.Settings(**change))
    assert words in str(error.value)


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [n for n in sys.modules if n.startswith(("pliant.families.atari", "pliant.simulators.ale"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(UserError, match=r"atari needs the package ale_py, .*: pip install 'pliant\[games\]'"):
        registry.load("family", "atari")
