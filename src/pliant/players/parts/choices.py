"""How a reference agent that has decided says so: as the parameters of its action distribution."""

NEVER = -1e4
"""Logit of an action that it has decided against."""
CERTAIN = -20.0
"""Log standard deviation of an action that leaves nothing to chance."""
