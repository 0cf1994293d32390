"""RL^2: credit across episodes by hand, chunks of time, a critic that acting never needs, and that it learns."""

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import pliant
from pliant import Agent, errors
from pliant.algorithms import maml, rl2
from pliant.algorithms.parts.baseline import Baseline
from pliant.cli import main as cli
from pliant.config import config
from pliant.maths import functional
from pliant.rollout import rollout
from pliant.running import curve as curves
from pliant.running import learner as learners
from pliant.running import loop
from pliant.running.learner import Learner
from pliant.streams import Stream
from pliant.types import Inputs, Output, Rollout, Spec, State, inputs_of

SMALL = {"train.meta_batch": 6, "train.lanes": 2, "policy.size": 8, "outer.minibatches": 2, "outer.epochs": 2}


def learner_of(family: str = "bandit", **settings: Any) -> Learner:
    named = {name.replace("__", "."): value for name, value in settings.items()}
    policy = named.pop("policy", None)
    return learners.build(config.load_config("rl2", family, SMALL | named, "none", 0, policy))


def play(learner: Learner, tasks: int = 3, lanes: int = 2, seed: int = 0) -> Rollout:
    chosen = learner.family.sample(tasks, "train", Stream(seed).at("tasks").rng())
    batch = learner.family.batch(chosen, lanes, learner.episodes)
    return learner.algorithm.adapt(partial(rollout, batch, Stream(seed).at("acts")))[0]


DRAWS = torch.Generator()
"""For lessons that have chance; of those here only one has, and brings its own."""


def double(learner: Learner) -> rl2.Rl2:
    """The same algorithm in float64."""
    made = learner.algorithm
    assert isinstance(made, rl2.Rl2)
    made.policy.double()
    made.critic.double()
    made.lessons.double()
    made.adam = rl2.Adam({n: p.detach().double() for n, p in made.adam.values.items()})
    made.scales.fixed = {n: b.double() for n, b in made.scales.fixed.items()}
    return made


def weigh(algorithm: rl2.Rl2, **weights: float) -> None:
    """Give lessons other weights."""
    algorithm.lessons.weights = dataclasses.replace(algorithm.lessons.weights, **weights)  # type: ignore[arg-type]


# ---- credit


def test_advantages_cross_episodes_and_targets_are_standardised() -> None:
    algorithm = double(learner_of(outer__gamma=0.9, outer__lam=0.8))
    played = play(learner_of())
    played = Rollout(*(x.double() if x.is_floating_point() else x for x in played))
    lesson, _ = algorithm._lesson(played)
    value = algorithm._values(lesson.trials)[0].numpy()  # after the update of its baseline
    # The baseline was that of no data when the lesson was made: 0, and standard deviation 1.
    line = algorithm.credit.baseline.value(lesson.trials.rollout.task, algorithm.credit.left(lesson.advantage.shape[2])).numpy()
    value = (value - line) / float(algorithm.credit.baseline.std)
    reward = played.reward.flatten(0, 1).numpy()
    N, T = reward.shape
    advantage = np.zeros((N, T))
    for n in range(N):
        later = 0.0
        for t in reversed(range(T)):  # every pull is an episode, and credit flows through them all
            following = value[n, t + 1] if t + 1 < T else 0.0
            later = reward[n, t] + 0.9 * following - value[n, t] + 0.9 * 0.8 * later
            advantage[n, t] = later
    expected = (advantage - advantage.mean()) / advantage.std()
    assert np.allclose(lesson.advantage[0].numpy(), expected, atol=1e-6)
    missed = advantage + value - line
    assert abs(missed.mean()) < 1e-6, "a constant is part of the rule"
    assert np.allclose(lesson.target[0].numpy(), missed / missed.std(), atol=1e-6)


def test_a_trial_is_worth_what_it_pays_until_its_last_step_and_time_limits_inside_it_end_nothing() -> None:
    algorithm = learner_of("point", train__episodes=3, family__horizon=5, outer__gamma=0.9, outer__lam=1.0).algorithm
    assert isinstance(algorithm, rl2.Rl2)
    played = play(learner_of("point", train__episodes=3, family__horizon=5))
    assert int(played.truncated.sum()) == 3 * played.valid[..., 0].numel(), "every episode meets its limit"
    trials = algorithm._lesson(played)[0].trials
    value = torch.randn(trials.rollout.reward.shape, generator=Stream(0).generator())
    advantage, reward = algorithm.credit._advantage(trials, value)[0], trials.rollout.reward[0]
    for t in range(15):
        paid = sum(0.9 ** (later - t) * reward[:, later] for later in range(t, 15))
        assert torch.allclose(advantage[:, t], paid - value[0, :, t], atol=1e-5)


