"""Driving: whole episodes of the twin and of highway-env itself, and what the family adds to them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from pliant.families import driving
from pliant.simulators.highway import scene as scenes
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Tasks

LEFT, IDLE, RIGHT, FASTER, SLOWER = range(5)
NOMINAL = {"reversed_pedals": 0.0, "reversed_steering": 0.0, "lanes": 3.0, "density": 1.0, "traffic_speed": 22.5}
NOMINAL |= {"time_gap": 1.5, "acceleration": 3.0, "politeness": 0.0, "length": 5.0}
NOMINAL |= {"speed_gain": 1 / 0.6, "lateral_gain": 1 / 0.6}


def batches(split: str, n: int, episodes: int = 1, **settings: Any) -> list[Any]:
    """The twin and the original with the same tasks and the same openings."""
    both = []
    for simulator in ("twin", "highway-env"):
        family = driving.family(driving.Settings(simulator=simulator, **settings))  # type: ignore[arg-type]
        both.append(family.batch(family.sample(n, split, Stream(2).rng()), 1, episodes))
    return both


def one(**changed: float) -> BatchEnv:
    family = driving.family()
    return family.batch(Tasks("driving", {k: np.array([float(v)]) for k, v in (NOMINAL | changed).items()}), 1)


@pytest.mark.slow
@pytest.mark.parametrize("scene, split", [("highway", "test"), ("highway", "ood"), ("merge", "test")])
def test_whole_trials_are_those_of_highway_env(scene: str, split: str, length: Callable[[int, int], int]) -> None:
    """Two episodes: observations to a rounding in float32, rewards to 1e-6 (merge) and 1e-9, endings and success exactly."""
    pytest.importorskip("highway_env")
    n, horizon = length(4, 8), 12
    twin, original = batches(split, n, episodes=2, scene=scene, horizon=horizon, vehicles=14)
    seen = [batch.reset(Stream(3)) for batch in (twin, original)]
    assert torch.allclose(*seen, rtol=0, atol=1e-7)
    rng, counts = np.random.default_rng(0), dict.fromkeys(("crashed", "truncated", "succeeded", "steps"), 0)
    while bool(twin.active.any()):
        playing = twin.active.clone()
        # Mostly what brakes, in half of the lanes, so that some last until the end.
        wild = torch.tensor(rng.integers(0, 5, (n, 1)))
        calm = torch.where(twin.reversed_pedals[:, None], FASTER, SLOWER)
        action = torch.where((torch.arange(n) % 2 == 0)[:, None], calm, wild)
        a, b = twin.step(action), original.step(action)
        for field in ("terminated", "truncated", "success", "first"):
            assert torch.equal(getattr(a, field)[playing], getattr(b, field)[playing]), field
        assert torch.allclose(a.reward[playing], b.reward[playing], rtol=0, atol=1e-9 if scene == "highway" else 1e-6)
        for field in ("next_obs", "obs"):
            assert torch.allclose(getattr(a, field)[playing], getattr(b, field)[playing], rtol=0, atol=2e-7), field
        assert torch.equal(twin.active, original.active)
        counts["crashed"] += int((a.terminated & ~a.success)[playing].sum())
        counts["truncated"] += int(a.truncated[playing].sum())
        counts["succeeded"] += int(a.success[playing].sum())
        counts["steps"] += int(playing.sum())
    assert counts["crashed"] + counts["succeeded"] == 2 * n and min(counts["crashed"], counts["succeeded"]) > length(0, 2)
    assert counts["truncated"] > 0 and counts["steps"] > 7 * n


def test_the_original_does_not_step_lanes_that_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("highway_env")
    _, original = batches("train", 3, horizon=4, vehicles=3)
    original.reset(Stream(0))
    original.active = torch.tensor([[True], [False], [True]])
    time = [env.time for env in original.envs]
    original.step(torch.full((3, 1), IDLE))
    assert [env.time - before for env, before in zip(original.envs, time, strict=True)] == [1, 0, 1]


def test_reversed_controls_exchange_actions() -> None:
    def moved(action: int, **changed: float) -> torch.Tensor:
        batch = one(**changed)
        batch.reset(Stream(0))
        return batch.step(torch.tensor([[action]])).next_obs

    assert torch.equal(moved(FASTER), moved(SLOWER, reversed_pedals=1))
    assert torch.equal(moved(LEFT), moved(RIGHT, reversed_steering=1))
    assert torch.equal(moved(IDLE), moved(IDLE, reversed_pedals=1, reversed_steering=1))
    assert torch.equal(moved(LEFT), moved(LEFT, reversed_pedals=1))
    assert torch.equal(moved(SLOWER), moved(SLOWER, reversed_steering=1))
    speed = [float(moved(action)[0, 0, 3]) for action in (SLOWER, IDLE, FASTER)]
    assert speed[0] < speed[1] == pytest.approx(25 / 80, abs=1e-6) and speed[1] < speed[2]


def test_a_scene_opens_as_highway_env_opens_it() -> None:
    """The agent at 25 m/s behind everybody; others in order of the road, at distances and speeds of `create_random`."""
    rows, V = 4000, 6
    ones = torch.ones(rows, dtype=torch.float64)
    noise = torch.rand(rows, scenes.highway_noise(V), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state = scenes.highway((3 * ones).long(), 1.25 * ones, 22.5 * ones, noise)
    assert bool((state.x[:, 1:] > state.x[:, :-1]).all()) and bool((state.speed[:, 0] == 25).all())
    speed = state.speed[:, 1:]
    assert float(speed.min()) >= 21 and float(speed.max()) <= 24 and abs(float(speed.mean()) - 22.5) < 0.02
    offset = (12 + speed) * np.exp(-5 / 40 * 3) / 1.25
    ratio = (state.x[:, 1:] - state.x[:, :-1]) / offset
    assert 0.9 <= float(ratio.min()) < 0.905 and 1.095 < float(ratio.max()) <= 1.1 + 1e-9
    for lane in range(3):
        assert abs(float((state.y == 4.0 * lane).double().mean()) - 1 / 3) < 0.02
    first = 1.5 * 37 * np.exp(-5 / 40 * 3)
    assert float((state.x[:, 0] / first).min()) >= 3.9 and float((state.x[:, 0] / first).max()) <= 4.1


def test_a_merge_opens_with_vehicles_apart() -> None:
    rows, V = 300, 14
    ones = torch.ones(rows, dtype=torch.float64)
    noise = torch.rand(rows, scenes.merge_noise(V), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state = scenes.merge((2 * ones).long(), 1.2 * ones, 23 * ones, noise)
    there = state.drives[:, : V + 1]
    assert state.x.shape == (rows, V + 3) and bool(state.drives[:, -2].all()) and not bool(state.drives[:, -1].any())
    assert float(there.sum(1).double().mean()) > 10 and not bool(there.all()), "some find no place"
    gap = (state.x[:, :-2, None] - state.x[:, None, :-2]).abs() + 100 * (state.y[:, :-2, None] - state.y[:, None, :-2]).abs()
    gap = gap + 1000 * torch.eye(V + 1)
    assert float(gap[there[:, :, None] & there[:, None]].min()) > 15


def test_rewards_by_hand() -> None:
    """Lane 1 of 3 wanted, 25 m/s, no crash: (0.4 / 2 + 0.1 / 2 + 1) / 1.5."""
    batch = one(density=0.8)
    batch.reset(Stream(1))
    state: Any = batch.state  # type: ignore[attr-defined]
    state.y = torch.full_like(state.y, 4.0)
    state.x = state.x + torch.tensor([0.0] + [500.0] * 20)
    state.lane, state.target = torch.ones_like(state.lane), torch.ones_like(state.lane)
    step = batch.step(torch.tensor([[IDLE]]))
    assert float(step.reward) == pytest.approx((0.2 + 0.05 + 1) / 1.5, abs=1e-12) and not bool(step.terminated)
    assert torch.equal(step.next_obs.view(5, 5)[1:], torch.zeros(4, 5, dtype=torch.float64)), "nobody is in sight"


def test_success_is_an_episode_without_a_crash_and_comes_with_its_last_step() -> None:
    family = driving.family(driving.Settings(horizon=8))
    batch = family.batch(family.sample(40, "train", Stream(0).rng()), 1)
    batch.reset(Stream(0))
    crashed, succeeded = (torch.zeros(40, 1, dtype=torch.bool) for _ in range(2))
    for t in range(8):
        playing = batch.active.clone()
        step = batch.step(torch.full((40, 1), FASTER))
        assert t == 7 or not bool(step.success[playing].any())
        crashed |= step.terminated & playing
        succeeded |= step.success & playing
    assert torch.equal(succeeded, ~crashed) and bool(succeeded.any()) and bool(crashed.any())


@pytest.mark.slow
def test_dropping_ended_scenes_changes_nothing_for_the_others() -> None:
    """A lane's numbers do not depend on what became of the others, nor on their number."""
    family = driving.family(driving.Settings(vehicles=6, horizon=15))
    tasks = family.sample(30, "train", Stream(0).rng())
    together, alone = family.batch(tasks, 1, 2), [family.batch(tasks[m], 1, 2) for m in (3, 17)]
    together.reset(Stream(0))
    for m, batch in zip((3, 17), alone, strict=True):
        batch.reset(Stream(0))
        batch._reset_noise = together._reset_noise[m : m + 1]
        batch.begin(batch.active, batch._reset_noise[:, :, 0])
    generator = torch.Generator().manual_seed(0)
    while bool(together.active.any()):
        action = torch.randint(5, (30, 1), generator=generator)
        active = together.active.clone()
        step = together.step(action)
        for m, batch in zip((3, 17), alone, strict=True):
            mine = batch.step(action[m : m + 1])
            if bool(active[m]):
                assert torch.allclose(mine.next_obs[0], step.next_obs[m], rtol=0, atol=1e-12)
                assert torch.equal(mine.terminated[0], step.terminated[m])
    assert len(together.rows) < 10  # type: ignore[attr-defined]


def test_the_twin_needs_no_simulator(forked: Any) -> None:
    code = "import sys; sys.modules['highway_env'] = None; from pliant.families import driving; driving.family()"
    code += "; driving.family(driving.Settings(simulator='highway-env'))"
    done = forked.run(code)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "driving with simulator highway-env needs the package highway_env" in last
    assert last.endswith("pip install 'pliant[driving]'")


@pytest.mark.parametrize(
    "wrong",
    [
        {"scene": "city"},
        {"simulator": "carla"},
        {"collisions": "none"},
        {"horizon": 0},
        {"vehicles": 2.5},
        {"frequency": 1},
        {"vehicles": 101},
        {"horizon": 151},
        {"frequency": 61},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*: expected") as error:
        driving.Settings(**wrong)
    assert "\n" not in str(error.value)
