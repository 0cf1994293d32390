"""One contract for every memory: step by step equals at once, nothing leaks, state is a value, gradients are right."""

import importlib.util
import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from pliant.config import config, registry
from pliant.maths import functional
from pliant.policies import episodic, external, gru, linear_attention, mean, transformer
from pliant.policies.parts import layers
from pliant.policies.parts.rows import STRONGEST, read
from pliant.running import learner as learners
from pliant.running import loop
from pliant.streams import Stream
from pliant.types import Inputs, Output, Spec

M, B, T, D, A = 2, 3, 11, 4, 3
OURS = ["gru", "lstm", "mean", "linear-attention", "external", "episodic", "transformer"]
OWN = "own_memory"
"""The example of a memory of one's own keeps to the same contract."""
HEADED = "headed"
"""A memory beside what is seen now, under a head with layers that says how wide a squashed Gaussian is."""
STACKED = "stacked"
"""Recurrent layers one above the other."""
NAMES = [*OURS, OWN, HEADED, STACKED]
SMALL: dict[str, dict[str, Any]] = {
    "gru": {},
    "lstm": {},
    "mean": {"transition": (7, 5)},
    "linear-attention": {"heads": 2, "slots": 5, "width": 3},
    "external": {"rows": 4, "width": 5, "heads": 2},
    "episodic": {"slots": 3},
    "transformer": {"heads": 2, "context": 5},
    OWN: {"longest": 9.0},
    HEADED: {"skip": True, "head": (7, 5), "squashed": True},
    STACKED: {"layers": 3},
}


def module_of(name: str) -> Any:
    if name != OWN:
        return registry.load("policy", "gru" if name in (HEADED, STACKED) else name)
    spec = importlib.util.spec_from_file_location(OWN, Path(__file__).parents[2] / "examples" / f"{OWN}.py")
    assert spec is not None and spec.loader is not None
    module = sys.modules[OWN] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def policy_of(name: str, discrete: bool = True, **settings: Any) -> nn.Module:
    """A small policy in float64 whose answers are of order 1."""
    module = module_of(name)
    chosen = module.Settings(**{"size": 6, **SMALL[name], **settings})
    policy: nn.Module = module.make(Spec(D, A, discrete), chosen, Stream(0).at(name)).double()
    with torch.no_grad():
        getattr(policy.head, "last", policy.head).weight *= 100  # type: ignore[operator, union-attr]
    return policy


def inputs(seed: int = 0, tasks: int = M, lanes: int = B, steps: int = T, discrete: bool = True, scale: float = 1.0) -> Inputs:
    rng = torch.Generator().manual_seed(seed)
    real = [scale * torch.randn(tasks, lanes, steps, n, generator=rng, dtype=torch.float64) for n in (D, A, 1)]
    first = torch.rand(tasks, lanes, steps, generator=rng) < 0.3
    first[:, :, 0] = True
    action = torch.randint(0, A, (tasks, lanes, steps), generator=rng) if discrete else real[1]
    return Inputs(real[0], action, real[2][..., 0], first)


def at(given: Inputs, steps: slice) -> Inputs:
    return Inputs(*(x[:, :, steps] for x in given))


def stepwise(policy: nn.Module, given: Inputs, size: int = 1) -> tuple[Output, Any]:
    """Through the sequence in pieces of `size` steps."""
    state: Any = ()
    outputs = []
    for t in range(0, given.first.shape[2], size):
        output, state = policy(at(given, slice(t, t + size)), state)
        outputs.append(output)
    return Output(torch.cat([o.dist for o in outputs], 2), torch.cat([o.features for o in outputs], 2)), state


def close(one: Any, two: Any) -> bool:
    pairs = zip(tree_flatten(one)[0], tree_flatten(two)[0], strict=True)
    return all(torch.allclose(a.double(), b.double(), rtol=0, atol=1e-12) for a, b in pairs)


