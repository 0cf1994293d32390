"""What is asked of an algorithm: what its module says (`says`), how it adapts (`adapts`), how it learns (`learns`)."""
