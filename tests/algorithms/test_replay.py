"""Replay: a ring that is a value, targets by hand, a critic that is right, exact resume, and that it learns."""

import itertools
import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from pliant import errors
from pliant.algorithms import replay
from pliant.algorithms.parts import ring, soft, twins
from pliant.algorithms.parts.ring import Piece, Ring
from pliant.algorithms.parts.several import Several
from pliant.algorithms.parts.soft import Now, Soft, Steps
from pliant.algorithms.parts.twins import CriticSettings, Twins
from pliant.algorithms.parts.units import Units
from pliant.config import config
from pliant.maths import distributions
from pliant.policies import mean
from pliant.rollout import rollout
from pliant.running import learner as learners
from pliant.running import loop
from pliant.running.learner import Learner
from pliant.streams import Stream
from pliant.types import KEPT, Spec

SMALL = {
    "train.meta_batch": 4,
    "policy.size": 8,
    "policy.head": (16,),
    "critic.hidden": (16,),
    "outer.trials": 3,
    "outer.steps": 4,
    "outer.updates": 3,
    "outer.warmup": 1,
}
DISCRETE, CONTINUOUS = Spec(3, 2, True, 1), Spec(3, 2, False, 1)


def learner_of(family: str = "bandit", seed: int = 0, **settings: Any) -> Learner:
    named = {name.replace("__", "."): value for name, value in settings.items()}
    policy = named.pop("policy", None)
    return learners.build(config.load_config("replay", family, SMALL | named, "none", seed, policy))


def replay_of(learner: Learner) -> replay.Replay:
    assert isinstance(learner.algorithm, replay.Replay)
    return learner.algorithm


def trained(learner: Learner, start: int, stop: int) -> list[dict[str, float]]:
    return [done.metrics for done in loop.iterate(learner, start, stop)]


def piece(number: int, lanes: int = 2, steps: int = 3, valid: int | None = None) -> Piece:
    """A piece whose numbers say where they come from: 100 number + 10 lane + step."""
    reward = 100.0 * number + 10 * torch.arange(lanes)[:, None] + torch.arange(steps)
    return Piece(
        obs=reward[..., None].expand(lanes, steps, 3).clone(),
        action=torch.zeros(lanes, steps, dtype=torch.int64),
        reward=reward,
        first=torch.zeros(lanes, steps, dtype=torch.bool),
        valid=torch.arange(steps).expand(lanes, steps) < (steps if valid is None else valid),
        task=torch.full((lanes, 1), float(number)),
    )


# ---- the ring


def test_a_ring_keeps_the_newest_pieces_within_steps_and_bytes() -> None:
    size = ring.kept_of(0, piece(0)).bytes
    kept = Ring()
    for number in range(5):
        before, kept = kept, kept.with_(number, piece(number), most_steps=13, most_bytes=10 * size)
        assert len(before.pieces) == min(number, 2)  # an older ring is what it was
    assert [each.number for each in kept.pieces] == [3, 4]
    assert (kept.steps, kept.bytes, kept.ends.tolist()) == (12, 2 * size, [2, 4])
    assert [each.number for each in kept.with_(5, piece(5), 100, size).pieces] == [5]  # by bytes
    assert kept.with_(5, piece(5), 1, 1).steps == 6  # the newest stays


def test_trials_are_drawn_evenly_and_none_twice() -> None:
    kept = Ring()
    for number, lanes in enumerate((1, 2, 3)):
        kept = kept.with_(number, piece(number, lanes), 1000, 10**9)
    counts: dict[float, int] = {}
    generator = torch.Generator().manual_seed(0)
    for _ in range(3000):
        drawn = kept.sample(2, generator)
        names = drawn.reward[:, 0].tolist()
        assert len(set(names)) == 2
        for name in names:
            counts[name] = counts.get(name, 0) + 1
    assert sorted(counts) == [0, 100, 110, 200, 210, 220]
    assert all(abs(count - 1000) < 100 for count in counts.values())  # of 6,000 draws; deviation 26
    assert kept.sample(50, generator).reward.shape == (6, 3)  # all there are


