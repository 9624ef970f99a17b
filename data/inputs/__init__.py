"""From stored clips to batches: augmentation, normalisation, collation, damage on purpose."""
