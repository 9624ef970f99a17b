"""The model card: `model_card.md` filled from metrics.json."""

from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from emofusion.data.whole_files import write_whole

TITLES = {"macro_f1": "macro-F1", "uar": "UAR", "accuracy": "accuracy", "weighted_f1": "weighted F1"}


def write_card(metrics: dict[str, Any], license_id: str, template: Path, folder: Path, model_name: str) -> None:
    """Fill the template and save it as README.md.

    Args:
        metrics (`dict`): Content of metrics.json.
        license_id (`str`): Licence of the weights as the hub spells it.
        template (`Path`): `model_card.md`.
        folder (`Path`): Output folder.
        model_name (`str`): Name of the model in the card and its results.
    """
    card = ModelCard.from_template(
        card_data(metrics, license_id, model_name),
        template_path=str(template),
        model_name=model_name,
        titles=TITLES,
        metrics=metrics,
        non_commercial="-nc-" in license_id,
    )
    write_whole(folder / "README.md", lambda path: card.save(path))


def card_data(metrics: dict[str, Any], license_id: str, model_name: str) -> ModelCardData:
    """Metadata with the test scores as model-index results."""
    leaky = "leaky split, " if metrics["leaky"] else ""
    results = [
        EvalResult(
            task_type="video-classification",
            task_name="Emotion recognition",
            dataset_type="ravdess",
            dataset_name=f"{metrics['corpus']} ({leaky}{metrics['protocol']}, fold {metrics['fold']})",
            dataset_split="test",
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
        pipeline_tag="video-classification",
        tags=["emotion-recognition", "audio-visual", "ravdess", "emofusion"],
        eval_results=results or None,
    )
