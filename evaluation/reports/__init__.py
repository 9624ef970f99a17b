"""Words and tables: metrics.json, the model card, what experiments leave."""
