"""What a run writes down of itself: the record that becomes metrics.json, and a row for every prediction."""
