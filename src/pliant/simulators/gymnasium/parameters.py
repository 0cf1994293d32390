"""What varies as the parameters of a family, and where it is tried out. Only the parent imports this."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from pliant.simulators.gymnasium import vary as varying
from pliant.simulators.gymnasium.varied import Span
from pliant.tasks.parameters import Parameter

BETWEEN = 5
"""Places in a range where it is looked for what a parameter changes."""


def parameter(axis: varying.Axis, shifted: varying.Axis | None) -> Parameter:
    """The parameter of a family for what varies, `shifted` being its axis in the ood split; see `with_meaning`.

    Raises ValueError, which names the flag, if the two do not fit together.
    """
    if axis.values:
        return _choices(axis, shifted)
    ood = None
    if shifted is not None:
        if shifted.values:
            raise ValueError(f"ood has {shifted.name}={varying.words(shifted)}: expected a range low:high, as vary has")
        if varying.gaps(shifted) and varying.gaps(shifted) != varying.gaps(axis):
            got, wanted = varying.words(shifted), varying.words(axis)
            raise ValueError(f"ood has {shifted.name}={got}: it must leave out what vary does, {wanted}")
        ood = (shifted.ranges[0].low, shifted.ranges[-1].high)
        low, high = axis.ranges[0].low, axis.ranges[-1].high
        if low <= ood[0] and ood[1] <= high:
            got, wanted = varying.words(shifted), varying.words(axis)
            raise ValueError(f"ood has {shifted.name}={got}: expected a range beyond {wanted}")
    train = (axis.ranges[0].low, axis.ranges[-1].high)
    return Parameter(varying.short(axis.name), train, ood, gaps=varying.gaps(axis))


def _choices(axis: varying.Axis, shifted: varying.Axis | None) -> Parameter:
    ood = None
    words = ", ".join(f"{i} is {value}" for i, value in enumerate(axis.values)) if axis.is_text else ""
    if shifted is not None:
        if axis.is_text or shifted.ranges or shifted.is_text:
            got = f"{shifted.name}={varying.words(shifted)}"
            raise ValueError(f"ood has {got}: only numbers can be shifted, and values by values")
        ood = shifted.numbers()
        if set(ood) & set(axis.numbers()):
            raise ValueError(f"ood has {shifted.name}={varying.words(shifted)}: expected values that vary does not have")
    split = len(axis.values) >= varying.SPLIT_FROM
    return Parameter(varying.short(axis.name), choices=axis.numbers(), ood=ood, split=split, meaning=words)


def with_meaning(p: Parameter, where: str) -> Parameter:
    """The parameter, which says where in the environment it goes."""
    return dataclasses.replace(p, meaning=": ".join(filter(None, (where, p.meaning))))


def spans(parameters: Sequence[Parameter]) -> tuple[Span, ...]:
    """Where each parameter is tried out."""
    return tuple(Span(p.name, _values(p), (p.ood[0], p.ood[-1]) if p.ood else ()) for p in parameters)


def _values(p: Parameter) -> tuple[float, ...]:
    """Its choices, or some numbers of its range, both ends among them."""
    if p.choices:
        return p.choices
    places = np.linspace(*p.train, BETWEEN).tolist()
    return tuple(x for x in places if not any(low < x < high for low, high in p.gaps))