def test_pieces_of_other_lengths_are_padded_with_invalid_steps() -> None:
    kept = Ring().with_(0, piece(0, 1, 2), 100, 10**9).with_(1, piece(1, 1, 4), 100, 10**9)
    drawn = kept.sample(2, torch.Generator().manual_seed(0))
    short = drawn.task[:, 0].argmin()
    assert drawn.valid[short].tolist() == [True, True, False, False]
    assert drawn.reward[short].tolist() == [0, 1, 0, 0]
    assert drawn.obs.shape == (2, 4, 3)


def test_a_ring_comes_back_from_its_state_and_refuses_another_familys() -> None:
    kept = Ring().with_(7, piece(7), 100, 10**9).with_(8, piece(8), 100, 10**9)
    state = kept.state()
    assert all(name.startswith(KEPT) for name in state)
    back = ring.ring_of(state, DISCRETE)
    assert [each.number for each in back.pieces] == [7, 8]
    for one, two in zip(kept.pieces, back.pieces, strict=True):
        assert all(a is b for a, b in zip(one.piece, two.piece, strict=True))
    with pytest.raises(errors.UserError, match="kept trials of iteration 7 are not of this family: obs is"):
        ring.ring_of(state, DISCRETE._replace(obs_size=4))
    with pytest.raises(errors.UserError, match="action is .* of int64, expected .* of float32"):
        ring.ring_of(state, CONTINUOUS)
    del state[f"{KEPT}00000008/reward"]
    with pytest.raises(errors.UserError, match="iteration 8 .* reward is absent"):
        ring.ring_of(state, DISCRETE)


def test_a_rollout_becomes_a_piece_lane_by_lane() -> None:
    learner = learner_of()
    tasks = learner.family.sample(3, "train", Stream(0).rng())
    played = learner.algorithm.adapt(partial(rollout, learner.family.batch(tasks, 2, learner.episodes), Stream(1)))[0]
    made = ring.piece_of(played)
    assert torch.equal(made.reward[3], played.reward[1, 1])
    assert torch.equal(made.task[3], played.task[1])
    assert torch.equal(made.obs[4], played.obs[2, 0])


# ---- targets


def linear(table: Tensor) -> soft.Critic:
    """Two critics [2, K, out] that are linear in what they know."""
    return lambda known: known.expand(2, *known.shape) @ table


def test_the_target_of_one_step_by_hand() -> None:
    """r + gamma (least target of the next action - w log pi); at the end of a trial r alone."""
    actor = Soft(distributions.SQUASHED, CONTINUOUS, gamma=0.5)
    dist = torch.tensor([[0.3, -0.2, -1.0, -0.5]])

    def decide(features: Tensor) -> Tensor:
        return dist.expand(1, features.shape[1], 4)

    critic = linear(torch.tensor([[[1.0], [2.0], [0.5]], [[-1.0], [0.0], [3.0]]]))
    target = linear(torch.tensor([[[0.2], [1.0], [1.0]], [[0.1], [-1.0], [2.0]]]))
    noise = torch.tensor([[0.5, -1.5]])
    now, then = Now(torch.zeros(1, 1), torch.tensor([[2.0]])), Now(torch.zeros(1, 1), torch.tensor([[3.0]]))
    action, log_prob = (x[0] for x in distributions.SQUASHED.drawn(dist, noise))
    following = min(0.2 * 3 + action[0] + action[1], 0.1 * 3 - action[0] + 2 * action[1]) - 0.1 * log_prob
    for goes_on in (True, False):
        at = Steps(now, then, torch.tensor([[0.4, -0.6]]), torch.tensor([1.5]), torch.tensor([goes_on]))
        aim = 1.5 + 0.5 * float(following) * goes_on
        judged = 1.0 * 2 + 2 * 0.4 - 0.5 * 0.6, -1.0 * 2 - 3 * 0.6
        loss = actor.critic_loss(decide, critic, target, at, torch.tensor(0.1), noise)
        assert float(loss) == pytest.approx(sum((q - aim) ** 2 for q in judged) / 2, rel=1e-5)


