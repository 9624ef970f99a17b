"""Several runs by one command: every fold, and variants side by side."""
