"""A family under check."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pliant.streams import Stream
from pliant.tasks.base import Tasks

DRAWS = 64
"""Tasks that are drawn of each split."""


@dataclass
class Subject:
    """A family under check; what one check finds, the later ones use."""

    name: str
    code: Any
    """The module, the function that returns a Family, or the Family."""
    given: Mapping[str, Any]
    """Settings other than the defaults."""
    stream: Stream
    settings: Any = None
    family: Any = None
    draws: dict[str, Tasks] = field(default_factory=dict)
    trial: Any = None
    """The whole trial that was played (`play.Trial`)."""

    @property
    def is_module(self) -> bool:
        """The family is a module's, with settings."""
        return inspect.ismodule(self.code)

    def make(self) -> Any:
        """The family, anew."""
        if self.is_module:
            return self.code.family(self.settings)
        return self.code() if callable(self.code) else self.code

    def tasks(self, n: int) -> Tasks:
        """`n` training tasks, as different as there are."""
        drawn = self.draws["train"]
        _, first = np.unique(self.family.flatten(drawn), axis=0, return_index=True)
        return drawn[np.resize(np.sort(first), n)]
