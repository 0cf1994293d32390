"""The version, in one place; importing it costs nothing."""

VERSION = "0.1.0"
