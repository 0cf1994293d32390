"""Parts that algorithms are made of: an optimiser that saves itself, names in checkpoints that stay, policies from outside."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pliant.algorithms import rl2
from pliant.algorithms.parts.adam import Adam, MomentlessAdam
from pliant.algorithms.parts.gradient import ByGradient
from pliant.algorithms.parts.scales import Scales
from pliant.config import config
from pliant.errors import UserError
from pliant.policies import gru
from pliant.running import learner as learners
from pliant.running import loop
from pliant.running.learner import Learner
from pliant.streams import Stream
from pliant.types import Inputs, Output, Params, Rollout, Spec, State

SMALL = {"train.meta_batch": 2, "train.lanes": 2}


def values(seed: int = 0) -> Params:
    generator = torch.Generator().manual_seed(seed)
    return {"a": torch.randn(3, generator=generator), "b/c": torch.randn(2, 2, generator=generator)}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[n], two[n]) for n in one)


# ---- optimisers


@pytest.mark.parametrize("prefix", ["", "meta/"])
def test_adam_goes_on_bit_for_bit_from_its_state(prefix: str) -> None:
    one, two = Adam(values(0), prefix), Adam(values(1), prefix)
    assert list(one.state()) == [f"{prefix}a", f"{prefix}b/c"], "no moments before the first step"
    for seed in (2, 3):
        one.step(list(values(seed).values()), 0.05)
    names = {f"adam/{what}/{name}" for what in ("step", "exp_avg", "exp_avg_sq") for name in ("a", "b/c")}
    assert set(one.state()) == {f"{prefix}a", f"{prefix}b/c"} | names
    kept = one.state()
    two.load(kept | {"something else": torch.zeros(1)})
    assert same(two.state(), kept)
    for adam in (one, two):
        adam.step(list(values(4).values()), 0.05)
    assert same(one.state(), two.state()) and not same(one.state(), kept)


def test_adam_steps_as_torchs_own_class_does_bit_for_bit() -> None:
    adam, leaves = Adam(values(0)), [p.requires_grad_() for p in values(0).values()]
    theirs = torch.optim.Adam(leaves, eps=1e-5)
    for seed, lr in ((2, 0.05), (3, 0.01), (4, 0.1)):
        gradients = list(values(seed).values())
        theirs.param_groups[0]["lr"] = lr
        for p, gradient in zip(leaves, gradients, strict=True):
            p.grad = gradient
        theirs.step()
        adam.step(gradients, lr)
        assert all(torch.equal(mine, its) for mine, its in zip(adam.values.values(), leaves, strict=True))


def test_adam_begins_anew_from_a_state_without_moments() -> None:
    used, fresh = Adam(values(0)), Adam(values(0))
    used.step(list(values(2).values()), 0.1)
    used.load(fresh.state())
    assert same(used.state(), fresh.state())


def test_a_state_of_adam_is_a_copy() -> None:
    adam = Adam(values(0))
    adam.step(list(values(2).values()), 0.1)
    kept = {n: x.clone() for n, x in adam.state().items()}
    for x in adam.state().values():
        x.zero_()
    assert same(adam.state(), kept)


def test_adam_without_momentum_goes_on_bit_for_bit_from_its_state() -> None:
    one, two, here = MomentlessAdam(values(0)), MomentlessAdam(values(0)), values(0)
    for steps, seed in enumerate((2, 3), 1):
        here = one.towards(here, values(seed), 0.1, steps)
    two.load(one.state())
    assert same(one.towards(here, values(4), 0.1, 3), two.towards(here, values(4), 0.1, 3))
    assert same(one.state(), two.state())


# ---- names in a checkpoint


ADAM = ("step", "exp_avg", "exp_avg_sq")
BODY = ("hidden.0.weight", "hidden.0.bias", "hidden.1.weight", "hidden.1.bias", "head.weight", "head.bias", "log_std")
META = {f"meta/{name}" for name in BODY}
NAMES: dict[str, set[str]] = {
    "maml": META | {f"adam/{what}/{name}" for what in ADAM for name in BODY},
    "pretrain": META | {f"adam/{what}/{name}" for what in ADAM for name in BODY},
    "reptile": META | {f"moment/{name}" for name in BODY} | {"updates"},
    "anil": META | {f"adam/{what}/{name}" for what in ADAM for name in BODY},
    "emaml": META | {f"adam/{what}/{name}" for what in ADAM for name in BODY},
    "promp": META | {f"adam/{what}/{name}" for what in ADAM for name in BODY} | {"kl_weight"},
    "cavia": {f"meta/policy.{name}" for name in BODY} | {f"adam/{what}/policy.{name}" for what in ADAM for name in BODY},
    "scratch": META,
    "random": {"dist"},
}


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_name_their_tensors_as_they_always_did(name: str) -> None:
    learner = learners.build(config.load_config(name, "point", SMALL | {"family.horizon": 5}, "none"))
    for _ in loop.iterate(learner, 0, 1):
        pass
    assert set(learner.algorithm.state()) == NAMES[name]


def test_a_checkpoint_of_rl2_names_its_tensors_as_it_always_did() -> None:
    learner = learners.build(config.load_config("rl2", "bandit", SMALL | {"policy.size": 4}, "none"))
    policy = [
        *(f"core.{n}" for n in ("initial", "into.weight", "into.bias", "back.weight", "back.bias")),
        "head.weight",
        "head.bias",
    ]
    critic = ["of_features.weight", "of_features.bias", "of_time.weight", "layers.0.weight", "layers.0.bias"]
    trained = {f"policy/{n}" for n in policy} | {f"critic/{n}" for n in critic}
    fixed = {f"fixed/encoder.{n}" for n in ("obs_shift", "obs_scale", "reward_scale")}
    kept = {f"baseline/{n}" for n in ("products", "returns", "error", "updates", "tasks")}
    moments = {f"{of}/{n}" for of in ("obs", "reward") for n in ("mean", "square", "updates")}
    expected = trained | fixed | kept | moments | {"updates"}
    assert set(learner.algorithm.state()) == expected
    for _ in loop.iterate(learner, 0, 1):
        pass
    assert set(learner.algorithm.state()) == expected | {f"adam/{what}/{n}" for what in ADAM for n in trained}


def test_who_has_no_outer_step_learns_nothing() -> None:
    made = [learners.build(config.load_config(name, "point", SMALL, "none")).algorithm for name in ("maml", "scratch")]
    assert all(isinstance(each, ByGradient) for each in made) and [each.learns for each in made] == [True, False]
    assert made[1].learn([]) == {}


# ---- policies from outside


class Sums(nn.Module):
    """A stranger's memory: the sum of what was paid so far."""

    memory, broadcasts, size_out = True, False, 1

    def __init__(self, spec: Spec, features: int = 1) -> None:
        super().__init__()
        self.gives, self.head = features, nn.Linear(1, spec.action_size)

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        before = state if isinstance(state, Tensor) else torch.zeros_like(inputs.prev_reward[:, :, 0])
        total = before.unsqueeze(-1) + inputs.prev_reward.cumsum(-1)  # [M, B, T]
        features = total.unsqueeze(-1).expand(*total.shape, self.gives)
        return Output(self.head(total.unsqueeze(-1)), features), total[:, :, -1]


