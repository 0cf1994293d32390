"""What anil, cavia, promp and emaml do that maml does not: by hand, by plain torch, and by enumeration of a two-state MDP."""

import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pliant.algorithms import anil, cavia, emaml, promp
from pliant.algorithms.parts.inner import Experience, Inner, InnerSettings
from pliant.algorithms.parts.outer import OuterSettings, Problem
from pliant.algorithms.parts.shards import OuterStep
from pliant.config import config
from pliant.errors import UserError
from pliant.families import point
from pliant.maths import distributions, functional
from pliant.policies import mlp
from pliant.rollout import rollout
from pliant.running import learner as learners
from pliant.running import loop
from pliant.streams import Stream
from pliant.types import Inputs, Output, Params, Rollout, Spec, State

M, B = 3, 4
pytestmark = pytest.mark.usefixtures("one_thread")
FAMILY = point.family(point.Settings(horizon=7, radius=0.3))


def collector(iteration: int = 0) -> Any:
    drawn = FAMILY.sample(M, "train", Stream(1).at("tasks", iteration).rng())
    return partial(rollout, FAMILY.batch(drawn, B), Stream(1).at("acts", iteration))


def policy_of(more: int = 0) -> mlp.Mlp:
    spec = FAMILY.spec._replace(obs_size=FAMILY.spec.obs_size + more)
    return mlp.make(spec, mlp.Settings(hidden=(3,)), Stream(0)).double()


def parts(algorithm: str, **settings: Any) -> dict[str, Any]:
    return config.load_config(algorithm, "point", settings, "none").parts


def assert_gradient_is_the_slope(problem: Problem, meta: Params, clip: float | None = None) -> None:
    """Along five random directions, by central differences."""
    gradient = problem.gradient(meta, clip).gradient
    vector, draws = functional.flatten(meta), torch.Generator().manual_seed(0)
    for _ in range(5):
        v = torch.randn(len(vector), generator=draws, dtype=vector.dtype)
        high, low = (problem.gradient(functional.unflatten(vector + e * v, meta), clip).loss for e in (1e-5, -1e-5))
        assert float(gradient @ v) == pytest.approx((high - low) / 2e-5, rel=1e-5, abs=1e-9)


def doubled(loop: Inner) -> None:
    loop.meta = {name: p.double() for name, p in loop.meta.items()}


# ---- anil


def test_anil_adapts_the_last_layer_alone_and_learns_all_of_them() -> None:
    algorithm = anil.make(policy_of(), FAMILY.spec, parts("anil"), Stream(0))
    loop = algorithm.inner
    doubled(loop)
    rollouts = algorithm.adapt(collector())
    adapted = loop.constants_after(rollouts[:-1])
    for name, p in loop.meta.items():
        moved = any(not torch.equal(own, p) for own in adapted[name])
        assert moved is (name in ("head.weight", "head.bias", "log_std")), name
    everything = Inner(policy_of(), FAMILY.spec, InnerSettings())
    doubled(everything)
    maml = everything.constants_after(rollouts[:-1])
    assert all(torch.allclose(maml[n], adapted[n], atol=1e-12) for n in ("head.weight", "log_std")), "of one gradient, a part"
    problem = Problem(loop, loop.experience(rollouts), second_order=True)
    assert_gradient_is_the_slope(problem, loop.meta)
    before = dict(loop.meta)
    algorithm.outer = OuterStep(loop.meta, OuterSettings(), second_order=True)
    algorithm.learn(rollouts)
    assert all(not torch.equal(loop.meta[name], p) for name, p in before.items())


def test_anil_needs_a_head() -> None:
    class Headless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

    with pytest.raises(UserError, match="anil adapts the layer that a policy calls head, and Headless has none: use maml"):
        anil.make(Headless(), FAMILY.spec, parts("anil"), Stream(0))


# ---- cavia


