"""Tasks are arrays: disjoint splits for every family, slicing, digests, and errors that say what was expected."""

import dataclasses
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from pliant.config import registry
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.types import Spec

NAMES = registry.names("family")
SPLITS = ("train", "test", "ood")


def family_of(name: str) -> Family:
    made: Family = registry.load("family", name).family()
    return made


def rng(*path: str | int, seed: int = 0) -> np.random.Generator:
    return Stream(seed).at(*path).rng()


def has_continuum(family: Family) -> bool:
    return any(p.varies and not p.choices for p in family.parameters)


def made_up(*parameters: Parameter) -> Family:
    return Family("made-up", "", parameters, Spec(1, 1, False), 5, BatchEnv, "")


# ---- splits


@pytest.mark.parametrize("name", NAMES)
def test_splits_are_disjoint_and_split_of_agrees(name: str, length: Callable[[int, int], int]) -> None:
    family = family_of(name)
    held_out = any(p.varies for p in family.parameters)
    for seed in range(length(3, 20)):
        drawn = {split: family.sample(60, split, rng(split, seed=seed)) for split in SPLITS}
        rows = {split: {json.dumps(row) for row in tasks.rows()} for split, tasks in drawn.items()}
        assert rows["train"].isdisjoint(rows["ood"]) and rows["test"].isdisjoint(rows["ood"])
        if held_out:
            assert rows["train"].isdisjoint(rows["test"])
        if has_continuum(family):
            assert all(len(r) == 60 for r in rows.values()), "a continuum of tasks has no two the same"
        for split, tasks in drawn.items():
            expected = split if held_out or split == "ood" else "train"
            assert set(family.split_of(tasks)) == {expected}


@pytest.mark.parametrize("name", NAMES)
def test_tasks_lie_in_their_ranges_and_ood_beyond_training(name: str) -> None:
    family = family_of(name)
    for split in SPLITS:
        tasks = family.sample(300, split, rng(split))
        beyond = np.zeros(300, dtype=bool)
        for p in family.parameters:
            x = tasks.arrays[p.name]
            assert x.dtype == np.float64 and x.shape == ((300, p.size) if p.size else (300,))
            x = x.reshape(300, -1)
            if p.choices:
                shifted = split == "ood" and p.ood is not None
                assert set(x.ravel()) <= set(p.ood if shifted else p.choices)
                beyond |= shifted & ~np.isin(x, p.choices).all(1)
                continue
            if p.law in ("normal", "dirichlet"):
                assert bool(p.inside(x, shifted=split == "ood").all())
                continue
            low, high = p.ood if split == "ood" and p.ood else p.train
            assert bool(((low <= x) & (x <= high)).all())
            beyond |= ((x < p.train[0]) | (x > p.train[1])).any(1)
        if split == "ood" and any(p.reweighs for p in family.parameters):
            assert set(family.split_of(tasks)) == {"ood"}, "there the pattern keeps them apart"
        else:
            assert bool(beyond.all()) if split == "ood" else not bool(beyond.any())


@pytest.mark.parametrize("name", NAMES)
def test_a_fifth_of_a_continuum_is_held_out_everywhere_in_it(name: str) -> None:
    family = family_of(name)
    if not has_continuum(family):
        pytest.skip("a few named choices")
    generator = rng("x")
    flat = np.concatenate([p.draw(20_000, "train", generator) for p in family.parameters], axis=1)
    split = family.split_of(family._unflatten(flat))
    assert set(split) == {"train", "test"} | ({"ood"} if any(p.reweighs for p in family.parameters) else set())
    assert abs((split == "test").mean() - 0.2) < 5 * math.sqrt(0.2 * 0.8 / 20_000)
    column = next(i for i, p in enumerate(p for p in family.parameters for _ in range(p.size or 1)) if not p.choices)
    for half in (flat[:, column] < np.median(flat[:, column]), flat[:, column] >= np.median(flat[:, column])):
        assert 0.1 < (split[half] == "test").mean() < 0.3


@pytest.mark.parametrize("name", NAMES)
def test_sampling_depends_on_the_generator_alone(name: str) -> None:
    family = family_of(name)
    one, two = (family.sample(7, "train", rng("a")) for _ in range(2))
    assert one.digest == two.digest
    if has_continuum(family):
        assert one.digest != family.sample(7, "train", rng("b")).digest
    for split in SPLITS:
        assert len(family.sample(1, split, rng("a"))) == 1


