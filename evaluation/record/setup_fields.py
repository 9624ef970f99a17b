"""What is known of a run before it begins, gathered from corpus, splits, model and command."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import datasets

from emofusion.data import Account, Corpus
from emofusion.data.corpora.builders.image_account import ImageAccount
from emofusion.evaluation.people import in_order, people_of
from emofusion.modeling import EmoFusionModel
from emofusion.modeling.seen_emofusion import Seen

from .command_line import command_line
from .run_record import CircumstanceFields, CorpusFields, ModelFields

_LIBRARIES = ("emofusion", "torch", "torchvision", "torchaudio", "transformers", "datasets", "accelerate")


def corpus_fields(
    corpus: Corpus,
    account: Account | ImageAccount,
    splits: Mapping[str, datasets.Dataset],
    *,
    label_set: str | None,
    protocol: str,
    fold: int,
    test_part: str = "test",
    own: bool = False,
) -> CorpusFields:
    """Which clips, and how they were split; the published split that was scored is named where it is not the test."""
    known = {name: people_of(rows) for name, rows in splits.items()}
    fields: CorpusFields = {
        "corpus": corpus.name,
        "corpus_synthetic": corpus.synthetic,
        "corpus_notice": corpus.notice,
        "corpus_account": account.summary(),
        "label_set": label_set,
        "protocol": protocol,
        "fold": fold,
        "actors": {name: sorted(set(people), key=in_order) for name, people in known.items() if people is not None},
        "clips": {name: len(rows) for name, rows in splits.items()},
    }
    if own:
        fields["own_clips"] = True
    if test_part != "test":
        fields["test_part"] = test_part
    if isinstance(account, ImageAccount) and account.left_out.get("test"):
        fields["copies_left_out"] = account.left_out["test"]
    return fields


def model_fields(model: EmoFusionModel, seen: Seen) -> ModelFields:
    """Which model, and what its training clips had."""
    config = model.config
    fields: ModelFields = {
        "labels": [config.id2label[index] for index in range(config.num_labels)],
        "fusion": config.fusion,
        "audio_encoder": config.audio_encoder if "audio" in config.modalities else None,
        "video_encoder": config.video_encoder if "video" in config.modalities else None,
        "parameters": model.num_parameters(),
        "num_frames": config.num_frames,
        "image_size": config.image_size,
        "encoder_width": config.encoder_width,
        "window": config.window,
        "face_crop": config.face_crop,
        "grey": config.grey,
        "calibration": config.calibration,
        "unsure_below": float(config.unsure_below),
        "trained_modalities": seen.known_modalities,
    }
    if "audio" in config.modalities:
        fields["audio_encoder_width"] = config.audio_width
    names = {name: getattr(config, f"{name}_config") for name in config.modalities}
    for name, nested in names.items():
        if nested is not None and name == "audio":
            fields["audio_backbone"] = nested.name_or_path or nested.model_type
        elif nested is not None:
            fields["video_backbone"] = nested.name_or_path or nested.model_type
    return fields


def circumstance_fields(
    command: Sequence[str], *, seed: int, trained: bool, leaky: bool | None, processes: int, load_from: str
) -> CircumstanceFields:
    """By what command (its words, from the script's name on) and versions, and what the model had seen before."""
    return {
        "seed": seed,
        "command": command_line(command),
        "versions": {name: version(name) for name in _LIBRARIES} | {"python": platform.python_version()},
        "trained": trained,
        "leaky": leaky,
        "processes": processes,
        "load_from": load_from,
    }
