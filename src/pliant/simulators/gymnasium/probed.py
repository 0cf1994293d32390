"""Whether tasks reach an environment and stay there, played in a worker before a training begins.

    both ends of a parameter, one seed, the same actions    must differ in what is seen, earned or ended
    an attribute, read back after `reset`                   must be what was set
    a seed, another task and seed, the first seed again     must be the same episode

What is certainly wrong is refused; what only looks wrong in the steps that were played is said.
"""

import hashlib
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from pliant import errors
from pliant.simulators.gymnasium import contract, spaces, varied
from pliant.simulators.gymnasium.varied import Recipe, Span, Varied
from pliant.tasks.asked import Say

Array = NDArray[np.float64]

STEPS = 300
"""Steps that are played of every task; fewer, at least LEAST, once SECONDS have passed."""
LEAST, SECONDS = 10, 1.0
SEED, OTHER = 11, 1011
"""Of the episode that is repeated, and of the one between."""
CLOSE = 1e-6
"""A number that was set counts as kept up to this share of it."""
HINTS = {
    "attribute": "an attribute that is read in the constructor alone is varied as argument.NAME, or set by --apply",
    "argument": "the environment may not use this argument",
    "option": "reset may not use this option",
    "apply": "--apply may set what the environment does not use",
    "seed": "reset may draw nothing from its seed, and all tasks are one then",
}


class Play(NamedTuple):
    """What was seen of some steps of a task."""

    seen: list[bytes]
    """One for each observation with what it brought: its numbers, shortened."""
    steps: int
    kept: tuple[Any, ...]
    """What stood in each place right after the first reset; None where nothing can be read."""


