"""The official RAVDESS record: its files, and how they are fetched."""