def counted(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Seven tasks of two numbers, returns of five steps, which of them count."""
    generator = torch.Generator().manual_seed(seed)
    task, target = torch.rand(7, 2, generator=generator), torch.rand(7, 5, generator=generator)
    return task, target, torch.rand(7, 5, generator=generator) < 0.8


def test_the_baseline_is_a_ridge_regression_of_returns_to_come() -> None:
    left = torch.tensor([1.0, 0.8, 0.6, 0.4, 0.2])
    line = Baseline("baseline", 2)
    assert torch.equal(line.value(counted(0)[0], left), torch.zeros(7, 5, dtype=torch.float64)) and float(line.std) == 1
    gram, cross, error = np.zeros((6, 6)), np.zeros(6), 0.0
    for update in range(15):
        task, target, valid = counted(update)
        rows = [[a * b for a in (1, float(left[t])) for b in (1, *task[n].tolist())] for n, t in valid.nonzero().tolist()]
        x, y = np.array(rows), target[valid].double().numpy()
        keep = min(0.9, 1 - 1 / (update + 1))
        gram, cross = keep * gram + (1 - keep) * x.T @ x / len(y), keep * cross + (1 - keep) * x.T @ y / len(y)
        before = line.value(task, left)[valid].numpy()
        line.update(task, left, target, valid)
        told = 2 / (7 * sum(0.9**i for i in range(update + 1)))  # numbers told per task seen
        weight = np.linalg.solve(gram + np.diag([1e-6, told, told] * 2), cross)
        fitted = line.value(task, left)[valid].numpy()
        assert np.allclose(fitted, x @ weight, atol=1e-9)
        error = keep * error + (1 - keep) * np.mean((y - (before if update else fitted)) ** 2)
        assert float(line.std) == pytest.approx(np.sqrt(error), rel=1e-6), "by the rule that did not know them yet"


def test_a_baseline_does_not_learn_few_tasks_by_heart() -> None:
    generator = torch.Generator().manual_seed(0)
    line, left = Baseline("baseline", 40), torch.tensor([1.0])
    task, target = torch.randn(40, 20, 40, generator=generator), torch.randn(40, 20, 1, generator=generator)
    for i in range(20):
        line.update(task[i], left, target[i], torch.ones(20, 1) > 0)
    missed = torch.cat([target[i] - line.value(task[i], left) for i in range(20, 40)])
    assert float(missed.std()) < 1.15, "noise, of which nothing is to be learned, has standard deviation 1"


def test_a_baseline_that_is_told_nothing_knows_the_time() -> None:
    line, left = Baseline("baseline", 0), torch.tensor([1.0, 0.5])
    line.update(torch.rand(4, 3), left, torch.tensor([[3.0, 2.0]]).expand(4, 2), torch.ones(4, 2) > 0)
    assert np.allclose(line.value(torch.rand(2, 3), left).numpy(), [[3.0, 2.0]] * 2, atol=1e-4)


def test_the_steps_that_are_left_are_discounted() -> None:
    learner = learner_of(outer__gamma=0.5, family__pulls=3)
    algorithm = learner.algorithm
    assert isinstance(algorithm, rl2.Rl2)
    assert algorithm.credit.left(play(learner).reward.shape[2]).tolist() == pytest.approx([1.0, 1.5 / 1.75, 1 / 1.75])


def test_a_memory_learns_to_know_its_task() -> None:
    learner = learner_of(critic__told=True, critic__infer=2.0, family__pulls=3)
    algorithm, played = double(learner), play(learner)
    played = Rollout(*(x.double() if x.is_floating_point() else x for x in played))
    lesson, _ = algorithm._lesson(played)
    params = algorithm._of("policy") | algorithm.scales.fixed
    output = functional.apply(algorithm.policy, params, lesson.trials.inputs, ())[0]
    assert output.features is not None
    layer = algorithm.lessons.reads
    inferred = output.features[0] @ layer.weight.mT + layer.bias
    with_it = algorithm._loss(lesson, (), 0.0, DRAWS)[0]
    weigh(algorithm, infer=1.0)
    with_less = algorithm._loss(lesson, (), 0.0, DRAWS)[0]
    wrong = (inferred - lesson.trials.rollout.task[:, None]).square().mean()
    assert float((with_it - with_less).detach()) == pytest.approx(0.5 * float(wrong.detach()), rel=1e-9)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_what_is_inferred_trains_the_memory(weight: float) -> None:
    learner = learner_of(critic__told=True, critic__infer=weight or 1e-30, critic__weight=0.0)
    algorithm = double(learner)
    played = play(learner)
    played = Rollout(*(x.double() if x.is_floating_point() else x for x in played))
    lesson, _ = algorithm._lesson(played)
    with torch.no_grad():
        algorithm.adam.values["lessons/reads.weight"].normal_()
    lesson = lesson._replace(advantage=0 * lesson.advantage)
    loss, *_ = algorithm._loss(lesson, (), 0.0, DRAWS)
    gradient = torch.autograd.grad(loss, algorithm.adam.values["policy/core.back.weight"], allow_unused=True)[0]
    assert gradient is not None and bool((gradient.abs() > 1e-9).any()) is bool(weight)


@pytest.mark.parametrize("family", ["bandit", "point"])
def test_a_memory_learns_what_actions_bring(family: str) -> None:
    sizes: dict[str, Any] = {"family__pulls": 3} if family == "bandit" else {"family__horizon": 3, "train__episodes": 1}
    learner = learner_of(family, critic__predict=2.0, critic__weight=0.0, **sizes)
    algorithm, played = double(learner), play(learner)
    played = Rollout(*(x.double() if x.is_floating_point() else x for x in played))
    lesson, _ = algorithm._lesson(played)
    layer = algorithm.lessons.predicts
    assert float(lesson.reward.mean()) == pytest.approx(0, abs=1e-9)
    assert float(lesson.reward.std(unbiased=False)) == pytest.approx(1)
    params = algorithm._of("policy") | algorithm.scales.fixed
    output = functional.apply(algorithm.policy, params, lesson.trials.inputs, ())[0]
    action, actions = lesson.trials.rollout.action, learner.family.spec.action_size
    one_hot = action.double() if action.is_floating_point() else torch.nn.functional.one_hot(action, actions).double()
    each = output.features[0] @ layer.weight.mT + layer.bias  # [N, T, A + 1], the last of them whatever is done
    expected = (each[..., :-1] * one_hot[0]).sum(-1) + each[..., -1]
    loss, _, found = algorithm._loss(lesson._replace(advantage=0 * lesson.advantage), (), 0.0, DRAWS)
    wrong = 0.5 * (expected - lesson.reward[0]).square().mean()
    assert float(found["predict_loss"]) == pytest.approx(float(wrong.detach()))
    assert float(loss.detach()) == pytest.approx(2 * float(wrong.detach()))
    gradient = torch.autograd.grad(loss, algorithm.adam.values["policy/core.back.weight"])[0]
    assert bool((gradient.abs() > 1e-9).any()), "it trains the memory"


def test_a_memory_learns_to_foresee_and_no_loss_of_the_policy_reaches_it_when_that_is_cut() -> None:
    settings = {"critic__foresee": 1.0, "outer__cut": True, "critic__shared": False}
    learner = learner_of("gridnavi", train__meta_batch=64, outer__lr=1e-2, policy__size=16, **settings)
    found = [done.metrics["foresee_loss"] for done in loop.iterate(learner, 0, 25)]
    assert sum(found[-5:]) < 0.9 * sum(found[:5])
    algorithm = learner.algorithm
    assert isinstance(algorithm, rl2.Rl2)
    lesson, _ = algorithm._lesson(play(learner))
    gradients = {}
    for weight, cut in ((0.0, True), (0.0, False), (1.0, True)):
        algorithm.outer = dataclasses.replace(algorithm.outer, cut=cut)
        algorithm.lessons.weights = dataclasses.replace(algorithm.lessons.weights, foresee=weight)
        loss, _, _ = algorithm._loss(lesson, (), 0.01, torch.Generator().manual_seed(0))
        names = [name for name in algorithm.adam.values if name.startswith("policy/")]
        each = torch.autograd.grad(loss, [algorithm.adam.values[name] for name in names], allow_unused=True)
        gradients[weight, cut] = {n for n, g in zip(names, each, strict=True) if g is not None and bool(g.any())}
    head = {"policy/head.weight", "policy/head.bias"}
    assert gradients[0.0, True] == head and gradients[0.0, False] > head and gradients[1.0, True] > head


def test_a_policy_that_does_not_decide_apart_cannot_be_cut() -> None:
    class Own(nn.Module):
        memory, size_out = True, 3

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(1, 1)

    with pytest.raises(errors.UserError, match="outer.cut is on: Own does not remember and decide apart"):
        rl2.Rl2(Own(), Spec(1, 2, discrete=True), rl2.OuterSettings(cut=True), rl2.CriticSettings(), 1, Stream(0))


def test_a_memory_that_nothing_shapes_is_refused() -> None:
    for alone in ({"critic__shared": False}, {"critic__weight": 0.0}):
        with pytest.raises(errors.UserError, match="outer.cut is on, and nothing else shapes the memory"):
            learner_of(outer__cut=True, **alone)
    learner_of(outer__cut=True)


def test_what_nobody_was_told_cannot_be_inferred() -> None:
    with pytest.raises(errors.UserError, match="infer is 1.0: expected 0, because the critic is not told"):
        learner_of(critic__infer=1.0)


def test_the_inputs_of_a_lesson_are_those_of_the_lanes() -> None:
    learner = learner_of("point", train__episodes=2, family__horizon=7)
    played = play(learner)
    algorithm = learner.algorithm
    assert isinstance(algorithm, rl2.Rl2)
    lesson, _ = algorithm._lesson(played)
    assert torch.equal(lesson.trials.inputs.prev_reward[0], inputs_of(played).prev_reward.flatten(0, 1))
    assert torch.equal(lesson.trials.rollout.task, played.task.repeat_interleave(2, 0))
    chosen = lesson.lanes(torch.tensor([5, 0]))
    assert torch.equal(chosen.trials.rollout.obs[0, 0], played.obs[2, 1]) and torch.equal(
        chosen.trials.rollout.task[1], played.task[0]
    )


# ---- chunks of time


def gradients(chunk: int, seed: int = 0) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Of one minibatch step that holds all lanes: Adam's first moment is a tenth of the gradient."""
    algorithm = double(learner_of(outer__chunk=chunk, outer__max_grad_norm=1e9, policy="lstm"))
    played = play(learner_of(policy="lstm"), seed=seed)
    played = Rollout(*(x.double() if x.is_floating_point() else x for x in played))
    lesson, _ = algorithm._lesson(played)
    metrics = algorithm._step(lesson, 1e-3, 0.1, [DRAWS])
    return {n: m for n, m in algorithm.adam.state().items() if "/exp_avg/" in n}, metrics


def test_a_chunk_that_covers_the_trial_is_the_full_unroll_and_a_shorter_one_is_not() -> None:
    (full, metrics), (more, _), (short, chunked) = gradients(10), gradients(0), gradients(3)
    assert all(torch.equal(full[n], more[n]) for n in full)
    assert metrics["loss"] == pytest.approx(chunked["loss"], abs=1e-12), "chunks change gradients, not the loss"
    back = "adam/exp_avg/policy/core.back.weight"
    assert not torch.allclose(full[back], short[back], rtol=1e-3)


def test_the_gradient_in_chunks_is_the_sum_over_chunks_with_the_memory_cut() -> None:
    short, _ = gradients(4)
    algorithm = double(learner_of(policy="lstm"))
    played = play(learner_of(policy="lstm"))
    played = Rollout(*(x.double() if x.is_floating_point() else x for x in played))
    lesson, _ = algorithm._lesson(played)
    total, state = torch.zeros((), dtype=torch.float64), ()
    for chunk in (slice(0, 4), slice(4, 8), slice(8, 10)):
        loss, state, _ = algorithm._loss(lesson.times(chunk), functional.detached(state), 0.1, DRAWS)
        total = total + loss * (min(chunk.stop, 10) - chunk.start) / 10
    leaves = algorithm.adam.values
    for (name, _), gradient in zip(leaves.items(), torch.autograd.grad(total, list(leaves.values())), strict=True):
        assert torch.allclose(0.1 * gradient, short[f"adam/exp_avg/{name}"], rtol=1e-9, atol=1e-14), name


# ---- the critic


def test_acting_needs_no_critic_and_a_policy_is_never_told_the_task() -> None:
    told, untold = learner_of(critic__told=True), learner_of(critic__told=False)
    one, two = play(told), play(untold)
    assert torch.equal(one.action, two.action) and torch.equal(one.log_prob, two.log_prob)
    assert not any(name.startswith("critic") for name in told.algorithm.adapted([one])[0])
    algorithm = told.algorithm
    assert isinstance(algorithm, rl2.Rl2)
    lesson, _ = algorithm._lesson(one)
    other = lesson.trials._replace(rollout=lesson.trials.rollout._replace(task=-lesson.trials.rollout.task))
    assert not torch.equal(algorithm._values(lesson.trials), algorithm._values(other))


@pytest.mark.parametrize("shared", [True, False])
def test_the_value_loss_trains_the_memory_only_when_shared(shared: bool) -> None:
    algorithm = double(learner_of(critic__shared=shared))
    played = play(learner_of())
    played = Rollout(*(x.double() if x.is_floating_point() else x for x in played))
    lesson, _ = algorithm._lesson(played)
    algorithm.objective = dataclasses.replace(algorithm.objective, weight=1.0)
    lesson = lesson._replace(advantage=0 * lesson.advantage)
    loss, *_ = algorithm._loss(lesson, (), 0.0, DRAWS)
    gradient = torch.autograd.grad(loss, algorithm.adam.values["policy/core.back.weight"], allow_unused=True)[0]
    assert bool(gradient is not None and (gradient != 0).any()) is shared


# ---- learning


TOLD = {"critic__told": True, "critic__infer": 1.0, "critic__predict": 1.0}


@pytest.mark.parametrize("told", [{}, TOLD], ids=["plain", "told"])
def test_same_seed_same_bits_and_a_state_restores_them(told: dict[str, Any]) -> None:
    one, two = learner_of(**told), learner_of(**told)
    for learner in (one, two):
        for _ in loop.iterate(learner, 0, 2):
            pass
    a, b = one.algorithm.state(), two.algorithm.state()
    assert a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)
    three = learner_of(**told)
    three.algorithm.load(a)
    for learner in (two, three):
        for _ in loop.iterate(learner, 2, 4):
            pass
    b, c = two.algorithm.state(), three.algorithm.state()
    assert all(torch.equal(b[n], c[n]) for n in b) and not torch.equal(a["policy/head.weight"], b["policy/head.weight"])


