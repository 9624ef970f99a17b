"""From flags to clips, config and model, and what is checked on the way."""
