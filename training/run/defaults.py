"""What is filled in where flags leave it open; the arguments are changed in place."""

import importlib.util
import logging

from transformers.integrations import get_available_reporting_integrations
from transformers.trainer_utils import IntervalStrategy

from emofusion.data.corpora.registry import CORPORA
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.setup.own_labels import own_listing

logger = logging.getLogger(__name__)

# transformers' name of a tracker -> the module that must be there.
_TRACKERS = {"wandb": "wandb", "trackio": "trackio", "tensorboard": "tensorboard"}


def fill_in_protocol(arguments: Arguments) -> None:
    """The protocol of the corpus, where none is asked for.

    Raises:
        ArgumentError, ValueError, OSError: The clips of one's own cannot be listed, whose protocol they decide.
    """
    data, entry = arguments.data, CORPORA[arguments.data.corpus]
    if data.protocol is not None:
        return
    if entry.own and arguments.trains:
        data.protocol = own_listing(data).natural_protocol
    else:
        data.protocol = entry.trains_by if arguments.trains else entry.scores_by


def fill_in_what_splits_need(arguments: Arguments) -> None:
    """Where nothing is trained, or nobody is left to validate, nothing is validated and no checkpoint is the best."""
    if not arguments.has_validation:
        arguments.training.eval_strategy = IntervalStrategy.NO
        arguments.training.select, arguments.training.load_best_model_at_end = "last", False


def leave_out_absent_trackers(arguments: Arguments) -> None:
    """Go on without trackers that are not installed, and say so in one line."""
    for name in list(arguments.training.report_to):
        if name in _TRACKERS:
            there, advice = importlib.util.find_spec(_TRACKERS[name]) is not None, " (pip install 'emofusion[track]')"
        else:
            there, advice = name in get_available_reporting_integrations(), ""
        if not there:
            arguments.training.report_to.remove(name)
            logger.warning("tracker %s is not installed: going on without it%s", name, advice)
