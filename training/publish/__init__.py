"""What becomes of a finished model on the hub: which files go there, in what words, and how they arrive."""
