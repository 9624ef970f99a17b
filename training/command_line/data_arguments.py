"""What a run can be told of its clips: flags of `train_hf.py`, and fields of a recipe. Importing it needs no torch."""

from dataclasses import dataclass, field
from typing import Literal

from emofusion.data import LABEL_SETS
from emofusion.data.corpora.entry import CorpusEntry
from emofusion.data.corpora.registry import CORPORA
from emofusion.data.label_sets import OWN
from emofusion.data.protocols import LEAKY


def _default_protocol(entry: CorpusEntry) -> str:
    """In the words of `--help`: by what to train, and by what to score where that is another."""
    if entry.own:
        return f"as their column split says, else speakers, else {LEAKY}; {entry.scores_by} with --do_predict"
    scores_by = f", {entry.scores_by} with --do_predict" if entry.scores_by != entry.trains_by else ""
    return entry.trains_by + scores_by


@dataclass
class DataArguments:
    """The corpus, its classes and its split."""

    _argument_group_name = "data"

    corpus: str = field(
        default="ravdess",
        metadata={
            "help": f"Which corpus lies in --data_dir: {'; '.join(entry.help for entry in CORPORA.values())}.",
            "choices": CORPORA,  # not a copy: corpora that are registered later are choices, too
        },
    )
    data_dir: str | None = field(
        default=None,
        metadata={
            "help": "Folder with the files of --corpus at any depth, or zip archives of them (RAVDESS: mp4, wav, "
            "flac). Required, but for --dataset_name."
        },
    )
    dataset_name: str | None = field(
        default=None,
        metadata={
            "help": "With --corpus clips, in place of --data_dir: a data set of `datasets`, on disk or on the hub, "
            "with a column of type Audio or Video, or both."
        },
    )
    label_column: str | None = field(
        default=None, metadata={"help": "With --corpus clips: the column with the labels, by default `label`."}
    )
    speaker_column: str | None = field(
        default=None, metadata={"help": "With --corpus clips: the column with the speakers, by default `speaker`."}
    )
    label_set: str | None = field(
        default=None,
        metadata={
            "help": f"Classes: {', '.join(LABEL_SETS)}; by default those of the checkpoint, else emotions8. With "
            f"--corpus clips by default {OWN}: each label is a class.",
            "choices": [*LABEL_SETS, OWN],
        },
    )
    protocol: str | None = field(
        default=None,
        metadata={
            "help": "Which actors train, validate and test: "
            + "; ".join(f"{choice.corpus.name}: {', '.join(choice.protocols)}" for choice in CORPORA.values())
            + f". {LEAKY} deals clips instead of actors, and leaks. By default "
            + "; ".join(f"{entry.corpus.name}: {_default_protocol(entry)}" for entry in CORPORA.values())
            + "."
        },
    )
    fold: int = field(default=0, metadata={"help": "Fold of the protocol, from 0."})
    train_on_validation: bool = field(
        default=False,
        metadata={
            "help": "Train on the validation actors, too, once they have said which settings are good: nobody is left "
            "to choose a checkpoint then, and the end of the run is scored."
        },
    )
    allow_leaky_split: bool = field(
        default=False, metadata={"help": f"Push a model that was scored on {LEAKY} to the hub all the same."}
    )
    strict: bool = field(default=False, metadata={"help": "Refuse a corpus with anything missing or unreadable."})
    keep_copies: bool = field(
        default=False,
        metadata={"help": "FER-2013: validate and score by pictures that stand in its training split, too."},
    )
    face_tracks: str | None = field(
        default=None,
        metadata={
            "help": "Folder with the official OpenFace tracks, taken instead of finding faces with --face_crop; or "
            "that, or a CSV of their means, for --video_encoder action_units."
        },
    )
    yunet_path: str | None = field(
        default=None, metadata={"help": "ONNX file of the YuNet face detector, for --face_crop yunet."}
    )
    channel: Literal["speech", "song", "both"] = field(default="speech", metadata={"help": "Speech, song or both."})
    spec_augment: bool = field(default=True, metadata={"help": "SpecAugment on the training split."})
    spec_augment_strength: float = field(
        default=1.0, metadata={"help": "Width of SpecAugment's masks; 1 is the source's, 0.5 half of it."}
    )
    frame_augment: bool = field(
        default=True, metadata={"help": "Flip, random crop and jitter in time of training frames."}
    )
    time_shift: float = field(
        default=0.0, metadata={"help": "Seconds, up to 0.25, by which training sound comes earlier or later."}
    )
    gain_augment: float = field(
        default=0.0, metadata={"help": "Decibels by which training sound is louder or quieter."}
    )
    noise_augment: float = field(
        default=0.0, metadata={"help": "Share of training clips with noise of any colour, 0 to 40 dB below the voice."}
    )
    mel_warp: float = field(
        default=0.0, metadata={"help": "Share, such as 0.1, by which the mels of training clips are stretched."}
    )
    black_augment: float = field(
        default=0.0, metadata={"help": "Share of training clips of which some frames, or all, are black."}
    )
    erase_augment: float = field(
        default=0.0,
        metadata={"help": "Share of training clips of which a rectangle, the same in all frames, is erased."},
    )
    unit_noise_augment: float = field(
        default=0.0, metadata={"help": "Share of training clips whose action units get noise of any level."}
    )
    mixup_alpha: float = field(
        default=0.0, metadata={"help": "Mix training clips, and their labels, by shares of Beta(alpha, alpha)."}
    )
    max_train_samples: int | None = field(
        default=None, metadata={"help": "Train on so many clips only (drawn evenly over the split)."}
    )
    max_eval_samples: int | None = field(
        default=None, metadata={"help": "Validate and test on so many clips only (drawn evenly over the split)."}
    )
    cache_dir: str | None = field(
        default=None, metadata={"help": "Where decoded clips are kept; by default the cache of `datasets`."}
    )