def test_discrete_expectations_are_those_of_brute_force() -> None:
    actor = Soft(distributions.CATEGORICAL, DISCRETE, gamma=0.9)
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.1]])

    def decide(features: Tensor) -> Tensor:
        return features @ logits

    critic, target = (linear(torch.randn(2, 1, 2, generator=torch.Generator().manual_seed(seed))) for seed in (0, 1))
    now = Now(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0]]))
    then = Now(torch.tensor([[0.0, 1.0]]), torch.tensor([[2.0]]))
    at = Steps(now, then, torch.tensor([1]), torch.tensor([0.7]), torch.tensor([True]))
    w, nothing = torch.tensor(0.3), torch.zeros(1, 0)
    p = logits[1].softmax(-1)
    value = sum(float(p[a]) * (float(target(then.known)[:, 0, a].min()) - 0.3 * math.log(p[a])) for a in range(2))
    expected = sum((float(critic(now.known)[k, 0, 1]) - 0.7 - 0.9 * value) ** 2 for k in range(2)) / 2
    assert float(actor.critic_loss(decide, critic, target, at, w, nothing)) == pytest.approx(expected, rel=1e-5)
    loss, entropy = actor.actor_loss(decide, critic, at, w, nothing)
    p = logits[0].softmax(-1)
    expected = sum(float(p[a]) * (0.3 * math.log(p[a]) - float(critic(now.known)[:, 0, a].min())) for a in range(2))
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    assert float(entropy) == pytest.approx(-sum(float(x) * math.log(x) for x in p), rel=1e-5)


def test_steps_go_on_into_the_next_episode_and_end_with_the_trial() -> None:
    made = piece(0, lanes=2, steps=4, valid=3)
    made.first[:, 2] = True
    features = made.reward[..., None]
    at = soft.steps_of(made, made.reward, features, features + 1000, torch.tensor([[0, 1, 2], [2, 1, 0]]))
    assert at.now.features[:, 0].tolist() == [0, 1, 2, 12, 11, 10]
    assert at.then.known[:, 0].tolist() == [1001, 1002, 1003, 1013, 1012, 1011]
    assert at.goes_on.tolist() == [True, True, False, False, True, True]  # step 2 is the last valid one
    whole = piece(0, lanes=1, steps=3)
    at = soft.steps_of(whole, whole.reward, whole.reward[..., None], whole.reward[..., None], torch.tensor([[2, 0]]))
    assert at.goes_on.tolist() == [False, True]


def test_units_keep_the_order_of_returns_and_begin_at_the_mean_trial() -> None:
    """Returns in units are those of the trials, less what is expected of the time left, by the deviation of a reward."""
    for whole in (0, 4, 6):
        units, made = Units(0.5, whole), piece(0, lanes=3, steps=4)
        made.valid[1, 3], made.reward[1, 3] = False, 0.0
        units.update(made)
        mean = float(made.reward[made.valid].mean())
        left = [sum(0.5**k for k in range((whole or 4) - t)) for t in range(5)]
        returns = [[sum(0.5**k * float(r) for k, r in enumerate(row[t:])) for t in range(4)] for row in made.reward]
        beyond = [[g - mean * left[t] for t, g in enumerate(row)] for row in returns]
        size = float(made.reward[made.valid].double().std(correction=0))
        assert float(units.size) == pytest.approx(size, rel=1e-6)
        inside = units.rewards(made)
        for n, t in made.valid.nonzero().tolist():
            coming = sum(0.5**k * float(inside[n, t + k]) for k in range(4 - t) if made.valid[n, t + k])
            assert coming == pytest.approx(beyond[n][t] / size, rel=1e-5, abs=1e-5)


def test_units_of_nothing_are_one() -> None:
    units, made = Units(0.9, 3), piece(0)._replace(reward=torch.zeros(2, 3))
    assert float(units.size) == 1
    units.update(made)
    assert float(units.size) == 1 and not bool(units.rewards(made).any())


def test_entropy_is_that_of_the_share_of_actions_asked_for() -> None:
    assert Soft(distributions.SQUASHED, CONTINUOUS, 0.9).held(1.0) == pytest.approx(2 * math.log(2))  # uniform
    assert Soft(distributions.CATEGORICAL, DISCRETE._replace(action_size=7), 0.9).held(1.0) == pytest.approx(math.log(7))
    assert Soft(distributions.CATEGORICAL, DISCRETE, 0.9).held(1e-9) == pytest.approx(0, abs=1e-6)


