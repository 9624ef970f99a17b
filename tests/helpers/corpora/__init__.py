"""Small corpora of the kinds that are read, written in seconds."""
