"""What a number means is read from the space: observations to numbers, actions to the environment's own, and both as JSON."""

import json
import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import pliant
from pliant.errors import UserError
from pliant.families import gymnasium as family_file
from pliant.simulators.gymnasium import spaces as rules
from pliant.simulators.gymnasium import written
from pliant.system import outside

BYTES = spaces.Box(0, 255, (4,), np.uint8)
EVERY = [
    spaces.Box(0, 1, (5, 6), np.uint8),
    spaces.Box(np.array([0, 2], np.uint8), np.array([10, 12], np.uint8), dtype=np.uint8),
    spaces.Box(-np.inf, np.array([1.0, np.inf, 2.0]), dtype=np.float64),
    spaces.Box(-1, 1, (1, 2)),
    spaces.Box(0, 255, (20, 30, 3), np.float32),
    spaces.Box(-3, 3, ()),
    spaces.Discrete(4, start=-2),
    spaces.MultiDiscrete([2, 3], start=[5, 0]),
    spaces.MultiBinary((2, 2)),
    spaces.Dict({"b": BYTES, "a": spaces.Tuple((spaces.Discrete(2), spaces.Dict({"c": spaces.Box(0, 9, (2, 2))})))}),
]


# ---- observations


@pytest.mark.parametrize(
    "space, least, most",
    [
        (spaces.Box(0, 1, (8, 8), np.uint8), 0, 1),
        (spaces.Box(0, 255, (8, 8), np.uint8), 0, 255),
        (spaces.Box(0, 7, (9,), np.uint8), 0, 7),
        (spaces.Box(10, 20, (2, 3, 4, 5), np.uint8), 10, 20),
        (spaces.Box(0, 1, (40, 40, 3)), 0, 1),
        (spaces.Box(0, 255, (3, 40, 40), np.float64), 0, 255),
        (spaces.Box(-1, 1, (40, 40), np.float16), -1, 1),
        (spaces.Box(0, 4000, (40, 40), np.int32), 0, 4000),
    ],
)
def test_bytes_and_images_reach_from_0_to_1_within_their_own_bounds(space: Any, least: float, most: float) -> None:
    observer = rules.observer(space)
    for value, share in ((least, 0.0), (most, 1.0), ((least + most) / 2, 0.5)):
        seen = observer.of(np.full(space.shape, value, np.float64))
        assert seen.shape == (observer.size,) and seen == pytest.approx(share, abs=1e-12)


def test_bytes_inside_other_spaces_are_scaled_and_their_neighbours_are_not() -> None:
    inner = spaces.Tuple((BYTES, spaces.Box(-9, 9, (1,), np.float64)))
    seen = rules.observer(spaces.Dict({"x": spaces.Box(0, 9, (2,), np.int64), "y": inner})).of(
        {"x": np.array([3, 9]), "y": (np.array([0, 51, 102, 255], np.uint8), np.array([-7.5]))}
    )
    assert seen.tolist() == [3, 9, 0, 0.2, 0.4, 1, -7.5]


def test_every_byte_has_bounds_of_its_own() -> None:
    space = spaces.Box(np.array([0, 2, 5], np.uint8), np.array([10, 4, 5], np.uint8), dtype=np.uint8)
    assert rules.observer(space).of(np.array([5, 3, 5], np.uint8)).tolist() == [0.5, 0.5, 0]


@pytest.mark.parametrize(
    "space, image",
    [
        (spaces.Box(0, 1, (84, 84, 3)), (3, 84, 84)),
        (spaces.Box(0, 1, (3, 64, 48)), (3, 64, 48)),
        (spaces.Box(0, 1, (40, 40)), (1, 40, 40)),
        (spaces.Box(0, 255, (4, 32, 32, 3), np.uint8), (12, 32, 32)),
        (spaces.Box(0, 255, (4, 3, 32, 32), np.uint8), (12, 32, 32)),
        (spaces.Box(0, 255, (7, 7, 3), np.uint8), (3, 7, 7)),
        (spaces.Dict({"pixels": spaces.Box(0, 255, (32, 24, 3), np.uint8)}), (3, 32, 24)),
        (spaces.Box(-10, 10, (7, 7, 3)), None),
        (spaces.Box(-10, 10, (4, 400)), None),
        (spaces.Box(-10, 10, (5000,)), None),
        (spaces.Box(0, 1, (40, 40, 40)), None),
    ],
)
def test_large_boxes_of_two_sides_are_images_whatever_their_type(space: Any, image: Any) -> None:
    observer = rules.observer(space)
    assert observer.image == image and observer.size == spaces.flatdim(space)


