"""What a run can be told: flags of `train_hf.py`, and the fields of a recipe. Importing this needs no torch."""

from dataclasses import dataclass, field
from typing import Literal

DEFAULT_SELECT: Literal["best", "last"] = "best"
"""Which checkpoint is kept, where flags and recipe leave it open and something was validated."""


@dataclass
class ModelArguments:
    """The model; whatever is left open is the config's default, or that of the checkpoint."""

    _argument_group_name = "model"

    model_name_or_path: str | None = field(
        default=None,
        metadata={"help": "Folder or hub name of a checkpoint to start from, or to score with --do_predict."},
    )
    fusion: Literal["gated", "audio", "video", "late", "concat", "xattn"] | None = field(
        default=None, metadata={"help": "How sound and picture are joined; audio and video use one alone."}
    )
    audio_encoder: Literal["resnet18", "cnn", "auto"] | None = field(
        default=None,
        metadata={"help": "ResNet18, the small CNN that it replaced, or one of transformers (--audio_backbone)."},
    )
    video_encoder: Literal["resnet18", "action_units", "auto"] | None = field(
        default=None,
        metadata={
            "help": "ResNet18 on frames, an MLP on what OpenFace measured in the face (--face_tracks), or one of "
            "transformers (--video_backbone)."
        },
    )
    audio_backbone: str | None = field(
        default=None,
        metadata={
            "help": "Folder or hub name of a sound encoder of transformers (wav2vec2, HuBERT, WavLM, AST, Whisper, "
            "...), which becomes the audio encoder."
        },
    )
    video_backbone: str | None = field(
        default=None,
        metadata={
            "help": "Folder or hub name of a picture encoder of transformers (ResNet, ViT, ConvNeXT, DINOv2, "
            "VideoMAE, ...), which becomes the video encoder."
        },
    )
    backbone_weights: Literal["pretrained", "random"] = field(
        default="pretrained",
        metadata={
            "help": "Begin with the weights of --audio_backbone and --video_backbone, or take their form alone."
        },
    )
    audio_pooling: Literal["statistics", "attention"] | None = field(
        default=None,
        metadata={"help": "How time is pooled behind --audio_backbone: mean and deviation, or those of what counts."},
    )
    gate: Literal["mlp", "simple"] | None = field(
        default=None, metadata={"help": "Gate with a hidden layer, or the original's single linear layer."}
    )
    gate_bias: float | None = field(
        default=None, metadata={"help": "Bias of the gate at the start; -1 gives the sound a weight of 0.27."}
    )
    gate_dropout: float | None = field(default=None, metadata={"help": "Dropout between the layers of the gate."})
    modality_dropout_p: float | None = field(
        default=None, metadata={"help": "Share of training clips that lose their sound, and as many their picture."}
    )
    modality_dropout: bool = field(default=True, metadata={"help": "Modality dropout at all."})
    branch_loss_weight: float | None = field(
        default=None,
        metadata={"help": "Weight of the losses of either branch alone beside that of the fusion; 0 leaves them out."},
    )
    encoder_width: int | None = field(
        default=None, metadata={"help": "Channels of the first ResNet stage; 64 is ResNet18."}
    )
    audio_encoder_width: int | None = field(
        default=None, metadata={"help": "The same of the sound encoder, where it is another than --encoder_width."}
    )
    num_frames: int | None = field(default=None, metadata={"help": "Frames that the model looks at."})
    image_size: int | None = field(default=None, metadata={"help": "Side of a frame in pixels."})
    window: Literal["voice", "center", "start"] | None = field(
        default=None, metadata={"help": "Which 3 seconds of a longer clip are taken."}
    )
    face_crop: Literal["none", "haar", "yunet"] | None = field(
        default=None,
        metadata={
            "help": "Cut frames to the face, found by OpenCV's cascade (haar) or by the ONNX file --yunet_path."
        },
    )
    grey: bool = field(
        default=None,  # type: ignore[assignment]  # until the config, or that of the checkpoint, is asked
        metadata={"help": "Turn frames grey, as a branch sees them that was trained on grey photographs (FER-2013)."},
    )
    class_weights: Literal["none", "balanced"] = field(
        default="none", metadata={"help": "Weigh classes in the loss by how rare they are in training."}
    )
    video_encoder_weights: str | None = field(
        default=None,
        metadata={"help": "Start the video encoder from `imagenet` (torchvision's), or from a checkpoint's folder."},
    )
    audio_encoder_weights: str | None = field(
        default=None,
        metadata={"help": "Start the audio encoder from `imagenet` (torchvision's), or from a checkpoint's folder."},
    )
    freeze_audio_encoder: bool = field(
        default=False, metadata={"help": "Do not train the audio encoder; of --audio_backbone not what it has itself."}
    )
    freeze_video_encoder: bool = field(
        default=False, metadata={"help": "Do not train the video encoder; of --video_backbone not what it has itself."}
    )
    audio_trainable_layers: int | None = field(
        default=None, metadata={"help": "Train so many last layers of --audio_backbone alone; 0 freezes it whole."}
    )
    video_trainable_layers: int | None = field(
        default=None, metadata={"help": "Train so many last layers of --video_backbone alone; 0 freezes it whole."}
    )
    start_head: bool = field(
        default=False,
        metadata={
            "help": "Begin with a fusion head that answers what both branches, named by --audio_encoder_weights and "
            "--video_encoder_weights, answer together."
        },
    )
    embedding_views: int = field(
        default=0,
        metadata={
            "help": "Train the fusion head alone, on what the encoders make once of so many augmented views of each "
            "training clip; of a branch with a frozen backbone what lies behind that. 0 trains the whole model, on "
            "new views in each epoch."
        },
    )


