"""The model card: `model_card.md` filled from metrics.json."""

import logging
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, StrictUndefined, Template
from yaml import YAMLError

from emofusion.data.corpora.registry import entry_called
from emofusion.data.whole_files import write_whole
from emofusion.evaluation.field_notes import with_missing
from emofusion.evaluation.record.command_line import for_others, told_from
from emofusion.evaluation.record.learnt_before import UNTOLD
from emofusion.evaluation.record.run_record import RunRecord
from emofusion.evaluation.run_files import (
    ACTORS_PLOT,
    BRANCHES_PLOT,
    CARD_FILE,
    CONFUSION_PLOT,
    COVERAGE_PLOT,
    CURVES_PLOT,
    GATE_PLOT,
    ROBUSTNESS_PLOT,
)
from emofusion.evaluation.scores.metrics import fairness
from emofusion.evaluation.scores.score_fields import SCORES, TITLES

from .branch_words import verdict
from .calibration_words import calibration_words, fitted_by_scoring, unsure_words
from .card_tables import card_tables
from .card_template import card_template
from .subject import (
    blind_spot,
    cross_validation_words,
    interval_units,
    known_actors,
    never_met,
    never_trained,
    part,
    people,
    person,
    split_name,
    tested_on,
)

logger = logging.getLogger(__name__)

FEW_ACTORS = 20
"""Below so many, an interval over actors is said to be wide for that reason."""

_PLOTS = {
    "confusion_matrix": ("test_confusion_matrix", CONFUSION_PLOT),
    "actors": ("test_by_actor", ACTORS_PLOT),
    "coverage": ("test_by_coverage", COVERAGE_PLOT),
    "robustness": ("robustness", ROBUSTNESS_PLOT),
    "gate": ("robustness", GATE_PLOT),
    "branches": ("branches", BRANCHES_PLOT),
    "training_curves": ("trained", CURVES_PLOT),
}
"""By their name in the template: what plots show, and their file. One without its numbers is of an earlier run."""


def write_card(metrics: Mapping[str, Any], license_id: str, folder: Path, model_name: str) -> None:
    """Fill the template and save it as README.md. It shows the plots that lie in the folder, so draw them before.

    Args:
        metrics (`Mapping`): Content of metrics.json.
        license_id (`str`): Licence of the weights as the hub spells it.
        folder (`Path`): Output folder.
        model_name (`str`): Name of the model in the card and its results.

    Raises:
        jinja2.UndefinedError: A field without which there is no card is absent.
    """
    text = _compiled(card_template()).render(
        card_data=card_data(metrics, license_id, model_name).to_yaml(),
        model_name=model_name,
        plots=_plots(metrics, folder),
        license_id=license_id,
        non_commercial="-nc-" in license_id,
        **_facts(metrics),
    )
    card = ModelCard(re.sub(r"\n{3,}", "\n\n", text))
    write_whole(folder / CARD_FILE, lambda path: card.save(path))


@cache
def _compiled(template: str) -> Template:
    """The template ready to be filled; an experiment writes many cards, and compiling takes longer than filling."""
    # Not ModelCard.from_template: it would print nothing in place of a field that is not there.
    return Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(template)


