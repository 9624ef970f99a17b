"""What lies on disk: files, their names, the takes that they make, and an account of all of it."""
