"""One run: train, score, save."""
