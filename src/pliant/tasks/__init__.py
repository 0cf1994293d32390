"""What a family of tasks is: the contract, and environments in worker processes."""
