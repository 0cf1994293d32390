"""Grid worlds by MiniGrid's rules, many lanes at once."""
