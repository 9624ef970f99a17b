"""One run of `train_hf.py`: arguments, recipes, setup and trainer."""
