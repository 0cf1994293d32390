"""Players of episodic recall: exact values against brute force, play against exact values, regret by hand."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pliant.families import recall
from pliant.players import recall as players
from pliant.rollout import episode_returns, rollout
from pliant.streams import Stream
from pliant.tasks.base import Family, Tasks
from pliant.types import Inputs, Rollout, State

TINY: dict[str, Any] = {"arms": 2, "pulls": 2, "contexts": 2, "repeats": 2, "bits": 2}
ARM_CASES = [(2, 0.9, 0.1, 8), (3, 0.9, 0.1, 8), (4, 0.9, 0.1, 7), (3, 0.6, 0.5, 7), (4, 0.99, 0.8, 6), (4, 0.2, 0.05, 6)]


def family_of(**settings: Any) -> Family:
    return recall.family(recall.Settings(**settings))


def sample(family: Family, n: int) -> Tasks:
    return family.sample(n, "train", Stream(0).at("tasks").rng())


def play(family: Family, tasks: Tasks, player: nn.Module, lanes: int = 1, episodes: int | None = None) -> Rollout:
    return rollout(family.batch(tasks, lanes, episodes or family.episodes), Stream(0).at("play"), player, {})


def posterior(counts: tuple[tuple[int, int], ...], p: float, q: float) -> list[float]:
    """Probability of each arm being the good one after (successes, failures) of each, by Bayes' rule."""
    weight = [p**s * (1 - p) ** f / (q**s * (1 - q) ** f) for s, f in counts]
    return [w / sum(weight) for w in weight]


def after(counts: tuple[tuple[int, int], ...], arm: int, paid: bool) -> tuple[tuple[int, int], ...]:
    return tuple((s + paid, f + (not paid)) if i == arm else (s, f) for i, (s, f) in enumerate(counts))


# ---- exact values


@pytest.mark.parametrize("arms, p, q, pulls", ARM_CASES)
def test_the_likeliest_arm_is_optimal_as_full_dynamic_programming_says(arms: int, p: float, q: float, pulls: int) -> None:
    @cache
    def value(counts: tuple[tuple[int, int], ...], left: int) -> float:
        if not left:
            return 0.0
        options = []
        for arm, good in enumerate(posterior(counts, p, q)):
            pays = good * p + (1 - good) * q
            win, lose = (value(tuple(sorted(after(counts, arm, paid))), left - 1) for paid in (True, False))
            options.append(pays * (1 + win) + (1 - pays) * lose)
        return max(options)

    family = family_of(arms=arms, pulls=pulls, contexts=1, repeats=1, p_good=p, p_bad=q)
    assert abs(players.optimum(family, 1) - value(((0, 0),) * arms, pulls)) < 1e-9


@pytest.mark.parametrize("arms, p, q, episodes", [(2, 0.9, 0.1, 4), (2, 0.7, 0.4, 3), (2, 0.9, 0.1, 5), (3, 0.8, 0.3, 3)])
def test_the_optimum_of_a_trial_is_that_of_the_whole_tree(arms: int, p: float, q: float, episodes: int) -> None:
    """All schedules and all answers to them, contexts in one joint state: nothing is assumed to fall apart."""
    family = family_of(**{**TINY, "arms": arms, "p_good": p, "p_bad": q})
    pulls = family.settings.pulls

    @cache
    def value(contexts: tuple, bag: tuple[int, int], episodes: int, here: int, left: int) -> float:
        if not left:
            if not episodes:
                return 0.0
            bag = bag if sum(bag) else (2, 2)
            return sum(
                bag[c] / sum(bag) * value(contexts, tuple(n - (i == c) for i, n in enumerate(bag)), episodes - 1, c, pulls)
                for c in range(2)
                if bag[c]
            )
        options = []
        for arm, good in enumerate(posterior(contexts[here], p, q)):
            pays, total = good * p + (1 - good) * q, 0.0
            for paid, chance in ((True, pays), (False, 1 - pays)):
                then = tuple(after(counts, arm, paid) if c == here else counts for c, counts in enumerate(contexts))
                total += chance * (paid + value(then, bag, episodes, here, left - 1))
            options.append(total)
        return max(options)

    expected = value((((0, 0),) * arms,) * 2, (0, 0), episodes, 0, 0)
    assert abs(players.optimum(family, episodes) - expected) < 1e-9


