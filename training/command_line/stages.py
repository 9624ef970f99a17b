"""`--branches_first`: the command lines of the stages of one training. Importing this needs no torch."""

import json
from collections.abc import Sequence
from typing import Any

from emofusion.data.protocols import EVERYONE
from emofusion.training.errors import ArgumentError

from .arguments import StageArguments
from .data_arguments import DataArguments
from .flags import PICTURE_AUGMENTATION, SOUND_AUGMENTATION, STAGE_FLAGS, last_value, names_flag, without
from .recipes import BLOCKS, check_block, read_recipe, starts_with_recipe, words_of

BRANCHES = ("audio", "video")
"""The stages before that of the fusion; a branch is a model with `fusion=` its name."""
STAGE_FOLDERS = (*BRANCHES, "head")
"""Folders of stages in the output folder of the last one."""

_OF_FUSION = (
    "fusion",
    "gate",
    "gate_bias",
    "gate_dropout",
    "modality_dropout",
    "modality_dropout_p",
    "branch_loss_weight",
    "embedding_views",
    "start_head",
)
"""What a branch does not have, so that fusions which differ in it share their branches."""

_OF_BRANCH = (
    *("{}_encoder_weights", "{}_learning_rate", "freeze_{}_encoder"),
    *("{}_backbone", "{}_trainable_layers"),
)
"""What only one branch has."""

_VIEWS = "embedding_views"
"""Of a fusion its head learns from them; in the block of a branch, what lies behind its frozen backbone."""

_AT_THE_END = ("push_to_hub", "hub_model_id", "calibrate", "unsure_accuracy")
"""What only the last stage does: fusions that are calibrated share their branches with those that are not."""

_DOES_NOTHING = {"audio": PICTURE_AUGMENTATION, "video": SOUND_AUGMENTATION}
"""What changes nothing that a branch reads; beside the blocks it is of the other branch and of the fusion."""

DEFAULT_SEED = "42"
"""That of transformers' TrainingArguments."""

DEFAULT_VIEWS = 4
"""Augmented views on which the head of a fusion is trained, where nobody says how many."""


def name_of_run(fold: int | str, seed: int | str) -> str:
    """What the folder of a run is called under `--cross_validate`; that of the model of all actors is `everyone`."""
    return f"fold_{fold}_seed_{seed}"


def words_of_stage(words: Sequence[str], stage: str, stages: StageArguments, last: bool = False) -> list[str]:
    """The command line of a stage, but for its output folder: what all have in common, its block, and flags.

    A flag on the command line wins over the block, and the block over the recipe's other fields. `{fold}` and `{seed}`
    in a value stand for those of the run, and `{run}` for the name that its folder has under `--cross_validate`, so
    that each finds the branch of its own fold.

    Args:
        words (`Sequence[str]`): The command line of the whole training; its first word may be a recipe.
        stage (`str`): `"audio"`, `"video"` or `"fusion"`.
        stages (`StageArguments`): What these words say of stages.
        last (`bool`): Whether nothing comes after a branch, because it is all that is wanted.

    Raises:
        ArgumentError: The block cannot be read.
    """
    common: list[str] = []
    flags = list(words)
    if starts_with_recipe(words):
        common = words_of(read_recipe(flags.pop(0)))
    dropped = {*STAGE_FLAGS, *_not_of(stage)} - set(_AT_THE_END if last else ())
    block = without(words_of(block_of(stage, stages)), dropped - {_VIEWS})
    found = [*without(common, dropped), *block, *without(flags, dropped)]
    fold, seed = last_value(found, "fold") or str(DataArguments.fold), last_value(found, "seed") or DEFAULT_SEED
    run = EVERYONE if last_value(found, "protocol") == EVERYONE else name_of_run(fold, seed)
    found = [word.replace("{fold}", fold).replace("{seed}", seed).replace("{run}", run) for word in found]
    return [*found, f"--fusion={stage}"] if stage in BRANCHES else found


def _not_of(stage: str) -> set[str]:
    """Flags of the whole training, or of other stages, that this one has no use for."""
    if stage not in BRANCHES:
        return {"output_dir", "model_name_or_path", *(f"{branch}_encoder_weights" for branch in BRANCHES)}
    other = BRANCHES[1 - BRANCHES.index(stage)]
    return {"output_dir", *_AT_THE_END, *_OF_FUSION, *(name.format(other) for name in _OF_BRANCH)}


def block_of(stage: str, stages: StageArguments) -> dict[str, Any]:
    """The settings of one stage alone.

    Raises:
        ArgumentError: They are no JSON, or have a field that a run does not have.
    """
    flag = BLOCKS[stage]
    given = getattr(stages, flag)
    if given is None:
        return {}
    try:
        settings = json.loads(given)
    except json.JSONDecodeError as error:
        raise ArgumentError(f"--{flag} {given}: not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ArgumentError(f'--{flag} {given}: expected JSON such as {{"num_train_epochs": 40}}')
    check_block(settings, f"--{flag}")
    for name in settings:
        if name in _not_of(stage) - {_VIEWS} or name in _DOES_NOTHING.get(stage, ()):
            raise ArgumentError(f"--{flag}: the {stage} stage has no use for {name}; leave it out")
    return settings


def words_of_fusion(words: Sequence[str], stages: StageArguments, fusion: str, branches: dict[str, str]) -> list[str]:
    """The command line of the last stage, but for its output folder.

    Args:
        words (`Sequence[str]`): The command line of the whole training.
        stages (`StageArguments`): What these words say of stages.
        fusion (`str`): The fusion.
        branches (`dict[str, str]`): By modality: the folder of its model.
    """
    found = words_of_stage(words, "fusion", stages)
    if not names_flag(found, "embedding_views"):
        found.append(f"--embedding_views={DEFAULT_VIEWS}")
    if fusion == "late" and not names_flag(found, "start_head"):  # both of its classifiers are trained already
        found = [*without(found, {"num_train_epochs", "embedding_views"}), "--num_train_epochs=0"]
    started = [f"--{branch}_encoder_weights={folder}" for branch, folder in branches.items()]
    return [*found, *started, *(["--start_head"] if not names_flag(found, "start_head") else [])]


def words_of_joint(words: Sequence[str], stages: StageArguments, head: str) -> list[str]:
    """The command line of a last stage that trains all weights together, but for its output folder.

    What it begins with counts as a checkpoint, so it is kept where validation actors do not gain.

    Args:
        words (`Sequence[str]`): The command line of the whole training.
        stages (`StageArguments`): What these words say of stages.
        head (`str`): The folder of the model whose head was trained.
    """
    replaced = {"num_train_epochs", "max_steps", "learning_rate", "audio_learning_rate", "video_learning_rate"}
    replaced |= {"embedding_views", "select", "load_best_model_at_end", "audio_backbone", "video_backbone"}
    found = without(words_of_stage(words, "fusion", stages), replaced)
    epochs, rate = f"--num_train_epochs={stages.joint_epochs}", f"--learning_rate={stages.joint_learning_rate}"
    return [*found, f"--model_name_or_path={head}", epochs, rate, "--select=best", "--eval_on_start"]
