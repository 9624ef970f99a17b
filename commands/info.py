"""`emofusion info`: what a model reads, its classes, its scores and on whom, its licence; no weights are loaded."""

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

from .endings import DONE
from .model_files import ModelFiles, expanded

WIDTH = 80
_DESCRIPTION = """\
Tell what a model reads, its classes, its scores and on whom, and its licence.
It looks at config.json, metrics.json and the card, and loads no weights."""
_EPILOG = """\
examples:
  emofusion info runs/demo
  emofusion info your-name/your-model --format json
"""
_WINDOWS = {"voice": "where most of the sound is", "center": "in the middle", "start": "at the beginning"}

NOT_WRITTEN: dict[str, Any] = {
    "audio_encoder": "resnet18",
    "video_encoder": "resnet18",
    "face_crop": "none",
    "grey": False,
}
"""Fields that the config.json of an early release lacks, as `EmoFusionConfig` takes them then."""


def info(words: Sequence[str]) -> int:
    """Print what the files of a model say of it; returns the exit code.

    Raises:
        FailedError: There is no such model, or one of its files is damaged.
    """
    parser = argparse.ArgumentParser(
        prog="emofusion info",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("model", metavar="MODEL", help="folder, or repository of the hub")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for people (default) or programs")
    args = parser.parse_args(words)
    about = about_model(ModelFiles(expanded(args.model)))
    text = json.dumps(about, indent=2, ensure_ascii=False) if args.format == "json" else in_words(about)
    sys.stdout.write(f"{text}\n")
    return DONE


def about_model(files: ModelFiles) -> dict[str, Any]:
    """What the files of a model say of it; a field is None where they do not say.

    Returns:
        `dict`: `model`, `fusion`, `labels`, `reads` (by modality), `window`, `clip_duration` in seconds, `license`,
        `parameters`, `bytes`, `trained_modalities`, `training_actors` (and whether these are all:
        `training_actors_complete`) and `metrics`, the content of metrics.json.
    """
    config, metrics, card = NOT_WRITTEN | files.config(), files.metrics(), files.card_data()
    labels = config.get("id2label") or {}
    return {
        "model": files.model,
        "fusion": config.get("fusion"),
        "labels": [labels[key] for key in sorted(labels, key=int)],
        "reads": _reads(config, metrics or {}),
        "window": config.get("window"),
        "clip_duration": config.get("clip_duration"),
        "unsure_below": config.get("unsure_below") or None,
        "license": card.get("license"),
        "parameters": (metrics or {}).get("parameters"),
        "bytes": files.bytes_of_weights(),
        "trained_modalities": config.get("trained_modalities"),
        "training_actors": config.get("training_actors"),
        "training_actors_complete": config.get("training_actors_complete"),
        "metrics": metrics,
    }


def _reads(config: dict[str, Any], metrics: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By modality: its encoder, and the numbers that say what this is given."""
    fusion = config.get("fusion")
    found: dict[str, dict[str, Any]] = {}
    names: tuple[str, ...]
    if fusion != "video":
        names = ("sampling_rate", "num_mel_bins")
        found["audio"] = {"encoder": config.get("audio_encoder")} | {name: config.get(name) for name in names}
    if fusion != "audio":
        names = ("num_frames", "image_size", "face_crop", "grey")
        found["video"] = {"encoder": config.get("video_encoder")} | {name: config.get(name) for name in names}
    for modality, numbers in found.items():
        if backbone := metrics.get(f"{modality}_backbone"):
            numbers["backbone"] = backbone
    return found


def in_words(about: dict[str, Any]) -> str:
    """The same for people, in lines of 80 columns."""
    size = [f"{about['parameters']:,} parameters"] if about["parameters"] is not None else []
    size += [f"{about['bytes'] / 1e6:.1f} MB"] if about["bytes"] is not None else ["weights not found"]
    rows = [("model", ", ".join([f"{about['model']} ({about['fusion']})", *size])), ("reads", _read_words(about))]
    rows += [("classes", f"{len(about['labels'])}: {', '.join(about['labels'])}")]
    if about["unsure_below"]:
        rows += [("unsure", f"below a probability of {about['unsure_below']:.3f}")]
    rows += [("trained on", _training_words(about)), ("licence", about["license"] or "not told: there is no card")]
    lines = [line for name, text in rows for line in _row(name, text)]
    return "\n".join([*lines, *_score_lines(about["metrics"])])


def _row(name: str, text: str) -> list[str]:
    return _wrapped(text, f"{name:12}", " " * 12)


def _wrapped(text: str, first: str, others: str) -> list[str]:
    """Lines of 80 columns; names of folders are left whole, so that they can be copied."""
    wrap = textwrap.TextWrapper(WIDTH, break_long_words=False, break_on_hyphens=False)
    wrap.initial_indent, wrap.subsequent_indent = first, others
    return wrap.wrap(text)


def _read_words(about: dict[str, Any]) -> str:
    reads = about["reads"]
    parts = []
    if sound := reads.get("audio"):
        seen = f", {sound['num_mel_bins']} mel bands" if sound["encoder"] != "auto" else ""
        parts.append(f"sound ({sound['sampling_rate']} Hz{seen}; {sound.get('backbone', sound['encoder'])})")
    if (picture := reads.get("video")) and picture["encoder"] == "action_units":
        parts.append("action units of OpenFace in place of frames")
    elif picture:
        size = f"{picture['num_frames']} frames of {picture['image_size']} x {picture['image_size']}"
        cut = "" if picture["face_crop"] in (None, "none") else ", cut to the face"
        grey = ", grey" if picture["grey"] else ""
        parts.append(f"picture ({size}{cut}{grey}; {picture.get('backbone', picture['encoder'])})")
    where = f"{about['clip_duration']:g} s of a clip, {_WINDOWS.get(about['window'], about['window'])}"
    either = "; either may be missing" if len(parts) > 1 else ""
    return f"{' and '.join(parts)}{either}; {where}"


def _training_words(about: dict[str, Any]) -> str:
    from emofusion.data.corpora.own.own_clips import FIRST_NUMBER
    from emofusion.data.protocols import numbers

    actors, metrics = about["training_actors"], about["metrics"] or {}
    corpus = f" ({metrics['corpus']})" if metrics.get("corpus") else ""
    if about["trained_modalities"] == []:
        return "nothing: its weights are as they were drawn"
    if not actors:
        return f"actors of whom it does not tell{corpus}"
    more = "" if about["training_actors_complete"] else ", and perhaps others"
    known = {actor for actor in actors if actor < FIRST_NUMBER}
    own = len(actors) - len(known)
    named = [f"actors {numbers(known)}"] if known else []
    named += [f"{own} speakers or clips of one's own"] if own else []
    return f"{' and '.join(named)}{more}{corpus}"


def _score_lines(metrics: dict[str, Any] | None) -> list[str]:
    """The scores, each with its interval and chance, on whom, and what is not real about the clips."""
    if metrics is None or "test_macro_f1" not in metrics:
        return _row("scores", "none here; `emofusion evaluate` makes them")
    from emofusion.evaluation.field_notes import with_missing
    from emofusion.evaluation.record.run_record import RunRecord
    from emofusion.evaluation.reports.subject import cross_validation_words
    from emofusion.evaluation.reports.summary import summary

    leaky = metrics.get("leaky", False)  # null says here that nobody knows
    metrics = with_missing(RunRecord, metrics) | {"leaky": leaky}
    head, *lines = summary(metrics).splitlines()
    notes = [cross_validation_words(metrics), metrics["corpus_notice"] if metrics["corpus_synthetic"] else ""]
    found = _row("scores", head)
    for line in lines:
        found += _wrapped(line.strip(), " " * 12, " " * 14)
    return found + [line for note in notes if note for line in _row("note", note)]
