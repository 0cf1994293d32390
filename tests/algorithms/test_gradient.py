"""Meta-gradients against finite differences, and against one slow loop over tasks in plain torch.

The loop (`slow_...`) is written from the papers alone: torch.distributions, one task after the other, `autograd.grad` with
respect to that task's own tensors. Of the library it uses the data only: rollouts and their advantages.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pliant.algorithms import fomaml, maml, reptile
from pliant.algorithms.parts import outer as outer_steps
from pliant.algorithms.parts.adam import require_finite
from pliant.algorithms.parts.inner import Experience, Inner, InnerSettings, experience_of
from pliant.algorithms.parts.outer import OuterSettings, Problem, trpo
from pliant.errors import UserError
from pliant.families import cartpole, motor, point
from pliant.maths import functional, masks
from pliant.maths.advantages import gae, horizons, linear_baseline, returns
from pliant.policies import mlp
from pliant.rollout import rollout
from pliant.streams import Stream
from pliant.tasks.base import Family
from pliant.types import Params, Rollout

M, B = 3, 4
RATE = "rate/"
pytestmark = pytest.mark.usefixtures("one_thread")


def point_family() -> Family:
    """Some lanes reach the goal and end early, so that padding takes part."""
    return point.family(point.Settings(horizon=7, radius=0.3))


def family_of(discrete: bool) -> Family:
    return cartpole.family(cartpole.Settings(horizon=12)) if discrete else point_family()


def policy_of(family: Family, dtype: torch.dtype = torch.float64, seed: int = 0) -> mlp.Mlp:
    policy = mlp.make(family.spec, mlp.Settings(hidden=(3,)), Stream(seed))
    return policy.to(dtype)


def collector(family: Family, iteration: int = 0, tasks: int = M) -> Any:
    drawn = family.sample(tasks, "train", Stream(1).at("tasks", iteration).rng())
    return partial(rollout, family.batch(drawn, B), Stream(1).at("acts", iteration))


def problem_of(steps: int = 1, discrete: bool = False, second_order: bool = True, outer: Any = None, **inner: Any) -> Problem:
    family = family_of(discrete)
    learner = Inner(policy_of(family), family.spec, InnerSettings(steps=steps, **inner))
    learner.meta = {n: p.double() for n, p in learner.meta.items()}
    rollouts = learner.adapt(collector(family))
    assert discrete or not bool(torch.cat([r.valid.flatten() for r in rollouts]).all()), "padding is meant to take part"
    return Problem(learner, learner.experience(rollouts), second_order, outer or OuterSettings())


# ---- one slow loop over tasks


def slow_dist(params: Params, obs: Tensor) -> torch.distributions.Distribution:
    """The MLP of one task on [N, D]."""
    x = torch.tanh(obs @ params["hidden.0.weight"].T + params["hidden.0.bias"])
    x = x @ params["head.weight"].T + params["head.bias"]
    if "log_std" in params:
        return torch.distributions.Independent(torch.distributions.Normal(x, params["log_std"].exp().expand(x.shape)), 1)
    return torch.distributions.Categorical(logits=x)


def slow_dist_parameters(params: Params, obs: Tensor) -> Tensor:
    """[N, P]"""
    dist = slow_dist(params, obs)
    if isinstance(dist, torch.distributions.Categorical):
        return dist.logits  # type: ignore[no-any-return]
    return torch.cat([dist.base_dist.loc, dist.base_dist.scale.log()], -1)  # type: ignore[attr-defined]


def slow_mean(terms: Tensor, valid: Tensor) -> Tensor:
    return terms[valid].sum() / valid.sum()


def slow_adapted(problem: Problem, meta: Params, m: int, constant_gradient: bool = False) -> Params:
    """One task's parameters after its inner steps."""
    settings = problem.inner.settings
    params = {n: p for n, p in meta.items() if not n.startswith(RATE)}
    for stage, (data, advantage) in enumerate(problem.experience[:-1]):
        valid, decay = data.valid[m], settings.decay**stage
        for _ in range(settings.epochs):
            log_prob = slow_dist(params, data.obs[m]).log_prob(data.action[m])
            if settings.objective == "surrogate":
                terms = (log_prob - data.log_prob[m]).exp() * advantage[m]
            else:
                terms = log_prob * advantage[m]
            own = {n: p for n, p in params.items() if n in problem.inner.adapts}
            gradient = torch.autograd.grad(-slow_mean(terms, valid), list(own.values()), create_graph=True)
            for (name, p), g in zip(own.items(), gradient, strict=True):
                rate = meta[RATE + name].exp() if settings.learn_lr else settings.lr
                rate = rate[stage] if settings.rates == "step" else decay * rate  # type: ignore[index]
                params = params | {name: p - rate * (g.detach() if constant_gradient else g)}
    return params


def slow_loss(problem: Problem, meta: Params, constant_gradient: bool = False) -> Tensor:
    """Mean over tasks of the surrogate loss of the adapted policy on its own rollout."""
    data, advantage = problem.experience[-1]
    total = torch.zeros((), dtype=torch.float64)
    for m in range(M):
        params = slow_adapted(problem, meta, m, constant_gradient)
        log_prob = slow_dist(params, data.obs[m]).log_prob(data.action[m])
        total = total - slow_mean((log_prob - data.log_prob[m]).exp() * advantage[m], data.valid[m])
    return total / M