def test_every_policy_with_memory_is_tested_here() -> None:
    remembering = []
    for name in registry.names("policy"):
        module = registry.load("policy", name)
        if name != "module" and getattr(module.make(Spec(D, A, True), module.Settings(), Stream(0)), "memory", False):
            remembering.append(name)
    assert sorted(remembering) == sorted(OURS)


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.parametrize("discrete", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_step_by_step_and_chunk_by_chunk_equal_the_whole_sequence(name: str, discrete: bool, size: int) -> None:
    policy, given = policy_of(name, discrete), inputs(discrete=discrete)
    output, state = policy(given, ())
    assert output.dist.shape == (M, B, T, A if discrete else 2 * A) and output.features.shape == (M, B, T, policy.size_out)
    assert close((output, state), stepwise(policy, given, size))
    assert bool((output.dist[:, :, 0] - output.dist[:, :, -1]).abs().max() > 1e-3), "it does something"


@pytest.mark.parametrize("name", NAMES)
def test_a_memory_changes_what_is_done_later(name: str) -> None:
    policy, given = policy_of(name), inputs()
    changed = given._replace(prev_reward=given.prev_reward.clone())
    changed.prev_reward[:, :, T - 3] += 1.0
    before, after = policy(given, ())[0].dist, policy(changed, ())[0].dist
    assert torch.equal(before[:, :, : T - 3], after[:, :, : T - 3]), "the past knows nothing of the future"
    assert bool(((before - after)[:, :, T - 2 :].abs().amax((2, 3)) > 1e-7).all())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaks_between_lanes_or_tasks(name: str) -> None:
    policy, given, other = policy_of(name), inputs(0), inputs(1)
    mixed = Inputs(*(x.clone() for x in given))
    for mine, theirs in zip(mixed, other, strict=True):
        mine[0, 1] = theirs[0, 1]
    same, changed = policy(given, ()), policy(mixed, ())
    others = torch.ones(M, B, dtype=torch.bool)
    others[0, 1] = False
    for a, b in zip(tree_flatten(same)[0], tree_flatten(changed)[0], strict=True):
        assert torch.allclose(a[others].double(), b[others].double(), rtol=0, atol=1e-12)
    assert not torch.allclose(same[0].dist[0, 1], changed[0].dist[0, 1])


@pytest.mark.parametrize("name", NAMES)
def test_a_state_can_be_saved_and_restored_in_the_middle_of_a_trial_and_used_twice(name: str) -> None:
    policy, given = policy_of(name), inputs()
    whole = policy(given, ())[0].dist
    state = policy(at(given, slice(0, 6)), ())[1]
    leaves, nest = tree_flatten(state)
    file = save({str(i): x.detach().contiguous() for i, x in enumerate(leaves)})
    restored = tree_unflatten([load(file)[str(i)] for i in range(len(leaves))], nest)
    for _ in range(2):  # what goes on from a state does not change it
        assert torch.allclose(policy(at(given, slice(6, T)), restored)[0].dist, whole[:, :, 6:], rtol=0, atol=1e-12)
        assert close(restored, state)


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_opens_with_the_start_of_its_own_parameters(name: str) -> None:
    policy, given = policy_of(name), inputs()
    started = policy.start(M, B)
    assert all(x.shape[:2] == (M, B) for x in tree_flatten(started)[0])
    assert close(policy(given, ()), policy(given, started))


@pytest.mark.parametrize("embed", [(), (5,)])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_equal_finite_differences(name: str, embed: tuple[int, ...]) -> None:
    policy, given = policy_of(name, embed=embed), inputs(steps=7)
    params = {n: p.detach().clone().requires_grad_() for n, p in policy.named_parameters()}
    weight = torch.randn(M, B, 7, A, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def loss(values: dict[str, Tensor]) -> Tensor:
        return (functional.apply(policy, values, given)[0].dist * weight).sum()

    gradient = torch.autograd.grad(loss(params), list(params.values()))
    rng = torch.Generator().manual_seed(2)
    for (n, p), g in zip(params.items(), gradient, strict=True):
        way = torch.randn(p.shape, generator=rng, dtype=torch.float64)
        one, two = (float(loss(params | {n: p.detach() + sign * 2e-6 * way}).detach()) for sign in (1, -1))
        assert float((g * way).sum()) == pytest.approx((one - two) / 4e-6, rel=1e-6, abs=1e-8), n


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("learned_start", "embed"), [(True, ()), (False, ()), (True, (5,))])
def test_gradients_of_gradients_equal_finite_differences(name: str, learned_start: bool, embed: tuple[int, ...]) -> None:
    policy, given = policy_of(name, embed=embed), inputs(steps=4)
    params = {n: p.detach().clone().requires_grad_() for n, p in policy.named_parameters()}
    with torch.no_grad():
        state: Any = () if learned_start else functional.apply(policy, params, inputs(1, steps=4))[1]

    def slope(values: dict[str, Tensor], again: bool) -> Tensor:
        dist = functional.apply(policy, values, given, state)[0].dist
        gradient = torch.autograd.grad(dist.square().sum(), list(values.values()), create_graph=again, allow_unused=True)
        return sum((g.square().sum() for g in gradient if g is not None), torch.zeros(()))

    second = torch.autograd.grad(slope(params, True), list(params.values()), allow_unused=True)
    rng = torch.Generator().manual_seed(2)
    for (n, p), g in zip(params.items(), second, strict=True):
        way = torch.randn(p.shape, generator=rng, dtype=torch.float64)
        moved = [params | {n: (p.detach() + sign * 1e-5 * way).requires_grad_()} for sign in (1, -1)]
        one, two = (float(slope(values, False)) for values in moved)
        exact = 0.0 if g is None else float((g * way).sum())
        assert exact == pytest.approx((one - two) / 2e-5, rel=1e-5, abs=1e-6), n


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_through_two_pieces_is_that_of_the_whole(name: str) -> None:
    policy, given = policy_of(name), inputs(steps=6)
    params = {n: p.detach().clone().requires_grad_() for n, p in policy.named_parameters()}
    found = []
    for again in (False, True):
        whole = functional.apply(policy, params, given)[0].dist
        first, state = functional.apply(policy, params, Inputs(*(x[:, :, :3] for x in given)))
        second, _ = functional.apply(policy, params, Inputs(*(x[:, :, 3:] for x in given)), state)
        for dist in (whole, torch.cat([first.dist, second.dist], dim=2)):
            loss = dist.square().sum()
            found.append(torch.autograd.grad(loss, list(params.values()), create_graph=again, allow_unused=True))
    for others in found[1:]:
        for g, other in zip(found[0], others, strict=True):
            assert g is other is None or torch.allclose(g, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_stacked_parameters_equal_one_set_per_task_and_differentiate_twice(name: str) -> None:
    policy, given = policy_of(name), inputs(steps=5)
    own = functional.parameters(policy)
    rng = torch.Generator().manual_seed(3)
    noise = {n: 0.1 * torch.randn(M, *p.shape, generator=rng, dtype=p.dtype) for n, p in own.items()}
    params = {n: (p + noise[n]).requires_grad_() for n, p in own.items()}
    dist = functional.apply(policy, params, given)[0].dist
    for m in range(M):
        alone = functional.apply(policy, {n: p[m] for n, p in params.items()}, Inputs(*(x[m : m + 1] for x in given)))[0].dist
        assert torch.allclose(dist[m : m + 1], alone, rtol=0, atol=1e-12)
    gradient = torch.autograd.grad(dist.square().sum(), list(params.values()), create_graph=True, allow_unused=True)
    first = next(p for n, p in params.items() if n.startswith("core.") and n.endswith(".weight"))
    second = torch.autograd.grad(sum(g.square().sum() for g in gradient if g is not None), first)[0]
    assert bool(torch.isfinite(second).all()) and bool((second != 0).any())


@pytest.mark.parametrize("name", ["gru", "lstm", "external", "episodic", STACKED])
def test_the_memory_where_a_trial_opens_is_learned(name: str) -> None:
    policy = policy_of(name)
    policy(inputs(), ())[0].dist.square().sum().backward()
    learned = [p for name, p in policy.core.named_parameters() if name.endswith("initial")]
    assert learned and all(p.grad is not None and bool((p.grad != 0).any()) for p in learned)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e4, 1e15])
