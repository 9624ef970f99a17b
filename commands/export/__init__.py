"""The verb `export`: a model as a file of another runtime, and a script that answers with it."""
