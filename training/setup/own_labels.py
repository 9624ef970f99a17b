"""Classes that are the labels of the user's own clips: they are known before anything is decoded."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import datasets

from emofusion.data import LabelSet
from emofusion.data.corpora.clips import OwnClips
from emofusion.data.corpora.own.own_clips import Listing
from emofusion.data.corpora.registry import CORPORA
from emofusion.data.label_sets import OWN, own_labels
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.data_arguments import DataArguments
from emofusion.training.errors import ArgumentError


def names_of(config: EmoFusionConfig) -> list[str]:
    """The classes of a model in the order of their ids."""
    names = config.id2label or {}
    return [name for _, name in sorted(names.items(), key=lambda item: int(item[0]))]


def has_own_labels(data: DataArguments) -> bool:
    """Whether the labels of the clips are the classes.

    Raises:
        ArgumentError: They were asked for, and the corpus has label sets.
    """
    own = CORPORA[data.corpus].own
    if data.label_set == OWN and not own:
        raise ArgumentError(
            f"--label_set {OWN}: it is for clips of your own (--corpus clips); leave it out, or name one of the label "
            "sets"
        )
    return own and data.label_set in (None, OWN)


def check_place(data: DataArguments) -> None:
    """Refuse a place of clips that is not named, named twice, or not there.

    Raises:
        ArgumentError: naming the flag.
    """
    entry = CORPORA[data.corpus]
    if entry.own and data.data_dir and data.dataset_name:
        raise ArgumentError("--data_dir with --dataset_name: the clips are in one of them; leave the other out")
    if entry.own and data.dataset_name:
        return
    if not data.data_dir and entry.own:
        raise ArgumentError(
            "--data_dir is missing: name the folder with your clips, or a data set of `datasets` with --dataset_name"
        )
    if not data.data_dir:
        raise ArgumentError(
            f"--data_dir is missing: name the folder with the {entry.corpus.name} files, or make the synthetic demo "
            "corpus with `python -m emofusion.data.demo_corpus runs/demo_corpus`"
        )


def check_place_is_there(data: DataArguments) -> None:
    """Raises an ArgumentError where there is no such folder or file."""
    if data.data_dir and not Path(data.data_dir).expanduser().exists():
        raise ArgumentError(f"--data_dir {data.data_dir}: no such folder or file")


def place_options(data: DataArguments) -> dict[str, Any]:
    """Flags that only some corpora have a use for, as options of the builder, which calls a data set its source."""
    options = {flag: getattr(data, flag) for flag in CORPORA[data.corpus].flags}
    if "dataset_name" in options:  # a word that `datasets` itself has for builders
        options["source"] = options.pop("dataset_name")
    return options


def own_listing(data: DataArguments) -> Listing:
    """The clips of one's own, listed; nothing is decoded.

    Raises:
        ArgumentError, ValueError, OSError: There is no clip, or a table does not fit the files.
    """
    check_place(data)
    check_place_is_there(data)
    builder = datasets.load_dataset_builder(
        data.corpus, data_dir=data.data_dir, cache_dir=data.cache_dir, **place_options(data)
    )
    assert isinstance(builder, OwnClips)
    return builder.listing


def own_classes(data: DataArguments, known: Iterable[str] | None, may_change: bool) -> LabelSet:
    """The labels of the clips as classes; those of a checkpoint, where it knows the same or may not learn others.

    Args:
        data (`DataArguments`): Where the clips are.
        known (`Iterable[str]`, *optional*): Classes of the checkpoint in the order of their ids.
        may_change (`bool`): Whether the classifier may be made anew.

    Raises:
        ArgumentError, ValueError, OSError: The checkpoint does not know a label, or the clips cannot be listed.
    """
    listing = own_listing(data)
    found, names = listing.classes, list(known or ())
    if may_change:
        listing.check_labels()
        return own_labels(names, in_order=True) if set(names) == set(found.labels) else found
    unknown = [label for label in found.labels if label not in names]
    if unknown:
        raise ArgumentError(
            f"--corpus {data.corpus}: the checkpoint tells apart {', '.join(names)}, and the clips have the label "
            f"{unknown[0]}; scoring needs classes that it knows: leave those clips out, name a label set that drops "
            "them (--label_set), or train without --do_predict"
        )
    return own_labels(names, in_order=True)