OTHERS = ("lstm", "mean", "linear-attention", "external", "episodic")


@pytest.mark.slow
@pytest.mark.learns
@pytest.mark.parametrize("policy", ["gru", "transformer", *(pytest.param(p, marks=pytest.mark.whole) for p in OTHERS)])
def test_every_memory_learns_which_of_two_arms_pays(policy: str) -> None:
    learner = learner_of(
        policy=policy, family__arms=2, family__prior="easy", family__pulls=6, train__meta_batch=100, train__lanes=2,
        train__iterations=25, outer__lr=1e-2, outer__epochs=4, policy__size=16, critic__told=True, outer__lam=0.3,
    )  # fmt: skip
    for _ in loop.iterate(learner, 0, 25):
        pass
    curve = curves.curve(learner, "test", 300, learner.schedule(lanes=2), seed=0)
    first, last = curve.returns[:, 0].mean(), curve.returns[:, -1].mean()
    assert 0.4 < first < 0.6 and last > 0.8, (first, last)  # chance, and nearly the 0.9 of who knows


@pytest.mark.slow
@pytest.mark.learns
def test_without_the_reward_as_input_it_stays_at_chance() -> None:
    """With it, `test_every_memory_learns_which_of_two_arms_pays` under the same settings."""
    learner = learner_of(
        family__arms=2, family__prior="easy", family__pulls=6, train__meta_batch=100, train__lanes=2,
        train__iterations=25, outer__lr=1e-2, outer__epochs=4, policy__size=16, critic__told=True, outer__lam=0.3,
        policy__reward=False,
    )  # fmt: skip
    for _ in loop.iterate(learner, 0, 25):
        pass
    assert abs(curves.curve(learner, "test", 300, learner.schedule(lanes=2), seed=0).returns[:, -1].mean() - 0.5) < 0.06


