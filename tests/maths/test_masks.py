"""Masked statistics count valid steps only."""

import numpy as np
import torch

from pliant.maths import masks

X = torch.tensor([[[1.0, 2.0, 99.0], [5.0, 99.0, 99.0]], [[-1.0, -3.0, 2.0], [4.0, 8.0, 99.0]]], dtype=torch.float64)
VALID = torch.tensor([[[1, 1, 0], [1, 0, 0]], [[1, 1, 1], [1, 1, 0]]], dtype=torch.bool)


def test_mean_counts_valid_steps_of_each_task_only() -> None:
    # (1 + 2 + 5) / 3 and (-1 - 3 + 2 + 4 + 8) / 5
    assert torch.allclose(masks.mean(X, VALID), torch.tensor([8 / 3, 2.0], dtype=torch.float64), atol=1e-15)


def test_mean_weighs_steps_not_lanes() -> None:
    x = torch.tensor([[[0.0, 0.0, 0.0], [8.0, 0.0, 0.0]]], dtype=torch.float64)
    valid = torch.tensor([[[1, 1, 1], [1, 0, 0]]], dtype=torch.bool)
    assert masks.mean(x, valid).tolist() == [2.0]


def test_standardise_divides_by_the_standard_deviation_of_valid_steps() -> None:
    result = masks.standardise(X, VALID, eps=0.0)
    for m in range(2):
        valid = VALID[m].numpy()
        values = X[m].numpy()[valid]
        expected = (values - values.mean()) / values.std()
        assert np.allclose(result[m].numpy()[valid], expected, atol=1e-14)
        # The scale of the input, which dividing by the variance would leave in, is gone.
        assert np.isclose(result[m].numpy()[valid].std(), 1.0)
    assert torch.allclose(masks.standardise(1000 * X, VALID, eps=0.0), result, atol=1e-12)


def test_standardise_makes_padding_zero_and_ignores_it() -> None:
    other = torch.where(VALID, X, -12345.0)
    assert torch.equal(masks.standardise(X, VALID), masks.standardise(other, VALID))
    assert bool((masks.standardise(X, VALID)[~VALID] == 0).all())


def test_equal_values_standardise_to_zero_and_an_empty_task_is_no_nan() -> None:
    valid = VALID.clone()
    valid[1] = False
    assert torch.equal(masks.standardise(torch.full_like(X, 3.0), VALID), torch.zeros_like(X))
    assert masks.mean(X, valid).tolist() == [8 / 3, 0.0]
    assert bool(torch.isfinite(masks.standardise(X, valid)).all())


def test_a_deviation_below_the_floor_counts_as_the_floor() -> None:
    floor = torch.tensor([100.0, 0.1], dtype=torch.float64)
    result = masks.standardise(X, VALID, eps=0.0, floor=floor)
    assert torch.allclose(result[0][VALID[0]], (X[0][VALID[0]] - 8 / 3) / 100)
    assert torch.equal(result[1], masks.standardise(X, VALID, eps=0.0)[1])
