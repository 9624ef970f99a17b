"""Whom a model has seen: written into its config before it is trained, and compared with whom it is scored on."""

from emofusion.data.protocols import LEAKY
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.training_arguments import Arguments

from .clips import Clips
from .encoder_weights import encoder_sources
from .leaks import actors_of, find_leak, seen_by, seen_in_training


def remember_training_actors(config: EmoFusionConfig, arguments: Arguments, clips: Clips) -> None:
    """Write into the config whom the model learns from or is chosen by, here and in what it begins with.

    Raises:
        ArgumentError: A source of weights is neither a checkpoint nor a file of weights.
    """
    before = [seen_by(config)] if arguments.model.model_name_or_path else []
    seen = seen_in_training([*before, *encoder_sources(arguments.model)], clips.splits)
    config.training_actors, config.training_actors_complete = sorted(seen.known), seen.complete


def leak_of(config: EmoFusionConfig, arguments: Arguments, clips: Clips) -> bool | None:
    """Whether actors of the test were seen in training; None where nobody knows.

    Raises:
        ArgumentError: They were, and the model is to be pushed to the hub.
    """
    test_actors = actors_of(clips.splits["test"])
    seen = find_leak(seen_by(config), test_actors, arguments.training, arguments.data.allow_leaky_split)
    return True if arguments.data.protocol == LEAKY else seen