def test_learning_leaves_no_deviation_below_its_minimum() -> None:
    learner = learner_of("point", train__episodes=2, family__horizon=5, policy__init_std=0.05, outer__lr=1.0, outer__max_kl=0.0)
    algorithm = learner.algorithm
    assert isinstance(algorithm, rl2.Rl2)
    for seed in range(3):
        algorithm.learn([play(learner, seed=seed)])
        assert float(algorithm.params["log_std"].min()) >= np.log(0.05) - 1e-6


def test_it_runs_on_continuous_families_with_scaled_inputs() -> None:
    learner = learner_of("point", train__episodes=2, family__horizon=10, outer__scale="both", outer__entropy=0.01)
    for each in loop.iterate(learner, 0, 3):
        assert all(np.isfinite(value) for value in each.metrics.values())
    algorithm = learner.algorithm
    assert isinstance(algorithm, rl2.Rl2)
    assert not torch.equal(algorithm.scales.fixed["encoder.obs_scale"], torch.ones(2))
    curve = curves.curve(learner, "test", 4, learner.schedule(lanes=2), seed=0)
    assert curve.returns.shape == (4, 2) and curve.summary()[1]["steps_seen"] <= 10
    assert np.allclose(curve.trial, curve.returns.sum(1))


def test_lanes_of_different_length_learn_as_each_of_them_alone() -> None:
    learner = learner_of("cartpole", train__episodes=2, family__horizon=40, outer__chunk=7, **TOLD)
    algorithm = double(learner)
    played = play(learner, tasks=4, lanes=3)
    played = Rollout(*(x.double() if x.is_floating_point() else x for x in played))
    lesson, _ = algorithm._lesson(played)
    lengths = lesson.trials.rollout.valid.sum(-1)[0].tolist()
    assert min(lengths) < max(lengths)
    valid = lesson.trials.rollout.valid
    assert abs(float(lesson.advantage[valid].mean())) < 1e-9 and bool((lesson.advantage[~valid] == 0).all())
    assert float(lesson.advantage[valid].var(correction=0)) == pytest.approx(1, abs=1e-6)

    def gradient(lesson: rl2.Lesson) -> dict[str, Tensor]:
        before = algorithm.adam
        found: dict[str, Tensor] = {}

        class Recording:
            values = before.values

            def step(self, gradients: list[Tensor], lr: float) -> None:
                found.update(zip(self.values, gradients, strict=True))

        algorithm.adam = Recording()  # type: ignore[assignment]
        algorithm._step(lesson, 1e-3, 0.1, [DRAWS])
        algorithm.adam = before
        return found

    algorithm.outer = dataclasses.replace(algorithm.outer, max_grad_norm=1e9)
    together = gradient(lesson)
    summed = {name: torch.zeros_like(g) for name, g in together.items()}
    for n, length in enumerate(lengths):  # each lane cut where it ends, in the same chunks of time
        alone = gradient(lesson.lanes(torch.tensor([n])).times(slice(length)))
        summed = {name: g + length / sum(lengths) * alone[name] for name, g in summed.items()}
    assert all(torch.allclose(together[name], summed[name], rtol=0, atol=1e-10) for name in together)