def test_extreme_inputs_give_finite_answers_and_gradients(name: str, scale: float) -> None:
    policy, given = policy_of(name).float(), inputs(scale=scale, steps=40)
    with torch.no_grad():
        for p in policy.core.parameters():
            p *= 30
    given = given._replace(obs=given.obs.float(), prev_reward=given.prev_reward.float())
    output, state = policy(given, ())
    assert bool(torch.isfinite(output.dist).all()) and all(bool(torch.isfinite(x).all()) for x in tree_flatten(state)[0])
    output.dist.sum().backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in policy.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_without_the_reward_as_input_it_changes_nothing(name: str) -> None:
    policy, given = policy_of(name, reward=False), inputs()
    changed = given._replace(prev_reward=given.prev_reward + 5)
    assert torch.equal(policy(given, ())[0].dist, policy(changed, ())[0].dist)


def test_the_example_of_a_memory_is_short_and_its_traces_fade_as_they_say() -> None:
    module = module_of(OWN)
    assert len(Path(module.__file__).read_text(encoding="utf-8").splitlines()) < 60
    core = policy_of(OWN, size=3, longest=4.0).core  # they last 2, 3 and 4 steps
    with torch.no_grad():
        core.into.weight.zero_()
    kept = core(torch.zeros(1, 1, 2, core.into.weight.shape[1]).double(), None, torch.ones(1, 1, 3).double())[0]
    keep = torch.tensor([1 / 2, 2 / 3, 3 / 4], dtype=torch.float64)
    assert torch.allclose(kept[0, 0], torch.stack([keep, keep**2]), atol=1e-6)
    with pytest.raises(ValueError, match="longest is 1.0: expected at least 2"):
        module.Settings(longest=1.0)


