"""Statistics over valid steps. All take x and valid [M, B, T] and never count padding."""

from torch import Tensor


def mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid steps of each task, [M]."""
    return (x * valid).sum((1, 2)) / valid.sum((1, 2)).clamp(min=1)


def standardise(x: Tensor, valid: Tensor, eps: float = 1e-8, floor: Tensor | None = None) -> Tensor:
    """Subtract the mean and divide by the standard deviation over each task's valid steps; padding becomes 0, [M, B, T].

    The deviation counts as at least `floor` [M], so that what is left of a perfect fit is not blown up to unit size.
    """
    centred = x - mean(x, valid)[:, None, None]
    deviation = mean(centred.square(), valid).sqrt()
    if floor is not None:
        deviation = deviation.maximum(floor)
    return centred / (deviation[:, None, None] + eps) * valid
