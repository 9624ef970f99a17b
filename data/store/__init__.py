"""The decoded store: every take is decoded once, to a clip of frames and sound."""