@pytest.mark.parametrize("algorithm", ["rl2", "maml"])
def test_the_example_of_a_memory_trains(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    monkeypatch.chdir(Path(__file__).parents[2] / "examples")
    sizes: dict[str, Any] = {"train.meta_batch": 2, "train.lanes": 2, "policy.size": 4}
    sizes |= {"outer.scale": "both"} if algorithm == "rl2" else {}
    learner = learners.build(config.load_config(algorithm, "bandit", sizes, "none", policy=f"{OWN}.py"))
    before = learner.algorithm.adapted([])[0]["core.rate"]
    assert all(np.isfinite(each.metrics["loss"]) for each in loop.iterate(learner, 0, 2))
    assert not torch.equal(learner.algorithm.adapted([])[0]["core.rate"], before)


def test_a_gru_and_an_lstm_are_those_of_torch() -> None:
    for name, cell in (("gru", nn.GRUCell), ("lstm", nn.LSTMCell)):
        policy, given = policy_of(name), inputs()
        x = policy.encoder(given)
        theirs = cell(x.shape[-1], 6).double()
        core = policy.core
        for mine, own in (("into", "ih"), ("back", "hh")):
            for part in ("weight", "bias"):
                value = getattr(getattr(core, mine), part).detach().clone()
                if name == "lstm":  # torch's order is input, forget, new, output
                    i, f, o, g = value.chunk(4)
                    value = torch.cat([i, f, g, o])
                getattr(theirs, f"{part}_{own}").data.copy_(value)
        state: Any = torch.zeros(M * B, 6).double()
        state = state if name == "gru" else (state, state)
        output = policy(given, ())[0].features
        for t in range(T):
            state = theirs(x[:, :, t].flatten(0, 1), state)
            h = state if name == "gru" else state[0]
            assert torch.allclose(h.view(M, B, 6), output[:, :, t], rtol=0, atol=1e-12)


def test_layers_of_grus_are_those_of_torch() -> None:
    policy, given = policy_of(STACKED), inputs()
    theirs = nn.GRU(policy.encoder.size_out, 6, num_layers=3, batch_first=True).double()
    for i, layer in enumerate(policy.core.layers):
        for mine, own in (("into", "ih"), ("back", "hh")):
            for part in ("weight", "bias"):
                getattr(theirs, f"{part}_{own}_l{i}").data.copy_(getattr(getattr(layer, mine), part))
    seen, _ = theirs(policy.encoder(given).flatten(0, 1), torch.zeros(3, M * B, 6).double())
    assert torch.allclose(seen.view(M, B, T, 6), policy(given, ())[0].features, rtol=0, atol=1e-12)


def test_the_units_of_a_gru_keep_what_they_know_for_its_span_before_training() -> None:
    """A unit that keeps the share z of itself in a step keeps for 1 / (1 - z) steps; its biases alone are looked at."""
    core = policy_of("gru", size=2000, span=50).core
    with torch.no_grad():
        core.into.weight.zero_()
        core.back.weight.zero_()
        z = core(torch.zeros(1, 1, 1, core.into.weight.shape[1]).double(), None, torch.ones(1, 1, 2000).double())[1]
    kept = 1 / (1 - z)
    assert 2 <= float(kept.min()) < 2.5 and 49.5 < float(kept.max()) <= 50
    assert float(kept.mean()) == pytest.approx(26, abs=1)  # uniform
    assert not policy_of("gru").core.into.bias.any()


# ---- external


def rows_after(policy: nn.Module, steps: int) -> tuple[Tensor, Tensor]:
    state = policy(at(inputs(tasks=1, lanes=1), slice(0, steps)), ())[1]
    return state[1][0, 0].detach(), state[2][0, 0].detach()


def test_an_external_memory_writes_each_step_to_a_row_of_its_own_until_it_is_full() -> None:
    policy = policy_of("external", write_gate=False)
    with torch.no_grad():
        policy.core.tell.bias[-2] = -1e3  # never where it last read, always the least used row
    for steps in range(1, 5):
        rows, usage = rows_after(policy, steps)
        assert int((rows.abs().sum(-1) > 1e-9).sum()) == steps
        assert rows.abs().max() <= 1
    before, usage = rows_after(policy, 4)
    after, _ = rows_after(policy, 5)
    changed = (before != after).any(-1)
    assert changed.sum() == 1 and bool(changed[usage.argmin()]), "the least used row is the one that is forgotten"


def test_an_external_memory_may_leave_a_step_unwritten() -> None:
    policy = policy_of("external")
    with torch.no_grad():
        policy.core.tell.bias[-1] = -1e3
    assert not bool(rows_after(policy, 6)[0].any())


def test_an_external_memory_reads_by_content() -> None:
    core = policy_of("external", rows=3, width=2, heads=1).core
    rows = torch.tensor([[[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]]).double()
    with torch.no_grad():
        core.ask.weight.zero_()
        core.ask.bias.copy_(torch.tensor([0.0, 2.0, 1e6]))  # key, strength
    found, weight = read(core.ask.bias[None, None], rows, heads=1)
    e = torch.tensor([0.0, STRONGEST, 0.0]).double()
    assert torch.allclose(weight[0, 0, 0], e.softmax(-1), atol=1e-4) and torch.allclose(found[0, 0], rows[0, 0, 1], atol=1e-4)


def test_an_untrained_external_memory_finds_what_looks_alike() -> None:
    core = policy_of("external", rows=16, width=16, heads=1).core
    generator, width = torch.Generator().manual_seed(0), core.ask.weight.shape[1] - core.settings.size
    seen = torch.randn(1, 1, 4, width, dtype=torch.float64, generator=generator)
    h = torch.zeros(1, 1, core.settings.size, dtype=torch.float64)
    asked = core.ask(torch.cat([h.expand(1, 4, -1), seen[0]], dim=-1))  # four inputs under the same state of the controller
    rows = torch.zeros(1, 1, 16, 16, dtype=torch.float64)
    rows[0, 0, :4] = asked[0, :, :16].tanh()
    for i in range(4):
        weight = read(asked[:, i : i + 1], rows, heads=1)[1][0, 0, 0]
        assert int(weight.argmax()) == i and float(weight[i].detach()) > 0.5


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"heads": 5, "rows": 4}, "heads is 5: expected at most one for each of the 4 rows"),
        ({"rows": 0}, "rows is 0"),
        ({"decay": 1.5}, "decay is 1.5: expected between 0 and 1"),
        ({"size": 0}, "size is 0"),
        ({"embed": (0,)}, "embed is (0,)"),
    ],
)
def test_an_external_memory_of_wrong_sizes_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        external.Settings(**settings)
    assert message in str(error.value) and "\n" not in str(error.value)


