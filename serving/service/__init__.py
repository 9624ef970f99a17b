"""A model behind HTTP, for other programs: `emofusion serve`."""
