"""Several runs alike: one for every seed and fold, each in a folder of its own; finished ones are kept."""

import gc
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from accelerate import PartialState

from emofusion.data import Fold
from emofusion.evaluation.record.predictions import read_predictions
from emofusion.evaluation.record.run_record import RunRecord
from emofusion.evaluation.scores.branches import pooled_branches
from emofusion.evaluation.scores.folds import mean_robustness, summarise
from emofusion.training.command_line.arguments import ExperimentArguments
from emofusion.training.command_line.flags import names_flag
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.stages import name_of_run
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError
from emofusion.training.run.defaults import fill_in_protocol
from emofusion.training.run.ready import setup_errors
from emofusion.training.run.stages import Finished, run_stages
from emofusion.training.setup.checks import check_flags_of_corpus, check_start, check_there_is_a_test
from emofusion.training.setup.clips import decode_corpus
from emofusion.training.setup.model import make_config, make_processor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Folds:
    """Folds of a protocol to train, and those that cannot be.

    Attributes:
        chosen (`dict[int, Fold]`): Their actors among those who are there.
        refused (`dict[int, str]`): Why the others cannot be used.
        stand_ins (`dict[int, list[int]]`): Validation actors of the folds whose own ones are not there.
    """

    chosen: dict[int, Fold]
    refused: dict[int, str]
    stand_ins: dict[int, list[int]]


@dataclass(frozen=True)
class Cell:
    """One finished run of several.

    Attributes:
        fold (`int`): Fold of the protocol.
        seed (`int`): Seed of everything random.
        folder (`Path`): Its output folder.
        metrics (`RunRecord`): Content of its metrics.json.
        branches (`dict[str, Cell]`): The runs of `audio` and `video` that it began with; none of a run from scratch.
    """

    fold: int
    seed: int
    folder: Path
    metrics: RunRecord
    branches: dict[str, "Cell"] = field(default_factory=dict)

    @property
    def predictions(self) -> pd.DataFrame:
        """Its predictions.parquet: one row a test clip."""
        return read_predictions(self.folder)

    @property
    def scored(self) -> tuple[RunRecord, pd.DataFrame]:
        """Record and predictions."""
        return self.metrics, self.predictions


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes:
        words (`list[str]`): Command line that all runs share.
        folder (`Path`): Output folder of all of them.
        folds (`Folds`): Folds of the protocol.
        seeds (`list[int]`): Seeds.
    """

    words: list[str]
    folder: Path
    folds: Folds
    seeds: list[int]


def plan(experiment: ExperimentArguments, words: Sequence[str]) -> Plan:
    """Seeds and folds that are asked for: by default those of a single run, with `--cross_validate` all folds.

    Raises:
        ArgumentError: A fold that cannot be used, or flags that are wrong for any run.
        SetupError: The corpus cannot be read.
    """
    arguments = parse_arguments(words)
    _check_flags_of_several(experiment, words, arguments)
    fill_in_protocol(arguments)
    check_there_is_a_test(arguments)
    check_flags_of_corpus(arguments)
    check_start(arguments.model)
    with setup_errors():
        config = make_config(arguments)
        builder = decode_corpus(arguments, config, make_processor(config, arguments))
        usable, refused = builder.usable_folds()
        whole = builder.folds
    folds = _choose_folds(experiment, arguments, usable, refused, whole)
    args = arguments.training
    return Plan(list(words), Path(str(args.output_dir)), folds, experiment.seeds or [args.seed])


def _check_flags_of_several(experiment: ExperimentArguments, words: Sequence[str], arguments: Arguments) -> None:
    """Refuse a flag of one run where its flag of several stands, and pushing several models as one."""
    for one, several in (("fold", "cross_validate"), ("fold", "folds"), ("seed", "seeds")):
        if getattr(experiment, several) and names_flag(words, one):
            raise ArgumentError(f"--{one} with --{several}: choose them with --{one}s")
    if arguments.training.push_to_hub:
        raise ArgumentError(
            "--push_to_hub with several runs: only one of them can be the model of a repository; repeat the one that "
            "you choose as a single run"
        )


def _choose_folds(
    experiment: ExperimentArguments,
    arguments: Arguments,
    usable: dict[int, Fold],
    refused: dict[int, str],
    whole: Sequence[Fold],
) -> Folds:
    """The folds to train among those that the actors who are there allow; `whole` are they with everybody.

    Raises:
        ArgumentError: None of them can be used, or one that is asked for cannot.
    """
    wanted = experiment.folds or (list(usable) if experiment.cross_validate else [arguments.data.fold])
    for k in wanted:
        if k not in usable:
            choices = ", ".join(map(str, usable)) or "none"
            reason = refused.get(k, "no such fold")
            flag = "folds" if experiment.folds else "fold"
            raise ArgumentError(f"--{flag} {k}: {reason}; the folds that can be used: {choices}")
    protocol = str(arguments.data.protocol)
    if not wanted:
        raise ArgumentError(f"--protocol {protocol}: no fold can be used: {'; '.join(refused.values())}")
    return Folds(
        chosen={k: usable[k] for k in wanted},
        refused=refused if experiment.cross_validate and not experiment.folds else {},
        stand_ins={
            k: sorted(usable[k].validation)
            for k in wanted
            if usable[k].validation - whole[k].validation and not arguments.data.train_on_validation
        },
    )


def words_of_experiment(experiment: ExperimentArguments) -> list[str]:
    """The experiment's own part of the command line."""
    words = [f"--ablation={experiment.ablation}"] if experiment.ablation else []
    words += ["--cross_validate"] if experiment.cross_validate else []
    if experiment.release:
        words += [f"--release={experiment.release}", f"--release_dtype={experiment.release_dtype}"]
    for name in ("seeds", "folds"):
        values = getattr(experiment, name)
        words += [f"--{name}", *map(str, values)] if values else []
    return words


