"""Servers on this machine that stand for the internet."""
