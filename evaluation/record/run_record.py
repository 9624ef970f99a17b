"""The record of a run: every field of metrics.json, in the order of the file.

A field that is not marked `needed` may be absent from the file of an older release; its note says what then holds.
"""

from typing import Annotated, NotRequired, TypedDict

from emofusion.evaluation.field_notes import Note
from emofusion.evaluation.scores.score_fields import Answered, BranchFields, RobustnessRow, ScoreFields


class CorpusFields(TypedDict):
    """Which clips, and how they were split."""

    corpus: Annotated[str, Note("name of the corpus whose clips were scored", needed=True)]
    corpus_synthetic: Annotated[bool, Note("whether a program made the clips, instead of people", missing=False)]
    corpus_notice: Annotated[str, Note("where the clips come from, and their terms", missing="")]
    corpus_account: Annotated[str, Note("what was read of the corpus and what was not, in one line")]
    label_set: Annotated[str | None, Note("name of the set of classes; null for classes of one's own")]
    protocol: Annotated[str, Note("name of the rule by which actors are split")]
    fold: Annotated[int | None, Note("which of the protocol's splits; null where there are several", "counted from 0")]
    actors: Annotated[
        dict[str, list[int | str]],
        Note("actors by part (`train`, `validation`, `test`), or the names of speakers in clips of one's own; none "
             "where nobody knows them, as on still pictures", needed=True),
    ]  # fmt: skip
    clips: Annotated[dict[str, int], Note("how many clips by part", "clips", needed=True)]
    own_clips: NotRequired[
        Annotated[bool, Note("whether these are clips of the user's own; absent where they are not", missing=False)]
    ]
    test_part: NotRequired[
        Annotated[str, Note("the published split that was scored; absent where it is `test`", missing="test")]
    ]
    copies_left_out: NotRequired[
        Annotated[
            int,
            Note("pictures of the scored split that were left out, because they stand in training, too; absent where "
                 "there were none", "pictures", missing=0),
        ]
    ]  # fmt: skip
    cross_validated: NotRequired[
        Annotated[
            dict[str, list[int]],
            Note("of a model that all actors trained, whose scores are those of models trained alike: their `folds`, "
                 "their `seeds`, and how many `actors` trained each; absent where the weights themselves were scored"),
        ]
    ]  # fmt: skip


class ModelFields(TypedDict):
    """Which model."""

    labels: Annotated[list[str], Note("names of the classes in the order of their ids", needed=True)]
    fusion: Annotated[str, Note("kind of model: `audio`, `video`, or how the two are fused", needed=True)]
    audio_encoder: Annotated[str | None, Note("what encodes the sound; null where the model hears none")]
    video_encoder: Annotated[
        str | None,
        Note("what encodes the picture, `resnet18` on frames or `action_units` of OpenFace; null where the model sees "
             "none"),
    ]  # fmt: skip
    audio_backbone: NotRequired[
        Annotated[
            str, Note("folder or hub name of the encoder of transformers that hears, where `audio_encoder` is `auto`")
        ]
    ]
    video_backbone: NotRequired[Annotated[str, Note("the same of the one that sees, where `video_encoder` is `auto`")]]
    parameters: Annotated[int, Note("how many numbers the model has learnt", "parameters", needed=True)]
    num_frames: Annotated[int, Note("frames that the model sees of a clip", "frames", needed=True)]
    image_size: Annotated[int, Note("width and height of a frame", "pixels", needed=True)]
    encoder_width: Annotated[int, Note("channels of the first stage of encoders", "channels")]
    audio_encoder_width: NotRequired[
        Annotated[int, Note("the same of the sound encoder, which may have another width", "channels")]
    ]
    window: Annotated[str | None, Note("which three seconds of a longer clip the model looks at")]
    face_crop: Annotated[str, Note("how frames were cut to the face", missing="none")]
    grey: Annotated[bool, Note("whether frames were turned grey", missing=False)]
    calibration: Annotated[
        dict[str, float],
        Note("what logits are divided by (`temperature`); of late fusion the share of the sound and the temperature "
             "of each branch, too", missing={}),
    ]  # fmt: skip
    unsure_below: Annotated[
        float,
        Note("probability of the named class below which the answer is `unsure`; 0 where there always is one",
             "0 to 1", missing=0.0),
    ]  # fmt: skip
    trained_modalities: Annotated[
        list[str] | None,
        Note("what training clips had, of `audio` and `video`; empty where it was never trained, null where nobody "
             "knows"),
    ]  # fmt: skip


