"""What can end a run; `train_hf.py` shows the message and no traceback."""


class ArgumentError(ValueError):
    """A flag or a recipe field that cannot be used; the message names it."""


class JobError(Exception):
    """A run cannot go on; the message says why and what to do."""


class SetupError(JobError):
    """Flags, recipe, checkpoint or corpus are wrong. Nothing was trained."""


class DivergedError(JobError):
    """Training ended in a model that says nothing."""


class NoCardError(JobError):
    """A model was to be pushed that has no card. Its scores are saved."""


class PublishError(JobError):
    """A model cannot be published. What was on the hub is as it was, unless the message says otherwise."""
