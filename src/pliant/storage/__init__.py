"""What is on disk: run folders, checkpoints, documents."""
