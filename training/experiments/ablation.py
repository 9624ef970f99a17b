"""`--ablation`: variants of one model, trained alike over the same folds and seeds, and compared actor by actor.

Repeating the command after an interruption goes on with the unfinished run.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState

from emofusion.evaluation.record.command_line import command_line
from emofusion.evaluation.reports import ablation_report
from emofusion.evaluation.reports.ablation_table import text
from emofusion.evaluation.scores.significance import PREVIOUS, compared
from emofusion.training.command_line.arguments import ExperimentArguments
from emofusion.training.command_line.recipes import check_fields, read_mapping, words_of
from emofusion.training.errors import ArgumentError
from emofusion.training.run.job import SCRIPT, say
from emofusion.training.run.ready import check_words
from emofusion.training.run.stages import branch_words, check_stages
from emofusion.training.suggestions import did_you_mean

from .grid import Cell, Plan, plan, run_cells, summary_of, words_of_experiment

# What variants must share, because they are compared clip by clip under one heading; and what the grid sets.
_SHARED = {
    *("corpus", "data_dir", "dataset_name", "label_column", "speaker_column", "label_set", "protocol", "channel"),
    *("strict", "max_eval_samples", "allow_leaky_split", "train_on_validation"),
}
_SET_BY_GRID = {"fold", "seed", "output_dir"}


@dataclass(frozen=True)
class Variants:
    """What is compared.

    Attributes:
        title (`str`): Heading of table and plot.
        settings (`dict[str, dict]`): Flags of each variant by its name.
        reference (`str` or `list[str]`): What each is compared with: `"previous"`, the one before it, or the best of
            those named.
    """

    title: str
    settings: dict[str, dict[str, Any]]
    reference: str | list[str]


def read_variants(path: str) -> Variants:
    """Read a YAML file with the fields `title`, `reference` and `variants`.

    Raises:
        ArgumentError: It is no such file; the message names the field.
    """
    fields = ("title", "reference", "variants")
    content = read_mapping(path, "--ablation ", f"the fields {', '.join(fields)}")
    if set(content) != set(fields):
        raise ArgumentError(f"{path}: expected the fields {', '.join(fields)}")
    variants = content["variants"]
    if not isinstance(variants, dict) or len(variants) < 2 or not all(map(_is_mapping, variants.values())):
        raise ArgumentError(f"{path}: variants: expected two or more names, each with `field: value` lines below it")
    folders = [folder_of(name) for name in variants]
    for name, settings in variants.items():
        check_fields(settings, f"{path}: {name}")
        for field in settings:
            if field in _SHARED | _SET_BY_GRID:
                raise ArgumentError(f"{path}: {name}: {field} must be the same for all variants; name it as a flag")
        if folders.count(folder_of(name)) > 1 or not folder_of(name):
            raise ArgumentError(f"{path}: {name}: its name gives the folder {folder_of(name)!r}, as another's does")
    reference = content["reference"]
    if reference != PREVIOUS:
        _check_reference(reference, list(map(str, variants)), path)
    return Variants(str(content["title"]), {str(name): settings for name, settings in variants.items()}, reference)


def _is_mapping(settings: Any) -> bool:
    return isinstance(settings, dict)


def _check_reference(reference: Any, names: list[str], path: str) -> None:
    for name in reference if isinstance(reference, list) and reference else [reference]:
        if name not in names:
            hint = did_you_mean(name, names, f"; the variants are {', '.join(names)}")
            raise ArgumentError(
                f"{path}: reference: expected {PREVIOUS!r}, a variant or a list of them, found {name!r}{hint}"
            )


def folder_of(name: str) -> str:
    """A variant's folder: its name in small letters, with _ for what is neither letter nor digit."""
    return re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")


def ablate(experiment: ExperimentArguments, words: Sequence[str]) -> dict[str, Any]:
    """Train and compare all variants; returns the content of ablation.json.

    Raises:
        ArgumentError, SetupError: Flags, recipe, variants or corpus are wrong.
    """
    variants = read_variants(str(experiment.ablation))
    for name, settings in variants.settings.items():  # what is wrong is said before the first is trained
        _check_variant([*words, *words_of(settings)], f"{experiment.ablation}: {name}")
    planned = plan(experiment, words)
    found, trained = [], {}
    folders: dict[Any, Path] = {}
    for name, settings in variants.settings.items():
        changes = words_of(settings)
        shared = _branch_folder(planned, changes, folders)
        trained[name] = cells = list(run_cells(planned, changes, planned.folder / folder_of(name), shared))
        found.append(
            {
                "variant": name,
                "settings": settings,
                "folders": [cell.folder.relative_to(planned.folder).as_posix() for cell in cells],
                **ablation_report.facts([cell.metrics for cell in cells]),
                **summary_of(cells),
            }
        )
    record = {
        "title": variants.title,
        "branches": branch_rows(trained),
        "variants": compared(found, variants.reference),
        **ablation_report.common(found),
        "refused_folds": planned.folds.refused,
        "stand_in_validation": planned.folds.stand_ins,
        "command": command_line([SCRIPT, *words, *words_of_experiment(experiment)]),
    }
    if PartialState().is_main_process:
        ablation_report.save(record, planned.folder)
        say(text(record))
        say(f"every run, its predictions and card: {planned.folder}")
    return record


def _check_variant(words: Sequence[str], place: str) -> None:
    """Find what is wrong with a variant, or with any of its stages, before the first variant is trained.

    Raises:
        ArgumentError: Something is; the message begins with `place`.
    """
    check_words(words, place)
    if branch_words(words) is None:
        return
    try:
        check_stages(words, Path(), resume=True, alone=False)
    except ArgumentError as error:
        raise ArgumentError(f"{place}: {error}") from error


def _branch_folder(planned: Plan, changes: Sequence[str], known: dict[Any, Path]) -> Path | None:
    """Where the branches of a variant lie; variants that train them alike share them, and they are trained once.

    Args:
        planned (`Plan`): What all variants have in common.
        changes (`Sequence[str]`): The flags of the variant.
        known (`dict`): Folders of the variants before, by what decides their branches; the new one is added.
    """
    key = branch_words([*planned.words, *changes])
    if key is None:
        return None
    return known.setdefault(key, planned.folder / ("branches" if not known else f"branches_{len(known) + 1}"))


def branch_rows(trained: Mapping[str, Sequence[Cell]]) -> list[dict[str, Any]]:
    """What tables say of the branches, each once, named after the variants that share it.

    A branch that is a variant itself, as sound alone among fusions, has its row there.

    Args:
        trained (`Mapping`): The runs of each variant by its name.
    """
    users: dict[tuple[str, tuple[Path, ...]], list[str]] = {}
    for variant, cells in trained.items():
        for name in cells[0].branches:
            users.setdefault((name, tuple(cell.branches[name].folder for cell in cells)), []).append(variant)
    variants = {tuple(cell.folder for cell in cells) for cells in trained.values()}
    rows = []
    for (name, folders), sharing in users.items():
        if folders in variants:
            continue
        branch = [cell.branches[name] for cell in trained[sharing[0]]]
        everyone = sum(bool(cells[0].branches) for cells in trained.values())
        rows.append(
            {
                "variant": f"{name} alone ({_sharing(sharing, everyone)})",
                **ablation_report.facts([cell.metrics for cell in branch]),
                **summary_of(branch),
            }
        )
    return rows


def _sharing(variants: Sequence[str], everyone: int) -> str:
    return "shared" if len(variants) == everyone else f"of {', '.join(variants)}"