def test_frames_and_channels_come_first() -> None:
    space = spaces.Box(0, 255, (2, 16, 32, 3), np.uint8)
    picture = space.sample()
    seen = rules.observer(space).of(picture).reshape(6, 16, 32)
    for frame in range(2):
        for channel in range(3):
            assert np.array_equal(seen[3 * frame + channel], picture[frame, :, :, channel] / 255)


@pytest.mark.parametrize("high", [np.inf, np.finfo(np.float32).max])
def test_images_whose_bounds_say_nothing_are_seen_as_they_are(high: float) -> None:
    space = spaces.Box(-high, high, (40, 40))
    assert rules.observer(space).of(np.full((40, 40), 7.5))[0] == 7.5


def test_an_image_beside_other_parts_is_named_with_a_way_to_keep_it_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    outside.import_outside("reporters")
    for side, is_large in ((40, True), (7, False)):
        made = family_file.Settings("Eyes-v0", "n=0:1", arguments=f"side={side}", workers=1)
        assert family_file.family(made).spec.image is None
        warned = capsys.readouterr().err
        assert ("FilterObservation(['eye'])" in warned) is is_large and warned.count("\n") == is_large, warned


@pytest.mark.parametrize("space", EVERY, ids=str)
def test_one_observation_or_many_is_decided_by_the_space(space: Any) -> None:
    def stacked(each: list[Any]) -> Any:
        if isinstance(each[0], dict):
            return {name: stacked([x[name] for x in each]) for name in each[0]}
        return tuple(stacked(list(part)) for part in zip(*each, strict=True)) if isinstance(each[0], tuple) else np.array(each)

    each, observer = [space.sample() for _ in range(3)], rules.observer(space)
    assert rules.batch_size(space, each[0]) is None and rules.batch_size(space, stacked(each)) == 3
    for i, one in enumerate(each):
        assert np.array_equal(observer.of(rules.row(space, stacked(each), i)), observer.of(one))


@pytest.mark.parametrize(
    "space, obs",
    [
        (spaces.Box(-1, 1, (1, 2)), np.zeros(2)),
        (spaces.Discrete(3), np.zeros((2, 2))),
        (EVERY[-1], {"b": np.zeros(4)}),
        (EVERY[-1], np.zeros(10)),
        (spaces.Tuple((BYTES, BYTES)), (np.zeros(4), np.zeros((2, 4)))),
        (spaces.Tuple((BYTES, BYTES)), (np.zeros((3, 4)), np.zeros((2, 4)))),
    ],
)
def test_what_is_neither_one_observation_nor_many_is_refused(space: Any, obs: Any) -> None:
    with pytest.raises(ValueError, match="it is|its parts"):
        rules.batch_size(space, obs)


