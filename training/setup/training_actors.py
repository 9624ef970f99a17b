"""What a model has seen: before a run, and after it; compared with whom it is scored on."""

from emofusion.data.protocols import LEAKY
from emofusion.modeling import EmoFusionConfig
from emofusion.modeling.seen_emofusion import NOBODY_KNOWS, Seen, together
from emofusion.training.command_line.training_arguments import Arguments

from .clips import Clips
from .encoder_weights import encoder_sources
from .leaks import actors_of, find_leak, seen_by, seen_in_run


def seen_before(arguments: Arguments, checkpoint: str | None) -> Seen:
    """What the weights that a run begins with have seen.

    Args:
        arguments (`Arguments`): Those of the run.
        checkpoint (`str`, *optional*): Where it is resumed. It has seen what the run begins with and what the run
            shows it, but only if nobody else trained it on.

    Raises:
        OSError, ValueError: A source of weights is neither a checkpoint nor a file of weights.
    """
    start = arguments.model.model_name_or_path
    sources = [seen_by(start)] if start is not None else []
    return together([*sources, *encoder_sources(arguments.model), *_resumed(checkpoint)])


def _resumed(checkpoint: str | None) -> list[Seen]:
    if checkpoint is None:
        return []
    try:
        return [seen_by(checkpoint)]
    except (OSError, ValueError):  # weights in another form than a model's, which Trainer alone can read
        return [NOBODY_KNOWS]


def seen_after(before: Seen, arguments: Arguments, config: EmoFusionConfig, clips: Clips) -> Seen:
    """What the weights will have seen after the run; where nothing is trained, what they had seen before."""
    return together([before, seen_in_run(clips.splits, config.modalities)]) if arguments.trains else before


def leak_of(seen: Seen, arguments: Arguments, clips: Clips) -> bool | None:
    """Whether actors of the test were seen in training; None where nobody knows.

    Raises:
        ArgumentError: They were, and the model is to be pushed to the hub.
    """
    test_actors = actors_of(clips.splits["test"])
    leak = find_leak(seen, test_actors, arguments.training, arguments.data.allow_leaky_split)
    return True if arguments.data.protocol == LEAKY else leak