class Scaling(Sums):
    """The same, of rewards in units of their deviation."""

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.register_buffer("unit", torch.ones(()))

    def forward(self, inputs: Inputs, state: State) -> tuple[Output, State]:
        return super().forward(inputs._replace(prev_reward=inputs.prev_reward * self.unit), state)

    def rescale(self, fixed: Params, obs: tuple[Tensor, Tensor] | None, reward: Tensor | None) -> Params:
        return fixed if reward is None else fixed | {"unit": (1 / reward).to(fixed["unit"])}


def learner_with(policy: Any, **settings: Any) -> Learner:
    named = {name.replace("__", "."): value for name, value in settings.items()}
    settings = config.load_config("rl2", "bandit", SMALL | named, "none")
    family = learners.family_of(settings)
    return Learner(rl2.make(policy(family.spec), family.spec, settings.parts, Stream(0)), family, settings, Stream(0))


@pytest.mark.parametrize("which", ["obs", "reward", "both"])
def test_a_memory_without_scales_is_refused_in_one_line(which: str) -> None:
    with pytest.raises(UserError) as error:
        learner_with(Sums, outer__scale=which)
    said = f"--outer.scale is {which}, but Sums has no scales: expected a method `rescale` of the policy, or --outer.scale none"
    assert str(error.value) == said


def test_a_memory_without_scales_learns_without_them_and_one_with_scales_sets_its_own() -> None:
    plain, scaled = learner_with(Sums), learner_with(Scaling, outer__scale="both")
    for learner in (plain, scaled):
        assert all(np.isfinite(each.metrics["loss"]) for each in loop.iterate(learner, 0, 2))
    unit = scaled.algorithm.state()["fixed/unit"]
    assert float(unit) == pytest.approx(1 / float(scaled.algorithm.scales.reward.std(0.1))) and float(unit) != 1  # type: ignore[attr-defined]


