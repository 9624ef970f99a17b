"""A run in stages: sound, picture, and the fusion that starts from both; each is a run of its own.

What is trained first is the model of either modality alone, so that the quicker one cannot starve the other, and so
that every fusion is scored beside its branches.
"""

import gc
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from accelerate import PartialState

from emofusion.data.corpora.registry import CORPORA
from emofusion.evaluation.record.run_record import RunRecord
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.arguments import StageArguments
from emofusion.training.command_line.flags import without
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.stages import BRANCHES, words_of_fusion, words_of_joint, words_of_stage
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError, SetupError
from emofusion.training.setup.checkpoints import resumes
from emofusion.training.setup.clips import load_clips
from emofusion.training.setup.model import make_config, make_processor

from .defaults import fill_in_protocol
from .job import run_job
from .ready import check_words, setup_errors

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """A run that is done, and where it lies.

    Attributes:
        folder (`Path`): Its output folder.
        metrics (`RunRecord`): The content of its metrics.json.
        branches (`dict[str, Finished]`): By modality: the models that it started from; empty where it did not.
    """

    folder: Path
    metrics: RunRecord
    branches: "dict[str, Finished]" = field(default_factory=dict)


def run_stages(
    words: Sequence[str], resume: bool = False, within: Path | None = None, branch_folder: Path | None = None
) -> Finished:
    """Do a run, and the branches that it starts from before it, where `--branches_first` asks for them.

    Args:
        words (`Sequence[str]`): The command line, without the script's name.
        resume (`bool`): Go on where it was stopped; stages that are finished are only read.
        within (`Path`, *optional*): Folder of the experiment that it is one of.
        branch_folder (`Path`, *optional*): Where the branches lie or shall lie; by default in the output folder.

    Raises:
        SetupError, DivergedError, NoCardError: As `run_job`.
    """
    with setup_errors():
        arguments = parse_arguments(words)
        _tell_unused(arguments)
    out = Path(str(arguments.training.output_dir))
    if not in_stages(arguments):
        return Finished(out, run_job(words, resume, within))
    place = branch_folder or out
    with setup_errors():
        fusion = check_stages(words, place, resume or resumes(arguments.training))
        _look_at_clips(words, arguments, fusion)
    if fusion in BRANCHES:
        last = branch_folder is None
        found = words_of_stage(words, fusion, arguments.stages, last)
        return _run_stage(found, fusion, out if last else place / fusion, resume, within)
    branches = run_branches(words, resume, within, place)
    return _run_fusion(words, arguments, fusion, branches, resume, within)


def run_branches(words: Sequence[str], resume: bool, within: Path | None, place: Path) -> dict[str, Finished]:
    """Do the stages of sound and picture, in folders `audio` and `video` of a place; they have been checked.

    Raises:
        SetupError, DivergedError: As `run_job`.
    """
    stages = parse_arguments(words).stages
    return {
        name: _run_stage(words_of_stage(words, name, stages), name, place / name, resume, within or place.parent)
        for name in BRANCHES
    }


def _run_fusion(
    words: Sequence[str],
    arguments: Arguments,
    fusion: str,
    branches: dict[str, Finished],
    resume: bool,
    within: Path | None,
) -> Finished:
    """The stage that joins both branches, and a last one that trains all weights together where that is asked for."""
    out, stages = Path(str(arguments.training.output_dir)), arguments.stages
    started = {name: branch.folder.as_posix() for name, branch in branches.items()}
    last = words_of_fusion(words, stages, fusion, started)
    if stages.joint_epochs:
        _run_stage(
            without(last, {"push_to_hub", "calibrate", "unsure_accuracy"}),
            "head",
            out / "head",
            resume,
            within or out.parent,
        )
        last = words_of_joint(words, stages, (out / "head").as_posix())
    return _run_stage(last, fusion, out, resume, within, words, branches)


def in_stages(arguments: Arguments) -> bool:
    """Whether the branches are to be trained first."""
    return arguments.stages.branches_first and arguments.trains


def branch_words(words: Sequence[str]) -> tuple[tuple[str, ...], ...] | None:
    """What decides the branches of a run, by which runs that can share them are told; None where it has none."""
    arguments = parse_arguments(words)
    if not in_stages(arguments):
        return None
    return tuple(tuple(words_of_stage(words, name, arguments.stages)) for name in BRANCHES)


def check_stages(words: Sequence[str], place: Path, resume: bool, alone: bool = True) -> str:
    """Find what is wrong with the flags of any stage before the first is trained; returns the fusion that is wanted.

    Args:
        words (`Sequence[str]`): The command line of the whole training.
        place (`Path`): Where the branches lie or shall lie.
        resume (`bool`): Whether stages may have begun.
        alone (`bool`): False for one variant of several, whose folders are not known yet.

    Raises:
        ArgumentError: naming the stage and the flag.
    """
    arguments = parse_arguments(words)
    _check(arguments)
    for name, (found, folder) in _planned(words, arguments, place).items():
        resumed = ["--resume_from_checkpoint=latest"] if resume else []
        check_words([*found, *resumed, f"--output_dir={folder}"], f"the {name} stage", with_folder=alone)
    return _fusion_of(words, arguments)


