"""The page: somebody gives a clip in a browser, and reads the answer."""
