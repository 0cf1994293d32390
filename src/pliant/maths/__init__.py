"""Plain functions of tensors and arrays, which know nothing of agents or files."""
