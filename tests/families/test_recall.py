"""Episodic recall by hand: bags of contexts, barcodes, and good arms that stay."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pliant.families import recall
from pliant.simulators import codes
from pliant.streams import Stream
from pliant.tasks.base import BatchEnv, Family, Tasks

CODE = [1.0, 0.0, 0.3, 0.9, 0.6, 0.7]  # barcodes 10, 01, 11
SMALL: dict[str, Any] = {"arms": 3, "pulls": 2, "contexts": 3, "repeats": 2, "bits": 2}


def start(arm: list[float], lanes: int = 1, episodes: int = 6, code: list[float] | None = None, **settings: Any) -> BatchEnv:
    family = recall.family(recall.Settings(**{**SMALL, **settings}))
    batch = family.batch(Tasks("recall", {"barcode": np.array([code or CODE]), "arm": np.array([arm])}), lanes, episodes)
    batch.first_obs = batch.reset(Stream(0))
    return batch


def watch(batch: BatchEnv, action: int | Tensor = 0) -> tuple[Tensor, Tensor]:
    """A whole trial of one action: observations [M, B, T, D] and rewards [M, B, T]."""
    obs, seen, paid = batch.first_obs, [], []
    for _ in range(batch.max_steps):
        seen.append(obs)
        step = batch.step(torch.as_tensor(action).expand(batch.shape))
        paid.append(step.reward)
        obs = step.obs
    assert not bool(batch.active.any())
    return torch.stack(seen, 2), torch.stack(paid, 2)


def context_of(obs: Tensor) -> Tensor:
    """Index of the barcodes 10, 01 and 11."""
    return (obs[..., 0] > 0) + 2 * (obs[..., 1] > 0).long() - 1


# ---- trials


def test_an_episode_shows_its_barcode_throughout_and_a_trial_each_context_as_often() -> None:
    obs, _ = watch(start([2, 0, 1], lanes=300))
    assert obs.dtype == torch.float64 and bool((obs.abs() == 1).all())
    episodes = context_of(obs)[0].unflatten(1, (6, 2))  # [B, 6, pulls]
    assert torch.equal(episodes[..., 0], episodes[..., 1])
    assert torch.equal(episodes[..., 0].sort(-1).values, torch.tensor([0, 0, 1, 1, 2, 2]).expand(300, 6))


def test_every_order_of_the_bag_is_equally_likely() -> None:
    lanes, orders = 9000, 90  # 6! / (2! 2! 2!)
    obs, _ = watch(start([2, 0, 1], lanes=lanes, pulls=1))
    number = (context_of(obs)[0] * 3 ** torch.arange(6)).sum(-1)
    counts = np.unique(number.numpy(), return_counts=True)[1]
    assert len(counts) == orders
    assert ((counts - lanes / orders) ** 2 / (lanes / orders)).sum() < orders - 1 + 5 * np.sqrt(2 * (orders - 1))


def test_a_longer_trial_opens_the_bag_anew_and_a_shorter_one_leaves_it() -> None:
    long = context_of(watch(start([2, 0, 1], lanes=200, episodes=15, pulls=1))[0])[0]
    for bag in (long[:, :6], long[:, 6:12]):
        assert torch.equal(bag.sort(-1).values, torch.tensor([0, 0, 1, 1, 2, 2]).expand(200, 6))
    assert not torch.equal(long[:, :6], long[:, 6:12])
    third = long[:, 12:].sort(-1).values
    assert not bool((third[:, 0] == third[:, 2]).any()), "three of the bag are never the same context"


def test_the_good_arm_of_a_context_pays_and_stays() -> None:
    arm = torch.tensor([2, 0, 1])
    for action in range(3):
        obs, paid = watch(start([2, 0, 1], lanes=20, p_good=1.0, p_bad=0.0), action)
        assert torch.equal(paid, (arm[context_of(obs)] == action).double())


def test_arms_pay_with_their_probabilities_independently() -> None:
    obs, paid = watch(start([2, 0, 1], lanes=4000, p_good=0.8, p_bad=0.3))
    good = context_of(obs) == 1  # arm 0 is good in the second context
    for which, p in ((good, 0.8), (~good, 0.3)):
        assert abs(float(paid[which].mean()) - p) < 5 * np.sqrt(p * (1 - p) / int(which.sum()))
    pairs = paid.unflatten(2, (6, 2))[good[:, :, ::2]]
    assert abs(float(pairs.prod(-1).mean()) - 0.64) < 5 * np.sqrt(0.64 * 0.36 / len(pairs))


def test_episodes_are_truncated_after_their_pulls_and_never_terminate() -> None:
    batch = start([2, 0, 1], episodes=2)
    steps = [batch.step(torch.zeros(1, 1, dtype=torch.int64)) for _ in range(4)]
    assert [bool(step.truncated) for step in steps] == [False, True, False, True]
    assert [bool(step.first) for step in steps] == [False, True, False, False]
    assert not any(bool(step.terminated) or bool(step.success) for step in steps)


# ---- tasks


def test_barcodes_of_a_task_differ_and_clashes_move_on_to_the_next_free_number() -> None:
    tasks = Tasks("recall", {"barcode": np.array([[0.1] * 8, [0.9] * 8, [0.9, 0.1, 0.2, 0.8, 0.9, 0.1, 0.2, 0.2]])})
    number = ((codes.codes(tasks, "barcode", 2) > 0) * torch.tensor([1, 2])).sum(-1)
    assert number.tolist() == [[0, 1, 2, 3], [3, 0, 1, 2], [1, 2, 3, 0]]  # the last wanted 1, 2, 1, 0


def test_splits_differ_in_barcodes_and_say_nothing_about_arms() -> None:
    family = recall.family(recall.Settings(contexts=4))
    for split, share in (("train", 0.5), ("test", 0.5), ("ood", 0.75)):
        tasks = family.sample(4000, split, Stream(0).at(split).rng())
        ones = (tasks.arrays["barcode"] > 0.5).mean()
        assert abs(ones - share) < 5 * np.sqrt(share * (1 - share) / (4000 * 40))
        counts = np.bincount((tasks.arrays["arm"] @ [64, 16, 4, 1]).astype(int), minlength=256)
        assert ((counts - 4000 / 256) ** 2 / (4000 / 256)).sum() < 255 + 5 * np.sqrt(2 * 255), "all arms equally likely"


def test_a_critic_is_told_barcodes_and_good_arms() -> None:
    family = recall.family(recall.Settings(**SMALL))
    tasks = Tasks("recall", {"barcode": np.array([CODE]), "arm": np.array([[2.0, 0.0, 1.0]])})
    assert family.described(tasks).tolist() == [[1, -1, -1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0]]


def test_a_trial_has_as_many_episodes_as_the_bag() -> None:
    family: Family = recall.family()
    assert family.episodes == family.settings.contexts * family.settings.repeats == 15
    assert family.horizon == 5


# ---- settings


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"arms": 1}, "arms is 1: expected at least 2"),
        ({"pulls": 0}, "pulls is 0: expected at least 1"),
        ({"contexts": 0}, "contexts is 0: expected at least 1"),
        ({"repeats": 0}, "repeats is 0: expected at least 1"),
        ({"bits": 0}, "bits is 0: expected between 1 and 32"),
        ({"contexts": 5, "bits": 2}, "bits is 2: expected enough for 5 contexts"),
        ({"p_good": 1.1}, "p_good is 1.1: expected above 0, at most 1"),
        ({"p_good": 0.0}, "p_good is 0.0: expected above 0, at most 1"),
        ({"p_bad": -0.1}, "p_bad is -0.1: expected at least 0"),
        ({"p_good": 0.5, "p_bad": 0.5}, "p_bad is 0.5: expected a probability below p_good, which is 0.5"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, message) -> None:
    with pytest.raises(ValueError) as error:
        recall.Settings(**wrong)
    assert message in str(error.value)