def _fusion_of(words: Sequence[str], arguments: Arguments) -> str:
    found = words_of_stage(words, "fusion", arguments.stages)
    try:
        return parse_arguments([*found, "--output_dir=."]).model.fusion or EmoFusionConfig.fusion
    except ArgumentError as error:
        raise ArgumentError(f"the fusion stage: {error}") from error


def _planned(words: Sequence[str], arguments: Arguments, place: Path) -> dict[str, tuple[list[str], Path]]:
    """Command line and folder of each stage, as far as they are known before the branches are there."""
    stages, out, fusion = arguments.stages, Path(str(arguments.training.output_dir)), _fusion_of(words, arguments)
    if fusion in BRANCHES:
        return {fusion: (words_of_stage(words, fusion, stages, last=True), out)}
    # Before its branches are there nothing can start from them, and a model that does not needs an epoch.
    found = without(words_of_fusion(words, stages, fusion, {}), {"start_head", "embedding_views"})
    if parse_arguments([*found, "--output_dir=."]).trains_nothing:
        found.append("--num_train_epochs=1")
    planned = {"fusion": (found, out)}
    if stages.joint_epochs:
        planned["joint"] = without(words_of_joint(words, stages, ""), {"model_name_or_path"}), out
    return planned | {name: (words_of_stage(words, name, stages), place / name) for name in BRANCHES}


def _look_at_clips(words: Sequence[str], arguments: Arguments, fusion: str) -> None:
    """Decode what all stages need, and refuse clips that one of them cannot be trained on, before any is trained."""
    for name in BRANCHES if fusion not in BRANCHES else (fusion,):
        stage = parse_arguments([*words_of_stage(words, name, arguments.stages), "--output_dir=."])
        fill_in_protocol(stage)
        config = make_config(stage)
        try:
            load_clips(stage, config, make_processor(config, stage))
        except ArgumentError as error:
            raise ArgumentError(f"the {name} stage: {error}") from error


def _tell_unused(arguments: Arguments) -> None:
    """Say that settings of stages do nothing where there is one stage."""
    stages, default = arguments.stages, StageArguments()
    unused = [item.name for item in fields(default) if getattr(stages, item.name) != getattr(default, item.name)]
    if unused and not stages.branches_first and PartialState().is_main_process:
        named = ", ".join(name.removesuffix("_settings") for name in unused)
        logger.warning(
            "without --branches_first there is one stage, and what is said of others does nothing: %s", named
        )


def _check(arguments: Arguments) -> None:
    """Refuse flags that are about one run alone, and clips that lack a modality by their kind."""
    entry = CORPORA[arguments.data.corpus]
    if entry.still:
        raise ArgumentError(
            f"--branches_first: the still pictures of {entry.corpus.name} have no sound to train a branch on; add "
            "--branches_first false"
        )
    start = arguments.model.model_name_or_path
    if start is not None:
        raise ArgumentError(
            f"--model_name_or_path {start} with --branches_first: its branches are trained first; start them from "
            "weights with --audio_encoder_weights and --video_encoder_weights, or add --branches_first false"
        )
    if arguments.data.train_on_validation and arguments.stages.joint_epochs:
        raise ArgumentError(
            "--train_on_validation with --joint_epochs: these are kept only where validation actors gain by them, and "
            "nobody is left to validate; leave one of them out"
        )
    wanted = str(arguments.training.resume_from_checkpoint)
    if resumes(arguments.training) and wanted.lower() not in ("latest", "true"):
        raise ArgumentError(
            f"--resume_from_checkpoint {wanted} with --branches_first: there are several stages to go on with; write "
            "--resume_from_checkpoint latest"
        )


def _run_stage(
    words: Sequence[str],
    name: str,
    folder: Path,
    resume: bool,
    within: Path | None,
    command: Sequence[str] | None = None,
    branches: Mapping[str, Finished] | None = None,
) -> Finished:
    """Do one stage, whose errors name it."""
    if PartialState().is_main_process:
        logger.warning("stage %s: %s", name, folder)
    started = {branch: done.folder for branch, done in (branches or {}).items()}
    try:
        metrics = run_job([*words, f"--output_dir={folder}"], resume, within, command, started)
    except SetupError as error:
        raise SetupError(f"the {name} stage: {error}") from error
    gc.collect()  # its model and optimizer
    PartialState().wait_for_everyone()  # the main process has written by then what the others read
    return Finished(folder, metrics, dict(branches or {}))