def test_certain_arms_cost_what_counting_says() -> None:
    # The good arm always pays, others never: with 4 arms, finding it costs (0 + 1 + 2 + 3) / 4 pulls once per context.
    family = family_of(p_good=1.0, p_bad=0.0)
    assert abs(players.optimum(family, 15) - (75 - 5 * 1.5)) < 1e-9
    assert np.allclose(players.expected_regret(family), [1.5, 0, 0], atol=1e-9)
    assert np.allclose(players.expected_regret(family, forgets=True), [1.5] * 3, atol=1e-9)
    assert players.ceiling(family, sample(family, 2), 15).tolist() == [75.0, 75.0]


def test_the_size_of_the_paper_is_computed_and_too_many_posteriors_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    family = family_of(arms=10, pulls=10, contexts=10, repeats=10)
    assert 840 < players.optimum(family, 100) < players.ceiling(family, sample(family, 1), 100)[0] == 900
    regret = players.expected_regret(family)
    assert abs(900 - players.optimum(family, 100) - 10 * regret.sum()) < 1e-9
    monkeypatch.setattr(players, "MOST_STATES", 20)
    other = family_of(p_bad=0.15)
    assert players.optimum(other, 15) is None and players.expected_regret(other) is None


# ---- play


@pytest.mark.parametrize("settings", [{}, {"arms": 3, "pulls": 3, "p_bad": 0.3, "p_good": 0.8}])
def test_players_earn_what_is_computed_by_encounter(settings: dict[str, Any]) -> None:
    family = family_of(**settings)
    s, tasks = family.settings, sample(family, 2000)
    uniform = np.full(3, s.pulls * (s.p_good - s.p_bad) * (s.arms - 1) / s.arms)
    expected = {
        "bayes": players.expected_regret(family),
        "amnesic": players.expected_regret(family, forgets=True),
        "random": uniform,
    }
    for name, player in players.players(family, Stream(0)).items():
        played = play(family, tasks, player)
        regret = players.regret_by_encounter(played, family, tasks)
        assert regret.shape == (2000, 3)
        assert bool((abs(regret.mean(0) - expected[name]) < 4 * regret.std(0) / np.sqrt(2000)).all()), name
        total = episode_returns(played, 15).sum(-1).numpy()
        ceiling = players.ceiling(family, tasks, 15)[0]
        assert abs(total.mean() - (ceiling - 5 * expected[name].sum())) < 4 * total.std() / np.sqrt(2000), name


@pytest.mark.parametrize("episodes", [7, 20])
def test_other_lengths_of_a_trial_have_their_own_optimum(episodes: int) -> None:
    family = family_of()
    tasks = sample(family, 2000)
    player = players.players(family, Stream(0))["bayes"]
    total = episode_returns(play(family, tasks, player, episodes=episodes), episodes).sum(-1).numpy()
    assert abs(total.mean() - players.optimum(family, episodes)) < 4 * total.std() / np.sqrt(2000)


def test_what_was_found_is_used_at_once_when_its_barcode_returns() -> None:
    family = family_of(p_good=1.0, p_bad=0.0)
    tasks = sample(family, 50)
    made = players.players(family, Stream(0))
    remembered = players.regret_by_encounter(play(family, tasks, made["bayes"], lanes=4), family, tasks)
    assert not remembered[:, 1:].any() and remembered[:, 0].min() > 0
    forgotten = players.regret_by_encounter(play(family, tasks, made["amnesic"], lanes=4), family, tasks)
    assert forgotten.min() > 0


