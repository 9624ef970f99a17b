"""The verb `serve`: a model answers by HTTP."""