class Probe(NamedTuple):
    """A task family under examination."""

    recipe: Recipe
    spans: tuple[Span, ...]
    called: str
    horizon: int
    say: Say

    def play(self, lane: Varied, task: Array, seed: int) -> Play:
        """Some steps of a task: as many episodes as they make, from `seed` on, with actions drawn from it."""
        begin, rng = time.monotonic(), np.random.default_rng(seed)
        seen = [_shortened(lane.begin(task, seed))]
        assert lane.env is not None
        actor, kept = spaces.actor(lane.env.action_space), _read(lane, self.recipe)
        steps = elapsed = 0
        while steps < LEAST or (steps < STEPS and time.monotonic() - begin < SECONDS):
            action: Any = int(rng.integers(actor.size)) if actor.discrete else rng.uniform(-1, 1, actor.size)
            obs, *brought = lane.advance(action)
            seen.append(_shortened(obs, *brought))
            steps, elapsed = steps + 1, elapsed + 1
            if brought[1] or brought[2] or elapsed >= self.horizon:
                seed, elapsed = seed + 1, 0
                seen.append(_shortened(lane.begin(task, seed)))
        return Play(seen, steps, kept)

    def fresh(self, task: Array, seed: int = SEED) -> Play:
        """The same in an environment made anew."""
        lane = Varied(self.recipe)
        try:
            return self.play(lane, task, seed)
        finally:
            lane.close()

    def candidates(self, i: int) -> Iterator[Array]:
        """Tasks in which parameter `i` is elsewhere than in the first: its other end, then between."""
        values, first = self.spans[i].values, self.first()
        for value in dict.fromkeys((values[-1], values[len(values) // 2], values[len(values) // 4])):
            task = first.copy()
            task[i] = value
            if value != first[i]:
                yield task

    def first(self) -> Array:
        """Every parameter at its first value."""
        return np.array([span.values[0] for span in self.spans])


def doubts(say: Say, recipe: Recipe, spans: tuple[Span, ...], called: str, horizon: int) -> tuple[str, ...]:
    """What looks wrong with the tasks of an environment, in words. Raises UserError for a task that does not stay."""
    probe = Probe(recipe, spans, called, horizon, say)
    said: list[str] = []
    doing = "the same episode twice"
    lane = Varied(recipe)
    try:
        say(f"playing {doing}")
        repeats = _repeats(probe)
        said += [] if repeats else [_forgetful(probe)]
        for i, span in enumerate(spans):
            doing = f"both ends of {span.name}"
            say(f"playing {doing}")
            said += _unreached(probe, lane, i, repeats)
    except errors.UserError:
        raise
    except Exception as error:  # an environment that fails now and then may still be trained on: its worker is replaced then
        said.append(f"{called} {contract.blamed(error)} while {doing} were played at random: what else varies was not tried")
    finally:
        lane.close()
    return tuple(said)


def _unreached(probe: Probe, lane: Varied, i: int, repeats: bool) -> list[str]:
    """What is wrong with parameter `i`, if it changes nothing. Raises UserError if `reset` undoes it."""

    def play(task: Array) -> Play:
        return probe.play(lane, task, SEED) if repeats else probe.fresh(task)

    place, first = probe.recipe.places[i], probe.first()
    tasks = list(probe.candidates(i))
    if not tasks:
        return []
    one, plays = play(first), list[Play]()
    for task in tasks:
        plays.append(play(task))
        if repeats and not _same(one, plays[-1]):
            return []
    ends = [(place.of(float(task[i])), each.kept[i]) for task, each in ((first, one), (tasks[0], plays[0]))]
    if place.where == "attribute" and not any(_is(now, given) for given, now in ends):
        given, now = (" and ".join(_words(end[side]) for end in ends) for side in (0, 1))
        raise errors.UserError(
            f"--vary: reset of {probe.called} undoes {place.name}: set to {given}, it is {now} after reset, so that tasks do"
            " not differ in it; vary what reset draws it from (argument.NAME, option.NAME), or set it after reset in a wrapper"
            " (--wrappers module.Wrapper)"
        )
    if not repeats:
        return []
    name, steps = probe.spans[i].name, min(each.steps for each in (one, *plays))
    given = " and ".join(_words(value) for value, _ in ends)
    return [
        f"--vary: {name} changed nothing in {steps} steps of {probe.called} at random, at {given}:"
        f" {HINTS[place.where]}; if it matters only later, all is well"
    ]


def _repeats(probe: Probe) -> bool:
    """The same seed gives the same episode after another one; and a task, after another task, what it gives alone."""
    lane, first, other = Varied(probe.recipe), probe.first(), probe.first()
    for i, place in enumerate(probe.recipe.places):
        for task in list(probe.candidates(i))[:1] if place.where != "argument" else ():  # other arguments make it anew anyway
            other[i] = task[i]
    try:
        one, between = probe.play(lane, first, SEED), probe.play(lane, other, OTHER)
        again = probe.play(lane, first, SEED)
    finally:
        lane.close()
    return _same(one, again) and _same(between, probe.fresh(other, OTHER))


def _forgetful(probe: Probe) -> str:
    """What an environment that does not repeat itself does wrong, and what is to blame."""
    first = probe.first()
    if not _same(probe.fresh(first), probe.fresh(first)):
        return (
            f"{probe.called} does not repeat itself from the same seed and actions, even made anew: its chance must come from"
            " self.np_random, seeded by reset(seed=...); no result of it can be repeated"
        )
    return (
        f"{_culprit(probe)} keeps state from episode to episode: the same seed gives another episode after others were played,"
        " so that an evaluation depends on what came before it, and a resumed run is not what it would have been; leave it out,"
        " or make the environment anew for every episode (--fresh true)"
    )


def _culprit(probe: Probe) -> str:
    """The innermost wrapper with which the environment does not repeat itself, or the environment."""
    recipe = probe.recipe
    for n in range(len(recipe.wrappers)):
        inner = probe._replace(recipe=recipe._replace(wrappers=recipe.wrappers[:n], left_out=()))
        try:
            if not _repeats(inner):
                return _called(inner)
        except (ValueError, gymnasium.error.Error):  # without the others its spaces may not be servable: the next one tells
            continue
    return _called(probe)


def _called(probe: Probe) -> str:
    if not probe.recipe.wrappers:
        return probe.called
    outermost = probe.recipe.wrappers[-1][0]
    return f"the wrapper {getattr(outermost, '__name__', outermost)} of {probe.called}"


def _read(lane: Varied, recipe: Recipe) -> tuple[Any, ...]:
    """What stands now where each number of a task was put."""
    assert lane.env is not None
    found: list[Any] = []
    for place in recipe.places:
        try:
            found.append(getattr(*varied.owner_of(lane.env.unwrapped, place.name)) if place.where == "attribute" else None)
        except AttributeError:  # reset has made its owner anew, without it
            found.append(None)
    return tuple(found)


def _is(now: Any, given: Any) -> bool:
    """What is there now is what was given."""
    try:
        return bool(np.isclose(float(now), float(given), rtol=CLOSE, atol=0.0))
    except (TypeError, ValueError):
        return bool(now == given)


def _same(one: Play, two: Play) -> bool:
    """As far as both were played."""
    return all(a == b for a, b in zip(one.seen, two.seen, strict=False))


def _shortened(obs: Any, *brought: float | bool) -> bytes:
    return hashlib.blake2b(np.asarray(obs, np.float64).tobytes() + repr(brought).encode(), digest_size=16).digest()


def _words(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, (float, np.floating)) else str(value)