def test_split_of_by_hand() -> None:
    # 50 cells of 0.02 in [0, 1]: cells 2, 7, 12... are held out.
    family = made_up(Parameter("x", (0.0, 1.0), ood=(0.5, 2.0)))
    x = [0.0, 0.0399, 0.0401, 0.0599, 0.0601, 0.1399, 0.1401, 1.0, 1.0001, 2.0, 2.0001, -0.0001]
    expected = ["train", "train", "test", "test", "train", "train", "test", "train", "ood", "ood", "", ""]
    assert family.split_of(Tasks("made-up", {"x": np.array(x)})).tolist() == expected


def test_gaps_are_left_out_of_a_range_and_the_rest_is_uniform() -> None:
    force = Parameter("x", (-15.0, 15.0), ood=(-20.0, 20.0), gaps=((-5.0, 5.0), (10.0, 12.0)))
    family = made_up(force)
    # Training covers [-15, -5], [5, 10] and [12, 15]: 18 in all. At 5 a share of 10/18 is covered, at 12 of 15/18.
    x = np.array([[-15.0], [-10.0], [-5.0], [5.0], [10.0], [12.0], [15.0]])
    assert force.place(x)[:, 0] == pytest.approx([0, 5 / 18, 10 / 18, 10 / 18, 15 / 18, 15 / 18, 1])
    assert family.split_of(Tasks("made-up", {"x": np.array([0.0, -4.9, 4.9, 11.0, 20.1])})).tolist() == [""] * 5
    assert family.split_of(Tasks("made-up", {"x": np.array([-16.0, 15.1, 20.0])})).tolist() == ["ood"] * 3
    drawn = force.draw(90_000, "train", rng("gaps"))
    assert bool(force.inside(drawn, shifted=False).all())
    counts = np.histogram(drawn, [-15, -10, -5, 5, 10, 12, 15])[0]
    assert counts.tolist() == pytest.approx([25_000, 25_000, 0, 25_000, 0, 15_000], abs=5 * math.sqrt(25_000))
    shifted = family.sample(2000, "ood", rng("shift")).arrays["x"]
    assert bool(((np.abs(shifted) > 15) & (np.abs(shifted) <= 20)).all()) and shifted.min() < -19 and shifted.max() > 19
    assert force.describe() == "-15 to 15, not between -5 and 5, not between 10 and 12 (ood -20 to 20)"


def test_split_of_two_parameters_adds_up_their_cells() -> None:
    family = made_up(Parameter("x", (0.0, 1.0)), Parameter("y", (0.0, 10.0)))
    # Sums are 0 to 98, and those that leave 4 are held out: with 4 also 94. Cells (1, 3) -> 4, (1, 4) -> 5, (48, 46) -> 94.
    tasks = Tasks("made-up", {"x": np.array([0.03, 0.03, 0.97]), "y": np.array([0.7, 0.9, 9.3])})
    assert family.split_of(tasks).tolist() == ["test", "train", "test"]


def test_a_logarithmic_parameter_is_uniform_in_its_logarithm() -> None:
    family = made_up(Parameter("x", (0.1, 10.0), law="log"))
    x = np.log(family.parameters[0].draw(50_000, "train", rng("x")))
    assert abs((x < 0).mean() - 0.5) < 0.02 and abs(x.var() - (2 * math.log(10)) ** 2 / 12) < 0.05
    # The logarithm's middle is 1, where cell 25 begins; cells 22 and 27 are held out.
    middle = 10 ** (np.array([21.5, 22.5, 24.5, 25.5, 27.5]) / 25 - 1)
    assert family.split_of(Tasks("made-up", {"x": middle})).tolist() == ["train", "test", "train", "train", "test"]


def test_between_the_ranges_is_outside_the_family() -> None:
    family = made_up(Parameter("x", (0.0, 1.0), ood=(2.0, 3.0)), Parameter("c", choices=(-1.0, 1.0)))
    tasks = Tasks("made-up", {"x": np.array([1.5, 2.5, 0.03, 0.03]), "c": np.array([1.0, -1.0, 0.0, 1.0])})
    assert family.split_of(tasks).tolist() == ["", "ood", "", "train"]


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"split is 'tset': choose one of train, test, ood"):
        family_of("point").sample(1, "tset", rng("x"))


@pytest.mark.timeout(10)
def test_a_split_that_has_no_tasks_is_refused_instead_of_searched_for_ever() -> None:
    family = made_up(Parameter("x", (0.0, 1.0)))
    with pytest.raises(ValueError, match="made-up has no tasks in split 'ood'"):
        family.sample(1, "ood", rng("x"))