# ---- episodic


def seasons(contexts: list[int], steps: int = 3) -> Inputs:
    """Episodes of three steps under the contexts 0, 1, 2..., one-hot."""
    given = inputs(tasks=1, lanes=1, steps=steps * len(contexts))
    obs = torch.eye(D, dtype=torch.float64)[contexts].repeat_interleave(steps, 0)[None, None]
    first = (torch.arange(steps * len(contexts)) % steps == 0)[None, None]
    return given._replace(obs=obs, first=first)


def test_an_episode_is_reinstated_when_its_context_returns() -> None:
    policy = policy_of("episodic")
    given = seasons([0, 1, 2, 0])
    ended = policy(at(given, slice(0, 3)), ())[1]
    assert not bool(ended.reinstated.any()) and float(ended.fit) == 0
    new = policy(at(given, slice(0, 7)), ())[1]
    assert float(new.fit) == 0, "a context that is orthogonal to all is new"
    again = policy(given, ())[1]
    assert torch.allclose(again.reinstated, ended.c, atol=1e-9) and float(again.fit) == pytest.approx(1)


def test_the_store_forgets_the_oldest_episode_and_keeps_a_context_once() -> None:
    policy = policy_of("episodic")  # three slots
    _, state = policy(seasons([0, 1, 0, 1, 2, 3, 0]), ())
    stored = {int(key.argmax()) for key, age in zip(state.contexts[0, 0], state.age[0, 0], strict=True) if age >= 0}
    assert stored == {1, 2, 3}, "0, 1, 0, 1, 2 need three slots; 3 takes that of 0, which was stored the longest ago"
    _, state = policy(seasons([0, 1, 0, 1]), ())
    assert int((state.age >= 0).sum()) == 2
    with pytest.raises(ValueError, match="slots is 0: expected at least 1"):
        episodic.Settings(slots=0)


