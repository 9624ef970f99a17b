"""What `train_hf.py` and `emofusion train` do: one run, or several by one command."""

from collections.abc import Sequence

from .command_line.experiment import split_experiment


def run(argv: Sequence[str]) -> None:
    """Do what a command line asks for; what it does not need is not imported, so that --help is quick.

    Args:
        argv (`Sequence[str]`): Its words, without the script's name.

    Raises:
        ArgumentError, JobError: What is wrong with flags, recipe, checkpoint or corpus.
    """
    experiment, words = split_experiment(argv)
    if experiment.ablation:
        from .experiments.ablation import ablate

        ablate(experiment, words)
    elif experiment.search:
        from .search.search import search

        search(experiment, words)
    elif experiment.cross_validate:
        from .experiments.cross_validation import cross_validate

        cross_validate(experiment, words)
    else:
        from .run.stages import run_stages

        run_stages(words)
