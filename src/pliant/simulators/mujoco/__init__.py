"""Robots that MuJoCo steps, many lanes in one call."""
