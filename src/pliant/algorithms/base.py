"""What every algorithm is: a way to adapt to tasks, and a way to learn from having adapted."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor, nn

from pliant.system.crew import Crew
from pliant.types import Carry, Params, Rollout


class Collect(Protocol):
    """Plays one trial in every lane of the current tasks."""

    def __call__(self, policy: nn.Module, params: Params, stage: int) -> Rollout: ...


class Algorithm(Protocol):
    """Receives a policy and a `collect`; sees no environment and no file.

    One that learns nothing, as a baseline may, says `learns = False`: to train it takes no iterations. One that does not adapt
    says `tunes = False`: it spends nothing on a new task. One whose seeds differ in nothing but what chance makes of its
    actions says `by_chance = True`: in evaluations each seed acts by random numbers of its own. Its module may export, beside
    `PARTS`, `POLICY` and `make`: `TOLD = True`, and the policy is told its task as part of the observation; `BORROWS = (name,
    change)`, whose presets it takes where it has none, changed by a function from table to table; `DEFAULTS`, tables of what
    it has in mind for settings that are not its own, which presets go before; `scheduled(parts)`, the settings whose values
    depend on how many iterations a training has, as ["outer.lr"]; and `inputs(parts)`, how many numbers the policy that it is
    given reads behind those of an observation.
    """

    policy: nn.Module
    stage: Literal["gradient step", "episode"]
    """What the stages of an adaptation curve count: rollouts between gradient steps, or the episodes of one rollout."""

    def adapt(self, collect: Collect, steps: int | None = None) -> list[Rollout]:
        """One trial on new tasks: the rollout of each stage. The same call in training, evaluation and deployment."""

    def learn(self, rollouts: list[Rollout]) -> dict[str, float]:
        """One meta-update from what `adapt` returned; named numbers for the record.

        Raises UserError, with all parameters unchanged, when a gradient is not finite.
        """

    def adapted(self, rollouts: list[Rollout]) -> tuple[Params, Carry | None]:
        """The parameters to act with after these rollouts, stacked per task, and what a memory carries on (None: nothing)."""

    def state(self) -> dict[str, Tensor]:
        """Everything that learning depends on, by name; what begins with KEPT never changes under its name, and need not come
        back where nothing is to be learned."""

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned, bit for bit."""


@runtime_checkable
class Sharing(Protocol):
    """An algorithm that also learns from shards of the tasks, of which other processes may have some."""

    def learn_shared(self, shards: Sequence[list[Rollout]], crew: Crew) -> dict[str, float]:
        """One meta-update from what `adapt` returned for each shard of this process; the same in every process."""


def by_episode(algorithm: Algorithm) -> bool:
    """It adapts by memory, from episode to episode of one rollout; else by gradient, from rollout to rollout."""
    return algorithm.stage == "episode"
