"""Meta-World's manipulations."""
