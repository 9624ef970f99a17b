"""Runs for tests: real ones that take seconds, and what one would have written down."""