def test_cavia_adapts_a_context_that_begins_at_zero_by_the_gradient_of_its_own_rollout() -> None:
    K = 2
    settings = parts("cavia", **{"context.size": K, "inner.lr": 0.5})
    algorithm = cavia.make(policy_of(K), FAMILY.spec, settings, Stream(0))
    loop = algorithm.inner
    doubled(loop)
    loop.zeros = loop.zeros.double()  # type: ignore[attr-defined]
    rollouts = algorithm.adapt(collector())
    adapted = loop.constants_after(rollouts[:1])
    (experience,) = loop.experience(rollouts[:1])
    own = {name.removeprefix("policy."): p for name, p in loop.meta.items()}
    for m in range(M):
        context = torch.zeros(K, dtype=torch.float64, requires_grad=True)
        data, valid = experience.rollout, experience.rollout.valid[m]
        seen = torch.cat([data.obs[m], context.expand(*data.obs[m].shape[:2], K)], -1)
        x = torch.tanh(seen @ own["hidden.0.weight"].T + own["hidden.0.bias"]) @ own["head.weight"].T + own["head.bias"]
        log_prob = torch.distributions.Normal(x, own["log_std"].exp()).log_prob(data.action[m]).sum(-1)
        ratio = (log_prob - data.log_prob[m]).exp()
        assert torch.allclose(ratio[valid], torch.ones((), dtype=torch.float64), atol=1e-12)
        loss = -(ratio * experience.advantage[m])[valid].sum() / valid.sum()
        (gradient,) = torch.autograd.grad(loss, [context])
        assert torch.allclose(adapted["context"][m], -0.5 * gradient, atol=1e-12) and float(gradient.norm()) > 1e-3
    assert all(torch.equal(adapted[name][m], p) for name, p in loop.meta.items() for m in range(M))
    assert "context" not in loop.meta and set(adapted) == set(loop.meta) | {"context"}
    assert_gradient_is_the_slope(Problem(loop, loop.experience(rollouts), second_order=True), loop.meta)


def test_cavia_is_built_trained_and_loaded_with_any_policy(tmp_path: Any) -> None:
    small = {"train.meta_batch": 2, "train.lanes": 2, "family.horizon": 5, "context.size": 4}
    for policy in ("mlp", "gru"):
        made = config.load_config("cavia", "point", small, "none", policy=policy)
        learner, other = learners.build(made), learners.build(made)
        list(loop.iterate(learner, 0, 2))
        adapted = learner.algorithm.adapted([])[0]
        assert adapted["context"].tolist() == [[0.0] * 4]
        other.algorithm.load(learner.algorithm.state())
        assert all(torch.equal(other.algorithm.adapted([])[0][name], p) for name, p in adapted.items())


def test_images_leave_no_room_for_a_context() -> None:
    made = config.load_config("cavia", "minigrid", {}, "none")
    family = learners.family_of(made)
    if family.spec.image is None:
        family = replace(family, spec=family.spec._replace(image=(1, 1, family.spec.obs_size)))
    with pytest.raises(UserError, match="minigrid shows images: cavia hands its policy numbers beside observations"):
        learners.build(made, family=family)


@pytest.mark.parametrize("policy", ["mlp", "gru"])
def test_a_context_moves_from_zero_also_where_observations_are_compressed_and_actions_squashed(policy: str) -> None:
    """The slope of symlog at 0 is 1, and the distribution is the policy's own."""
    small = {"train.meta_batch": 2, "train.lanes": 2, "family.horizon": 5, "policy.symlog": True}
    small |= {"policy.squashed": True} if policy == "gru" else {}
    learner = learners.build(config.load_config("cavia", "point", small, "none", policy=policy))
    done = next(loop.iterate(learner, 0, 1))
    adapted = learner.algorithm.adapted(done.rollouts)[0]
    assert float(adapted["context"].abs().min()) > 0
    if policy == "gru":
        assert learner.algorithm.inner.distribution is distributions.SQUASHED  # type: ignore[attr-defined]
        assert float(done.rollouts[0].action.abs().max()) < 1


# ---- promp


def penalised(weight: list[float], steps: int = 2) -> tuple[Problem, promp.Penalty]:
    inner = Inner(policy_of(), FAMILY.spec, InnerSettings(steps=steps))
    doubled(inner)
    problem = Problem(inner, inner.experience(inner.adapt(collector())), True, OuterSettings(clip=0.2))
    penalty = promp.Penalty(problem, inner.meta, torch.tensor(weight, dtype=torch.float64))
    return problem, penalty