def test_the_breadth_falls_to_its_last_share_with_the_last_iteration() -> None:
    learner = learner_of("bandit", train__iterations=5, outer__breadth=0.4, outer__breadth_end=0.25)
    algorithm, found = replay_of(learner), []
    for _ in loop.iterate(learner, 0, 6):
        found.append(algorithm.breadth)
    assert found == pytest.approx([0.4, 0.325, 0.25, 0.175, 0.1, 0.1])
    assert replay.scheduled(learner.config.parts) == ["outer.breadth"]
    assert replay.scheduled(learner_of("bandit").config.parts) == []


def test_rates_fall_to_their_share_in_the_last_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: of five iterations the first has the whole rate, the last a quarter."""
    learner = learner_of("bandit", train__iterations=5, outer__warmup=0, outer__lr_end=0.25)
    algorithm, shares = replay_of(learner), list[float]()
    step = algorithm.values.step
    monkeypatch.setattr(algorithm.values, "step", lambda losses, share: (shares.append(share), step(losses, share)))
    list(loop.iterate(learner, 0, 5))
    assert shares == pytest.approx([share for share in (1.0, 0.8125, 0.625, 0.4375, 0.25) for _ in range(3)])
    assert replay.scheduled(learner.config.parts) == ["outer.lr", "outer.memory_lr"]


def test_a_share_of_a_rate_is_that_share_of_adams_first_step() -> None:
    """Adam's first step has the length of its rate."""
    several = Several({"a": {"x": torch.zeros(2)}, "b": {"x": torch.zeros(2)}}, {"a": 0.1, "b": 0.4}, 1e9)
    several.step(several.gradients({part: several.of(part)["x"].sum() for part in "ab"}), 0.5)
    assert [several.of(part)["x"].tolist() for part in "ab"] == [pytest.approx([-0.05] * 2), pytest.approx([-0.2] * 2)]


def pomdp() -> tuple[Piece, Tensor, dict[tuple[tuple[int, ...], int], float]]:
    """All trials of three steps in a world of three states, each as often as it is likely, and the value of every history.

    States 0 and 1 look alike. Action 0 goes on to state (s + 1) mod 3 or stays, action 1 goes to 2 or stays, each by a half;
    the reward is s - a. The policy acts by chance.
    """
    gamma, trials = 0.9, []
    for start in range(3):
        for actions in itertools.product((0, 1), repeat=3):
            for moves in itertools.product((0, 1), repeat=2):
                s, seen, rewards = start, [], []
                for t, a in enumerate(actions):
                    seen.append(int(s == 2))
                    rewards.append(float(s - a))
                    if t < 2 and moves[t]:
                        s = (s + 1) % 3 if a == 0 else 2
                trials.append((seen, actions, rewards))
    histories: dict[tuple[int, ...], int] = {}
    which = []
    for seen, actions, _ in trials:
        own = [tuple(itertools.chain(*zip(seen[:t], actions[:t], strict=True), seen[t : t + 1])) for t in range(3)]
        which.append([histories.setdefault(h, len(histories)) for h in own])
    value: dict[tuple[tuple[int, ...], int], float] = {}
    for t in (2, 1, 0):
        sums: dict[tuple[int, int], list[float]] = {}
        for (_, actions, rewards), own in zip(trials, which, strict=True):
            after = sum(value[own[t + 1 :][0], b] for b in (0, 1)) / 2 if t < 2 else 0.0  # type: ignore[index]
            sums.setdefault((own[t], actions[t]), []).append(rewards[t] + gamma * after)
        value |= {key: sum(each) / len(each) for key, each in sums.items()}  # type: ignore[misc]
    n = len(trials)
    made = Piece(
        obs=torch.zeros(n, 3, 1),
        action=torch.tensor([actions for _, actions, _ in trials]),
        reward=torch.tensor([rewards for *_, rewards in trials]),
        first=torch.zeros(n, 3, dtype=torch.bool),
        valid=torch.ones(n, 3, dtype=torch.bool),
        task=torch.zeros(n, 1),
    )
    known = torch.nn.functional.one_hot(torch.tensor(which), len(histories)).float()
    return made, known, value