def run_cells(
    plan: Plan, changes: Sequence[str] = (), folder: Path | None = None, branch_folder: Path | None = None
) -> Iterator[Cell]:
    """Do the runs one after the other; those that are finished are only read.

    Args:
        plan (`Plan`): Folds and seeds.
        changes (`Sequence[str]`): Flags behind the shared ones, which win.
        folder (`Path`, *optional*): Where their output folders go, by default the plan's.
        branch_folder (`Path`, *optional*): Where the branches of fusions go that are trained in stages, so that others
            find them there; by default into the folder of their run.

    Raises:
        SetupError: Flags or corpus are wrong, or a folder holds a run of other settings.
    """
    for k in plan.folds.chosen:
        for seed in plan.seeds:
            name = name_of_run(k, seed)
            place = (folder or plan.folder) / name
            logger.warning("%s: fold %d, seed %d", place, k, seed)
            own = [f"--fold={k}", f"--seed={seed}", f"--output_dir={place}"]
            words, branches = [*plan.words, *changes, *own], branch_folder and branch_folder / name
            done = run_stages(words, resume=True, within=plan.folder, branch_folder=branches)
            gc.collect()  # its model and optimizer
            PartialState().wait_for_everyone()  # the main process has written by then what the others read
            yield _cell(k, seed, done)


def _cell(fold: int, seed: int, done: Finished) -> Cell:
    branches = {name: _cell(fold, seed, branch) for name, branch in done.branches.items()}
    return Cell(fold, seed, done.folder, done.metrics, branches)


def summary_of(cells: Sequence[Cell]) -> dict[str, Any]:
    """What the runs of one model say together: scores, damaged input, and its branches where all runs have them."""
    metrics = [cell.metrics for cell in cells]
    tables = [cell.predictions for cell in cells]
    found = {**summarise(metrics, tables), "robustness": mean_robustness(metrics)}
    names = [name for name in cells[0].branches if all(name in cell.branches for cell in cells)]
    if names:
        alone = {name: [cell.branches[name].scored for cell in cells] for name in names}
        found |= pooled_branches(list(zip(metrics, tables, strict=True)), alone)
    return found
