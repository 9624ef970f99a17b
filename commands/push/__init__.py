"""The verb `push`: a model, or a page that shows it, goes to the hub."""
