"""How many of torch's threads share a piece of work: small work is done soonest by one.

Others would wait more than they help, and on a busy machine each waits for its turn. How long a thread looks out for work is
settled before torch is loaded, in `pliant/__init__.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

SMALL = 32768
"""Elements of a tensor below which torch itself does its work in one piece; only products are shared. A memory meets such
products at every step. Measured with the presets of `rl2` on 2 cores, up to 8,192 elements: alone on the machine one thread
takes 0.9 to 1.25 times as long as two, beside another process that computes 0.45 to 1 times."""


@contextmanager
def one(only: bool = True) -> Iterator[None]:
    """Work with one torch thread inside, if `only` holds; afterwards there are as many as before."""
    threads = torch.get_num_threads()
    if only:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