class CalibrationFields(TypedDict, total=False):
    """What only a run with `--calibrate` has."""

    validation_calibration_error: Annotated[
        float, Note("as `test_calibration_error`, on the validation actors, by whom it was calibrated", "0 to 1")
    ]
    validation_calibration_error_before: Annotated[float, Note("the same before calibration", "0 to 1")]
    test_calibration_error_before: Annotated[
        float, Note("what `test_calibration_error` would be without calibration", "0 to 1")
    ]


class UnsureFields(TypedDict, total=False):
    """What only a run with `--unsure_accuracy` has."""

    unsure_accuracy: Annotated[
        float, Note("share of right answers that `unsure_below` was chosen for, on the validation actors", "0 to 1")
    ]
    validation_answered: Annotated[
        Answered | None,
        Note("as `test_answered`, on the validation actors, by whom it was chosen; null where not even the surest "
             "answers were right so often, so that the model always answers"),
    ]  # fmt: skip


class CircumstanceFields(TypedDict):
    """By what command and versions, and what the model had seen before."""

    seed: Annotated[int | None, Note("seed of everything random; null where there are several")]
    command: Annotated[str, Note("the command that repeats the run; without access tokens")]
    versions: Annotated[dict[str, str], Note("version by library, and that of Python", missing={})]
    trained: Annotated[bool, Note("whether the run trained; false where it only scored a checkpoint", missing=False)]
    leaky: Annotated[
        bool | None,
        Note("whether actors of the test were seen in training, also by a checkpoint that the run began with; null "
             "where nobody knows", missing=False),
    ]  # fmt: skip
    learnt_before: NotRequired[
        Annotated[
            dict[str, list[str]],
            Note("by modality, where its encoder began with given weights: other corpora that these had learnt from, "
                 "or `weights` and their name where nobody says; encoders of transformers are `audio_backbone` and "
                 "`video_backbone`"),
        ]
    ]  # fmt: skip
    processes: Annotated[int, Note("processes that trained and scored together", "processes")]
    load_from: Annotated[str, Note("what `from_pretrained` takes to load the model")]


class SetupFields(CorpusFields, ModelFields, CircumstanceFields):
    """What is known of a run before it begins."""


class TrainingFields(TypedDict, total=False):
    """What only a run that trained has."""

    epochs: Annotated[float, Note("passes over the training clips; absent where nothing was trained", "epochs")]
    embedding_views: Annotated[
        int, Note("augmented views of each training clip on whose embeddings the head alone was trained, or what lies "
                  "behind the backbone of a branch; absent where the encoders learned, too")
    ]  # fmt: skip
    train_loss: Annotated[float, Note("mean loss over all steps; absent after a resume, which knows some only")]
    select: Annotated[
        str, Note("which weights were kept: `best`, a checkpoint that the validation actors chose, or `last`, the end "
                  "of the run")
    ]  # fmt: skip
    trained_on_validation: Annotated[
        bool, Note("true where the validation actors trained, too, by `--train_on_validation`; absent otherwise")
    ]  # fmt: skip
    validation_macro_f1: Annotated[float, Note("macro-F1 of the validation actors by the weights that were kept")]
    validation_weighted_f1: Annotated[float, Note("the same with `--metric_for_best_model weighted_f1`")]
    validation_uar: Annotated[float, Note("the same with `--metric_for_best_model uar`")]
    validation_accuracy: Annotated[float, Note("the same with `--metric_for_best_model accuracy`")]
    validation_loss: Annotated[float, Note("the same with `--metric_for_best_model loss`")]


class DamageFields(TypedDict):
    """How the model does where input is missing or damaged."""

    robustness: Annotated[list[RobustnessRow], Note("scores under each condition that makes sense for the model")]


class OutcomeFields(ScoreFields, DamageFields):
    """What the test says."""


class PreparedFields(TrainingFields, CalibrationFields, UnsureFields):
    """What is done before the test."""


class RunRecord(SetupFields, PreparedFields, OutcomeFields, BranchFields):
    """The content of metrics.json."""
