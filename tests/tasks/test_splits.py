"""Splits are fair: held-out tasks lie as training tasks do, and no test task is a training task in other words."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from pliant.config import registry
from pliant.families import bandit, binding, driving, half_cheetah_vel, minigrid, motor, recall, tabular
from pliant.simulators import codes
from pliant.simulators.highway import scene
from pliant.streams import Stream
from pliant.tasks import parameters, told
from pliant.tasks.base import BatchEnv, Family, Parameter, Tasks
from pliant.types import Spec

Array = NDArray[np.float64]
NAMES = registry.names("family")
SMALL_CODES = {"bits": 3}
OTHERS: dict[str, Callable[[], Family]] = {
    "bandit-dependent": lambda: bandit.family(bandit.Settings(arms=2, prior="dependent")),
    "binding-small": lambda: binding.family(binding.Settings(pairs=2, **SMALL_CODES)),
    "driving-merge": lambda: driving.family(driving.Settings(scene="merge")),
    "minigrid-lava": lambda: minigrid.family(minigrid.Settings(game="lava")),
    "motor-dc-speed": lambda: motor.family(motor.Settings(machine="dc", control="speed")),
    "recall-small": lambda: recall.family(recall.Settings(contexts=2, **SMALL_CODES)),
}
"""Families under other settings, where something else varies."""
DRAWN = 4000


def family_of(name: str) -> Family:
    if name in OTHERS:
        return OTHERS[name]()
    made: Family = registry.load("family", name).family()
    return made


def rng(*path: str | int) -> np.random.Generator:
    return Stream(0).at("splits", *path).rng()


def made_up(*parameters: Parameter) -> Family:
    return Family("made-up", "", parameters, Spec(1, 1, False), 5, BatchEnv, "")


def drawn_by(family: Family, split: str, n: int) -> Array:
    """`n` tasks of a split as rows, fewer of families of very many numbers."""
    width = sum(p.width for p in family.parameters)
    return family.flatten(family.sample(n if width < 100 else n // 20, split, rng(family.name, split)))


# ---- held-out tasks lie as training tasks do


def gap(one: Array, other: Array) -> Array:
    """How many standard errors the means of two samples [n, K] differ, [K]; 0 for what does not vary."""
    error = np.sqrt(one.var(0) / len(one) + other.var(0) / len(other))
    return np.asarray((one.mean(0) - other.mean(0)) / np.where(error > 0, error, 1.0))


@pytest.mark.parametrize("name", [*NAMES, *(name for name in OTHERS if not name.endswith("small"))])
def test_the_mean_test_task_is_the_mean_training_task(name: str) -> None:
    family = family_of(name)
    if not any(p.varies for p in family.parameters) or any(p.held_out for p in family.parameters):
        pytest.skip("the same tasks in both, or a list of the benchmark's own")
    train, test = (drawn_by(family, split, DRAWN) for split in ("train", "test"))
    columns = np.concatenate([np.full(p.width, not p.choices or bool(p.split)) for p in family.parameters])
    worst = np.abs(gap(train, test)[columns])
    assert worst.max() < stats.norm.isf(0.0005 / len(worst)), f"{worst.max():.1f} standard errors"


@pytest.mark.parametrize("rest, centred", [(0, False), (2, True), (4, False)])
def test_the_interval_finds_rests_that_are_off_centre(rest: int, centred: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters, "_rests", lambda most: (rest, (0, 0)))
    family = half_cheetah_vel.family()
    worst = np.abs(gap(*(drawn_by(family, split, DRAWN) for split in ("train", "test")))).max()
    assert (worst < stats.norm.isf(0.0005)) == centred


@pytest.mark.parametrize("most", [2, *range(4, 60)])
def test_the_pattern_is_its_own_mirror_image_and_keeps_the_splits_apart(most: int) -> None:
    test, ood = parameters._rests(most)
    held_out = {total for total in range(most + 1) if total % parameters.HELD_OUT == test}
    shifted = {total for total in range(most + 1) if total % (2 * parameters.HELD_OUT) in ood}
    assert held_out and held_out < set(range(most + 1)) and held_out.isdisjoint(shifted)
    assert {most - total for total in held_out} == held_out and {most - total for total in shifted} == shifted


@pytest.mark.parametrize("most", [1, 3])
def test_where_there_is_no_such_pattern_something_is_held_out_all_the_same(most: int) -> None:
    assert 0 < parameters._rests(most)[0] <= most


@pytest.mark.parametrize("n", range(2, 40))
def test_choices_that_are_held_out_have_the_same_middle(n: int) -> None:
    family = made_up(Parameter("c", choices=tuple(map(float, range(n))), split=True))
    split = family.split_of(Tasks("made-up", {"c": np.arange(float(n))}))
    test = np.flatnonzero(split == "test")
    assert 0 < len(test) < n and (n in (2, 4) or test.mean() == pytest.approx((n - 1) / 2))


def test_a_single_choice_is_shared() -> None:
    family = made_up(Parameter("c", choices=(3.0,), ood=(4.0,), split=True))
    assert [family.sample(1, split, rng("one")).arrays["c"].item() for split in ("train", "test", "ood")] == [3, 3, 4]


def test_all_three_splits_of_arms_that_a_shift_draws_together_are_centred() -> None:
    family = family_of("bandit-dependent")
    for split, width in (("train", 1.0), ("test", 1.0), ("ood", 0.2)):
        p = drawn_by(family, split, DRAWN)
        assert abs(p.mean() - 0.5) < 4 * width / math.sqrt(12 * DRAWN), split


# ---- an agent that learns nothing has no gap


def returns(family: Family, split: str, n: int) -> tuple[Array, Array]:
    """Returns of an agent that acts at random, one lane a task, [n], and which task of the split each is, [n]."""
    tasks = family.sample(n, split, rng(family.name, split, "returns"))
    batch, stream = family.batch(tasks, 1), Stream(0).at(split)
    batch.reset(stream.at("world"))
    total, noise = torch.zeros(batch.shape, dtype=torch.float64), stream.at("acts").generator()
    for _ in range(batch.max_steps):
        if not bool(batch.active.any()):
            break
        active, size = batch.active, family.spec.action_size
        if family.spec.discrete:
            action = torch.randint(size, batch.shape, generator=noise)
        else:
            action = 2 * torch.rand(*batch.shape, size, generator=noise) - 1
        total += torch.where(active, batch.step(action).reward.double(), 0.0)
    return total.squeeze(1).numpy(), np.unique(family.flatten(tasks), axis=0, return_inverse=True)[1].reshape(-1)


def clustered(value: Array, task: NDArray[np.int64]) -> tuple[float, float]:
    """Mean and standard error over distinct tasks: those that were drawn twice count once."""
    mean = np.bincount(task, value) / np.bincount(task)
    return float(mean.mean()), float(mean.std(ddof=1) / math.sqrt(len(mean)))


PLAYED = {"point": 2000, "bandit": 4000, "bandit-dependent": 4000, "cartpole": 2000, "recall": 500, "binding": 500}
ROBOTS = {"ant-dir": 400, "ant-goal": 400, "hopper-params": 400, "walker2d-params": 400, "half-cheetah-vel": 2000}
INDUSTRY = {"driving": 300, "driving-merge": 300, "motor": 1000, "motor-dc-speed": 1000, "reactor": 1000}
EXPENSIVE = {**ROBOTS, **INDUSTRY, "dark-room": 2000, "minigrid": 2000, "tabular": 400, "gymnasium": 100, "atari": 40}
"""Tasks of each split that are played."""
SHORT = {"half-cheetah-vel": 20, "ant-dir": 50, "ant-goal": 50, "atari": 100}
"""Steps in which what matters there shows."""


def assert_no_gap(name: str, n: int) -> None:
    family = family_of(name)
    family = dataclasses.replace(family, horizon=SHORT.get(name, family.horizon))
    (train, error), (test, other) = (clustered(*returns(family, split, n)) for split in ("train", "test"))
    assert abs(test - train) <= 4 * math.hypot(error, other), f"{name}: test {test:.3f}, train {train:.3f}"


@pytest.mark.parametrize("name", PLAYED)
def test_an_agent_that_learns_nothing_has_no_gap(name: str) -> None:
    assert_no_gap(name, PLAYED[name])


@pytest.mark.whole
@pytest.mark.slow
@pytest.mark.parametrize("name", EXPENSIVE)
def test_an_agent_that_learns_nothing_has_no_gap_in_a_simulator(name: str) -> None:
    assert_no_gap(name, EXPENSIVE[name])


def test_every_family_that_holds_tasks_out_is_played_by_an_agent_that_learns_nothing() -> None:
    held_out = {name for name in NAMES if any(p.varies and not p.held_out for p in family_of(name).parameters)}
    assert held_out <= {*PLAYED, *EXPENSIVE}


# ---- no test task is a training task in other words


def moved(family: Family, tasks: Tasks, generator: np.random.Generator) -> Tasks:
    """The same tasks but for one parameter: one number moved by a cell, another choice, or two numbers exchanged."""
    flat, start = family.flatten(tasks).copy(), np.cumsum([0, *(p.width for p in family.parameters)])
    for row in flat:
        which = int(generator.choice([i for i, p in enumerate(family.parameters) if p.name not in FAINT]))
        p = family.parameters[which]
        i, j = start[which] + generator.integers(p.width, size=2)
        if p.law == "dirichlet":
            j = i - (i - start[which]) % p.group + generator.integers(p.group)
        if p.law == "dirichlet" or (i != j and generator.random() < 0.5):
            row[[i, j]] = row[[j, i]]
        elif p.choices:
            row[i] = generator.choice(p.choices)
        elif p.law == "log":
            row[i] *= (p.train[1] / p.train[0]) ** (1 / parameters.CELLS)
        else:
            row[i] += p.train[1] / parameters.CELLS if p.law == "normal" else (p.train[1] - p.train[0]) / parameters.CELLS
    return family._unflatten(flat)


def alike(family: Family, one: Tasks, two: Tasks, lanes: int) -> Tensor:
    """Which tasks show the same as their twins in `STEPS` random actions, by the same chance, [M] bool."""
    batches, stream = [family.batch(tasks, lanes, family.episodes) for tasks in (one, two)], Stream(0).at("seen")
    noise = stream.at("acts").generator()
    here, there = (batch.reset(stream) for batch in batches)
    same = (here == there).flatten(1).all(1)
    for _ in range(min(STEPS, batches[0].max_steps)):
        action = torch.randint(family.spec.action_size, (1, lanes), generator=noise)
        if not family.spec.discrete:
            action = 2 * torch.rand(1, lanes, family.spec.action_size, generator=noise) - 1
        active = torch.stack([batch.active for batch in batches]).any(0)  # [M, B]
        steps = [batch.step(action.expand(len(one), *action.shape[1:])) for batch in batches]
        differ = torch.zeros_like(active)
        for name in ("reward", "terminated", "next_obs"):
            x, y = (getattr(step, name) for step in steps)
            differ |= (x != y).flatten(2).any(2) if x.dim() > 2 else x != y
        same &= ~(differ & active).any(1)
    return same


def assert_apart(name: str, n: int) -> None:
    """Of `n` tasks of each split and their neighbours those in different splits are different environments."""
    family = family_of(name)
    drawn = [family.flatten(family.sample(n, split, rng(name, split, "apart"))) for split in ("train", "test", "ood")]
    one = family._unflatten(np.concatenate(drawn))
    two = moved(family, one, rng(name, "moved"))
    here, there = family.split_of(one), family.split_of(two)
    across = np.flatnonzero((here != there) & (there != ""))
    assert len(across) >= n / 4, "there is something to compare"
    for lanes in (4, MANY.get(name, 100)):  # chance may hide what a task is from a few
        if len(across):
            across = across[alike(family, one[across], two[across], lanes).numpy()]
    assert not len(across), (one[across[:1]].rows(), two[across[:1]].rows())


STEPS = 40
FAINT = {"politeness"}
"""Of which a cell decides about one lane change in thousands."""
MANY = {"bandit": 400, "bandit-dependent": 400, "dark-room": 2000, "tabular": 4000}
"""Lanes that find any difference: 100 elsewhere."""


@pytest.mark.parametrize("name", [*PLAYED, "binding-small", "minigrid", "recall-small"])
def test_no_test_task_is_a_training_task_in_other_words(name: str) -> None:
    assert_apart(name, 40)


@pytest.mark.whole
@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({*EXPENSIVE, "minigrid-lava"} - {"minigrid"}))
def test_no_test_task_is_a_training_task_in_other_words_in_a_simulator(name: str) -> None:
    assert_apart(name, 8 if name == "atari" else 40)


@pytest.mark.parametrize("name, of", [("binding-small", "code"), ("recall-small", "barcode")])
def test_no_set_of_codes_is_in_two_splits(name: str, of: str) -> None:
    family, found = family_of(name), {}
    for split in ("train", "test", "ood"):
        tasks = family.sample(DRAWN, split, rng(name, split, "codes"))
        number = (codes.codes(tasks, of, 3) > 0).long() @ torch.tensor([1, 2, 4])  # [n, 2]
        found[split] = set(map(tuple, number.sort(1).values.tolist()))
    assert sum(map(len, found.values())) == 28 == len(set.union(*found.values())), "each of 8 over 2 sets in one of them"


def test_a_code_that_moves_on_decides_the_split_by_where_it_arrives() -> None:
    family = family_of("binding-small")
    one, two, three = [1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0]  # least digit first
    pairs = {(1, 1): [*one, *one], (1, 2): [*one, *two], (2, 1): [*two, *one], (1, 3): [*one, *three]}
    tasks = Tasks("binding", {"code": np.array(list(pairs.values())), "label": np.zeros((4, 2))})
    split = dict(zip(pairs, family.split_of(tasks).tolist(), strict=True))
    assert split == {(1, 1): "ood", (1, 2): "ood", (2, 1): "ood", (1, 3): "train"}, "1 + 1 is 1 + 2; 3 is held out for ood"
    assert family.split_of(family.task({"code": [0, 0, 0, *two], "label": [0, 1]})).tolist() == ["test"], "0 + 2 leaves 2"
    with pytest.raises(ValueError, match="code"):
        family.task({"code": [0.3, 0, 0, *two], "label": [0, 1]})


def test_merges_of_as_many_vehicles_are_one_environment_and_in_one_split() -> None:
    family = family_of("driving-merge")
    one = family.sample(400, "train", rng("merge"))
    two = Tasks("driving", {**one.arrays, "density": one.arrays["density"] + 0.8 / parameters.CELLS})
    here, there = (scene.merging(*map(tasks.tensor, ("lanes", "density", "traffic_speed"))) for tasks in (one, two))
    equal, split = (here == there).numpy(), family.split_of(two)
    assert 100 < equal.sum() < 390 and set(split[equal]) == {"train"} and (split[~equal] != "train").any()
    few = np.flatnonzero(equal)[:10]
    assert bool(alike(family, one[few], two[few], 2).all())


def test_cells_of_dirichlet_vectors_are_equally_likely_and_the_last_component_has_none() -> None:
    for concentration, group in ((1.0, 10), (0.3, 4), (2.0, 2)):
        p = Parameter("x", (concentration, concentration), size=3 * group, law="dirichlet", group=group)
        cell = p.cells(p.draw(5000, "train", rng("dirichlet", group)))
        free = np.arange(3 * group) % group < group - 1
        assert not cell[:, ~free].any() and p.most == 3 * (group - 1) * 49
        for column in cell[:, free].T:
            assert stats.chisquare(np.bincount(column, minlength=parameters.CELLS)).pvalue > 1e-5


# ---- what is told of a task


def told_of(family: Family, tasks: Tasks) -> Array:
    """What an agent that is told its task sees of it, [M, K]."""
    return family.known.of(tasks) if family.known else family.described(tasks).numpy()


@pytest.mark.parametrize("name", [*(name for name in NAMES if not name.startswith("metaworld-ml")), "metaworld-ml1"])
def test_an_agent_that_is_told_its_task_can_tell_it_from_its_neighbours(name: str) -> None:
    family = family_of(name)
    drawn = [family.flatten(family.sample(20, split, rng(name, split, "told"))) for split in ("train", "test", "ood")]
    one = family._unflatten(np.concatenate(drawn))
    two = moved(family, one, rng(name, "told"))
    apart = (family.flatten(one) != family.flatten(two)).any(1) & (family.split_of(two) != "")
    same = (told_of(family, one) == told_of(family, two)).all(1) & apart
    assert apart.any() and not same.any(), (one[same].rows()[:1], two[same].rows()[:1])


def test_told_the_map_an_agent_without_memory_answers_every_question() -> None:
    family = binding.family()
    s, known = family.settings, told.told(family)
    batch = known.batch(known.sample(50, "test", rng("map")), 4)
    obs = batch.reset(Stream(0))
    total = torch.zeros(batch.shape, dtype=torch.float64)
    for _ in range(batch.max_steps):
        code, label = obs[..., family.spec.obs_size :].split([s.pairs * s.bits, s.pairs * s.labels], -1)
        right = (code.unflatten(-1, (s.pairs, s.bits)) == obs[..., None, : s.bits]).all(-1).double()  # [M, B, pairs]
        step = batch.step((right[..., None, :] @ label.unflatten(-1, (s.pairs, s.labels))).squeeze(-2).argmax(-1))
        total, obs = total + step.reward, step.obs
    assert bool((total == s.asked).all()) and bool(step.success.all())


def test_told_what_actions_are_worth_an_agent_without_memory_is_nearly_the_best_in_a_random_mdp() -> None:
    family = tabular.family()
    known, S, A = told.told(family), family.settings.states, family.settings.actions
    tasks = known.sample(60, "test", rng("mdp"))
    batch = known.batch(tasks, 20)
    obs, total = batch.reset(Stream(0)), torch.zeros(60, 20, dtype=torch.float64)
    for _ in range(batch.max_steps):
        lost = obs[..., -S * A :].unflatten(-1, (S, A))
        step = batch.step((obs[..., None, :S] @ lost).squeeze(-2).argmax(-1))
        total, obs = total + step.reward, step.obs
    ceiling = tabular.value_iteration(*tabular.mdps(tasks, family.settings), family.horizon)[:, 0, 0].amax(-1)
    assert 0.95 * ceiling.mean() < total.mean() < ceiling.mean() + 4 * total.mean(1).std() / math.sqrt(60)
