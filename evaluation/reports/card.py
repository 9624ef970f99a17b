"""The model card: `model_card.md` filled from metrics.json."""

import re
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from jinja2 import Environment, StrictUndefined

from emofusion.data.corpora.registry import entry_called
from emofusion.data.whole_files import write_whole
from emofusion.evaluation.scores.metrics import TITLES
from emofusion.evaluation.scores.robustness import fairness

from .card_tables import card_tables
from .subject import known_actors, part, split_name, tested_on

FEW_ACTORS = 20
"""Below so many, an interval over actors is said to be wide for that reason."""

_OPTIONAL: dict[str, Any] = {
    "leaky": False,
    "corpus_synthetic": False,
    "corpus_notice": "",
    "label_set": None,
    "protocol": None,
    "fold": None,
    "seed": None,
    "window": None,
    "face_crop": "none",
    "trained": False,
    "epochs": None,
    "validation_macro_f1": None,
    "load_from": None,
    "command": None,
    "versions": {},
    "test_calibration_error": None,
    "test_intervals": None,
    "test_intervals_over": None,
    "test_intervals_units": None,
    "majority_accuracy": None,
}
"""What a metrics.json may lack, such as that of an older release; the card is then silent about it."""

_PLOTS = {
    "test_confusion_matrix": "confusion_matrix",
    "test_by_actor": "actors",
    "robustness": "robustness",
    "trained": "training_curves",
}
"""What the plots show, and their names. A plot without its numbers is of an earlier run in the same folder."""


def write_card(metrics: dict[str, Any], license_id: str, template: Path, folder: Path, model_name: str) -> None:
    """Fill the template and save it as README.md. It shows the plots that lie in the folder, so draw them before.

    Args:
        metrics (`dict`): Content of metrics.json.
        license_id (`str`): Licence of the weights as the hub spells it.
        template (`Path`): `model_card.md`.
        folder (`Path`): Output folder.
        model_name (`str`): Name of the model in the card and its results.

    Raises:
        jinja2.UndefinedError: A field without which there is no card is absent.
    """
    known = _OPTIONAL | {name: value for name, value in metrics.items() if value is not None}
    known["leaky"] = metrics.get("leaky", False)  # here None says that nobody knows
    subject = f"{metrics['corpus']}, {tested_on(metrics)}"
    # Not ModelCard.from_template: it would print nothing in place of a field that is not there.
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(template.read_text(encoding="utf-8")).render(
        card_data=card_data(metrics, license_id, model_name).to_yaml(),
        model_name=model_name,
        metrics=known,
        actors=known_actors(metrics),
        subject=subject,
        split=split_name(metrics, quote="`"),
        tables=card_tables(metrics, subject),
        conditions=[row["condition"] for row in metrics.get("robustness") or []],
        gaps=fairness(metrics),
        few_actors=FEW_ACTORS,
        acted=entry.acted if (entry := entry_called(metrics["corpus"])) else "",
        part=part(metrics),
        plots=_plots(metrics, folder),
        license_id=license_id,
        non_commercial="-nc-" in license_id,
    )
    card = ModelCard(re.sub(r"\n{3,}", "\n\n", text))
    write_whole(folder / "README.md", lambda path: card.save(path))


def _plots(metrics: dict[str, Any], folder: Path) -> set[str]:
    """Names of the plots that the card can show."""
    drawn = {name for field, name in _PLOTS.items() if metrics.get(field)}
    return {name for name in drawn if (folder / "plots" / f"{name}.png").is_file()}


def card_data(metrics: dict[str, Any], license_id: str, model_name: str) -> ModelCardData:
    """Metadata with the test scores as model-index results."""
    corpus, fusion = metrics["corpus"], metrics["fusion"]
    slug = re.sub(r"[^a-z0-9]+", "-", corpus.lower()).strip("-")
    task = "audio-classification" if fusion == "audio" else "video-classification"
    warning = {True: "leaky split", None: "perhaps a leaky split"}.get(metrics.get("leaky", False), "")
    notes = [word for word in (warning, split_name(metrics)) if word]
    results = [
        EvalResult(
            task_type=task,
            task_name="Emotion recognition",
            dataset_type=slug,
            dataset_name=f"{corpus} ({', '.join(notes)})" if notes else corpus,
            dataset_split=part(metrics),
            metric_type=name,
            metric_name=title,
            metric_value=metrics[f"test_{name}"],
        )
        for name, title in TITLES.items()
        if f"test_{name}" in metrics
    ]
    return ModelCardData(
        model_name=model_name,
        license=license_id,
        library_name="transformers",
        pipeline_tag=task,
        tags=_tags(fusion, slug, bool(metrics.get("corpus_synthetic"))),
        eval_results=results or None,
    )


def _tags(fusion: str, slug: str, synthetic: bool) -> list[str]:
    modality = {"audio": "audio", "video": "video"}.get(fusion, "audio-visual")
    return ["emotion-recognition", modality, slug, "emofusion", *(["synthetic"] if synthetic else [])]