def _facts(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What the template says of the scores, by its names for it."""
    subject, entry = f"{metrics['corpus']}, {tested_on(metrics)}", entry_called(metrics["corpus"])
    leaky = metrics.get("leaky", False)  # null says here that nobody knows
    return {
        "metrics": _for_others(with_missing(RunRecord, metrics) | {"leaky": leaky}),
        "actors": known_actors(metrics),
        "subject": subject,
        "tested": tested_on(metrics),
        "people": people(metrics),
        "person": person(metrics),
        "interval_units": interval_units(metrics) if metrics.get("test_intervals_over") else "",
        "split": split_name(metrics, quote="`"),
        "tables": card_tables(metrics, subject),
        "verdict": verdict(metrics),
        "conditions": [row["condition"] for row in metrics.get("robustness") or []],
        "gaps": gaps_between_people(fairness(metrics), person(metrics)),
        "few_actors": FEW_ACTORS,
        "acted": entry.acted if entry else "",
        "part": part(metrics),
        "crossed": cross_validation_words(metrics),
        "learnt_before": _learnt_before(metrics),
        "chosen": _chosen(metrics),
        "calibrated": calibration_words(metrics),
        "unsure": unsure_words(metrics),
        "fitted": fitted_by_scoring(metrics),
        "headline": _headline(metrics),
        "never_trained": never_trained(metrics) and leaky is False,
        "blind_spot": blind_spot(metrics),
        "units": metrics.get("video_encoder") == "action_units",
        "met": [{"audio": "sound", "video": "video"}[modality] for modality in _met(metrics)],
    }


def _learnt_before(metrics: Mapping[str, Any]) -> list[str]:
    """Sentences: which corpora the encoders had learnt from before, and what those say of themselves."""
    found: dict[str, list[str]] = metrics.get("learnt_before") or {}
    parts = {"audio": "sound", "video": "picture"}
    sentences = []
    for modality, names in found.items():
        known = [name for name in names if not name.startswith(UNTOLD)]
        told = f"weights that had learnt from {' and '.join(known)}"
        untold = f"the {names[0]}, of which no record says what they had learnt from"
        sentences.append(f"The encoder of the {parts[modality]} began with {told if known else untold}.")
    entries = [entry_called(name) for name in dict.fromkeys(sum(found.values(), []))]
    return sentences + [entry.corpus.notice for entry in entries if entry and entry.corpus.notice]


def _headline(metrics: Mapping[str, Any]) -> str:
    """The scores in one line, each with chance beside it: `macro-F1 0.512 (chance 0.124), UAR ...`."""
    found = []
    for name in SCORES:
        score, chance = metrics.get(f"test_{name}"), metrics.get(f"chance_{name}")
        if score is not None:
            found.append(f"{TITLES[name]} {score:.3f}" + ("" if chance is None else f" (chance {chance:.3f})"))
    return ", ".join(found)


def _chosen(metrics: Mapping[str, Any]) -> str:
    """Which weights were kept, and how they did on the validation actors; empty where nothing was validated."""
    if metrics.get("trained_on_validation"):
        return "whoever would have validated trained, too, and the weights of the last step were kept"
    for name, title in (TITLES | {"loss": "loss"}).items():
        score = metrics.get(f"validation_{name}")
        if score is None:
            continue
        measured = f"{title} on the validation {people(metrics)}"
        if metrics.get("select") == "last":
            return f"the weights of the last step were kept ({measured}: {score:.3f})"
        return f"the checkpoint with the {'lowest' if name == 'loss' else 'best'} {measured} ({score:.3f}) was kept"
    return ""


def _for_others(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics without places of this machine where that can be: a card is for people who have others."""
    found = dict(metrics)
    if metrics.get("command"):
        found["command"] = for_others(metrics["command"], Path.cwd())
    if metrics.get("load_from"):
        # One that lies elsewhere stays: the code of the card is to run, and a pushed card names the repository.
        found["load_from"] = told_from(Path.cwd(), metrics["load_from"]) or metrics["load_from"]
    for name in ("audio_backbone", "video_backbone"):
        if metrics.get(name) and Path(metrics[name]).exists():
            found[name] = Path(metrics[name]).name
    return found


def _on_the_hub(metrics: Mapping[str, Any]) -> list[str]:
    """Encoders of transformers that the model began with, but for those in folders of this machine."""
    names = [metrics.get(name) for name in ("audio_backbone", "video_backbone")]
    return [name for name in names if name and "/" in name and not Path(name).exists()]


def gaps_between_people(gaps: Mapping[str, float], person: str = "actor") -> str:
    """What the test says of whether the model does equally well for everyone; empty where nothing was compared.

    Args:
        gaps (`Mapping`): What `fairness` found.
        person (`str`): What one of them is called.
    """
    between = {"gender_gap": "between genders", "actor_gap": f"between the best and the worst {person}"}
    shown = {words: f"{gaps[name]:.3f}" for name, words in between.items() if name in gaps}
    if not shown:
        return ""
    unequal = [f"by {gap} {words}" for words, gap in shown.items() if gap != "0.000"]
    equal = [words for words, gap in shown.items() if gap == "0.000"]
    if not unequal:
        start = "Whether it does equally well for everyone is not known. On this test UAR did not differ "
        start += " and ".join(equal)
    else:
        also = f", and not {equal[0]}" if equal else ""
        start = f"It does not do equally well for everyone. On this test UAR differed {' and '.join(unequal)}{also}"
    return (
        f"{start}; the groups are small, so gaps between other people may be larger or smaller. Age, skin colour and "
        "origin were not compared."
    )


def _met(metrics: Mapping[str, Any]) -> list[str]:
    """The modalities that the card may claim: those that the model reads and, as far as is known, was trained on."""
    reads = [metrics["fusion"]] if metrics["fusion"] in ("audio", "video") else ["video", "audio"]
    return [modality for modality in reads if modality not in never_met(metrics)]


def _plots(metrics: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Files of the plots that the card can show, by name."""
    drawn = {name: file for name, (field, file) in _PLOTS.items() if metrics.get(field)}
    return {name: file for name, file in drawn.items() if (folder / file).is_file()}


def license_of(checkpoint: Path) -> str:
    """Licence of weights, as their card says; `"other"` where there is none, or where it says none.

    Args:
        checkpoint (`Path`): Their folder, or a checkpoint in the folder of a run; where there is no such folder, the
            name of a repository on the hub.
    """
    above = [checkpoint.parent] if checkpoint.name.startswith("checkpoint-") else []
    cards = [place / CARD_FILE for place in (checkpoint, *above) if (place / CARD_FILE).is_file()]
    if not cards and checkpoint.exists():
        return "other"
    card = cards[0] if cards else checkpoint.as_posix()
    try:
        return ModelCard.load(card).data.license or "other"
    except (OSError, ValueError, YAMLError) as error:  # of a card that somebody else wrote, or a hub out of reach
        logger.warning("%s: no card that can be read, so the licence of the weights is not known: %s", card, error)
        return "other"


def card_data(metrics: Mapping[str, Any], license_id: str, model_name: str) -> ModelCardData:
    """Metadata with the test scores as model-index results."""
    corpus = metrics["corpus"]
    slug = re.sub(r"[^a-z0-9]+", "-", corpus.lower()).strip("-")
    met = _met(metrics)
    task, pipeline = _task(met, metrics.get("video_encoder") == "action_units")
    warning = {True: "leaky split", None: "perhaps a leaky split"}.get(metrics.get("leaky", False), "")
    crossed = "cross-validation" if metrics.get("cross_validated") else ""
    notes = [word for word in (warning, crossed, split_name(metrics)) if word]
    results = [
        EvalResult(
            task_type=task,
            task_name="Emotion recognition",
            dataset_type=slug,
            dataset_name=f"{corpus} ({', '.join(notes)})" if notes else corpus,
            dataset_split=part(metrics),
            metric_type=name,
            metric_name=title,
            metric_value=round(metrics[f"test_{name}"], 4),
        )
        for name, title in TITLES.items()
        if f"test_{name}" in metrics
    ]
    return ModelCardData(
        model_name=model_name,
        license=license_id,
        library_name="transformers",
        base_model=_on_the_hub(metrics) or None,
        pipeline_tag=pipeline,
        tags=_tags(met, slug, bool(metrics.get("corpus_synthetic"))),
        eval_results=results or None,
    )


def _task(met: list[str], units: bool) -> tuple[str, str | None]:
    """What the hub calls the task, and the pipeline that can do it: of a table of action units there is none."""
    if met == ["audio"] or (units and "audio" in met):
        return "audio-classification", "audio-classification"
    return ("tabular-classification", None) if units else ("video-classification", "video-classification")


def _tags(met: list[str], slug: str, synthetic: bool) -> list[str]:
    modality = "audio-visual" if len(met) == 2 else met[0]
    return ["emotion-recognition", modality, slug, "emofusion", *(["synthetic"] if synthetic else [])]
