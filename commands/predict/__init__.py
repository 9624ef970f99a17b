"""The verb `predict`: files are found, read and answered, and what is said of them is written."""
