"""Policies: one file for each body or memory. `base` is their contract, `parts` what they are made of."""
