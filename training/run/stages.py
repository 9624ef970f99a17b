"""A run in stages: sound, picture, and the fusion that starts from both; each is a run of its own.

What is trained first is the model of either modality alone, so that the quicker one cannot starve the other, and so
that every fusion is scored beside its branches.
"""

import gc
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from accelerate import PartialState

from emofusion.data.corpora.registry import CORPORA
from emofusion.evaluation.record.run_record import RunRecord
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.flags import without
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.stages import BRANCHES, words_of_fusion, words_of_joint, words_of_stage
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError, SetupError
from emofusion.training.setup.checkpoints import resumes

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
    out = Path(str(arguments.training.output_dir))
    if not in_stages(arguments):
        return Finished(out, run_job(words, resume, within))
    resume = resume or resumes(arguments.training)
    with setup_errors():
        _check(arguments)
        planned, fusion = _plan(words, arguments, branch_folder or out)
    if fusion in BRANCHES:
        place = out if branch_folder is None else branch_folder / fusion
        return _run_stage(planned[fusion], fusion, place, resume, within)
    branches, _ = run_branches(words, resume, within, branch_folder or out)
    return _run_fusion(words, arguments, fusion, branches, resume, within)


def run_branches(
    words: Sequence[str], resume: bool, within: Path | None, place: Path
) -> tuple[dict[str, Finished], str]:
    """Do the stages of sound and picture, in folders `audio` and `video` of a place.

    Returns:
        The branches by modality, and the fusion that the command line wants of them.

    Raises:
        SetupError, DivergedError: As `run_job`.
    """
    with setup_errors():
        planned, fusion = _plan(words, parse_arguments(words), place)
    return {name: _run_stage(planned[name], name, place / name, resume, within) for name in BRANCHES}, fusion


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
        _run_stage(without(last, {"push_to_hub"}), "head", out / "head", resume, within)
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


def _plan(words: Sequence[str], arguments: Arguments, place: Path) -> tuple[dict[str, list[str]], str]:
    """The command line of each branch, and the fusion, all checked before the first is trained.

    Raises:
        ArgumentError: naming the stage and the flag.
    """
    planned = {name: words_of_stage(words, name, arguments.stages) for name in (*BRANCHES, "fusion")}
    for name, found in planned.items():
        check_words([*found, f"--output_dir={place}"], f"the {name} stage")
    model = parse_arguments([*planned["fusion"], f"--output_dir={place}"]).model
    return planned, model.fusion or EmoFusionConfig.fusion


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
        metrics = run_job([*words, f"--output_dir={folder}"], resume, within or folder.parent, command, started)
    except SetupError as error:
        raise SetupError(f"the {name} stage: {error}") from error
    gc.collect()  # its model and optimizer
    PartialState().wait_for_everyone()  # the main process has written by then what the others read
    return Finished(folder, metrics, dict(branches or {}))
