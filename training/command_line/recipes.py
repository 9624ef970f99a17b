"""Recipes: a YAML file gives defaults for the flags, and flags on the command line win."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

from emofusion.training.errors import ArgumentError
from emofusion.training.suggestions import did_you_mean

from .flags import EXPERIMENT_FLAGS, STAGE_FLAGS, run_flags

BLOCKS = {stage: f"{stage}_settings" for stage in ("audio", "video", "fusion")}
"""Blocks of a recipe that hold the settings of one stage alone, and the flags that say the same."""

ALIKE = (
    *("corpus", "data_dir", "cache_dir", "label_set", "protocol", "fold", "channel", "face_tracks", "strict"),
    *("keep_copies", "dataset_name", "label_column", "speaker_column"),
    *("max_eval_samples", "train_on_validation"),
    *("encoder_width", "audio_encoder_width", "audio_encoder", "video_encoder", "num_frames", "image_size"),
    *("window", "face_crop", "grey"),
    *("audio_backbone", "video_backbone", "backbone_weights", "audio_pooling"),
)
"""What all stages must have in common: the same clips, and encoders that fit from one model into the other."""


def starts_with_recipe(words: Sequence[str]) -> bool:
    """Whether the first word of a command line is a recipe."""
    return bool(words) and words[0].endswith((".yaml", ".yml"))


def read_recipe(path: str) -> dict[str, Any]:
    """Fields and values of a recipe, as they stand there.

    Raises:
        ArgumentError: No such file, or not a mapping.
    """
    return read_mapping(path, named_by="", expected="`field: value` lines")


def words_of_recipe(settings: dict[str, Any], path: str, lists: Collection[str]) -> list[str]:
    """The recipe as command-line words; `lists` are the fields that take several values.

    Raises:
        ArgumentError: An unknown field, or several values where there can be one.
    """
    check_fields(settings, path)
    for name, value in settings.items():
        if isinstance(value, list) and name not in lists:
            raise ArgumentError(f"{path}: {name}: expected one value, found the list {value}")
    return words_of(settings)


def check_fields(settings: dict[str, Any], place: str) -> None:
    """Fields of a recipe must be flags of a run; `place` is what errors name.

    Raises:
        ArgumentError: One is not.
    """
    known = [*run_flags(), *BLOCKS]
    for name, value in settings.items():
        if name in BLOCKS and isinstance(value, dict):
            check_block(value, f"{place}: {name}")
            continue
        if name in BLOCKS and name != "fusion":
            if value is not None:
                raise ArgumentError(
                    f"{place}: {name}: expected a block, `field: value` lines below it, found {value!r}"
                )
            continue
        if name in STAGE_FLAGS and isinstance(value, dict):
            raise ArgumentError(f"{place}: {name}: expected one value; blocks such as `audio:` stand beside it")
        if name in EXPERIMENT_FLAGS:
            raise ArgumentError(f"{place}: {name} is of several runs; write it on the command line, as --{name}")
        if name not in known:
            hint = did_you_mean(name, known, "; see train_hf.py --help_all")
            raise ArgumentError(f"{place}: no such field {name!r}{hint}")


def check_block(settings: dict[str, Any], place: str) -> None:
    """Settings of one stage are fields of its run, and not of the stages again.

    Raises:
        ArgumentError: One is not.
    """
    for name, value in settings.items():
        if name in STAGE_FLAGS or name in ALIKE or name in BLOCKS and isinstance(value, dict):
            raise ArgumentError(f"{place}: {name} is about all stages; write it beside the blocks")
    check_fields(settings, place)


def words_of(settings: dict[str, Any]) -> list[str]:
    """Fields and values as command-line words; one that is None or an empty list is left out."""
    words = []
    for name, value in settings.items():
        if value is None or value == []:
            continue
        if isinstance(value, dict):
            name, value = BLOCKS.get(name, name), json.dumps(value)
        # A single value in one word, so that -1e-3 is not taken for a flag.
        words += [f"--{name}", *map(str, value)] if isinstance(value, list) else [f"--{name}={value}"]
    return words


class _EachOnce(yaml.SafeLoader):
    """YAML in which a field stands once; PyYAML would take the last and pass over the others."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """PyYAML's own.

        Raises:
            yaml.YAMLError: A field stands there twice.
        """
        names = [self.construct_object(name, deep=True) for name, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                hint = "; name the fusion in its block: `fusion: {fusion: late}`" if name == "fusion" else ""
                raise yaml.constructor.ConstructorError(
                    None, None, f"{name!r} stands there twice{hint}", node.start_mark
                )
        return super().construct_mapping(node, deep)


def read_mapping(path: str, named_by: str, expected: str) -> dict[Any, Any]:
    """The mapping in a YAML file.

    Args:
        path (`str`): The file.
        named_by (`str`): Flag that names it, such as `"--ablation "`, for the message that there is no such file.
        expected (`str`): What the file should hold, for the message that it holds something else.

    Raises:
        ArgumentError: No such file, not YAML, or not a mapping.
    """
    if not Path(path).is_file():
        raise ArgumentError(f"{named_by}{path}: no such {'file' if named_by else 'recipe'}")
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), _EachOnce)  # a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ArgumentError(
            f"{path}: expected {expected}, found {'nothing' if content is None else type(content).__name__}"
        )
    return content