def step(player: nn.Module, state: State, barcode: list[float], action: int, reward: float) -> tuple[Tensor, State]:
    """The only step of an episode in one lane, after `action` and its `reward`: the logits [P] and the state."""
    one = torch.ones(1, 1, 1)
    inputs = Inputs(torch.tensor([[[barcode]]]), action * one.long(), reward * one, one.bool())
    output, state = player(inputs, state)
    return output.dist[0, 0, 0], state


def test_ties_are_spread_evenly_and_rewards_belong_to_the_context_of_their_pull() -> None:
    made = players.players(family_of(arms=3, pulls=1, contexts=2, repeats=2, bits=2), Stream(0))
    a, b = [1.0, -1.0], [-1.0, -1.0]
    for name, third in (("bayes", [-1e4, 0, -1e4]), ("amnesic", [0, 0, 0])):
        dist, state = step(made[name], (), a, -1, 0.0)
        assert dist.tolist() == [0, 0, 0]
        dist, state = step(made[name], state, b, 1, 1.0)  # arm 1 paid, in context a
        assert dist.tolist() == [0, 0, 0]
        dist, state = step(made[name], state, a, 2, 0.0)  # arm 2 did not pay, in context b
        assert dist.tolist() == third
        dist, state = step(made[name], state, b, 0, 0.0)
        assert dist.tolist() == ([0, 0, -1e4] if name == "bayes" else [0, 0, 0])
    assert step(made["random"], (), a, -1, 0.0)[0].tolist() == [0, 0, 0]


def test_lanes_do_not_mix() -> None:
    family = family_of()
    tasks = sample(family, 5)
    for player in players.players(family, Stream(0)).values():
        together, few = play(family, tasks, player, lanes=3), play(family, tasks[:2], player, lanes=3)
        assert torch.equal(together.action[:2], few.action)


# ---- regret


def test_regret_by_encounter_by_hand() -> None:
    family = family_of(**{**TINY, "p_good": 0.75, "p_bad": 0.25})
    tasks = Tasks("recall", {"barcode": np.array([[1.0, 0.0, 0.0, 1.0]] * 2), "arm": np.array([[0.0, 1.0], [1.0, 1.0]])})
    played = play(family, tasks, players.players(family, Stream(0))["random"], lanes=1, episodes=3)
    a, b = [1.0, -1.0], [-1.0, 1.0]
    obs = torch.tensor([[[a, a, a, a, b, b]], [[b, b, a, a, b, b]]])
    action = torch.tensor([[[1, 0, 0, 0, 0, 0]], [[1, 0, 0, 0, 1, 1]]])
    regret = players.regret_by_encounter(played._replace(obs=obs, action=action), family, tasks)
    # Task 0: a has arm 0: one wrong pull, then none; b has arm 1: two wrong. Task 1: one wrong in b, two in a, none in b.
    assert regret.tolist() == [[(0.5 + 1.0) / 2, 0.0], [(0.5 + 1.0) / 2, 0.0]]
    once = torch.tensor([[[a, a, b, b]], [[a, a, a, a]]])
    short = played.each(lambda x: x[:, :, :4])._replace(obs=once, action=action[:, :, :4])
    regret = players.regret_by_encounter(short, family, tasks)
    assert np.isnan(regret[0, 1]) and regret[1].tolist() == [0.5, 1.0]


def test_regret_of_other_tasks_or_cut_episodes_is_refused() -> None:
    family = family_of()
    tasks = sample(family, 3)
    played = play(family, tasks, players.players(family, Stream(0))["random"])
    with pytest.raises(ValueError, match="rollout shows barcodes that its tasks do not have"):
        players.regret_by_encounter(played, family, tasks[[2, 1, 0]])
    with pytest.raises(ValueError, match="rollout has 74 steps: expected whole episodes of 5"):
        players.regret_by_encounter(played.each(lambda x: x[:, :, :74]), family, tasks)
