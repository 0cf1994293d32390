"""Training and evaluation: the only loop, and what surrounds it."""
