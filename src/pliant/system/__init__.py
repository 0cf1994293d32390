"""The machine and what surrounds the process: memory, signals, files, progress."""
