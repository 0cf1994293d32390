"""Traffic by the rules of highway-env, many lanes at once."""
