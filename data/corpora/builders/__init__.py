"""What builders share: rows that lie ready, of clips and of still pictures, handed out by split."""
