"""Algorithms: one file for each name. `base` is their contract, `parts` what they are made of."""
