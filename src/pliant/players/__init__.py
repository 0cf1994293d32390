"""Reference agents, one file a family: classical controllers and exact optima."""