def test_how_much_of_a_trial_is_over_depends_on_no_other_lane() -> None:
    learner = learner_of("cartpole", train__episodes=2, family__horizon=40)
    algorithm = double(learner)
    played = play(learner, tasks=4, lanes=3)
    played = Rollout(*(x.double() if x.is_floating_point() else x for x in played))
    lesson, _ = algorithm._lesson(played)
    length = int(lesson.trials.rollout.valid.sum(-1).min())
    short = lesson.times(slice(length))
    whole, cut = (algorithm._values(each.trials) for each in (lesson, short))
    assert length < whole.shape[2] and torch.allclose(whole[:, :, :length], cut, rtol=0, atol=1e-12)


def test_scales_and_their_statistics_are_restored() -> None:
    settings: dict[str, Any] = {"train__episodes": 2, "family__horizon": 10, "outer__scale": "both", "outer__chunk": 7}
    one, two = learner_of("point", **settings), learner_of("point", **settings)
    for _ in loop.iterate(one, 0, 2):
        pass
    two.algorithm.load(one.algorithm.state())
    for learner in (one, two):
        for _ in loop.iterate(learner, 2, 4):
            pass
    a, b = one.algorithm.state(), two.algorithm.state()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_entropy_bonus_ends_at_its_last_weight() -> None:
    def entropies(end: float) -> float:
        learner = learner_of(train__iterations=2, outer__lr=1e-2, outer__entropy=0.0, outer__entropy_end=end)
        next(iter(loop.iterate(learner, 0, 1)))
        learner.algorithm.learn([play(learner)])
        return float(torch.stack([p.abs().sum() for p in learner.algorithm.params.values()]).sum())

    assert entropies(0.0) != entropies(1.0)