@dataclass
class StageArguments:
    """Training in stages: sound, picture, and then the fusion that starts from both."""

    _argument_group_name = "stages"

    branches_first: bool = field(
        default=False,
        metadata={
            "help": "Train a model of sound in OUT/audio and one of pictures in OUT/video, and then, in OUT, the "
            "fusion that starts from both. In a recipe each stage has settings of its own in a block `audio:`, "
            "`video:` or `fusion:`."
        },
    )
    audio_settings: str | None = field(
        default=None, metadata={"help": 'The block `audio:` as JSON, such as {"num_train_epochs": 40}.'}
    )
    video_settings: str | None = field(default=None, metadata={"help": "The block `video:` as JSON."})
    fusion_settings: str | None = field(default=None, metadata={"help": "The block `fusion:` as JSON."})
    joint_epochs: float = field(
        default=0.0,
        metadata={
            "help": "Train all weights together for so many epochs behind the head's training, and keep it only if "
            "validation actors gain; 0 leaves it out."
        },
    )
    joint_learning_rate: float = field(
        default=1e-4, metadata={"help": "Peak learning rate of --joint_epochs, for all weights."}
    )


@dataclass
class ExperimentArguments:
    """Several runs by one command; everything else on the command line goes to each of them."""

    _argument_group_name = "experiment"

    cross_validate: bool = field(
        default=False, metadata={"help": "Train and score every fold of --protocol that the actors present allow."}
    )
    ablation: str | None = field(
        default=None, metadata={"help": "YAML file with variants to train alike and to compare, actor by actor."}
    )
    seeds: list[int] | None = field(
        default=None, metadata={"help": "With --cross_validate or --ablation: repeat with these seeds."}
    )
    folds: list[int] | None = field(
        default=None, metadata={"help": "With --cross_validate or --ablation: only these folds."}
    )
    release: str | None = field(
        default=None,
        metadata={
            "help": "With --cross_validate: then train one model on all actors, and put what others need of it into "
            "this folder, its card with the scores of the folds."
        },
    )
    release_dtype: str = field(
        default="float32",
        metadata={
            "help": "With --release: the precision in which its weights are stored.",
            "choices": ["float32", "float16", "bfloat16"],
        },
    )
    search: str | None = field(
        default=None, metadata={"help": "YAML file with a search space: look for the best hyper-parameters in it."}
    )
    n_trials: int = field(default=20, metadata={"help": "With --search: trials of the study in all."})
    study: str | None = field(
        default=None,
        metadata={
            "help": "With --search: URL of a database that machines share; by default study.db (sqlite) in OUT."
        },
    )
    study_name: str = field(
        default="emofusion", metadata={"help": "With --search: name of the study in its database."}
    )