def test_the_critic_of_a_fixed_policy_is_that_of_dynamic_programming() -> None:
    made, known, value = pomdp()
    critic = Soft(distributions.CATEGORICAL, DISCRETE, gamma=0.9)
    table = torch.zeros(2, known.shape[-1], 2, requires_grad=True)
    often = known.sum((0, 1))[None, :, None] / 2
    at = soft.steps_of(made, made.reward, known, known, torch.arange(3).expand(len(made.reward), 3))

    def decide(features: Tensor) -> Tensor:
        return torch.zeros(*features.shape[:2], 2)

    for _ in range(6):  # each makes the values of one more step right
        loss = critic.critic_loss(decide, linear(table), linear(table.detach()), at, torch.tensor(0.0), torch.zeros(0))
        (gradient,) = torch.autograd.grad(loss, table)
        table = (table - gradient * len(at.reward) / often).detach().requires_grad_()
    for (history, action), expected in value.items():
        assert table[:, history, action].tolist() == pytest.approx([expected] * 2, abs=1e-4)  # type: ignore[index]


def test_twins_are_two_networks_that_do_not_share() -> None:
    pair = Twins(3, (8, 8), 2, Stream(0).generator())
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    both = pair(x)
    assert both.shape == (2, 5, 2)
    for k in range(2):
        y = x
        for i in range(2):
            y = torch.nn.functional.layer_norm(y @ pair.weights[i][k] + pair.biases[i][k], (8,)).relu()
        assert torch.allclose(both[k], y @ pair.weights[2][k] + pair.biases[2][k], atol=1e-6)
    gradient = torch.autograd.grad(both[0].sum(), pair.weights[0])[0]
    assert bool((gradient[1] == 0).all()) and bool((gradient[0] != 0).any())


def test_what_critics_know_is_what_they_are_told() -> None:
    made = piece(3, lanes=2, steps=4)
    features = torch.randn(2, 4, 5, requires_grad=True)
    cases = {
        (True, False, False): [made.obs, made.task[:, None].expand(2, 4, 1)],
        (True, True, False): [made.obs, made.task[:, None].expand(2, 4, 1), features],
        (False, False, False): [features],
        (False, True, True): [features],
    }
    for (told, remembers, shared), parts in cases.items():
        settings = CriticSettings(told=told, remembers=remembers, shared=shared, infer=float(told), foresee=1.0)
        got = twins.known(settings, made, features, whole=8)
        elapsed = torch.tensor([0, 0.125, 0.25, 0.375]).expand(2, 4)[..., None]
        assert torch.equal(got, torch.cat([elapsed, *parts], dim=-1))
        assert got.requires_grad == shared
        assert twins.critic(5, DISCRETE, settings, Stream(0).generator())(got[0]).shape == (2, 4, 2)


# ---- learning


@pytest.mark.parametrize("family", ["bandit", "point"])
def test_same_seed_same_bits_and_a_state_goes_on_as_if_nothing_had_happened(family: str) -> None:
    one, two = learner_of(family), learner_of(family)
    assert trained(one, 0, 4) == trained(two, 0, 4)
    third = learner_of(family)
    trained(third, 0, 2)
    fourth = learner_of(family)
    fourth.algorithm.load(third.algorithm.state())
    trained(fourth, 2, 4)
    for name, x in one.algorithm.state().items():
        assert torch.equal(x, fourth.algorithm.state()[name]), name


@pytest.mark.parametrize("family", ["bandit", "point"])
@pytest.mark.parametrize(
    "critic",
    [
        {"infer": 1.0},
        {"told": False, "infer": 0.0, "shared": True},
        {"remembers": True, "shared": True},
        {"foresee": 1.0, "predict": 1.0},
    ],
)
def test_every_part_learns_after_the_warm_up_and_none_before(family: str, critic: dict[str, Any]) -> None:
    learner = learner_of(family, **{f"critic.{name}": value for name, value in critic.items()}, outer__refresh=2)
    states = [learner.algorithm.state()]
    for iteration in range(2):
        trained(learner, iteration, iteration + 1)
        states.append(learner.algorithm.state())
    for part in ("memory", "actor", "critic", "target", "chance", *([] if critic.get("infer") == 0 else ["lessons"])):
        names = [name for name in states[0] if name.startswith(f"{part}/")]
        assert names
        for name in names:
            assert torch.equal(states[0][name], states[1][name]), name
            assert not torch.equal(states[1][name], states[2][name]), name


