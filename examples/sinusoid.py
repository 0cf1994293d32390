"""Few-shot regression of sine waves with MAML, FOMAML, Reptile and plain pretraining, on pliant's functional core.

    python examples/sinusoid.py --method maml --iterations 30000

Finn et al. 2017, arXiv:1703.03400, section 5.1: y = A sin(x - phase), A ~ U[0.1, 5], phase ~ U[0, pi], x ~ U[-5, 5]; a network
1-40-40-1, trained with 10 points and steps of 0.01, tested with 5 points and 1, 5 and 10 steps. Three training steps count
(Antoniou et al. 2019): trained for one step alone, later ones diverge on some waves.
"""

import argparse
import math
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor

from pliant.maths import functional
from pliant.streams import Stream
from pliant.types import Params

Method = Literal["maml", "fomaml", "reptile", "pretrain"]
SIZES, INNER_LR, TASKS, SHOTS = (1, 40, 40, 1), 0.01, 25, 10
WEIGHTS = torch.tensor([0.5, 0.25, 0.25])  # what the error after each training step counts


def initial(rng: torch.Generator) -> Params:
    """Truncated-normal weights with standard deviation 0.1, as in the authors' code; biases zero."""
    params = {}
    for i, (a, b) in enumerate(pairwise(SIZES)):
        params[f"w{i}"] = torch.nn.init.trunc_normal_(torch.empty(b, a), std=0.1, a=-0.2, b=0.2, generator=rng)
        params[f"b{i}"] = torch.zeros(b)
    return params


def predict(params: Params, x: Tensor) -> Tensor:
    """Network output [M, K] for x [M, K], with parameters shared or stacked per task."""
    h = x.unsqueeze(-1)  # [M, K, 1]
    for i in range(len(SIZES) - 1):
        h = (h.relu() if i else h) @ params[f"w{i}"].mT + params[f"b{i}"].unsqueeze(-2)
    return h.squeeze(-1)


def mse(params: Params, x: Tensor, y: Tensor) -> Tensor:
    """Mean squared error per task, [M]."""
    return (predict(params, x) - y).square().mean(-1)


def waves(tasks: int, points: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points (x, y), each [tasks, points], of `tasks` random sine waves."""
    u = torch.rand(tasks, 2, 1, generator=rng)
    x = 10 * torch.rand(tasks, points, generator=rng) - 5
    return x, (0.1 + 4.9 * u[:, 0]) * torch.sin(x - math.pi * u[:, 1])


def train(method: Method, iterations: int, seed: int) -> Params:
    """Meta-parameters after `iterations` updates of 25 tasks with 10 + 10 points each."""
    rng = Stream(seed).at("sinusoid").generator()
    meta = {name: p.requires_grad_() for name, p in initial(rng).items()}
    adam = torch.optim.Adam(list(meta.values()), lr=4e-3)
    for iteration in range(iterations):
        adam.param_groups[0]["lr"] = 4e-3 * (1 - iteration / iterations)
        (x, y), params = waves(TASKS, 2 * SHOTS, rng), functional.stack(meta, TASKS)
        adam.zero_grad()
        errors, seen = [mse(params, x[:, SHOTS:], y[:, SHOTS:])], 2 * SHOTS if method == "reptile" else SHOTS
        for _ in range(0 if method == "pretrain" else len(WEIGHTS)):
            support = mse(params, x[:, :seen], y[:, :seen])
            params = functional.inner_step(params, support, INNER_LR, second_order=method == "maml", retain=True)
            errors.append(mse(params, x[:, SHOTS:], y[:, SHOTS:]))
        if method == "reptile":
            for name, p in meta.items():
                p.grad = p.detach() - params[name].detach().mean(0)
        else:
            (WEIGHTS @ torch.stack(errors[1:]) if errors[1:] else errors[0]).mean().backward()
            torch.nn.utils.clip_grad_norm_(meta.values(), 1.0)
        adam.step()
    return {name: p.detach() for name, p in meta.items()}


def evaluate(meta: Params, steps: int = 10, shots: int = 5, tasks: int = 1000, seed: int = 0) -> list[float]:
    """Mean squared error on new waves after 0..steps gradient steps on `shots` points."""
    x, y = waves(tasks, shots + 100, Stream(seed).at("test").generator())
    params, errors = functional.stack(meta, tasks), []
    for _ in range(steps + 1):
        params = {name: p.detach().requires_grad_() for name, p in params.items()}
        errors.append(mse(params, x[:, shots:], y[:, shots:]).mean().item())
        params = functional.inner_step(params, mse(params, x[:, :shots], y[:, :shots]), INNER_LR, second_order=False)
    return errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", choices=get_args(Method), default="maml")
    parser.add_argument("--iterations", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    errors = evaluate(train(wanted.method, wanted.iterations, wanted.seed))
    print(f"{wanted.method}: 5-shot MSE after 1 / 5 / 10 steps:", " / ".join(f"{errors[s]:.2f}" for s in (1, 5, 10)))