# ---- Tasks


def five() -> Tasks:
    return Tasks("made-up", {"x": np.arange(5.0), "g": np.arange(10.0).reshape(5, 2)})


def test_tasks_are_sliced_in_every_array() -> None:
    tasks = five()
    assert len(tasks) == 5 and len(tasks[1:3]) == 2
    assert tasks[1:3].arrays["g"].tolist() == [[2, 3], [4, 5]]
    assert tasks[np.array([4, 0])].arrays["x"].tolist() == [4, 0]
    assert tasks[np.array([True, False, False, False, True])].arrays["x"].tolist() == [0, 4]
    for index in (3, np.int64(3), -2):
        assert len(tasks[index]) == 1 and tasks[index].arrays["g"].tolist() == [[6, 7]]
    assert tasks[-1].arrays["x"].tolist() == [4]


def test_rows_are_json_and_tensors_are_float64() -> None:
    tasks = five()
    assert json.loads(json.dumps(tasks.rows()))[2] == {"x": 2.0, "g": [4.0, 5.0]}
    assert tasks.tensor("g").dtype == torch.float64 and tasks.tensor("g").shape == (5, 2)


def test_equal_tasks_have_equal_digests_and_others_do_not() -> None:
    tasks = five()
    assert tasks.digest == five().digest
    assert tasks.digest == Tasks("made-up", dict(reversed(list(tasks.arrays.items())))).digest, "the order of names is none"
    changed = five()
    changed.arrays["g"][4, 1] = np.nextafter(9.0, 10.0)
    others = [changed, dataclasses.replace(tasks, family="other"), tasks[:4], tasks[::-1]]
    assert len({tasks.digest, *(other.digest for other in others)}) == 5


# ---- one named task


def test_a_task_is_made_of_named_values() -> None:
    tasks = family_of("point").task({"goal": [0.3, -0.2]})
    assert len(tasks) == 1 and tasks.arrays["goal"].tolist() == [[0.3, -0.2]]
    assert family_of("point").task({"goal": (0.9, 0.9)}).rows() == [{"goal": [0.9, 0.9]}], "ood tasks are tasks"


def test_constants_may_be_left_out() -> None:
    family = made_up(Parameter("x", (0.0, 1.0)), Parameter("c", (2.0, 2.0), ood=(3.0, 4.0)))
    assert family.task({"x": 0.5}).rows() == [{"x": 0.5, "c": 2.0}]
    assert family.task({"x": 0.5, "c": 3.5}).rows() == [{"x": 0.5, "c": 3.5}]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"gaol": [0, 0]}, "task of point got unknown 'gaol': its parameters are goal (2 numbers, each -0.5 to 0.5"),
        ({}, "task of point has no goal: add goal=..."),
        ({"goal": 0.3}, "got goal=0.3: expected 2 numbers"),
        ({"goal": [0.1, 0.2, 0.3]}, "expected 2 numbers"),
        ({"goal": [0.1, math.nan]}, "expected 2 numbers"),
        ({"goal": ["a", "b"]}, "expected 2 numbers"),
        ({"goal": None}, "expected 2 numbers"),
        ({"goal": [0.1, 1.5]}, "task goal=[0.1, 1.5] is outside point"),
    ],
)
def test_a_task_that_is_not_of_the_family_is_refused_in_one_line(values, message) -> None:
    with pytest.raises(ValueError) as error:
        family_of("point").task(values)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("name", NAMES)
def test_every_sampled_task_can_be_named_again(name: str) -> None:
    family = family_of(name)
    for split in SPLITS:
        tasks = family.sample(3, split, rng(split))
        for m, row in enumerate(json.loads(json.dumps(tasks.rows()))):
            assert family.task(row).digest == tasks[m].digest


@pytest.mark.parametrize("name", NAMES)
def test_a_family_says_what_it_is(name: str) -> None:
    family = family_of(name)
    assert family.name == name and family.summary and "\n" not in family.summary and family.shift and family.version
    assert all(p.name.isidentifier() and p.meaning and p.describe() for p in family.parameters)


@pytest.mark.parametrize("lanes, episodes", [(0, 1), (1, 0)])
def test_a_batch_of_nothing_is_refused(lanes: int, episodes: int) -> None:
    family = family_of("point")
    with pytest.raises(ValueError, match="both must be at least 1"):
        family.batch(family.sample(1, "train", rng("x")), lanes, episodes)