def test_schedules_end_where_they_should() -> None:
    learner = learner_of(train__iterations=3, outer__lr=1e-3, outer__lr_end=0.5)
    rates = [each.metrics["lr"] for each in loop.iterate(learner, 0, 5)]
    assert rates == pytest.approx([1e-3, 0.75e-3, 0.5e-3, 0.5e-3, 0.5e-3])


def test_no_further_epoch_begins_once_the_policy_has_moved_too_far() -> None:
    far = learner_of(outer__lr=1e-1, outer__max_kl=1e-3, outer__epochs=5)
    assert next(iter(loop.iterate(far, 0, 1))).metrics["epochs"] < 5
    near = learner_of(outer__lr=1e-1, outer__max_kl=0.0, outer__epochs=5)
    assert next(iter(loop.iterate(near, 0, 1))).metrics["epochs"] == 5


# ---- what is refused


def test_a_gradient_that_is_not_finite_is_named_and_changes_nothing() -> None:
    learner = learner_of()
    next(iter(loop.iterate(learner, 0, 1)))
    played = play(learner)
    before = learner.algorithm.state()
    broken = played._replace(log_prob=played.log_prob - torch.inf)
    with pytest.raises(errors.UserError, match="gradient of policy/.* is not finite"):
        learner.algorithm.learn([broken])
    after = learner.algorithm.state()
    assert before.keys() == after.keys() and all(torch.equal(before[n], after[n]) for n in before)


