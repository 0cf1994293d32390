"""Players of the two-step task, its exact optimum, and the analysis of their choices."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from pliant.families import two_step
from pliant.players import two_step as players
from pliant.rollout import rollout
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Rollout

LANES = 800
FAMILY = two_step.family()


def play(name: str, family: Family = FAMILY, lanes: int = LANES, episodes: int = 100) -> tuple[Rollout, Tasks]:
    tasks = family.sample(2, "train", Stream(0).rng())
    player = players.players(family, Stream(0))[name]
    return rollout(family.batch(tasks, lanes, episodes), Stream(0).at("play"), player, {}), tasks


def better_of(tasks: Tasks, lanes: int = LANES) -> Tensor:
    return tasks.tensor("better")[:, None].expand(-1, lanes)


def seen(stage: int, action: int, reward: float) -> Inputs:
    obs = torch.eye(3)[stage][None, None, None]
    return Inputs(obs, torch.tensor([[[action]]]), torch.tensor([[[reward]]]), torch.tensor([[[stage == 0]]]))


def answers(name: str, episodes: list[tuple[int, int, float]], **settings: float) -> list[Tensor]:
    """First-stage logits [2] before each of some episodes (first action, second stage, reward), and after the last."""
    family = two_step.family(two_step.Settings(**settings))
    player, state, found = players.players(family, Stream(0))[name], (), []
    last = (-1, 0.0)
    for action, stage, reward in [*episodes, (0, 0, 0.0)]:
        output, state = player(seen(0, *last), state)
        found.append(output.dist[0, 0, 0])
        output, state = player(seen(1 + stage, action, 0.0), state)
        assert output.dist[0, 0, 0].tolist() == [0.0, 0.0], "the second action does not matter"
        last = (action, reward)
    return found


# ---- the optimum


def test_the_optimal_regret_is_that_of_the_paper() -> None:
    # Without swaps: 0.4 for every wrong first action, which is wrong where the majority of the evidence is.
    wrong = [stats.binom(t, 0.9).cdf((t - 1) // 2) + (t % 2 == 0) * 0.5 * stats.binom(t, 0.9).pmf(t // 2) for t in range(100)]
    assert math.isclose(0.4 * sum(wrong), 0.3125, abs_tol=1e-12)
    tasks = FAMILY.sample(4, "train", Stream(0).rng())
    assert players.ceiling(FAMILY, tasks, 100).tolist() == [70.0] * 4
    assert math.isclose(players.optimum(FAMILY, 100), 70 - 0.3125, abs_tol=1e-9)


def planned(belief: float, left: int, settings: two_step.Settings) -> float:
    """The most that `left` episodes bring, by every action and every outcome; `belief` that second stage 1 is better."""
    if not left:
        return 0.0
    found = []
    for action in range(2):
        total = 0.0
        for stage, reward in itertools.product(range(2), range(2)):
            there = settings.common if stage == action else 1 - settings.common
            pays = [settings.reward if stage == better else 1 - settings.reward for better in range(2)]
            joint = [there * (p if reward else 1 - p) * b for p, b in zip(pays, (1 - belief, belief), strict=True)]
            after = joint[1] / sum(joint)
            after = after * (1 - settings.swap) + (1 - after) * settings.swap
            total += sum(joint) * (reward + planned(after, left - 1, settings))
        found.append(total)
    return max(found)


@pytest.mark.parametrize("settings", [{}, {"common": 0.8, "swap": 0.025}, {"reward": 0.6, "swap": 0.2}])
def test_the_optimum_is_what_planning_over_beliefs_finds(settings) -> None:
    family = two_step.family(two_step.Settings(**settings))
    for episodes in (1, 2, 4):
        expected = planned(0.5, episodes, family.settings)
        assert math.isclose(players.optimum(family, episodes), expected, abs_tol=1e-6)


def test_the_optimum_with_swaps_is_that_of_every_sequence_of_evidence() -> None:
    settings = two_step.Settings(common=0.8, swap=0.025)
    regret, belief, chance = 0.0, np.array([0.5]), np.array([1.0])  # of every sequence so far
    for _ in range(14):
        regret += settings.cost * float(chance @ np.minimum(belief, 1 - belief))
        says_one = belief * 0.9 + (1 - belief) * 0.1
        after = np.concatenate([belief * 0.9 / says_one, belief * 0.1 / (1 - says_one)])
        belief = after * 0.975 + (1 - after) * 0.025
        chance = np.concatenate([chance * says_one, chance * (1 - says_one)])
    family = two_step.family(settings)
    assert math.isclose(players.optimum(family, 14), 14 * settings.best - regret, abs_tol=1e-6)


def test_bayes_earns_the_optimum_and_random_half_of_the_difference() -> None:
    for name, expected in (("bayes", 0.3125), ("random", 20.0)):
        played, tasks = play(name)
        found = players.regret(played, tasks, FAMILY)
        assert found.shape == (2, LANES)
        assert abs(float(found.mean()) - expected) < 4 * float(found.std()) / math.sqrt(2 * LANES)


def test_bayes_earns_the_optimum_where_the_second_stages_swap() -> None:
    family = two_step.family(two_step.Settings(common=0.8, swap=0.025))
    played, tasks = play("bayes", family)
    total = played.reward.sum(-1).double()
    assert abs(float(total.mean()) - players.optimum(family, 100)) < 4 * float(total.std()) / math.sqrt(2 * LANES)
    with pytest.raises(ValueError, match="change places"):
        players.regret(played, tasks, family)


# ---- players by hand


def test_bayes_by_hand() -> None:
    none, zero, one = [0.0, 0.0], [0.0, -1e4], [-1e4, 0.0]
    # Reward in second stage 1, whichever action led there: 1 is better. No reward there: back to even, then 0 is better.
    found = answers("bayes", [(0, 1, 1.0), (1, 1, 0.0), (1, 1, 0.0)])
    assert [x.tolist() for x in found] == [none, one, none, zero]
    # With swaps the older of two contradicting observations counts for less.
    found = answers("bayes", [(0, 1, 1.0), (1, 1, 0.0)], swap=0.1)
    assert [x.tolist() for x in found] == [none, one, zero]


def test_model_free_by_hand() -> None:
    found = answers("model-free", [(0, 1, 1.0), (1, 1, 0.0), (0, 0, 0.0)])
    values = [[0.5, 0.5], [0.75, 0.5], [0.75, 0.25], [0.375, 0.25]]
    assert torch.allclose(torch.stack(found), 5 * torch.tensor(values))


def test_model_based_by_hand() -> None:
    # Values of the second stages: even, then [0.5, 0.75], then [0.25, 0.75].
    found = answers("model-based", [(0, 1, 1.0), (1, 0, 0.0)])
    expected = [[0.5, 0.5], [0.5625, 0.6875], [0.375, 0.625]]
    assert torch.allclose(torch.stack(found), 5 * torch.tensor(expected))


# ---- the signature


def test_model_based_choices_show_the_interaction() -> None:
    played, tasks = play("model-based")
    for better in (None, better_of(tasks)):
        found = players.stay_probabilities(played, better)
        assert found.interaction.size > 0.3 and found.interaction.p_value < 1e-6
        assert abs(found.reward.size) < 4 * found.reward.std_error
    assert bool((found.stay.diagonal() > 0.8).all()) and float(found.stay[0, 1]) < 0.5 and float(found.stay[1, 0]) < 0.5


def test_model_free_choices_show_reward_alone() -> None:
    played, tasks = play("model-free")
    found = players.stay_probabilities(played, better_of(tasks))
    assert found.reward.size > 0.2 and found.reward.p_value < 1e-6
    assert abs(found.interaction.size) < 3 * found.interaction.std_error < 0.05 and found.interaction.p_value > 0.01


def test_without_the_better_stage_model_free_choices_look_model_based() -> None:
    played, _ = play("model-free")
    found = players.stay_probabilities(played)
    assert found.interaction.size > 0.2 and found.interaction.p_value < 1e-6


def test_random_choices_show_nothing() -> None:
    played, tasks = play("random")
    for better in (None, better_of(tasks)):
        for effect in players.stay_probabilities(played, better)[1:]:
            assert abs(effect.size) < 4 * effect.std_error and effect.p_value > 1e-3


def written(lanes: list[list[tuple[int, int, int]]]) -> Rollout:
    """A rollout of one task from episodes (first action, second stage, reward)."""
    episode = torch.tensor(lanes)  # [B, E, 3]
    B, E, _ = episode.shape
    stage = torch.stack([torch.zeros(B, E, dtype=torch.int64), 1 + episode[..., 1]], dim=-1).reshape(1, B, 2 * E)
    action = torch.stack([episode[..., 0], torch.zeros(B, E, dtype=torch.int64)], dim=-1).reshape(1, B, 2 * E)
    reward = torch.stack([torch.zeros(B, E), episode[..., 2].float()], dim=-1).reshape(1, B, 2 * E)
    obs, never = torch.eye(3)[stage], torch.zeros(1, B, 2 * E, dtype=torch.bool)
    first = stage == 0
    return Rollout(obs, action, reward, obs, first, ~first, never, ~never, 0 * reward, never, torch.zeros(1, 2))


TWO_LANES = [
    # (0, 0, 1): rewarded, common. (1, 0, 1): rewarded, rare. (1, 1, 0): unrewarded, common. (0, 1, 0): unrewarded, rare.
    [(0, 0, 1), (0, 1, 0), (0, 1, 0), (1, 0, 1), (0, 0, 1), (1, 1, 0), (1, 1, 0)],
    [(1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 0, 1), (0, 0, 0), (1, 1, 0), (0, 0, 1)],
]


def test_stay_probabilities_by_hand() -> None:
    found = players.stay_probabilities(written(TWO_LANES))
    # rewarded common: stays 1, 0 | 1, 1 (of 4); rewarded rare: 0 | 1 (of 2); unrewarded common: 1 | 0, 0, 0 (of 4);
    # unrewarded rare: 1, 0 (of 2).
    expected = torch.tensor([[1 / 2, 1 / 4], [1 / 2, 3 / 4]], dtype=torch.float64)
    assert torch.allclose(found.stay, expected)
    assert math.isclose(found.interaction.size, (3 / 4 - 1 / 2) - (1 / 4 - 1 / 2))
    assert math.isclose(found.reward.size, (3 / 4 + 1 / 2) / 2 - (1 / 4 + 1 / 2) / 2)
    # Each lane's influence on (rr, rc, ur, uc): sums of stay minus mean over the count; the lanes are opposite.
    influence = np.array([(0 - 0.5) / 2, (1 - 2 * 0.75) / 4, (1 - 2 * 0.5) / 2, (1 - 0.25) / 4])
    error = abs(influence @ [-1, 1, 1, -1]) * math.sqrt(2 * 2)
    assert math.isclose(found.interaction.std_error, error)
    assert math.isclose(found.interaction.p_value, 2 * stats.norm.sf(0.5 / error))


def test_outcomes_of_right_and_of_wrong_actions_are_compared_apart() -> None:
    # All actions are right but the very first: a stratum of one outcome says nothing, and the first stay (1) does not count.
    played = written(TWO_LANES)
    better = played.action[:, :, ::2].clone()
    better[0, 0, 0] = 1 - better[0, 0, 0]
    found = players.stay_probabilities(played, better)
    assert math.isclose(found.interaction.size, (2 / 3 - 1 / 2) - (1 / 4 - 1 / 2))
    assert float(found.stay[1, 1]) == 0.75, "the probabilities are those of all episodes"


def test_the_standard_error_is_that_of_leaving_lanes_out() -> None:
    played, tasks = play("model-based", lanes=40, episodes=60)
    better = better_of(tasks, 40)
    found = players.stay_probabilities(played, better)
    kept = [[b for b in range(40) if b != left] for left in range(40)]
    for index, size in ((1, "reward"), (2, "interaction")):
        left_out = [players.stay_probabilities(played.part(slice(None), k), better[:, k])[index].size for k in kept]
        error = math.sqrt(39 / 40 * ((np.array(left_out) - np.mean(left_out)) ** 2).sum())
        assert math.isclose(found[index].std_error, error, rel_tol=0.25), size


def test_too_few_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="play at least 2 lanes"):
        players.stay_probabilities(written(TWO_LANES[:1]))
    with pytest.raises(ValueError, match="and more episodes"):
        players.stay_probabilities(written([[(0, 0, 1), (0, 0, 1)], [(0, 0, 1), (0, 0, 1)]]))
