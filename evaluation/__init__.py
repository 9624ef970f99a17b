"""Scores and what a run leaves behind: metrics, predictions, plots, card."""
