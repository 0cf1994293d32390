"""Binding by hand: what is shown, what distracts, what is asked, and what pays."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from torch import Tensor

from pliant.families import binding
from pliant.simulators import codes
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Tasks, Transition

CODE = [1.0, 0.0, 0.3, 0.9, 0.6, 0.7]  # digits 10, 01, 11


def start(code: list[float], label: list[float], lanes: int = 1, episodes: int = 1, seed: int = 0, **settings) -> BatchEnv:
    family = binding.family(binding.Settings(pairs=len(label), bits=len(code) // len(label), **settings))
    batch = family.batch(Tasks("binding", {"code": np.array([code]), "label": np.array([label])}), lanes, episodes)
    batch.first_obs = batch.reset(Stream(seed))
    return batch


def act(batch: BatchEnv, action: int | Tensor) -> Transition:
    return batch.step(torch.as_tensor(action).expand(batch.shape))


def watch(batch: BatchEnv, steps: int) -> Tensor:
    """What `steps` steps of action 0 show, [M, B, steps, D]."""
    seen = [batch.first_obs]
    seen += [act(batch, 0).obs for _ in range(steps - 1)]
    return torch.stack(seen, dim=2)


# ---- an episode


def test_an_observation_is_code_label_and_question_mark() -> None:
    # digits 10, 01, 11 with labels 2, 0, 1; one distractor; questions without labels.
    batch = start(CODE, [2, 0, 1], delay=1, labels=3)
    obs = watch(batch, 7)[0, 0]
    shown = {(1.0, -1.0, 0.0, 0.0, 1.0, 0.0), (-1.0, 1.0, 1.0, 0.0, 0.0, 0.0), (1.0, 1.0, 0.0, 1.0, 0.0, 0.0)}
    asked = {(1.0, -1.0, 0.0, 0.0, 0.0, 1.0), (-1.0, 1.0, 0.0, 0.0, 0.0, 1.0), (1.0, 1.0, 0.0, 0.0, 0.0, 1.0)}
    assert {tuple(row) for row in obs[:3].tolist()} == shown
    assert bool((obs[3, :2].abs() == 1).all()) and obs[3, 2:].tolist() == [0.0] * 4
    assert {tuple(row) for row in obs[4:].tolist()} == asked
    assert obs.dtype == torch.float64


def test_only_answers_to_questions_pay_and_only_right_ones() -> None:
    label = {(1.0, -1.0): 2, (-1.0, 1.0): 0, (1.0, 1.0): 1}
    for wrong in range(4):  # the question that is answered wrongly, 3: none
        batch = start(CODE, [2, 0, 1], delay=2, labels=3)
        obs = batch.first_obs
        for t in range(8):
            truth = label.get(tuple(obs[0, 0, :2].tolist()), 0)
            answer = (truth + 1) % 3 if t - 5 == wrong else truth
            step = act(batch, answer)
            assert float(step.reward) == (1.0 if t >= 5 and t - 5 != wrong else 0.0)
            assert bool(step.truncated) == (t == 7) and not bool(step.terminated)
            assert bool(step.success) == (t == 7 and wrong == 3), "success is that all answers were right"
            obs = step.obs


def test_each_lane_is_shown_and_asked_everything_in_an_order_of_its_own() -> None:
    batch = start(CODE, [2, 0, 1], lanes=6000, delay=0, labels=3)
    obs = watch(batch, 6)[0]
    number = ((obs[..., 0] > 0) + 2 * (obs[..., 1] > 0)).long()  # 1, 2, 3
    for part in (number[:, :3], number[:, 3:]):
        orders = Counter(map(tuple, part.tolist()))
        assert set(orders) == set(itertools.permutations([1, 2, 3]))
        assert all(abs(n - 1000) < 5 * np.sqrt(6000 * 5 / 36) for n in orders.values())
    assert len(set(map(tuple, number.tolist()))) == 36, "what is asked first does not depend on what was shown first"


def test_fewer_questions_are_different_symbols() -> None:
    batch = start(CODE, [2, 0, 1], lanes=500, delay=1, labels=3, queries=2)
    assert batch.horizon == 6
    obs = watch(batch, 6)[0]
    assert bool((obs[:, 4:, -1] == 1).all()) and not bool((obs[:, :4, -1] == 1).any())
    assert not bool((obs[:, 4, :2] == obs[:, 5, :2]).all(-1).any())
    assert len(set(map(tuple, obs[:, 4, :2].tolist()))) == 3


def test_distractors_are_fair_coins() -> None:
    obs = watch(start(CODE, [2, 0, 1], lanes=2000, delay=5, labels=3), 8)[0, :, 3:]
    assert bool((obs[..., :2].abs() == 1).all()) and not bool(obs[..., 2:].any())
    assert float(obs[..., :2].mean((0, 1)).abs().max()) < 5 / np.sqrt(10_000)


def test_a_second_episode_has_the_same_mapping_in_another_order() -> None:
    batch = start(CODE, [2, 0, 1], lanes=50, episodes=2, delay=1, labels=3)
    obs = watch(batch, 14)[0]
    one, two = obs[:, :3], obs[:, 7:10]
    for lane in range(50):
        assert sorted(one[lane].tolist()) == sorted(two[lane].tolist())
    assert not torch.equal(one, two)


def test_what_an_episode_ends_in_shows_nothing() -> None:
    batch = start(CODE, [2, 0, 1], delay=0, labels=3)
    last = [act(batch, 0) for _ in range(6)][-1]
    assert not bool(last.next_obs.any()) and not bool(batch.active.any())


# ---- tasks


def test_codes_of_a_task_differ_and_clashes_move_on_to_the_next_free_number() -> None:
    tasks = Tasks("binding", {"code": np.array([[0.1] * 8, [0.9] * 8, [0.9, 0.1, 0.2, 0.8, 0.9, 0.1, 0.2, 0.2]])})
    digit = codes.codes(tasks, "code", 2)
    number = ((digit > 0) * torch.tensor([1, 2])).sum(-1)
    assert number.tolist() == [[0, 1, 2, 3], [3, 0, 1, 2], [1, 2, 3, 0]]  # the last wanted 1, 2, 1, 0
    assert bool((digit.abs() == 1).all()) and digit.dtype == torch.float64


def test_many_codes_in_little_room_all_differ() -> None:
    settings = binding.Settings(pairs=64, bits=6)
    tasks = binding.family(settings).sample(20, "train", Stream(0).rng())
    number = ((codes.codes(tasks, "code", 6) > 0) * 2 ** torch.arange(6)).sum(-1)
    assert torch.equal(number.sort(-1).values, torch.arange(64).expand(20, 64))


def test_splits_differ_in_codes_and_say_nothing_about_labels() -> None:
    family = binding.family()
    for split, share in (("train", 0.5), ("test", 0.5), ("ood", 0.75)):
        tasks = family.sample(4000, split, Stream(0).at(split).rng())
        ones = (tasks.arrays["code"] > 0.5).mean()
        assert abs(ones - share) < 5 * np.sqrt(share * (1 - share) / (4000 * 32))
        counts = np.bincount((tasks.arrays["label"] @ [64, 16, 4, 1]).astype(int), minlength=256)
        assert ((counts - 4000 / 256) ** 2 / (4000 / 256)).sum() < 255 + 5 * np.sqrt(2 * 255), "all mappings equally likely"


def test_a_critic_is_told_how_often_each_label_occurs() -> None:
    family = binding.family(binding.Settings(labels=3, bits=2))
    tasks = Tasks("binding", {"code": np.zeros((2, 8)), "label": np.array([[0, 2, 2, 0], [1, 1, 1, 2]])})
    assert family.described(tasks).tolist() == [[0.5, 0.0, 0.5], [0.0, 0.75, 0.25]]


# ---- settings


def test_no_delay_one_pair_and_a_code_of_one_digit_are_possible() -> None:
    batch = start([1.0], [1], delay=0, labels=2)
    assert batch.horizon == 2 and watch(batch, 2)[0, 0].tolist() == [[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0]]
    assert float(act(batch, 1).reward) == 1.0


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"pairs": 0}, "pairs is 0: expected at least 1"),
        ({"delay": -1}, "delay is -1: expected at least 0 steps"),
        ({"labels": 1}, "labels is 1: expected at least 2"),
        ({"bits": 0}, "bits is 0: expected between 1 and 32"),
        ({"bits": 33}, "bits is 33: expected between 1 and 32"),
        ({"pairs": 5, "bits": 2}, "bits is 2: expected enough for 5 different codes"),
        ({"queries": 0}, "queries is 0: expected at least 1"),
        ({"queries": 5}, "queries is 5: expected 1 to 4"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message) -> None:
    with pytest.raises(ValueError) as error:
        binding.Settings(**wrong)
    assert message in str(error.value)
