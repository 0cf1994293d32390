"""Families of tasks: one file for each name that `pliant list` shows, and nothing else."""