@pytest.mark.parametrize(
    "space, words",
    [
        (spaces.Sequence(spaces.Discrete(2)), "Sequence"),
        (spaces.Graph(spaces.Discrete(2), None), "Graph"),
        (spaces.Dict({}), "observations are Dict"),
        (spaces.Tuple([]), "observations are Tuple"),
        (spaces.Box(0, 1, (0,)), "observations are Box"),
        (spaces.Discrete(10**12), "1,000,000,000,000 numbers"),
        (spaces.Dict({"a": BYTES, "words": spaces.Sequence(BYTES)}), r"leave it out.*FilterObservation\(\['a'"),
    ],
)
def test_observations_without_a_fixed_number_of_numbers_are_refused_in_one_line(space: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        rules.observer(space)
    assert "\n" not in str(error.value)


# ---- actions

ACTIONS = [
    spaces.Box(-0.1, 0.1, (3,), np.float64),
    spaces.Box(1e9, 1e9 + 10, (2,), np.float64),
    spaces.Box(-0.1, 0.1, (2, 2), np.float32),
    spaces.Box(-0.1, 0.3, (2,), np.float16),
    spaces.Box(-2, 3, (), np.float32),
    spaces.Box(0, 255, (2,), np.uint8),
    spaces.Box(-(2**63), 2**63 - 1, (2,), np.int64),
    spaces.Box(0, 2**64 - 1, (2,), np.uint64),
    spaces.Box(np.array([0, -5]), np.array([1, -5]), dtype=np.int32),
    spaces.Box(0, 1, (2,), bool),
    spaces.Discrete(3, start=-1),
    spaces.MultiDiscrete([2, 3], start=[1, -4], dtype=np.int32),
    spaces.MultiDiscrete([[2, 2], [3, 2]]),
    spaces.MultiBinary(3),
    spaces.MultiBinary((2, 2)),
]


@pytest.mark.parametrize("space", ACTIONS, ids=str)
def test_actions_are_of_the_spaces_type_and_shape_and_inside_its_bounds(space: Any) -> None:
    actor = rules.actor(space)
    rng = np.random.default_rng(0)
    ends = [-np.ones(actor.size), np.ones(actor.size)]
    given = range(actor.size) if actor.discrete else [*ends, *rng.normal(size=(50, actor.size))]
    taken = [actor.of(action) for action in given]
    for action in taken:
        assert space.contains(action), action
        assert np.shape(action) == space.shape and (actor.discrete or np.asarray(action).dtype == space.dtype)
    if actor.discrete:
        assert len({str(action) for action in taken}) == actor.size, "every choice is another action"
    else:
        assert np.array_equal(taken[0], space.low) and np.array_equal(taken[1], space.high)
    listed = rules.in_units(json.loads(json.dumps(rules.units(space))))
    assert all(np.array_equal(listed(action), one) for action, one in zip(given, taken, strict=True)), "the same from a file"


def test_float64_actions_keep_their_precision() -> None:
    act = rules.actor(spaces.Box(1e9, 1e9 + 10, (1,), np.float64)).of
    assert [float(act(np.array([a]))[0]) for a in (-1, 0, 1)] == [1e9, 1e9 + 5, 1e9 + 10]


@pytest.mark.parametrize(
    "space, words",
    [
        (spaces.Box(-np.inf, 1, (2,)), "without bounds"),
        (spaces.Box(-1.7e308, 1.7e308, (2,), np.float64), "without bounds"),
        (spaces.Box(0, 1, (0,)), "of no number"),
        (spaces.MultiBinary(12), "4,096 choices"),
        (spaces.Dict({"a": BYTES}), "expected Box, Discrete, MultiDiscrete or MultiBinary"),
        (spaces.Tuple((BYTES, BYTES)), "expected Box, Discrete, MultiDiscrete or MultiBinary"),
        (spaces.Text(5), "expected Box, Discrete, MultiDiscrete or MultiBinary"),
    ],
)
def test_actions_that_no_policy_can_serve_are_refused_in_one_line(space: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        rules.actor(space)
    assert "\n" not in str(error.value)


# ---- JSON


@pytest.mark.parametrize("space", EVERY, ids=str)
def test_a_space_read_from_json_shows_the_same(space: Any) -> None:
    again = written.read(json.loads(json.dumps(written.written(space), allow_nan=False)))
    assert again == space and rules.observer(again)[:2] == rules.observer(space)[:2]


def test_a_space_of_another_kind_is_not_written() -> None:
    assert written.written(spaces.Text(5)) is None and written.written(spaces.Dict({"a": spaces.Text(5)})) is None


DEEP: Any = {"kind": "discrete", "n": 2, "start": 0}
for _ in range(200):
    DEEP = {"kind": "tuple", "parts": [DEEP]}


@pytest.mark.parametrize(
    "described",
    [
        None,
        {},
        {"kind": "box"},
        {"kind": "sphere"},
        {"kind": "box", "shape": [10**9, 10**9], "dtype": "float32", "low": 0, "high": 1},
        {"kind": "box", "shape": [-1], "dtype": "float32", "low": 0, "high": 1},
        {"kind": "box", "shape": [2], "dtype": "object", "low": 0, "high": 1},
        {"kind": "box", "shape": [2], "dtype": "float32", "low": [0, 0, 0], "high": 1},
        {"kind": "box", "shape": [2], "dtype": "float32", "low": "x", "high": 1},
        {"kind": "discrete", "n": -4, "start": 0},
        {"kind": "discrete", "n": 2, "start": None},
        {"kind": "multidiscrete", "nvec": [0], "start": [0]},
        {"kind": "dict", "names": ["a", "b"], "parts": [{"kind": "discrete", "n": 2, "start": 0}]},
        DEEP,
    ],
    ids=lambda described: json.dumps(described)[:60],
)
def test_senseless_descriptions_of_spaces_are_refused(described: Any) -> None:
    with pytest.raises(ValueError, match="describes no space"):
        written.read(described)


# ---- policies that act in an environment


class Shown(gymnasium.Env[Any, Any]):
    """Shows a sample of its space, and takes only what its action space contains."""

    def __init__(self, observation_space: Any, action_space: Any) -> None:
        self.observation_space, self.action_space = observation_space, action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        return self.observation_space.sample(), 0.0, True, False, {}


TAKES = spaces.Box(-0.3, 0.1, (2, 1), np.float64)


@pytest.mark.parametrize(
    "shows", [spaces.Box(-9, 9, (1, 2)), spaces.Box(0, 255, (2,), np.uint8), spaces.Dict({"a": spaces.Discrete(2)})], ids=str
)
def test_an_adapted_policy_sees_and_acts_by_the_environments_spaces_before_and_after_it_is_saved(
    shows: Any, tmp_path: Path
) -> None:
    agent = pliant.Agent("maml", "point", preset="none", settings={"policy.hidden": (4,), "train.lanes": 2})
    env = Shown(shows, TAKES)
    adapted = agent.adapt(env, stages=1, episodes=2)
    obs = env.reset(seed=3)[0]
    many = {"a": np.array([obs["a"]] * 3)} if isinstance(obs, dict) else np.stack([obs] * 3)
    for policy in (adapted, pliant.load(adapted.save(tmp_path / "adapted"))):
        action, state = policy.predict(obs, deterministic=True)
        assert TAKES.contains(action) and action.dtype == np.float64, "one action, though an observation has two dims"
        several = policy.predict(many, deterministic=True)[0]
        assert several.shape == (3, 2, 1) and np.allclose(several, action)
        seen = rules.observer(shows).of(obs)
        assert np.array_equal(policy.predict(obs, state, deterministic=True)[0], action)
        if shows.shape != seen.shape:
            assert np.array_equal(policy.predict(seen, deterministic=True)[0], action), "numbers by hand"


@pytest.mark.parametrize(
    "obs, words",
    [
        ((np.zeros(2), {}), "pass the observation, not (obs, info)"),
        ((np.zeros(2), 0.0, True, False, {}), "pass the observation, not (obs, info)"),
        ({"x": 1}, "obs is {'x': 1}: expected numbers [2] or [n, 2]"),
        ("hello", "obs is 'hello': expected"),
        (np.zeros((1, 2, 2)), "obs is [1, 2, 2]"),
        (np.zeros((0, 2)), "obs is [0, 2]"),
        ([np.nan, 0.0], "not finite"),
    ],
)
def test_what_is_no_observation_is_one_line(obs: Any, words: str) -> None:
    agent = pliant.Agent("maml", "point", preset="none", settings={"policy.hidden": (4,), "train.lanes": 2})
    adapted = agent.adapt({"goal": [0.3, -0.2]}, stages=0, episodes=1)
    with pytest.raises(UserError, match=re.escape(words)):
        adapted.predict(obs)


def test_an_adapted_policy_that_was_changed_to_see_something_else_is_refused(tmp_path: Path) -> None:
    agent = pliant.Agent("maml", "point", preset="none", settings={"policy.hidden": (4,), "train.lanes": 2})
    folder = agent.adapt(Shown(spaces.Box(-9, 9, (2,)), TAKES), stages=0, episodes=1).save(tmp_path / "adapted")
    described = json.loads((folder / "adapted.json").read_text())
    del described["sha256"]
    for observes, words in (
        ({"kind": "box", "shape": [3], "dtype": "float32", "low": None, "high": None}, "which this policy cannot see"),
        ({"kind": "box", "shape": [10**9], "dtype": "float32", "low": None, "high": None}, "describes no space"),
    ):
        (folder / "adapted.json").write_text(json.dumps(described | {"observes": observes}))
        with pytest.raises(UserError, match=words):
            pliant.load(folder)