def slow_gradient(problem: Problem, meta: Params, constant_gradient: bool = False) -> Tensor:
    meta = {n: p.detach().requires_grad_() for n, p in meta.items()}
    loss = slow_loss(problem, meta, constant_gradient)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(meta.values()))])


def central_differences(f: Callable[[Params], float], meta: Params, places: range, eps: float = 1e-5) -> Tensor:
    """Of fourth order, at some places of the flat parameters: (8 (f(+h) - f(-h)) - (f(+2h) - f(-2h))) / 12 h."""
    vector = functional.flatten(meta)
    result = []
    for i in places:

        def at(h: float, i: int = i) -> float:
            moved = vector.clone()
            moved[i] += h
            return f(functional.unflatten(moved, meta))

        result.append((8 * (at(eps) - at(-eps)) - (at(2 * eps) - at(-2 * eps))) / (12 * eps))
    return torch.tensor(result, dtype=vector.dtype)


def relative_error(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


CASES = [
    pytest.param(1, False, {}, id="1-step"),
    pytest.param(2, False, {}, id="2-steps"),
    pytest.param(1, False, {"objective": "reinforce"}, id="1-step-reinforce"),
    pytest.param(2, False, {"objective": "reinforce"}, id="2-steps-reinforce"),
    pytest.param(2, False, {"learn_lr": True}, id="2-steps-learned-rates"),
    pytest.param(2, False, {"learn_lr": True, "rates": "parameter"}, id="2-steps-meta-sgd"),
    pytest.param(2, False, {"learn_lr": True, "rates": "step"}, id="2-steps-rates-of-each"),
    pytest.param(2, False, {"epochs": 2, "lr": 0.25}, id="2-steps-2-epochs"),
    pytest.param(1, True, {}, id="1-step-discrete"),
    pytest.param(2, True, {"learn_lr": True}, id="2-steps-discrete-learned-rates"),
]


@pytest.mark.parametrize("steps, discrete, inner", CASES)
def test_meta_gradient_equals_central_differences(steps, discrete, inner, length: Callable[[int, int], int]) -> None:
    """At every fourth parameter in the short suite; the slow loop below has them all."""
    problem = problem_of(steps, discrete, **({"lr": 0.5} | inner))
    meta = problem.inner.meta
    gradient, loss, *_ = problem.gradient(meta)

    def f(params: Params) -> float:
        return float(slow_loss(problem, {n: p.detach().requires_grad_() for n, p in params.items()}).detach())

    assert abs(loss - f(meta)) < 1e-14
    places = range(0, len(gradient), length(4, 1))
    assert relative_error(gradient[list(places)], central_differences(f, meta, places)) < 1e-7


@pytest.mark.parametrize("steps, discrete, inner", CASES)
def test_meta_gradient_equals_a_slow_loop_over_tasks(steps, discrete, inner) -> None:
    problem = problem_of(steps, discrete, **({"lr": 0.5} | inner))
    gradient, *_ = problem.gradient(problem.inner.meta)
    assert relative_error(gradient, slow_gradient(problem, problem.inner.meta)) < 1e-12


@pytest.mark.parametrize("second_order", [True, False])
@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_all_stages_are_the_mean_over_the_problems_that_end_with_each(second_order: bool, fraction: float) -> None:
    """Gradient, loss, divergence and Fisher products of 3 outer stages, with learned rates."""
    settings = {"fisher_fraction": fraction, "damping": 0.01}
    every = problem_of(3, second_order=second_order, outer=OuterSettings(stages="all", **settings), lr=0.5, learn_lr=True)
    meta, ends = every.inner.meta, range(2, 5)
    each = [Problem(every.inner, every.experience[:end], second_order, OuterSettings(**settings)) for end in ends]
    here, there = every.gradient(meta), [p.gradient(meta) for p in each]
    slow = torch.stack([slow_gradient(p, meta, constant_gradient=not second_order) for p in each]).mean(0)
    assert relative_error(here.gradient, slow) < 1e-12
    assert here.loss == pytest.approx(sum(x.loss for x in there) / 3, abs=1e-14)
    moved = {n: p + 0.02 for n, p in meta.items()}
    apart = torch.tensor([p.evaluate(moved, x.dists) for p, x in zip(each, there, strict=True)], dtype=torch.float64)
    assert every.evaluate(moved, here.dists) == pytest.approx(apart.mean(0).tolist(), rel=1e-10)
    v = torch.randn(len(slow), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    products = [p.fisher(meta, x.path)(v) for p, x in zip(each, there, strict=True)]
    assert relative_error(every.fisher(meta, here.path)(v), torch.stack(products).mean(0)) < 1e-12


@pytest.mark.parametrize("steps, discrete, inner", CASES)
def test_fomaml_is_maml_with_the_inner_gradient_as_a_constant(steps, discrete, inner) -> None:
    problem = problem_of(steps, discrete, second_order=False, **({"lr": 0.5} | inner))
    gradient, *_ = problem.gradient(problem.inner.meta)
    assert relative_error(gradient, slow_gradient(problem, problem.inner.meta, constant_gradient=True)) < 1e-12
    assert relative_error(gradient, slow_gradient(problem, problem.inner.meta)) > 1e-3, "the dropped term is not small here"


def test_the_algorithms_differ_in_that_term_alone() -> None:
    family = point_family()
    parts = {"inner": InnerSettings(), "outer": OuterSettings()}
    made = [module.make(policy_of(family), family.spec, parts, Stream(0)) for module in (maml, fomaml)]
    assert [m.outer.second_order for m in made] == [True, False]
    rollouts = [m.adapt(collector(family)) for m in made]
    for one, two in zip(*rollouts, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    for m, r in zip(made, rollouts, strict=True):
        m.learn(r)
    assert not torch.equal(made[0].inner.meta["head.weight"], made[1].inner.meta["head.weight"])


@pytest.mark.parametrize("steps", [1, 2])
def test_adaptation_in_training_is_the_one_that_is_differentiated(steps: int) -> None:
    """The rollout of every stage was acted with the parameters that the outer objective computes for that stage."""
    problem = problem_of(steps)
    for stage in range(steps + 1):
        meta = {n: p.detach().requires_grad_() for n, p in problem.inner.meta.items()}
        params = problem.inner.adapted(meta, problem.experience[:stage], True) if stage else functional.stack(meta, M)
        data = problem.experience[stage].rollout
        log_prob = problem.inner.distribution.log_prob(problem.inner.dist(params, data), data.action)
        assert torch.allclose(log_prob[data.valid], data.log_prob[data.valid], atol=1e-12)


@pytest.mark.parametrize("chunk", [1, 40, 60, 10**9])
def test_the_result_does_not_depend_on_the_size_of_chunks(chunk: int, monkeypatch) -> None:
    problem = problem_of(2)
    meta = problem.inner.meta
    expected, loss, *_ = problem.gradient(meta)
    monkeypatch.setattr(outer_steps, "CHUNK_STEPS", chunk)
    gradient, again, old, _ = problem.gradient(meta)
    lengths = [s.stop - s.start for s in problem.chunks()]
    steps = problem.experience[-1].advantage[0].numel()
    assert lengths == [max(1, chunk // steps)] * len(lengths) and (chunk > 1 or len(lengths) == M)
    assert relative_error(gradient, expected) < 1e-13 and abs(loss - again) < 1e-15
    moved = {n: p + 0.01 for n, p in meta.items()}
    found = problem.evaluate(moved, old)
    monkeypatch.undo()
    whole = problem.evaluate(moved, problem.gradient(meta)[2])
    assert found == pytest.approx(whole, rel=1e-12)


def test_the_objective_of_all_tasks_is_the_sum_over_some_and_then_the_others() -> None:
    problem = problem_of(2)
    meta = {n: p.clone().requires_grad_() for n, p in problem.inner.meta.items()}
    expected = problem.gradient(meta)
    parts = [problem.objective(meta, tasks) for tasks in (slice(0, 1), slice(1, M))]
    loss = parts[0][0] + parts[1][0]
    assert float(loss.detach()) == pytest.approx(expected.loss, abs=1e-14)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(meta.values()))])
    assert relative_error(gradient, expected.gradient) < 1e-12
    for stage, params in enumerate(expected.path):
        apart = [path[stage] for _, _, path in parts]
        assert all(torch.allclose(torch.cat([each[n] for each in apart]), p, atol=1e-14) for n, p in params.items())
    assert [d.shape for d in parts[1][1]] == [(M - 1, *problem.experience[-1].advantage.shape[1:], 4)]


def test_evaluate_is_the_loss_and_the_mean_divergence_of_the_adapted_policies() -> None:
    problem = problem_of(2)
    meta = problem.inner.meta
    _, loss, old, _ = problem.gradient(meta)
    same, none = problem.evaluate(meta, old)
    assert abs(same - loss) < 1e-14 and abs(none) < 1e-14
    before = {n: p.clone().requires_grad_() for n, p in meta.items()}
    moved = {n: (p + 0.05).requires_grad_() for n, p in meta.items()}
    data, divergence = problem.experience[-1].rollout, 0.0
    for m in range(M):
        p, q = (slow_dist(slow_adapted(problem, params, m), data.obs[m]) for params in (before, moved))
        divergence += float(slow_mean(torch.distributions.kl_divergence(p, q), data.valid[m]).detach()) / M
    found = problem.evaluate(moved, old)
    assert found == pytest.approx((float(slow_loss(problem, moved).detach()), divergence), rel=1e-10)


def test_clipped_objective_with_its_entropy_bonus() -> None:
    problem = problem_of(1, outer=OuterSettings(clip=0.1, entropy=0.3))
    moved = {n: (p + 0.1).requires_grad_() for n, p in problem.inner.meta.items()}
    data, advantage = problem.experience[-1]
    total = torch.zeros((), dtype=torch.float64)
    for m in range(M):
        dist = slow_dist(slow_adapted(problem, moved, m), data.obs[m])
        ratio = (dist.log_prob(data.action[m]) - data.log_prob[m]).exp()
        terms = torch.minimum(ratio * advantage[m], ratio.clamp(0.9, 1.1) * advantage[m])
        total = total - (slow_mean(terms, data.valid[m]) + 0.3 * slow_mean(dist.entropy(), data.valid[m])) / M
        assert bool(((ratio > 1.1) | (ratio < 0.9))[data.valid[m]].any())
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(total, list(moved.values()))])
    gradient, loss, *_ = problem.gradient(moved, clip=0.1)
    assert relative_error(gradient, expected) < 1e-12 and abs(loss - float(total.detach())) < 1e-13