@dataclass
class TrainingDefaults:
    """What Trainer lacks, and defaults of transformers' TrainingArguments that suit."""

    _argument_group_name = "training"

    output_dir: str | None = field(
        default=None,
        metadata={"help": "Where weights, scores, plots and card go; by default runs/ and the recipe's name."},
    )
    audio_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of the audio encoder; by default --learning_rate."}
    )
    video_learning_rate: float | None = field(
        default=None, metadata={"help": "Learning rate of the video encoder; by default --learning_rate."}
    )
    layer_decay: float = field(
        default=1.0,
        metadata={"help": "Share of its rate that each layer of a backbone leaves to the one before, such as 0.75."},
    )
    early_stopping_patience: int | None = field(
        default=None,
        metadata={"help": "Stop after so many validations in a row without a better --metric_for_best_model."},
    )
    ema_decay: float = field(
        default=0.0,
        metadata={
            "help": "Validate and keep an exponential moving average of the weights: the share of it that a step "
            "leaves alone, such as 0.99; 0 keeps the weights themselves."
        },
    )
    select: Literal["best", "last"] | None = field(
        default=None,
        metadata={
            "help": "Keep the checkpoint that the validation actors choose (best) or the end of the run (last); by "
            f"default {DEFAULT_SELECT} where anything is validated."
        },
    )
    calibrate: bool = field(
        default=False,
        metadata={
            "help": "Fit a temperature on the validation actors, so that probabilities come true; for late fusion one "
            "for each branch, and the share of the sound. The test goes by them."
        },
    )
    unsure_accuracy: float = field(
        default=0.0,
        metadata={
            "help": "Let the model say `unsure` below the smallest probability from which on such a share of its "
            "answers, 0.8 for example, is right on the validation actors; 0 lets it always answer."
        },
    )
    learning_rate: float = field(default=1e-3, metadata={"help": "Peak learning rate."})
    per_device_train_batch_size: int = field(default=16, metadata={"help": "Clips of a training step, per device."})
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "Clips of an evaluation step, per device."})
    num_train_epochs: float = field(default=20, metadata={"help": "Epochs."})
    lr_scheduler_type: str = field(default="cosine", metadata={"help": "Course of the learning rate."})
    weight_decay: float = field(default=1e-4, metadata={"help": "Weight decay."})
    eval_strategy: str = field(default="epoch", metadata={"help": "When to validate."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save a checkpoint."})
    logging_strategy: str = field(default="epoch", metadata={"help": "When to log the training loss."})
    save_total_limit: int | None = field(default=1, metadata={"help": "Checkpoints kept beside the best one."})
    load_best_model_at_end: bool = field(
        default=None,  # type: ignore[assignment]  # until --select is known, which is the same in a word
        metadata={"help": "The same as --select: best where this is true, last where it is false."},
    )
    metric_for_best_model: str | None = field(
        default="macro_f1",
        metadata={"help": "What makes a checkpoint the best: macro_f1, uar, accuracy, weighted_f1 or loss."},
    )
    greater_is_better: bool | None = field(
        default=None, metadata={"help": "Whether more of it is better; by its name where this is left out."}
    )
    restore_callback_states_from_checkpoint: bool = field(
        default=True, metadata={"help": "Let early stopping go on counting where a resumed run left off."}
    )
    # The transform needs every column of the dataset.
    remove_unused_columns: bool = field(
        default=False, metadata={"help": "Must stay false: the inputs are made from all columns."}
    )
    report_to: list[str] = field(
        default_factory=lambda: ["none"], metadata={"help": "Trackers: trackio, tensorboard, wandb, or none."}
    )
    # One push at the end, with card and plots, instead of one at each checkpoint without them.
    hub_strategy: str = field(default="end", metadata={"help": "When to push."})
