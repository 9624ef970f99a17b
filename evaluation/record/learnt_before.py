"""Which corpora an encoder had learnt from before a run began, as the metrics.json beside its weights says."""

from collections.abc import Mapping
from pathlib import Path

from .metrics_file import read_metrics


def learnt_before(sources: Mapping[str, str | None], corpus: str) -> dict[str, list[str]]:
    """Other corpora than the run's own, by modality; modalities that began at random are absent.

    Args:
        sources (`Mapping[str, str | None]`): By modality: the checkpoint's folder or name that its encoder comes from.
        corpus (`str`): What tables call the corpus of the run.

    Returns:
        `dict[str, list[str]]`, the earliest first; the name of the weights where no metrics.json lies beside them.
    """
    found = {
        modality: [name for name in _corpora(source, modality) if name != corpus]
        for modality, source in sources.items()
        if source is not None
    }
    return {modality: names for modality, names in found.items() if names}


def _corpora(source: str, modality: str) -> list[str]:
    folder = Path(source).expanduser()
    try:
        metrics = read_metrics(folder, tested=False)
        own = [str(metrics["corpus"])] if metrics["trained"] else []
        before: dict[str, list[str]] = metrics.get("learnt_before", {})
    except (OSError, ValueError, KeyError):  # weights of others: of them no more is known than what they are called
        return [folder.name if folder.exists() else source]
    return list(dict.fromkeys([*before.get(modality, []), *own]))