# ---- experience


def test_advantages_are_estimated_against_the_baseline_and_standardised_per_task() -> None:
    data = problem_of().experience[0].rollout
    discount, trace = horizons(data, 0.9, 0.8, "finite")
    value, following = linear_baseline(data, returns(data.reward, discount, trace))
    expected = masks.standardise(gae(data.reward, value, following, discount, trace), data.valid)
    assert torch.equal(experience_of(data, 0.9, 0.8).advantage, expected)
    for m in range(M):
        valid = expected[m][data.valid[m]]
        assert abs(float(valid.mean())) < 1e-12 and abs(float(valid.std(correction=0)) - 1) < 1e-6


class Cut(point.Point):
    """Cuts an episode where the point leaves a disc: an end of the environment's own, and no time limit."""

    def cut(self) -> Tensor:
        return self.position.norm(dim=-1) > 0.3


def finite_advantages(data: Rollout, m: int, gamma: float, lam: float) -> Tensor:
    """Of one task's valid steps, by loops over its episodes and numpy's least squares; nothing follows an end."""
    rows, rewards, ends = [], [], []
    largest = data.obs[m][data.valid[m]].abs().amax(0).clamp(min=1e-6)
    for b in range(B):
        begin = 0
        for t in range(int(data.valid[m, b].sum())):
            time = (t - begin) / 100
            obs = (data.obs[m, b, t] / largest).double()
            rows.append([*obs.tolist(), *obs.square().tolist(), time, time**2, time**3, 1.0])
            rewards.append(float(data.reward[m, b, t]))
            ends.append(bool(data.terminated[m, b, t] or data.truncated[m, b, t]))
            begin = t + 1 if ends[-1] else begin
    N, x = len(rows), np.array(rows)
    target = np.zeros(N + 1)
    for n in reversed(range(N)):
        target[n] = rewards[n] + (0.0 if ends[n] else gamma * target[n + 1])
    ridge = np.sqrt(1e-5 * N) * np.eye(x.shape[1])
    theta, *_ = np.linalg.lstsq(np.concatenate([x, ridge]), np.concatenate([target[:N], np.zeros(len(ridge))]), rcond=None)
    value, advantage = np.append(x @ theta, 0.0), np.zeros(N + 1)
    for n in reversed(range(N)):
        later = 0.0 if ends[n] else gamma * (value[n + 1] + lam * advantage[n + 1])
        advantage[n] = rewards[n] - value[n] + later
    return torch.from_numpy(advantage[:N])


