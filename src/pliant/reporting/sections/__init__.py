"""Sections of a report, one a file: each defines `SECTION`."""
