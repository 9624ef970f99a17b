"""Flags and recipes."""