def test_promps_penalty_is_the_divergence_of_the_policies_before_each_inner_step(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, penalty = penalised([0.3, 0.7])
    inner, meta = problem.inner, problem.inner.meta
    assert penalty.divergence(meta).abs().max() < 1e-12
    moved = {name: p + 0.05 for name, p in meta.items()}
    old, new = (inner.path({n: p.clone().requires_grad_() for n, p in at.items()}, problem.experience[:-1], False, M)
                for at in (meta, moved))  # fmt: skip
    expected = []
    for stage in range(2):
        data = problem.experience[stage].rollout
        p, q = (torch.distributions.Normal(*_of(inner.dist(path[stage], data))) for path in (old, new))
        kl = torch.distributions.kl_divergence(p, q).sum(-1)
        expected.append(torch.stack([kl[m][data.valid[m]].mean() for m in range(M)]).mean().detach())
    assert torch.allclose(penalty.divergence(moved), torch.stack(expected), rtol=1e-9)
    both = replace(problem, extra=penalty)
    added = both.gradient(moved, 0.2).loss - problem.gradient(moved, 0.2).loss
    assert added == pytest.approx((0.3 * float(expected[0]) + 0.7 * float(expected[1])) / 2, rel=1e-9)
    assert_gradient_is_the_slope(both, moved, 0.2)
    whole = penalty.divergence(moved).tolist(), both.gradient(moved, 0.2).loss
    monkeypatch.setattr("pliant.algorithms.parts.outer.CHUNK_STEPS", 1)
    chunked, apart = penalised([0.3, 0.7])
    assert apart.divergence(moved).tolist() == pytest.approx(whole[0], rel=1e-10)
    assert replace(chunked, extra=apart).gradient(moved, 0.2).loss == pytest.approx(whole[1], rel=1e-10)


def _of(dist: Tensor) -> tuple[Tensor, Tensor]:
    mean, log_std = dist.chunk(2, dim=-1)
    return mean, log_std.exp()


@pytest.mark.parametrize(("target", "factor"), [(0.0, 1.0), (1e-9, 2.0), (1e3, 0.5)])
def test_the_weight_of_the_divergence_doubles_halves_or_stays(target: float, factor: float) -> None:
    settings = parts("promp", **{"outer.kl_target": target, "outer.kl_weight": 0.01, "inner.steps": 2, "outer.epochs": 3})
    one = promp.make(policy_of(), FAMILY.spec, settings, Stream(0))
    doubled(one.inner)
    metrics = one.learn(one.adapt(collector()))
    weight = one.state()["kl_weight"]
    assert weight.tolist() == pytest.approx([0.01 * factor] * 2, rel=1e-6) and metrics["inner_kl"] > 1e-7
    two = promp.make(policy_of(), FAMILY.spec, settings, Stream(0))
    two.load(one.state())
    assert torch.equal(two.state()["kl_weight"], weight)


def test_the_weight_of_the_divergence_never_vanishes_and_a_target_needs_one() -> None:
    with pytest.raises(ValueError, match="kl_target is 0.01: expected 0, because kl_weight is 0"):
        promp.OuterSettings(kl_target=0.01, kl_weight=0.0)
    settings = parts("promp", **{"outer.kl_target": 1e3, "outer.kl_weight": 1.5e-8, "outer.epochs": 1})
    one = promp.make(policy_of(), FAMILY.spec, settings, Stream(0))
    doubled(one.inner)
    for iteration in range(3):
        one.learn(one.adapt(collector(iteration)))
    assert float(one.state()["kl_weight"]) == pytest.approx(1e-8)


def test_promp_takes_no_trust_region() -> None:
    with pytest.raises(ValueError, match="method is trpo: expected clipped"):
        promp.OuterSettings(method="trpo")
    assert parts("promp")["outer"].method == "clipped"
    assert config.load_config("promp", "point").parts["outer"].method == "clipped", "though maml's preset is a trust region"


# ---- emaml: the meta-gradient of a two-state MDP, with all samples there can be

H, LANES, RATE = 2, 2, 0.7
REWARDS = torch.tensor([[[0.0, 1.0], [2.0, -1.0]], [[1.5, 0.0], [-0.5, 3.0]]], dtype=torch.float64)
"""Of each task, state and action; the action is the next state, and each episode begins in state 0."""
PATHS = list(itertools.product((0, 1), repeat=H))


class Table(nn.Module):
    """Logits [2, 2] of each state, shared or of every task its own."""

    broadcasts = True

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([[0.3, -0.2], [0.1, 0.4]], dtype=torch.float64))

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        return Output(torch.einsum("...d,...da->...a", inputs.obs, self.logits[..., None, None, :, :])), state


def samples(tasks: list[int], paths: list[list[tuple[int, ...]]]) -> tuple[Tensor, Tensor, Tensor]:
    """(states, actions, rewards to go), each [M, B, H], of the lanes of each task."""
    action = torch.tensor(paths)
    state = torch.cat([torch.zeros_like(action[..., :1]), action[..., :-1]], -1)
    reward = REWARDS[torch.tensor(tasks)[:, None, None], state, action]
    return state, action, reward.flip(-1).cumsum(-1).flip(-1)


