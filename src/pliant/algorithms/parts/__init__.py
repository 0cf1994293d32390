"""Parts that algorithms are made of: optimiser, inner loop, outer steps, critic."""