def test_a_policy_without_memory_is_refused_before_anything_trains() -> None:
    with pytest.raises(errors.UserError, match="rl2 needs a policy with memory: choose --policy gru"):
        learners.build(config.load_config("rl2", "bandit", {}, "none", 0, "mlp"))


def test_a_chunk_longer_than_the_trial_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    words = ["train", "rl2", "bandit", "--outer.chunk", "11", "--out", str(tmp_path / "run")]
    assert cli.main(words) == 2 and not (tmp_path / "run").exists()
    line = "pliant: outer.chunk is 11: expected at most 10, a trial, or 0 for all"
    assert capsys.readouterr().err.strip() == line


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"outer.chunk": -1}, "--outer.chunk is -1"),
        ({"train.episodes": -1}, "--train.episodes is -1"),
        ({"outer.gamma": 1.5}, "--outer.gamma is 1.5: expected between 0 and 1"),
        ({"outer.scale": "all"}, "--outer.scale is 'all'"),
        ({"critic.hidden": "0"}, "--critic.hidden"),
        ({"outer.entropy": -1}, "--outer.entropy is -1"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.UserError) as error:
        config.load_config("rl2", "bandit", settings, "none")
    assert message in str(error.value) and "\n" not in str(error.value)


# ---- deployment


def test_an_adapted_memory_goes_on_from_its_trial_and_survives_a_file(tmp_path: Any) -> None:
    agent = Agent("rl2", "bandit", settings=SMALL | {"family.arms": 2}, preset="none")
    agent.learn(1)
    adapted = agent.adapt({"p": [0.9, 0.1]}, seed=3)
    assert len(adapted.document["curve"]) == 10 and adapted.carry is not None
    action, state = adapted.predict(np.zeros(1), reward=1.0, deterministic=True)
    loaded = pliant.load(adapted.save(tmp_path / "a"))
    again, restored = loaded.predict(np.zeros(1), reward=1.0, deterministic=True)
    assert action == again and torch.equal(state.memory, restored.memory)
    assert not torch.equal(state.memory, loaded.predict(np.zeros(1), reward=0.0)[1].memory), "rewards are experience"


def test_an_adapted_agent_stays_as_it_is_while_its_algorithm_learns_on() -> None:
    learner = learner_of()
    params, _ = learner.algorithm.adapted([])
    kept = {name: p.clone() for name, p in params.items()}
    for _ in loop.iterate(learner, 0, 1):
        pass
    assert all(torch.equal(params[name], kept[name]) for name in kept)
    assert not torch.equal(learner.algorithm.adapted([])[0]["head.weight"], kept["head.weight"])


