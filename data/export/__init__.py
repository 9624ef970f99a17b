"""What a decoded corpus can be written to: Parquet with a card, npz files, contact sheets."""
