"""Environments that Gymnasium makes, one process or many."""