def log_probs(logits: Tensor, state: Tensor, action: Tensor) -> Tensor:
    """[M, B, H] under logits [2, 2] or [M, 2, 2]."""
    table = logits.log_softmax(-1).expand(len(state), 2, 2)
    return table[torch.arange(len(state))[:, None, None], state, action]


def rolled(state: Tensor, action: Tensor, reward: Tensor, log_prob: Tensor) -> Rollout:
    obs = nn.functional.one_hot(state, 2).double()
    first = torch.zeros_like(state).bool()
    first[..., 0] = True
    no = torch.zeros_like(first)
    return Rollout(obs, action, reward, obs, first, no, no, ~no, log_prob, no, torch.zeros(len(state), 1))


def expected_return(logits: Tensor, task: int) -> Tensor:
    state, action, to_go = samples([task], [PATHS])
    return (log_probs(logits, state, action).sum(-1).exp() * to_go[..., 0]).sum()


def exact(logits: Tensor) -> Tensor:
    """Mean over tasks and over all samples of LANES lanes of the expected return after a step from them, per step."""
    total = torch.zeros((), dtype=torch.float64)
    for task in (0, 1):
        for lanes in itertools.product(PATHS, repeat=LANES):
            state, action, to_go = samples([task], [list(lanes)])
            log_prob = log_probs(logits, state, action)
            (gradient,) = torch.autograd.grad((log_prob * to_go).mean(), [logits], create_graph=True)
            total = total + log_prob.sum().exp() * expected_return(logits + RATE * gradient, task) / H / 2
    return total


def enumerated(weight: float) -> Tensor:
    """The meta-gradient of the library, of whose samples there is one task for each that could have been drawn."""
    policy = Table()
    inner = Inner(policy, Spec(2, 2, discrete=True), InnerSettings(lr=RATE, objective="reinforce"))
    logits = inner.meta["logits"]
    drawn = [(task, list(lanes)) for task in (0, 1) for lanes in itertools.product(PATHS, repeat=LANES)]
    tasks, paths = [task for task, _ in drawn], [lanes for _, lanes in drawn]
    state, action, to_go = samples(tasks, paths)
    log_prob = log_probs(logits, state, action)
    chance = log_prob.sum((1, 2)).exp() * len(drawn) / 2  # [M], what the mean over them is to count
    before = Experience(rolled(state, action, to_go, log_prob), to_go)
    adapted = inner.adapted({"logits": logits.clone().requires_grad_()}, [before], False)["logits"].detach()
    state, action, to_go = samples(tasks, [PATHS] * len(drawn))
    log_prob = log_probs(adapted, state, action)
    counts = log_prob.sum(-1).exp() * len(PATHS) * chance[:, None]  # [M, B]
    after = Experience(rolled(state, action, to_go, log_prob), to_go * counts[..., None])
    value = chance * torch.stack([expected_return(p, task) for p, task in zip(adapted, tasks, strict=True)])
    problem = Problem(inner, [before, after], True, extra=emaml.explored(inner, value, weight))
    return -problem.gradient(inner.meta).gradient


def test_the_meta_gradient_with_what_samples_are_paid_is_exact_and_without_it_is_not() -> None:
    logits = Table().logits
    (wanted,) = torch.autograd.grad(exact(logits), [logits])
    found, without = enumerated(1.0), enumerated(0.0)
    assert torch.allclose(found, wanted.flatten(), atol=1e-12)
    assert float((without - wanted.flatten()).norm() / wanted.norm()) > 0.1, "the dropped term is not small here"


def test_what_samples_led_to_is_compared_with_other_tasks() -> None:
    state, action, _ = samples([0, 1, 0], [[PATHS[0]] * 2, [PATHS[1], PATHS[2]], [PATHS[3]] * 2])
    reward = torch.tensor([[[1.0, 2.0]] * 2, [[0.0, 1.0], [2.0, 1.0]], [[5.0, 5.0]] * 2])
    data = rolled(state, action, reward, torch.zeros_like(reward))
    data.valid[2, :, 1] = False
    gains = torch.tensor([3.0, 2.0, 5.0])
    expected = (gains - torch.tensor([3.5, 4.0, 2.5])) / gains.std()
    assert torch.allclose(emaml.worth(emaml.gain(data)).float(), expected)
    assert emaml.worth(emaml.gain(data)[:1]).tolist() == [0.0]
    for each in (0.0, -123.456, 0.3):
        same = data._replace(reward=torch.full((20, 2, 2), each), valid=torch.ones(20, 2, 2).bool())
        assert emaml.worth(emaml.gain(same)).abs().max() < 1e-3, "what is the same is not blown up"