@pytest.mark.parametrize(
    "episodes, kind, gamma, lam",
    [(1, "point", 0.99, 1.0), (3, "point", 0.9, 0.7), (2, "cut", 0.99, 1.0), (1, "motor", 0.9, 0.9)],
)
def test_an_episode_is_worth_what_it_pays_until_it_ends(episodes: int, kind: str, gamma: float, lam: float) -> None:
    family = motor.family() if kind == "motor" else point.family(point.Settings(horizon=100 // episodes))
    if kind == "cut":
        family = dataclasses.replace(family, environment=Cut)
    policy = mlp.make(family.spec, mlp.Settings(init_std=0.7 if kind == "point" else 0.1), Stream(0)).double()
    batch = family.batch(family.sample(M, "train", Stream(0).rng()), B, episodes)
    data = rollout(batch, Stream(0), policy, functional.parameters(policy))
    assert bool(data.truncated.any()), "ends that are not the MDP's are meant to take part"
    advantage = experience_of(data, gamma, lam).advantage
    for m in range(M):
        valid, true = data.valid[m], finite_advantages(data, m, gamma, lam)
        assert torch.allclose(advantage[m][valid], (true - true.mean()) / true.std(correction=0), atol=1e-6)


def test_advantages_that_the_baseline_explains_stay_small() -> None:
    """Returns that do not depend on the actions leave rounding errors of the fit, which must not be blown up to unit size."""
    data = problem_of().experience[0].rollout
    same = data._replace(reward=torch.where(data.valid, 7.0, 0.0), next_obs=data.obs)
    assert float(experience_of(same, 0.0, 1.0).advantage.abs().max()) < 0.1
    assert float(experience_of(data, 0.9, 1.0).advantage.abs().max()) > 1.0


def test_without_a_trace_the_baseline_is_still_fitted_to_the_returns_of_episodes() -> None:
    """Returns must not run on into the next episode of a lane, whatever lam is."""
    family = point.family(point.Settings(horizon=5))
    policy = policy_of(family)
    batch = family.batch(family.sample(M, "train", Stream(0).rng()), B, episodes=3)
    data = rollout(batch, Stream(0), policy, functional.parameters(policy))
    discount, trace = horizons(data, 0.9, 0.0, "finite")
    target = torch.zeros_like(data.reward)
    for start in (0, 5, 10):
        for t in range(start, start + 5):
            for later in range(t, start + 5):
                target[..., t] += 0.9 ** (later - t) * data.reward[..., later]
    value, following = linear_baseline(data, target)
    expected = masks.standardise(gae(data.reward, value, following, discount, trace), data.valid)
    assert torch.allclose(experience_of(data, 0.9, 0.0).advantage, expected, atol=1e-12)


@pytest.mark.parametrize("name", ["maml", "reptile"])
def test_no_update_leaves_a_deviation_below_its_minimum(name: str) -> None:
    """However far it was pushed, the next gradient finds it at the bound, in both loops."""
    family = point_family()
    policy = mlp.make(family.spec, mlp.Settings(hidden=(3,), init_std=0.06), Stream(0))
    inner = InnerSettings(steps=2, lr=1.0)
    algorithm: Any = (
        maml.maml(policy, family.spec, inner, OuterSettings(lr=0.5))
        if name == "maml"
        else reptile.reptile(policy, family.spec, inner, reptile.OuterSettings(lr=1.0))
    )
    loop, least = algorithm.inner, policy.least["log_std"]
    params = {n: p.requires_grad_() for n, p in loop.start(loop.meta, M).items()}
    falling = functional.lifted(functional.inner_step(params, 50 * params["log_std"].sum(-1), 1.0), loop.least)
    assert torch.allclose(falling["log_std"], torch.tensor(least)), "a loss that falls with the deviation"
    rollouts = algorithm.adapt(collector(family))
    for stage in range(len(rollouts) + 1):
        assert float(loop.constants_after(rollouts[:stage])["log_std"].min()) >= least - 1e-6
    algorithm.outer = lambda inner, shards, crew: ({n: p - 50.0 for n, p in inner.meta.items()}, {})
    before = loop.meta["head.bias"]
    algorithm.learn(rollouts)
    assert torch.allclose(loop.meta["log_std"], torch.tensor(least)) and torch.equal(loop.meta["head.bias"], before - 50)


# ---- Fisher products and the trust region


@pytest.mark.parametrize("steps, discrete, inner", CASES)
def test_fisher_product_is_the_explicit_matrix(steps, discrete, inner) -> None:
    outer = OuterSettings(fisher_fraction=1.0, damping=0.01)
    problem = problem_of(steps, discrete, outer=outer, **({"lr": 0.5} | inner))
    assert_fisher(problem, problem)


@pytest.mark.parametrize("memory", [False, True])
def test_fisher_product_on_some_steps_sees_the_policies_adapted_to_all(memory: bool) -> None:
    outer = OuterSettings(fisher_fraction=0.5, damping=0.01)
    problem = problem_of(1, outer=outer, lr=0.5)
    if memory:  # then whole lanes are taken
        problem.inner.policy.memory = True
        few = [e.part(slice(None), slice(0, B // 2)) for e in problem.experience]
    else:
        few = [e.thinned(0.5) for e in problem.experience]
    assert_fisher(problem, Problem(problem.inner, few, True, outer))


@pytest.mark.parametrize(
    "fraction, kept", [(1.0, [[0, 1, 2, 3, 4, 5]] * 2), (0.5, [[0, 2, 4], [1, 3, 5]]), (0.3, [[0, 3], [2, 5]])]
)
def test_thinned_experience_is_spread_over_lanes_and_time(fraction: float, kept: list[list[int]]) -> None:
    step = torch.arange(6).expand(3, 2, 6)
    lane = torch.arange(2)[:, None].expand(3, 2, 6)
    fields = dict.fromkeys(Rollout._fields, step) | {"obs": torch.stack([lane, step], dim=-1)}
    thin = Experience(Rollout(**fields), 10.0 * lane + step).thinned(fraction)
    places = [[b, t] for b, times in enumerate(kept) for t in times]
    assert thin.rollout.obs.tolist() == [[places]] * 3
    assert thin.advantage.tolist() == [[[10.0 * b + t for b, t in places]]] * 3
    assert thin.rollout.reward.tolist() == [[[t for _, t in places]]] * 3


def test_thinned_experience_of_short_trials_keeps_something_of_every_time() -> None:
    step = torch.arange(4).expand(1, 50, 4)
    thin = Experience(Rollout(**dict.fromkeys(Rollout._fields, step)), step).thinned(0.01)
    assert set(thin.advantage.flatten().tolist()) == {0, 1, 2, 3}


def assert_fisher(problem: Problem, inner: Problem) -> None:
    """J: adapted on the experience of `inner`, at the values of those adapted on that of `problem`."""
    meta = problem.inner.meta
    product = problem.fisher(meta, problem.gradient(meta).path)
    data = inner.experience[-1].rollout
    size = functional.flatten(meta).numel()
    matrix = 0.01 * torch.eye(size, dtype=torch.float64)
    for m in range(M):
        valid = data.valid[m]
        obs = data.obs[m][valid]
        leaves = {n: p.detach().requires_grad_() for n, p in meta.items()}
        shift = {n: (p - slow_adapted(inner, leaves, m)[n]).detach() for n, p in slow_adapted(problem, leaves, m).items()}

        def dist(vector: Tensor, m: int = m, obs: Tensor = obs, shift: Params = shift) -> Tensor:
            params = slow_adapted(inner, functional.unflatten(vector, meta), m)
            return slow_dist_parameters({n: p + shift[n] for n, p in params.items()}, obs)

        vector = functional.flatten(meta).requires_grad_()
        J = torch.autograd.functional.jacobian(dist, vector)  # [N, P, params]
        for n, row in enumerate(dist(vector).detach()):
            F = torch.autograd.functional.hessian(lambda q, p=row: problem.inner.distribution.kl(p, q), row)
            matrix += J[n].T @ F @ J[n] / len(obs) / M
    for seed in range(2):
        v = torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert relative_error(product(v), matrix @ v) < 1e-9


@pytest.mark.parametrize("fraction", [0.25, 1.0])
@pytest.mark.parametrize("max_kl", [0.01, 0.1])
def test_a_trust_region_step_lowers_the_loss_within_max_kl(fraction: float, max_kl: float) -> None:
    problem = problem_of(1, outer=OuterSettings(method="trpo", max_kl=max_kl, fisher_fraction=fraction))
    meta = problem.inner.meta
    _, loss, old, _ = problem.gradient(meta)
    kept = {n: p.clone() for n, p in meta.items()}
    new, metrics = trpo(problem, meta)
    after, kl = problem.evaluate(new, old)
    assert metrics["accepted"] == 1.0 and after < loss and 0 < kl <= max_kl
    assert metrics["loss"] == pytest.approx(after - loss, abs=1e-12) and metrics["kl"] == pytest.approx(kl, rel=1e-9)
    assert all(torch.equal(meta[n], kept[n]) for n in meta), "the old parameters are not touched"


def test_a_full_trust_region_step_moves_by_max_kl_to_second_order() -> None:
    problem = problem_of(1, outer=OuterSettings(max_kl=1e-8, fisher_fraction=1.0, damping=1e-5, cg_steps=60))
    _, metrics = trpo(problem, problem.inner.meta)
    # The full step, or 0.8 of it where third-order terms are against it.
    assert metrics["tries"] <= 2 and 0.6e-8 < metrics["kl"] <= 1e-8


def test_nothing_to_improve_is_no_error() -> None:
    """All returns equal, as before the first reward of a sparse task: every advantage and the gradient are zero."""
    problem = problem_of(1, outer=OuterSettings(method="trpo"))
    flat = [e._replace(advantage=torch.zeros_like(e.advantage)) for e in problem.experience]
    problem = Problem(problem.inner, flat, True, problem.settings)
    new, metrics = trpo(problem, problem.inner.meta)
    assert metrics["accepted"] == 0.0 and all(torch.equal(new[n], p) for n, p in problem.inner.meta.items())


# ---- Reptile


def test_reptile_moves_towards_the_mean_of_the_adapted_parameters() -> None:
    family = point_family()
    algorithm = reptile.reptile(
        policy_of(family), family.spec, InnerSettings(steps=2, lr=0.5), reptile.OuterSettings(method="sgd", lr=0.25)
    )
    rollouts = algorithm.adapt(collector(family))
    assert len(rollouts) == 3
    # The last rollout makes an inner step as well: a problem with one more experience than inner steps.
    experience = algorithm.inner.experience(rollouts)
    problem = Problem(algorithm.inner, [*experience, experience[-1]], False)
    meta = {n: p.clone().requires_grad_() for n, p in algorithm.inner.meta.items()}
    adapted = [slow_adapted(problem, meta, m) for m in range(M)]
    metrics = algorithm.learn(rollouts)
    squares = 0.0
    for name, p in meta.items():
        mean = torch.stack([a[name] for a in adapted]).mean(0)
        assert torch.allclose(algorithm.inner.meta[name], 0.75 * p + 0.25 * mean, atol=1e-13)
        squares += float((mean - p).square().sum().detach())
    assert metrics["distance"] == pytest.approx(squares**0.5, rel=1e-10)


def test_reptiles_rate_falls_to_its_last_share_and_a_resumed_one_goes_on() -> None:
    family, inner = point_family(), InnerSettings()
    outer = reptile.OuterSettings(lr=0.8, lr_end=0.25)
    one, two = (reptile.reptile(policy_of(family), family.spec, inner, outer, iterations=4) for _ in range(2))
    rates = []
    for iteration in range(5):
        rollouts = one.adapt(collector(family, iteration))
        before, adapted = one.inner.meta["head.bias"], one.adapted(rollouts)[0]["head.bias"].mean(0)
        metrics = one.learn(rollouts)
        assert torch.allclose(one.inner.meta["head.bias"], before + metrics["lr"] * (adapted - before), atol=1e-12)
        rates.append(metrics["lr"])
        two.load(one.state())
        one, two = two, one
    assert rates == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.2])
    parts = {"outer": outer}
    assert reptile.scheduled(parts) == ["outer.lr"] and reptile.scheduled({"outer": reptile.OuterSettings()}) == []


def test_reptile_with_adam_is_adam_without_momentum_on_the_difference() -> None:
    family = point_family()
    policy = policy_of(family)
    algorithm = reptile.reptile(policy, family.spec, InnerSettings(), reptile.OuterSettings(method="adam", lr=0.01))
    theirs = {n: p.clone() for n, p in algorithm.inner.meta.items()}
    adam = torch.optim.Adam(list(theirs.values()), lr=0.01, betas=(0.0, 0.999), eps=1e-8)
    for iteration in range(4):
        rollouts = algorithm.adapt(collector(family, iteration))
        adapted = algorithm.adapted(rollouts)[0]
        for name, p in theirs.items():
            p.grad = p - adapted[name].mean(0)
        algorithm.learn(rollouts)
        adam.step()
        for name, p in theirs.items():
            # Its second moment is kept in float32 by the library, of parameters in float64 here.
            assert torch.allclose(algorithm.inner.meta[name], p, rtol=1e-5, atol=1e-7)
            p.copy_(algorithm.inner.meta[name])


def test_learned_rates_are_one_for_each_tensor_or_one_for_each_parameter() -> None:
    family = point_family()
    by_tensor, by_parameter = (
        Inner(policy_of(family), family.spec, InnerSettings(lr=0.3, learn_lr=True, rates=rates)).meta  # type: ignore[arg-type]
        for rates in ("tensor", "parameter")
    )
    names = {name for name in by_tensor if not name.startswith(RATE)}
    assert set(by_tensor) == set(by_parameter) == names | {RATE + name for name in names}
    for name in names:
        assert by_tensor[RATE + name].shape == () and by_parameter[RATE + name].shape == by_parameter[name].shape
        assert torch.allclose(by_parameter[RATE + name].exp(), torch.tensor(0.3, dtype=torch.float64), atol=1e-7)
    with pytest.raises(ValueError, match="rates is parameter: expected learn_lr"):
        InnerSettings(rates="parameter")


def test_rates_of_each_step_start_as_the_falling_rate_and_go_on_as_the_last_of_them() -> None:
    family, settings = point_family(), InnerSettings(steps=2, lr=0.3, decay=0.5, learn_lr=True, rates="step")
    inner = Inner(policy_of(family), family.spec, settings)
    rates = {n: p.exp() for n, p in inner.meta.items() if n.startswith(RATE)}
    assert all(torch.allclose(r, torch.tensor([0.3, 0.15], dtype=r.dtype)) for r in rates.values())
    one = Inner(policy_of(family), family.spec, InnerSettings(steps=2, lr=0.3, decay=0.5))
    there, here = (loop.adapt(collector(family), 4) for loop in (one, inner))
    for a, b in zip(there, here, strict=True):
        assert torch.allclose(a.action, b.action, atol=1e-6), "also beyond the steps of training"


def test_epochs_need_importance_weights() -> None:
    with pytest.raises(ValueError, match="epochs is 2: expected 1"):
        InnerSettings(epochs=2, objective="reinforce")


def test_reptile_refuses_learned_rates() -> None:
    family = point_family()
    with pytest.raises(ValueError, match="learn_lr"):
        reptile.reptile(policy_of(family), family.spec, InnerSettings(learn_lr=True), reptile.OuterSettings())


# ---- the clipped step


def test_the_clipped_step_is_epochs_of_adam_on_the_scaled_gradient() -> None:
    problem = problem_of(1, outer=OuterSettings(epochs=3, lr=0.01, max_grad_norm=0.02))
    theirs = {n: p.clone() for n, p in problem.inner.meta.items()}
    adam = torch.optim.Adam(list(theirs.values()), lr=0.01, eps=1e-5)
    for _ in range(3):
        gradient, *_ = problem.gradient(theirs, 0.2)
        assert float(gradient.norm()) > 0.02
        for p, g in zip(theirs.values(), functional.unflatten(0.02 * gradient / gradient.norm(), theirs).values(), strict=True):
            p.grad = g
        adam.step()
    new, metrics = outer_steps.ClippedStep(problem.inner.meta, problem.settings)(problem, problem.inner.meta)
    assert all(torch.allclose(new[n], p, atol=1e-9) for n, p in theirs.items())
    assert metrics["loss"] < 0 and metrics["gradient_norm"] > 0.02


# ---- errors and restoring

ALGORITHMS: dict[str, Callable[[Family, int], Any]] = {
    "maml clipped": lambda f, seed: maml.maml(policy_of(f, torch.float32, seed), f.spec, InnerSettings(), OuterSettings()),
    "maml rates": lambda f, seed: maml.maml(
        policy_of(f, torch.float32, seed), f.spec, InnerSettings(steps=2, learn_lr=True), OuterSettings()
    ),
    "maml trpo": lambda f, seed: maml.maml(
        policy_of(f, torch.float32, seed), f.spec, InnerSettings(), OuterSettings(method="trpo")
    ),
    "fomaml": lambda f, seed: maml.maml(policy_of(f, torch.float32, seed), f.spec, InnerSettings(), OuterSettings(), False),
    "reptile": lambda f, seed: reptile.reptile(
        policy_of(f, torch.float32, seed), f.spec, InnerSettings(), reptile.OuterSettings()
    ),
    "reptile adam": lambda f, seed: reptile.reptile(
        policy_of(f, torch.float32, seed), f.spec, InnerSettings(), reptile.OuterSettings("adam", 0.01)
    ),
}


def train(algorithm: Any, family: Family, start: int, stop: int) -> list[dict[str, float]]:
    return [algorithm.learn(algorithm.adapt(collector(family, i))) for i in range(start, stop)]


def assert_same_bits(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert set(one) == set(two)
    for name, tensor in one.items():
        assert tensor.dtype == two[name].dtype and torch.equal(tensor, two[name]), name


@pytest.mark.parametrize("name", ALGORITHMS)
def test_learning_goes_on_bit_for_bit_after_a_restore(name: str) -> None:
    family = point_family()
    algorithm, fresh = ALGORITHMS[name](family, 0), ALGORITHMS[name](family, 9)
    train(algorithm, family, 0, 3)
    state = algorithm.state()
    kept = {n: t.clone() for n, t in state.items()}
    fresh.load(state)
    assert_same_bits(fresh.state(), state)
    expected = train(algorithm, family, 3, 6)
    assert_same_bits(state, kept)
    assert train(fresh, family, 3, 6) == expected
    assert_same_bits(fresh.state(), algorithm.state())
    changed = [n for n, t in algorithm.state().items() if n.startswith("meta/") and not torch.equal(t, kept[n])]
    assert len(changed) == len([n for n in kept if n.startswith("meta/")]), "every parameter learns"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_fresh_state_can_be_restored_into_a_used_algorithm(name: str) -> None:
    family = point_family()
    algorithm, fresh = ALGORITHMS[name](family, 0), ALGORITHMS[name](family, 0)
    train(algorithm, family, 0, 2)
    algorithm.load(fresh.state())
    train(algorithm, family, 0, 2)
    train(fresh, family, 0, 2)
    assert_same_bits(algorithm.state(), fresh.state())


def poisoned(rollouts: list[Rollout], stage: int) -> list[Rollout]:
    """A reward that is not a number, as if the rollout had let it pass."""
    rollouts = list(rollouts)
    reward = rollouts[stage].reward.clone()
    reward[1, 0, 0] = torch.nan
    rollouts[stage] = rollouts[stage]._replace(reward=reward)
    return rollouts


@pytest.mark.parametrize("stage", [0, 1])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_gradient_that_is_not_finite_changes_nothing(name: str, stage: int) -> None:
    family = point_family()
    algorithm, undisturbed = ALGORITHMS[name](family, 0), ALGORITHMS[name](family, 0)
    train(algorithm, family, 0, 2)
    train(undisturbed, family, 0, 2)
    before = algorithm.state()
    rollouts = poisoned(algorithm.adapt(collector(family, 2)), stage)
    with pytest.raises(UserError, match="is not finite.*parameters are unchanged") as error:
        algorithm.learn(rollouts)
    assert "\n" not in str(error.value)
    assert_same_bits(algorithm.state(), before)
    assert train(algorithm, family, 2, 4) == train(undisturbed, family, 2, 4)
    assert_same_bits(algorithm.state(), undisturbed.state())


@pytest.mark.parametrize("iterations", [0, 2])
def test_a_gradient_that_fails_in_a_later_epoch_changes_nothing(iterations: int, monkeypatch) -> None:
    family = point_family()
    algorithm = ALGORITHMS["maml clipped"](family, 0)
    train(algorithm, family, 0, iterations)
    before = algorithm.state()
    rollouts = algorithm.adapt(collector(family, iterations))
    calls, right = [], Problem.gradient

    def wrong(self: Problem, *given: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            require_finite({"log_std": torch.tensor(torch.nan)}, "gradient")
        return right(self, *given)

    monkeypatch.setattr(Problem, "gradient", wrong)
    with pytest.raises(UserError, match="gradient of log_std is not finite"):
        algorithm.learn(rollouts)
    assert len(calls) == 3
    assert_same_bits(algorithm.state(), before)


@pytest.mark.parametrize(
    "kind, wrong",
    [
        *[
            (InnerSettings, w)
            for w in ({"steps": 0}, {"lr": 0.0}, {"decay": 0.0}, {"gamma": 1.1}, {"lam": -0.1}, {"objective": "x"})
        ],
        *[(OuterSettings, w) for w in ({"method": "x"}, {"lr": 0.0}, {"epochs": 0}, {"max_kl": 0.0}, {"fisher_fraction": 1.5})],
        *[(OuterSettings, w) for w in ({"damping": -1.0}, {"clip": 0.0}, {"cg_steps": 0}, {"lr": float("nan")})],
        *[(reptile.OuterSettings, w) for w in ({"method": "x"}, {"lr": 0.0}, {"lr": 1.5})],
    ],
)
def test_settings_out_of_range_are_refused_by_name(kind, wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        kind(**wrong)