# ---- linear attention


def test_linear_attention_reads_the_average_of_what_was_written_alike() -> None:
    settings = linear_attention.Settings(size=1, heads=1, slots=2, width=1)
    core = linear_attention.LinearAttention(3, settings, torch.Generator()).double()
    with torch.no_grad():
        for p in core.parameters():
            p.zero_()
        core.gate.bias += 50  # open
        core.query.weight[:, 0:2] = 100 * torch.eye(2)  # under the situation now
        core.key.weight[:, 3:5] = 100 * torch.eye(2)  # under the situation a step ago
        core.value.weight[0, 2] = 1  # what came in now
        core.out.weight[0, 0] = 1  # the average
    situation, number = [0, 1, 0, 0, 1, 0], [9.0, 0.5, 2.0, 1.5, 3.0, 1.0]
    x = torch.cat([torch.eye(2)[situation], torch.tensor(number)[:, None]], dim=1).double()[None, None]
    seen, _ = core(x, inputs(tasks=1, lanes=1, steps=6), core.start(1, 1))
    written: dict[int, list[float]] = {0: [], 1: []}  # two slots: a key times a query that fits is 2
    for t in range(6):
        if t:
            written[situation[t - 1]].append(number[t])
        here = written[situation[t]]
        # the first step has no step before it, and is written half to each slot
        average = (2 * sum(here) + 2 * 4.5) / (1 + 2 * len(here) + 1)
        assert float(seen[0, 0, t, 0].detach().atanh()) == pytest.approx(average), t


def test_linear_attention_goes_through_blocks_as_through_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, given = policy_of("linear-attention"), inputs()
    whole = policy(given, ())
    monkeypatch.setattr(linear_attention, "BLOCK", 4)
    assert close(whole, policy(given, ()))


@pytest.mark.parametrize("name", ["heads", "slots", "width"])
def test_linear_attention_of_no_size_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0: expected at least 1"):
        linear_attention.Settings(**{name: 0})


# ---- mean


def test_the_order_of_transitions_does_not_matter_to_a_mean() -> None:
    """Two walks that take the same steps in another order, and end in the same place."""
    places = torch.eye(3).double()
    one, other = places[[0, 1, 0, 2, 0]][None, None], places[[0, 2, 0, 1, 0]][None, None]
    given = inputs(tasks=1, lanes=1, steps=5)
    core = mean.Mean(3, mean.Settings(size=6, transition=(7, 5)), torch.Generator().manual_seed(0)).double()
    (here, _), (there, _) = core(one, given, core.start(1, 1)), core(other, given, core.start(1, 1))
    assert torch.allclose(here[:, :, -1], there[:, :, -1], rtol=1e-12)
    assert not torch.allclose(here[:, :, -2], there[:, :, -2], rtol=1e-3)
    in_order = gru.Gru(3, 6, 0, torch.Generator().manual_seed(0)).double()
    (here, _), (there, _) = in_order(one, given, in_order.start(1, 1)), in_order(other, given, in_order.start(1, 1))
    assert not torch.allclose(here[:, :, -1], there[:, :, -1], rtol=1e-3)