def test_scales_that_nobody_asked_for_stay_as_they_are() -> None:
    module = gru.make(Spec(3, 2, True), gru.Settings(size=4), Stream(0))
    scales = Scales(module, 3, "none")
    before = {name: b.clone() for name, b in scales.fixed.items()}
    learner = learners.build(config.load_config("rl2", "bandit", SMALL, "none"))
    scales.update(next(iter(loop.iterate(learner, 0, 1))).rollouts[0])
    assert same(scales.fixed, before)


def rollout_of(obs: Tensor, reward: Tensor) -> Rollout:
    """A lane of observations [T, D] and rewards [T]."""
    every = torch.ones(1, 1, len(reward), dtype=torch.bool)
    obs, reward = obs[None, None], reward[None, None]
    return Rollout(obs, reward.long(), reward, obs, every, ~every, ~every, every, reward, ~every, reward[:, :, 0])


def test_what_hardly_moved_is_not_blown_up() -> None:
    """Numbers that move by 1; hardly, beside them; hardly, on a large value; not at all. And rewards that are all but equal."""
    generator = Stream(0).generator()
    small, large = 1e-5 * torch.randn(500, generator=generator), torch.randn(500, 3, generator=generator)
    obs = torch.cat([large, small[:, None], 350 + 1000 * small[:, None], torch.full((500, 1), 7.0)], dim=1)
    module = gru.make(Spec(6, 2, True), gru.Settings(size=4), Stream(0))
    scales = Scales(module, 6, "both")
    for _ in range(3):
        scales.update(rollout_of(obs.double(), (1 + small).double()))
    scale, unit = scales.fixed["encoder.obs_scale"], float(scales.fixed["encoder.reward_scale"])
    assert torch.allclose(scale[:3], 1 / large.std(0, correction=0), rtol=1e-4), "what moves is at unit size"
    assert 90 < float(scale[3]) < 110, "a hundredth of what the others move by"
    assert float(scale[4]) == pytest.approx(1 / 3.5, rel=1e-3) and float(scale[5]) == 1.0
    assert unit == pytest.approx(10.0, rel=1e-3), "and not 100,000"
    alone = Scales(module, 6, "reward")
    alone.update(rollout_of(obs, -0.3 + large[:, 0]))
    assert float(alone.fixed["encoder.reward_scale"]) == pytest.approx(1 / float(large[:, 0].std(correction=0)), rel=1e-4)


def test_a_memory_that_does_not_say_its_features_is_refused() -> None:
    class Silent(Sums):
        size_out = 0

    with pytest.raises(UserError, match="Silent has size_out 0: expected the number of its features, at least 1"):
        learner_with(Silent)


def test_a_memory_that_gives_other_features_than_it_says_is_refused() -> None:
    learner = learner_with(lambda spec: Sums(spec, features=3))
    with pytest.raises(UserError, match=r"Sums gives features \[1, 4, 10, 3\]: expected \[M, B, T, 1\]"):
        next(iter(loop.iterate(learner, 0, 1)))


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_reads_what_does_not_lie_in_order(fused: bool) -> None:
    """Adam's first step has the length of its rate, against every element's sign."""
    signs = torch.tensor([[1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
    gradients = ((signs, signs), (signs.t().contiguous().t(), signs), (torch.ones(()).expand(2, 3), torch.ones(2, 3)))
    for value in (torch.zeros(2, 3), torch.zeros(3, 2).t()):
        for gradient, expected in gradients:
            optimiser = Adam({"x": value}, fused=fused)
            optimiser.step([gradient], 0.1)
            assert torch.allclose(optimiser.values["x"], -0.1 * expected, atol=1e-5)


@pytest.mark.parametrize("how", ["absent", "longer", "integers"])
def test_moments_that_do_not_fit_are_refused(how: str) -> None:
    made = Adam({"w": torch.zeros(3)})
    moments = {f"adam/{what}/w": torch.ones(3) for what in ("exp_avg", "exp_avg_sq")}
    state = {"w": torch.ones(3), "adam/step/w": torch.tensor(1.0), **moments}
    made.load(state)
    wrong = {"longer": torch.ones(6), "integers": torch.ones(3).long()}
    changed = {name: x for name, x in state.items() if name != "adam/exp_avg/w"} | (
        {"adam/exp_avg/w": wrong[how]} if how in wrong else {}
    )
    with pytest.raises(UserError, match=r"does not fit these settings: adam/exp_avg/w is .*, expected \[3\]"):
        made.load(changed)
