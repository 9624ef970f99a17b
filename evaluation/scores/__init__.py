"""Numbers: scores of predictions, intervals, tests, robustness."""
