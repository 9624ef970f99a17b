"""What lies in a folder or data set of the user's own, and how it is dealt to training, validation and test."""
