"""`--release`: after all folds one model that every actor trains, with the scores of the folds on its card.

Nobody is left to score it on, so it is told by what the same recipe does on actors that it has not seen.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from accelerate import PartialState
from transformers import AutoModel, AutoProcessor

from emofusion.data.protocols import EVERYONE
from emofusion.evaluation.attempts import attempt_all
from emofusion.evaluation.people import in_order
from emofusion.evaluation.record.metrics_file import read_metrics, save_metrics
from emofusion.evaluation.record.run_record import RunRecord
from emofusion.evaluation.reports.card import license_of, write_card
from emofusion.evaluation.reports.illustrations import history_of, plots_of
from emofusion.evaluation.reports.subject import people
from emofusion.training.command_line.arguments import ExperimentArguments
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.recipes import read_recipe, starts_with_recipe
from emofusion.training.errors import ArgumentError, SetupError
from emofusion.training.run.job import say
from emofusion.training.run.ready import check_words
from emofusion.training.run.stages import Finished, check_stages, in_stages, run_stages

from .grid import Cell, Plan

_NOTHING_IS_FITTED = ["--calibrate=false", "--unsure_accuracy=0", "--train_on_validation=false"]
"""What the folds fit on their validation actors is taken from them, and of everybody nobody validates."""


def release(experiment: ExperimentArguments, planned: Plan, record: Mapping[str, Any], cells: Sequence[Cell]) -> Path:
    """Train the model that all actors train, and write what others need of it; returns the folder.

    Args:
        experiment (`ExperimentArguments`): Where to, and in which precision.
        planned (`Plan`): The folds that were scored.
        record (`Mapping`): The content of cross_validation.json.
        cells (`Sequence[Cell]`): The finished folds.

    Raises:
        SetupError: The corpus cannot be read.
    """
    folder = Path(str(experiment.release))
    try:
        done = run_stages(
            [*_words(planned.words, planned.folder), f"--seed={planned.seeds[0]}"], resume=True, within=planned.folder
        )
    except SetupError as error:
        raise SetupError(f"--release {folder}: {error}") from error
    if PartialState().is_main_process:
        metrics = released_record(done, record, cells, folder)
        _write(done, metrics, folder, license_of(cells[0].folder), getattr(torch, experiment.release_dtype))
        say(f"a model that all {people(metrics)} trained, for others: {folder}")
    PartialState().wait_for_everyone()
    return folder


def _words(words: Sequence[str], out: Path) -> list[str]:
    """The command line of the training on everybody."""
    return [*words, *_NOTHING_IS_FITTED, f"--protocol={EVERYONE}", "--fold=0", f"--output_dir={out / EVERYONE}"]


def check_release(folder: Path, words: Sequence[str]) -> None:
    """Refuse, before a fold is trained, a folder whose content would be lost, and what everybody cannot be trained on.

    Args:
        folder (`Path`): Where the model shall go.
        words (`Sequence[str]`): The command line that all folds share.

    Raises:
        ArgumentError: naming the flag.
    """
    arguments = parse_arguments(words)
    out = Path(str(arguments.training.output_dir))
    _check_folder(folder, out)
    recipe = read_recipe(words[0]) if starts_with_recipe(words) else {}
    if "{fold}" in " ".join([*words, str(recipe)]):
        raise ArgumentError(
            f"--release {folder}: {{fold}} stands in a setting, and a branch that a fold trained does not know the "
            "actors that this fold left out; leave the setting out, so that everybody trains the branches, too, or "
            "name the branch by {run}, which is `everyone` there"
        )
    whole = _words(words, out)
    try:
        if in_stages(arguments):
            check_stages(whole, out / EVERYONE, resume=True)
        else:
            check_words([*whole, "--resume_from_checkpoint=latest"], "the model of everybody", with_folder=True)
    except ArgumentError as error:
        raise ArgumentError(f"--release {folder}: {error}") from error


def _check_folder(folder: Path, out: Path) -> None:
    """A released model may be replaced by the next one, and nothing else may.

    Raises:
        ArgumentError: It is a file, holds something else, or lies in or around the output folder.
    """
    places = folder.resolve(), out.resolve()
    if places[0].is_relative_to(places[1]) or places[1].is_relative_to(places[0]):
        raise ArgumentError(f"--release {folder} with --output_dir {out}: name folders that do not lie in each other")
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() and not _is_release(folder):
        raise ArgumentError(f"--release {folder}: something else lies there; name a folder of its own")


def _is_release(folder: Path) -> bool:
    """Whether an earlier release lies there, as its metrics.json says."""
    try:
        return "cross_validated" in read_metrics(folder)
    except (OSError, ValueError):
        return False


def released_record(done: Finished, record: Mapping[str, Any], cells: Sequence[Cell], folder: Path) -> RunRecord:
    """What metrics.json says of a released model: whom it learned from, and the scores of the folds.

    Args:
        done (`Finished`): The training on all actors.
        record (`Mapping`): The content of cross_validation.json.
        cells (`Sequence[Cell]`): The finished folds.
        folder (`Path`): Where the model will lie.
    """
    own = done.metrics
    tested = sorted({actor for cell in cells for actor in cell.metrics["actors"].get("test", [])}, key=in_order)
    scores = {name: record[name] for name in ("robustness", "branches", "fusion_gain") if name in record}
    found = {
        **own,
        **{name: record[name] for name in ("protocol", "leaky", "command")},
        "fold": None,
        "seed": None,
        "actors": {**own["actors"], "test": tested} if tested else own["actors"],
        "clips": {**own["clips"], "test": len({clip for cell in cells for clip in cell.predictions["clip"]})},
        "load_from": folder.as_posix(),
        "calibration": _mean_calibration([cell.metrics["calibration"] for cell in cells]),
        "unsure_below": _mean_threshold([cell.metrics for cell in cells]),
        "cross_validated": {
            "folds": sorted({cell.fold for cell in cells}),
            "seeds": sorted({cell.seed for cell in cells}),
            "actors": [len(cell.metrics["actors"].get("train", [])) for cell in cells],
        },
        **record["over_actors"],
        **scores,
    }
    return cast(RunRecord, found)


def _mean_calibration(fitted: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of what the folds fitted: of temperatures, which divide, the geometric one."""
    return {
        name: float(np.exp(np.mean(np.log([one[name] for one in fitted]))))
        if name.endswith("temperature")
        else float(np.mean([one[name] for one in fitted]))
        for name in fitted[0]
    }


def _mean_threshold(folds: Sequence[RunRecord]) -> float:
    """The mean probability below which the folds are unsure; 0 where one found none that keeps the promise."""
    kept = all(fold.get("validation_answered", {}) is not None for fold in folds)
    return float(np.mean([fold["unsure_below"] for fold in folds])) if kept else 0.0


def _write(done: Finished, metrics: RunRecord, folder: Path, license_id: str, dtype: torch.dtype) -> None:
    """Write the model in a folder beside, and give it its name when it is whole."""
    folder = folder.resolve()
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model = AutoModel.from_pretrained(done.folder)
    for name, value in {**metrics["calibration"], "unsure_below": metrics["unsure_below"]}.items():
        setattr(model.config, name, value)
    weights = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in model.state_dict().items()
    }
    model.save_pretrained(partial, state_dict=weights)  # of the config dtype is float32 still: so it is loaded
    AutoProcessor.from_pretrained(done.folder).save_pretrained(partial)
    save_metrics(metrics, partial)
    attempt_all(lambda: plots_of(metrics, history_of(done.folder)), partial)
    write_card(metrics, license_id, partial, folder.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    os.replace(partial, folder)