def test_a_mean_knows_the_mean_the_maximum_and_the_number_of_transitions() -> None:
    core = mean.Mean(1, mean.Settings(size=4, transition=(1,)), torch.Generator()).double()
    with torch.no_grad():
        for p in core.parameters():
            p.zero_()
        core.layers[0].weight[0] = torch.tensor([0.5, 0.25])  # type: ignore[index, operator]
        core.out.weight[:] = torch.eye(4)
    x = torch.tensor([0.3, -0.7, 0.2, 0.9]).double()
    seen, _ = core(x[None, None, :, None], inputs(tasks=1, lanes=1, steps=4), core.start(1, 1))
    known = seen[0, 0].detach().atanh()
    assert known[0].tolist() == pytest.approx([0.0, -1.0, 0.0, 0.3])  # no transition yet
    embedded = [math.tanh(0.5 * a + 0.25 * b) for a, b in pairwise(x.tolist())]
    for t in range(1, 4):
        so_far = embedded[:t]
        expected = [sum(so_far) / t, max(so_far), math.log1p(t), float(x[t])]
        assert known[t].tolist() == pytest.approx(expected), t


@pytest.mark.parametrize("layers", [(), (0,)])
def test_a_mean_of_nothing_is_refused(layers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="transition"):
        mean.Settings(transition=layers)


# ---- transformer


def test_a_transformer_forgets_what_is_out_of_its_context_and_nothing_sooner() -> None:
    policy, given = policy_of("transformer", layers=1), inputs()
    changed = given._replace(obs=given.obs.clone())
    changed.obs[:, :, 2] += 1
    moved = (policy(given, ())[0].dist - policy(changed, ())[0].dist).abs().amax((0, 1, 3)) > 1e-9
    assert moved.tolist() == [2 <= t < 2 + 5 for t in range(T)]


@pytest.mark.parametrize("settings", [{"heads": 5}, {"layers": 0}, {"context": 1}])
def test_a_transformer_of_wrong_sizes_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(settings))} is {next(iter(settings.values()))}"):
        transformer.Settings(**settings)


def test_settings_of_memories_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="size is 0: expected at least 1"):
        gru.Settings(size=0)
    for span in (1, -1):
        with pytest.raises(ValueError, match=f"span is {span}: expected at least 2 steps, or 0"):
            gru.Settings(span=span)


def test_scales_of_the_encoder_bring_inputs_to_unit_size() -> None:
    policy, given = policy_of("gru"), inputs()
    scaled = {"encoder.obs_shift": torch.full((D,), 2.0), "encoder.obs_scale": torch.full((D,), 0.5)}
    fixed = {n: b.double() for n, b in policy.named_buffers()} | {n: b.double() for n, b in scaled.items()}
    fixed["encoder.reward_scale"] = torch.full((1,), 0.1).double()
    params = functional.parameters(policy)
    by_hand = given._replace(obs=(given.obs - 2) / 2, prev_reward=0.1 * given.prev_reward)
    expected = policy(by_hand, ())[0].dist
    assert torch.allclose(functional.apply(policy, params | fixed, given)[0].dist, expected)
    stacked = functional.stack(params | fixed, M)
    assert torch.allclose(functional.apply(policy, stacked, given)[0].dist, expected)


# ---- heads


