"""Whom a score is on, in the words of every table, plot and card: unseen actors, others, or pictures of anybody."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

UNSEEN = "unseen actors"
SEEN = "actors SEEN in training (leaky split)"
UNKNOWN = "actors perhaps seen in training (the checkpoint does not say)"
NEVER = "actors (the model was NEVER TRAINED)"

_CALLED = {"audio": ("sound", "heard any"), "video": ("pictures", "seen one")}


def tested_on(metrics: Mapping[str, Any]) -> str:
    """`unseen actors`, or another word for what was scored.

    Args:
        metrics (`Mapping`): Content of metrics.json, or the record of an experiment: `leaky` (None where nobody
            knows), `trained_modalities`, `actors` or `test_by_actor`, and `test_part`.
    """
    leaky = metrics.get("leaky", False)
    if metrics.get("own_clips"):
        return _own_clips(metrics, leaky)
    untrained = leaky is False and never_trained(metrics)
    if known_actors(metrics) or metrics.get("test_by_actor"):
        return NEVER if untrained else {True: SEEN, False: UNSEEN, None: UNKNOWN}[leaky]
    note = " (perhaps seen in training: the checkpoint does not say)" if leaky is None else ""
    note = " (the model was NEVER TRAINED)" if untrained else note
    return f"pictures of the published {part(metrics)} split{note}"


def person(metrics: Mapping[str, Any]) -> str:
    """What one of the people in the clips is called: `actor`, or `speaker` in clips of one's own."""
    return "speaker" if metrics.get("own_clips") else "actor"


def people(metrics: Mapping[str, Any]) -> str:
    """Of what the parts of a split are: `actors` or `speakers`; `clips` or `pictures` of nobody knows whom."""
    if known_actors(metrics) or metrics.get("test_by_actor"):
        return f"{person(metrics)}s"
    return "clips" if metrics.get("own_clips") else "pictures"


def interval_over(metrics: Mapping[str, Any]) -> str:
    """Over whom intervals are: `actors`, `speakers`, or `clips` where nobody knows who is in them.

    Args:
        metrics (`Mapping`): Content of metrics.json, or several runs as one.
    """
    over = str(metrics["test_intervals_over"])
    return f"{person(metrics)}s" if over == "actors" else over


def interval_units(metrics: Mapping[str, Any]) -> str:
    """[`interval_over`] with how many there are: `20 actors`."""
    return f"{metrics['test_intervals_units']} {interval_over(metrics)}"


def classes_of(metrics: Mapping[str, Any]) -> str:
    """The name of the label set; classes of one's own have none."""
    return str(metrics["label_set"] or "own labels")


def _own_clips(metrics: Mapping[str, Any], leaky: bool | None) -> str:
    """What was scored of clips of one's own, whose speakers have names, or are not known."""
    known = bool(known_actors(metrics) or metrics.get("test_by_actor"))
    if leaky is False and never_trained(metrics):
        return f"{'speakers' if known else 'clips'} (the model was NEVER TRAINED)"
    if known:
        return {
            True: "speakers SEEN in training (leaky split)",
            False: "unseen speakers",
            None: "speakers perhaps seen in training (the checkpoint does not say)",
        }[leaky]
    return {
        True: "clips whose speakers may be in training, too (leaky split)",
        False: "clips of nobody knows whom, who were not in training",
        None: "clips whose speakers may be in training, too (nobody knows who they are)",
    }[leaky]


def never_trained(metrics: Mapping[str, Any]) -> bool:
    """Whether the weights are known to be as they were drawn."""
    return metrics.get("trained_modalities") == []


def never_met(metrics: Mapping[str, Any]) -> list[str]:
    """Which of `audio` and `video` the model reads and no clip of its training had; none where nobody knows."""
    met = metrics.get("trained_modalities")
    reads_both = metrics["fusion"] not in ("audio", "video")
    return [modality for modality in ("audio", "video") if modality not in met] if met and reads_both else []


def blind_spot(metrics: Mapping[str, Any]) -> str:
    """`trained on clips without pictures: it has never seen one`; empty where training had all it reads."""
    found = [_CALLED[modality] for modality in never_met(metrics)]
    return "".join(f"trained on clips without {name}: it has never {met}" for name, met in found)


def trained_together(runs: Iterable[Mapping[str, Any]]) -> list[str] | None:
    """`trained_modalities` of several runs: what any of them had, None where nobody knows of one."""
    found = [run.get("trained_modalities") for run in runs]
    return None if None in found else sorted({modality for modalities in found for modality in modalities or ()})


def worst_leak(runs: Iterable[Mapping[str, Any]]) -> bool | None:
    """`leaky` of several runs together: whether one of them is, else None where nobody knows of one."""
    leaks = [run.get("leaky", False) for run in runs]
    return True if True in leaks else None if None in leaks else False


def cross_validation_words(metrics: Mapping[str, Any]) -> str:
    """Whose scores a model has that all actors trained; empty where the weights themselves were scored."""
    found = metrics.get("cross_validated")
    if not found:
        return ""
    called = f"{person(metrics)}s"
    who = metrics["actors"].get("train")
    trained = f"{len(who)} {called}" if who else f"{metrics['clips']['train']} clips"
    named = f"{_several('fold', found['folds'])} of `{metrics['protocol']}`, {_several('seed', found['seeds'])}"
    counts = sorted({min(found["actors"]), max(found["actors"])})
    alike = f"on {' to '.join(map(str, counts))} {called} each and scored" if who else "on a part of them and scored"
    return (
        f"These are not scores of the weights here, which learned from all {trained}, so that nobody is left to score "
        f"them on. They are those of {len(found['actors'])} models that were trained alike {alike} on others "
        f"(cross-validation: {named})"
    )


def _several(name: str, values: Sequence[int]) -> str:
    return f"{name}{'s' * (len(values) > 1)} {', '.join(map(str, values))}"


def pictures_of(metrics: Mapping[str, Any]) -> str:
    """What was scored where nobody knows who it is: `3589 pictures of the published test split`."""
    return f"{metrics['clips']['test']} {tested_on(metrics)}"


def part(metrics: Mapping[str, Any]) -> str:
    """The split of the corpus that was scored."""
    return str(metrics.get("test_part", "test"))


def known_actors(metrics: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Actors by split; empty where it is not known who is in a picture."""
    actors = metrics.get("actors") or {}
    found = {split: [actor for actor in numbers if actor is not None] for split, numbers in actors.items()}
    return found if any(found.values()) else {}


def part_of_protocol(metrics: Mapping[str, Any]) -> str:
    """Which clips of a protocol were the test, in short: `msaf6 fold 2`, `msaf6 cross-validated`."""
    part = "cross-validated" if metrics.get("cross_validated") else f"fold {metrics['fold']}"
    return f"{metrics['protocol']} {part}"


def split_name(metrics: Mapping[str, Any], quote: str = "") -> str:
    """Protocol, in quotes, and fold, for people; empty where a corpus is split as it was published."""
    if not known_actors(metrics) and not metrics.get("own_clips"):
        return ""
    named = [("protocol ", metrics.get("protocol"), quote), ("fold ", metrics.get("fold"), "")]
    return ", ".join(f"{word}{mark}{value}{mark}" for word, value, mark in named if value is not None)
