"""From which corpora, and whom, weights had learnt before a run began, as the metrics.json beside them says."""

from collections.abc import Mapping
from pathlib import Path

from emofusion.evaluation.people import Person

from .metrics_file import read_metrics
from .run_record import RunRecord

UNTOLD = "weights "
"""Before the name of weights of others, of which no record says what they had learnt from."""

_IMAGENET = {"imagenet": "ImageNet"}


def learnt_before(sources: Mapping[str, str | None], corpus: str) -> dict[str, list[str]]:
    """Other corpora than the run's own, by modality; modalities that began at random are absent.

    Args:
        sources (`Mapping[str, str | None]`): By modality: the checkpoint's folder or name that its encoder comes from.
        corpus (`str`): What tables call the corpus of the run.

    Returns:
        `dict[str, list[str]]`, the earliest first; `UNTOLD` and a name where no metrics.json lies beside the weights.
    """
    found = {
        modality: [name for name in _corpora(source, modality) if name != corpus]
        for modality, source in sources.items()
        if source is not None
    }
    return {modality: names for modality, names in found.items() if names}


def trained_with_validation(source: str) -> set[Person]:
    """Who trained a checkpoint whose validation actors trained, too, by its metrics.json; nobody of any other."""
    metrics = _record_of(source)
    if metrics is None or not metrics.get("trained_on_validation"):
        return set()
    return set(metrics["actors"].get("train", []))


def _corpora(source: str, modality: str) -> list[str]:
    if source in _IMAGENET:
        return [_IMAGENET[source]]
    metrics = _record_of(source)
    if metrics is None:
        folder = Path(source).expanduser()
        return [UNTOLD + (folder.name if folder.exists() else source)]
    own = [str(metrics["corpus"])] if metrics["trained"] else []
    before: dict[str, list[str]] = metrics.get("learnt_before", {})
    return list(dict.fromkeys([*before.get(modality, []), *own]))


def _record_of(source: str) -> RunRecord | None:
    """The metrics.json beside a checkpoint's weights; None where none can be read."""
    folder = Path(source).expanduser()
    # A checkpoint of a training lies in the folder of its run, which has the record.
    for place in (folder, folder.parent) if folder.name.startswith("checkpoint-") else (folder,):
        try:
            metrics = read_metrics(place, tested=False)
        except (OSError, ValueError):
            continue
        if {"corpus", "trained"} <= set(metrics):
            return metrics
    return None