def test_going_on_by_predict_equals_playing_on_in_the_rollout() -> None:
    """Ten pulls in one rollout, or five and then five more by hand, with the same actions and rewards."""
    agent = Agent("rl2", "bandit", settings=SMALL | {"family.pulls": 10}, preset="none")
    algorithm = agent.learner.algorithm
    played = play(agent.learner, tasks=1, lanes=1)
    whole = functional.apply(algorithm.policy, algorithm.params, inputs_of(played))[1]  # type: ignore[attr-defined]
    half = played.each(lambda x: x[:, :, :5])
    params, carry = algorithm.adapted([half])
    adapted = pliant.Adapted(agent.config, algorithm.policy, params, agent.learner.family.spec, {}, {}, carry=carry)
    state = None
    for t in range(5, 10):
        before = float(played.reward[0, 0, t - 1])
        _, state = adapted.predict(np.zeros(1), state, np.array([True]), reward=before)
        state = state._replace(action=played.action[:, :, t])
    assert torch.allclose(state.memory, whole, atol=1e-6)


@pytest.mark.parametrize("lanes, policy", [(2, "gru"), (1, "lstm")])
def test_a_state_of_another_policy_or_number_of_observations_is_refused(lanes: int, policy: str) -> None:
    agents = [Agent("rl2", "bandit", settings=SMALL, preset="none", policy=p) for p in ("gru", policy)]
    _, state = agents[1].adapt({"p": [0.5] * 5}).predict(np.zeros((lanes, 1)))
    with pytest.raises(errors.UserError, match="expected what this policy returned for 1 observations"):
        agents[0].adapt({"p": [0.5] * 5}).predict(np.zeros(1), state)


def test_the_memory_of_another_policy_in_a_file_is_refused(tmp_path: Any) -> None:
    agent = Agent("rl2", "bandit", settings=SMALL, preset="none")
    adapted = agent.adapt({"p": [0.5] * 5})
    assert adapted.carry is not None
    adapted.carry = adapted.carry._replace(memory=adapted.carry.memory[..., :5])
    with pytest.raises(errors.UserError, match="holds the memory of another policy"):
        pliant.load(adapted.save(tmp_path / "a"))


def test_gradient_based_agents_adapt_policies_with_memory() -> None:
    agent = Agent(
        "maml", "bandit", policy="gru", preset="none",
        settings={"train.meta_batch": 3, "train.lanes": 4, "policy.size": 5, "inner.steps": 2},
    )  # fmt: skip
    metrics = agent.learn(2)
    assert {"return_0", "return_1", "return_2"} <= set(metrics[-1])
    action, _ = agent.adapt({"p": [0.5] * 5}, stages=1).predict(np.zeros(1))
    assert 0 <= int(action) < 5


class Fused(nn.Module):
    """A user's policy around torch's own recurrent layer."""

    memory = True

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.size_out = 4
        self.layer = nn.GRU(spec.obs_size, 4, batch_first=True)
        self.head = nn.Linear(4, spec.action_size)

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        lead = inputs.obs.shape[:2]
        h = None if state == () else state.flatten(0, 1)[None]
        seen, after = self.layer(inputs.obs.flatten(0, 1), h)  # [M*B, T, 4]
        seen = seen.unflatten(0, lead)
        return Output(self.head(seen), seen), after[0].unflatten(0, lead)


def test_a_memory_that_cannot_be_differentiated_is_refused_by_gradients_and_taken_by_rl2() -> None:
    family = learner_of().family
    parts = config.load_config("maml", "bandit", preset="none", policy="gru").parts
    with pytest.raises(errors.UserError) as error:
        maml.make(Fused(family.spec), family.spec, parts, Stream(0))
    said = str(error.value)
    assert said.startswith("the memory of Fused cannot be adapted by gradient") and "\n" not in said
    assert said.endswith("gru, lstm, mean, linear-attention, external, episodic and transformer can, or train it with rl2")
    settings = config.load_config("rl2", "bandit", preset="none")
    learner = Learner(rl2.make(Fused(family.spec), family.spec, settings.parts, Stream(0)), family, settings, Stream(0))
    assert all(np.isfinite(each.metrics["loss"]) for each in loop.iterate(learner, 0, 2))
    agent = Agent._of(learner, {}, "cpu")
    adapted = agent.adapt({"p": [0.5] * 5})
    _, state = adapted.predict(np.zeros(1))
    action, _ = adapted.predict(np.zeros(1), state, episode_start=True, reward=1.0)
    assert 0 <= int(action) < 5
