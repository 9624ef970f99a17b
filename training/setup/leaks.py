"""What a model has seen, before a run and after it, and whether it is scored on an actor among them."""

import logging
from collections.abc import Collection

import datasets

from emofusion.data.corpora.own.own_clips import FIRST_NUMBER
from emofusion.data.protocols import LEAKY, numbers
from emofusion.evaluation.people import people_of
from emofusion.evaluation.record.learnt_before import trained_with_validation
from emofusion.modeling import EmoFusionConfig
from emofusion.modeling.seen_emofusion import NOBODY_KNOWS, Seen, together
from emofusion.training.command_line.training_arguments import Arguments, EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError

from .backbones import backbone_sources
from .clips import Clips
from .encoder_weights import encoder_sources, seen_by

logger = logging.getLogger(__name__)


def seen_in_run(splits: dict[str, datasets.Dataset], modalities: Collection[str]) -> Seen:
    """What a model that reads these modalities sees in training: whom it learns from or is chosen by, and as what."""
    actors = [actors_of(splits[name]) for name in ("train", "validation") if name in splits]
    there = frozenset(modality for modality in modalities if any(splits["train"][f"has_{modality}"]))
    return Seen(frozenset().union(*actors), there)


def actors_of(rows: datasets.Dataset) -> set[int]:
    """The numbers of who is in some rows; of still pictures there are none.

    Those of RAVDESS, of CREMA-D and of clips of one's own are never the same (`FIRST_NUMBER`). Where nobody knows who
    is in a clip of one's own, the number is that of the clip: whoever has seen it is found out all the same.
    """
    return set(rows["actor"]) if "actor" in rows.column_names else set()


def find_leak(seen: Seen, rows: datasets.Dataset, args: EmoFusionTrainingArguments, allow: bool) -> bool | None:
    """Whether actors of the test were seen in training, by this run or by what it began with; None if nobody knows.

    Args:
        seen (`Seen`): What the weights have seen.
        rows (`Dataset`): The test clips.
        args (`EmoFusionTrainingArguments`): Whether the model is to be pushed to the hub.
        allow (`bool`): Whether it may be pushed all the same.

    Raises:
        ArgumentError: They were, and the model is to be pushed to the hub.
    """
    test = actors_of(rows)
    if both := seen.actors & test:
        found = _called(rows, both)
        if args.push_to_hub and not allow:
            raise ArgumentError(
                f"--push_to_hub: the test {found} were seen in training (--protocol, or the checkpoint), so the "
                "scores are inflated; to push the model all the same, add --allow_leaky_split"
            )
        logger.warning("LEAK: the test %s were seen in training, so the scores are inflated", found)
        return True
    if not seen.complete:
        logger.warning(
            "a checkpoint does not say on whom it was trained: whether the test %s were among them, and the "
            "scores are inflated, is not known",
            _called(rows, test) if test else "pictures",
        )
        return None
    if test and people_of(rows) is None and max(seen.actors, default=0) >= FIRST_NUMBER:
        logger.warning(
            "nobody knows who is in the test clips: whether these people were seen in training, in other clips, and "
            "the scores are inflated, is not known; add a column speaker to know"
        )
        return None
    return False


def check_validation_is_new(arguments: Arguments, validation: datasets.Dataset | None) -> None:
    """Say, or refuse, that a run validates on whom its start weights learnt from by `--train_on_validation`.

    Args:
        arguments (`Arguments`): Those of the run.
        validation (`Dataset`, *optional*): The validation clips, where anything is validated or fitted.

    Raises:
        ArgumentError: Something is to be fitted on these clips, by whom it would seem certain.
    """
    people = None if validation is None else people_of(validation)
    if people is None:
        return
    model_args = arguments.model
    for source in (model_args.model_name_or_path, model_args.audio_encoder_weights, model_args.video_encoder_weights):
        both = trained_with_validation(source) & set(people) if source is not None else set()
        if not both:
            continue
        found = f"{source} learnt from {numbers(both)}, who are to validate here"
        if arguments.training.fits:
            raise ArgumentError(
                f"{arguments.training.fits}: {found}: what it has learnt by heart would seem certain; name a "
                "checkpoint that was trained without --train_on_validation, by the same protocol and fold"
            )
        logger.warning("%s: what they choose says little; --train_on_validation lets them train here, too", found)


def _called(rows: datasets.Dataset, actors: Collection[int]) -> str:
    """`actors 1-4`, `speakers ann, bob` or, where nobody knows who is in them, `clips happy/1.wav`."""
    if "speaker" not in rows.column_names:
        return f"actors {numbers(actors)}"
    people = people_of(rows)
    word, names = ("clips", list(rows["clip"])) if people is None else ("speakers", people)
    found = {str(name) for name, actor in zip(names, rows["actor"], strict=True) if actor in actors}
    return f"{word} {numbers(found)}"


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
    return together(
        [*sources, *encoder_sources(arguments.model), *backbone_sources(arguments.model), *_resumed(checkpoint)]
    )


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
    if not arguments.tests:
        return False if seen.complete else None
    leak = find_leak(seen, clips.splits["test"], arguments.training, arguments.data.allow_leaky_split)
    return True if arguments.data.protocol == LEAKY else leak