def test_a_head_with_layers_by_hand() -> None:
    policy, given = policy_of(HEADED, discrete=False), inputs(discrete=False)
    output, _ = policy(given, ())
    x = output.features
    assert x is not None and x.shape[-1] == 6 + D + A + 2  # the memory's and what is seen now
    assert torch.equal(x[..., 6:], policy.encoder(given))
    for layer in policy.head.layers:
        x = x @ layer.weight.T + layer.bias
        x = ((x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()).relu()
    mean, logit = (x @ policy.head.last.weight.T + policy.head.last.bias).chunk(2, dim=-1)
    assert torch.allclose(output.dist[..., :A], mean, atol=1e-12)
    std = output.dist[..., A:].exp()
    assert bool((std > 0.05).all()) and bool((std < 2).all())
    share = (output.dist[..., A:] - math.log(0.05)) / (math.log(2) - math.log(0.05))
    opening = math.log(math.log(1 / 0.05) / math.log(2 / 1))  # zeros stand for init_std, 1
    assert torch.allclose(share.logit(), logit + opening, atol=1e-9)


def test_a_generated_head_by_hand_and_at_first_the_same_whatever_is_remembered() -> None:
    settings = gru.Settings(size=5, skip=True, head=(7,), hyper=3)
    policy = gru.make(Spec(D, A, discrete=True), settings, Stream(0)).double()
    given = inputs()
    features, _ = policy.remember(given, ())
    other = torch.cat([features[..., :5].flip(1), features[..., 5:]], -1)
    first = policy.decide(features.flatten(1, 2))
    assert torch.equal(first, policy.decide(other.flatten(1, 2))), "weights of the generator begin at zero"
    with torch.no_grad():
        policy.head.generates.weight.normal_(generator=torch.Generator().manual_seed(0))
    assert not close(policy.decide(features.flatten(1, 2)), policy.decide(other.flatten(1, 2)))
    m, n = 1, 4
    x = features.flatten(1, 2)[m, n]
    belief, seen = x[:5], x[5:]
    y = policy.head.trunk[0].weight @ belief + policy.head.trunk[0].bias
    y = ((y - y.mean()) / (y.var(unbiased=False) + 1e-5).sqrt()).relu()
    made = policy.head.generates.weight @ y + policy.head.generates.bias
    X = len(seen)
    hidden = (made[: 3 * X].view(3, X) @ seen + made[3 * X : 3 * X + 3]).tanh()
    by_hand = made[3 * X + 3 : 3 * X + 3 + A * 3].view(A, 3) @ hidden + made[-A:]
    assert close(policy.decide(features.flatten(1, 2))[m, n], by_hand)
    shared = functional.parameters(policy)
    assert close(functional.apply(policy, functional.stack(shared, M), given)[0].dist, policy(given, ())[0].dist)


def test_a_generated_head_must_see() -> None:
    with pytest.raises(ValueError, match="hyper is 8: expected 0, because a generated head reads what is seen now"):
        gru.Settings(hyper=8)


def test_to_decide_at_some_steps_is_to_decide_at_all_and_choose() -> None:
    for discrete in (True, False):
        policy, given = policy_of(HEADED, discrete), inputs(discrete=discrete)
        output, state = policy(given, ())
        features, again = policy.remember(given, ())
        assert torch.equal(features, output.features) and close(state, again)
        assert close(policy.decide(features[:, :, 3]), output.dist[:, :, 3])


def test_a_discrete_policy_is_never_squashed() -> None:
    assert policy_of(HEADED, discrete=False).squashed and not policy_of(HEADED, discrete=True).squashed
    assert not policy_of("gru", discrete=False).squashed
    names = {name for name, _ in policy_of("gru", discrete=False).named_parameters()}
    assert {"head.weight", "head.bias", "log_std"} < names  # as ever: checkpoints of earlier versions fit


@pytest.mark.parametrize("init_std", [0.05, 2.0, 3.0])
def test_a_squashed_policy_begins_between_its_bounds(init_std: float) -> None:
    with pytest.raises(ValueError, match=f"init_std is {init_std}: expected more than min_std, 0.05, and less than 2.0"):
        gru.Settings(squashed=True, init_std=init_std)


def test_symlog_has_its_slope_at_zero_too() -> None:
    x = torch.tensor([-2.0, -1e-30, 0.0, -0.0, 1e-30, 3.0], dtype=torch.float64, requires_grad=True)
    y = layers.symlog(x)
    assert torch.equal(y, x.sign() * x.abs().log1p())
    (slope,) = torch.autograd.grad(y.sum(), [x], create_graph=True)
    assert torch.allclose(slope, 1 / (1 + x.abs()))
    (curvature,) = torch.autograd.grad(slope.sum(), [x])
    assert curvature.tolist()[::5] == pytest.approx([1 / 9, -1 / 16])