def test_the_actor_and_a_told_critic_leave_the_memory_alone() -> None:
    """With nothing but a lesson of no weight to learn from, the memory stays as it was; told nothing, the critic shapes it."""
    for told in (True, False):
        learner = learner_of(critic__told=told, critic__shared=not told, critic__infer=1e-30 if told else 0.0)
        before = learner.algorithm.state()
        trained(learner, 0, 3)
        after = learner.algorithm.state()
        moved = [name for name in before if name.startswith("memory/") and (before[name] - after[name]).abs().max() > 1e-6]
        assert bool(moved) != told


def test_only_training_tasks_are_kept_and_playing_on_others_changes_nothing() -> None:
    learner = learner_of("half-cheetah-vel", train__episodes=1)
    algorithm = replay_of(learner)
    tasks = learner.family.sample(4, "test", Stream(0).rng())
    before = algorithm.state()
    algorithm.adapted(algorithm.adapt(partial(rollout, learner.family.batch(tasks, 1, 1), Stream(1))))
    assert all(torch.equal(x, before[name]) for name, x in algorithm.state().items())
    trained(learner, 0, 2)
    train = [learner.family.sample(4, "train", learner.streams.at("tasks", i).rng()) for i in range(2)]
    expected = torch.cat([learner.family.batch(each, 1, 1).described() for each in train]).float()
    assert torch.equal(torch.cat([each.piece.task for each in algorithm.ring.pieces]), expected)


def test_the_untrained_policy_is_nearly_uniform() -> None:
    learner = learner_of("point", train__meta_batch=50)
    played = next(loop.iterate(learner, 0, 1)).rollouts[0]
    action = played.action[played.valid]
    shares = torch.histc(action, 4, -1, 1) / action.numel()
    assert bool((shares > 0.2).all()) and bool((action.abs() < 1).all())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"outer.warmup": 200}, "--outer.warmup is 200: expected fewer than the 200 iterations"),
        ({"outer.capacity": 20}, "--outer.capacity is 20: expected at least"),
        ({"critic.told": False}, "--critic.infer is 1.0: expected 0"),
        ({"critic.infer": 0.0}, "--critic.infer is 0.0: expected more, or foresee or predict"),
        ({"critic.shared": True}, "--critic.shared is true: expected false"),
        ({"policy.init_std": 2.5}, "--policy.init_std is 2.5: expected more than min_std"),
        ({"outer.breadth": 0}, "--outer.breadth"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.UserError) as caught:
        learners.build(config.load_config("replay", "bandit", settings, "none"))
    assert words in str(caught.value)


@pytest.mark.parametrize("policy", ["gru", "lstm", "mean", "linear-attention", "external", "episodic", "transformer"])
def test_every_memory_of_ours_learns_so(policy: str) -> None:
    learner = learner_of("gridnavi", policy=policy, outer__warmup=0)
    before = learner.algorithm.state()
    metrics = trained(learner, 0, 1)[0]
    after = learner.algorithm.state()
    assert all(math.isfinite(value) for value in metrics.values())
    moved = [name for name in before if name.startswith("memory/core.") and not torch.equal(before[name], after[name])]
    assert moved


def test_tasks_without_numbers_cannot_be_told() -> None:
    spec = DISCRETE._replace(task_size=0, trial_steps=10)
    for more, works in (({}, False), ({"critic.told": False, "critic.infer": 0.0, "critic.foresee": 1.0}, True)):
        parts = config.load_config("replay", "bandit", SMALL | more, "none").parts
        policy = mean.make(spec, parts["policy"], Stream(0))
        if works:
            assert replay.make(policy, spec, parts, Stream(0)).critic is not None
        else:
            with pytest.raises(errors.UserError, match="no numbers describe the tasks .* add --critic.told false"):
                replay.make(policy, spec, parts, Stream(0))


def test_more_actions_than_can_be_judged_one_by_one_are_refused() -> None:
    spec = DISCRETE._replace(action_size=replay.MOST_ACTIONS + 1)
    parts = config.load_config("replay", "bandit", SMALL, "none").parts
    with pytest.raises(errors.UserError, match="4097 actions are too many"):
        replay.make(mean.make(spec, parts["policy"], Stream(0)), spec, parts, Stream(0))


def test_a_policy_without_memory_is_refused() -> None:
    with pytest.raises(errors.UserError, match="replay needs a policy with memory .* choose --policy mean"):
        learners.build(config.load_config("replay", "bandit", policy="mlp"))
