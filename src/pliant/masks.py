"""Statistics over valid steps. All take x and valid [M, B, T] and never count padding."""

from torch import Tensor


def mean(x: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid steps of each task, [M]."""
    return (x * valid).sum((1, 2)) / valid.sum((1, 2)).clamp(min=1)


def standardise(x: Tensor, valid: Tensor, eps: float = 1e-8) -> Tensor:
    """Subtract the mean and divide by the standard deviation over each task's valid steps; padding becomes 0, [M, B, T]."""
    centred = x - mean(x, valid)[:, None, None]
    deviation = mean(centred.square(), valid).sqrt()
    return centred / (deviation[:, None, None] + eps) * valid
