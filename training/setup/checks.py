"""Flags that cannot work, alone or together. Nothing is changed here, and no clip is read."""

from pathlib import Path

from huggingface_hub import get_token
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from transformers import PreTrainedConfig, SchedulerType
from transformers.utils import SAFE_WEIGHTS_NAME

from emofusion.data.corpora.registry import CORPORA, flags_of_some
from emofusion.data.protocols import EVERYONE, LEAKY
from emofusion.data.sources.action_units import is_table_of_means
from emofusion.evaluation.run_files import IDENTITY_FILE, METRICS_FILE
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.arguments import ModelArguments
from emofusion.training.command_line.built_flags import GO_BY_SCORES
from emofusion.training.command_line.data_arguments import DataArguments
from emofusion.training.command_line.training_arguments import Arguments, EmoFusionTrainingArguments
from emofusion.training.errors import ArgumentError

from .backbones import check_backbones, check_views_of_branch
from .batches import check_batch_size
from .checkpoints import last_complete_checkpoint, resumes
from .own_labels import check_place
from .start_head import check_start_head


def check_flags(arguments: Arguments) -> None:
    """Refuse flags that cannot work, whatever the model is.

    Raises:
        ArgumentError: naming the flag.
    """
    check_flags_of_corpus(arguments)
    _check_what_is_scored(arguments)
    _check_push(arguments.training)
    _check_output_dir(arguments)


def check_flags_of_corpus(arguments: Arguments) -> None:
    """Refuse flags that do not fit the corpus.

    Raises:
        ArgumentError: naming the flag.
    """
    check_place(arguments.data)
    _check_protocol(arguments)
    _check_corpus_flags(arguments)


def _check_protocol(arguments: Arguments) -> None:
    """The corpus must have the protocol and the fold, and training needs actors to train on."""
    data, entry = arguments.data, CORPORA[arguments.data.corpus]
    name = entry.corpus.name
    if data.protocol not in entry.protocols:
        raise ArgumentError(
            f"--protocol {data.protocol}: {name} has no such protocol; the choices are {', '.join(entry.protocols)}"
        )
    folds = entry.protocols[str(data.protocol)]
    if not 0 <= data.fold < len(folds):
        choices = f"folds 0 to {len(folds) - 1}" if len(folds) > 1 else "one fold, which is 0"
        raise ArgumentError(f"--fold {data.fold}: {data.protocol} of {name} has {choices}")
    fits = arguments.training.fits
    if fits and not entry.still and not folds[data.fold].validation:
        raise ArgumentError(
            f"{fits} with --protocol {data.protocol}: it has no validation actors to calibrate by; leave it "
            "out, or name a protocol that has some"
        )
    if data.train_on_validation:
        _check_train_on_validation(arguments)
    if arguments.trains and not entry.still and not folds[data.fold].train:
        others = [other for other in entry.protocols if entry.protocols[other][0].train]
        raise ArgumentError(
            f"--protocol {data.protocol}: it has no training actors; train by {' or '.join(others)}, or score a "
            "checkpoint with --do_predict"
        )


def _check_train_on_validation(arguments: Arguments) -> None:
    """Refuse to train on nobody, or on who is scored."""
    data, entry = arguments.data, CORPORA[arguments.data.corpus]
    if not entry.still and not entry.protocols[str(data.protocol)][data.fold].validation:
        raise ArgumentError(
            f"--train_on_validation with --protocol {data.protocol}: it has nobody to validate; leave it out"
        )
    if entry.test_part == "validation":
        raise ArgumentError(
            f"--train_on_validation with --corpus {data.corpus}: no labels of its test split were ever published, so "
            "its validation split is scored; leave it out"
        )


def _check_corpus_flags(arguments: Arguments) -> None:
    """Refuse flags that this corpus has no use for, and validating on the split that is scored."""
    data, entry = arguments.data, CORPORA[arguments.data.corpus]
    default = DataArguments()
    unknown = [flag for flag in entry.flags if not hasattr(default, flag)]
    if unknown:
        raise ArgumentError(f"--corpus {data.corpus}: its entry names --{unknown[0]}, which is no flag of train_hf.py")
    given = [flag for flag in flags_of_some() if getattr(data, flag, None) != getattr(default, flag, None)]
    useless = [flag for flag in given if flag not in entry.flags]
    if useless:
        raise ArgumentError(f"--{useless[0]}: {entry.corpus.name} has no use for it; leave it out")
    if entry.test_part == "validation" and arguments.training.fits:
        raise ArgumentError(
            f"{arguments.training.fits} with --corpus {data.corpus}: no labels of its test split were ever published, "
            "so its validation split is scored, and nobody is left to calibrate by; leave it out"
        )
    if entry.test_part == "validation" and arguments.validates:
        raise ArgumentError(
            f"--corpus {data.corpus}: no labels of its test split were ever published, so its validation split is "
            "scored and cannot choose the checkpoint, too; add --eval_strategy no"
        )


def _check_what_is_scored(arguments: Arguments) -> None:
    """Scoring needs a checkpoint, and inflated scores are not pushed by accident."""
    if not arguments.trains and not arguments.model.model_name_or_path:
        raise ArgumentError("--do_predict without --model_name_or_path: name the checkpoint to score")
    _check_without_test(arguments)
    data = arguments.data
    if arguments.training.push_to_hub and data.protocol == LEAKY and not data.allow_leaky_split:
        raise ArgumentError(
            f"--protocol {LEAKY}: its scores are inflated, because every actor is in training and test; to push "
            "such a model all the same, add --allow_leaky_split"
        )


def check_there_is_a_test(arguments: Arguments) -> None:
    """Refuse several runs that nobody is left to compare.

    Raises:
        ArgumentError: Everybody trains.
    """
    if not arguments.tests:
        raise ArgumentError(
            f"--protocol {EVERYONE}: everybody trains, and nobody is left to compare runs by; name another protocol, "
            "and add --release FOLDER to --cross_validate for a model that everybody trains"
        )


def _check_without_test(arguments: Arguments) -> None:
    """Where everybody trains, nobody is scored, nothing is chosen by validation, and there is no card to push."""
    if arguments.tests:
        return
    start = f"--protocol {EVERYONE}: everybody trains"
    if not arguments.trains:
        raise ArgumentError(f"{start}, and nobody is left to be scored on; name another protocol for --do_predict")
    if arguments.stages.joint_epochs:
        raise ArgumentError(
            f"{start}, and --joint_epochs are kept only where validation actors gain by them; leave them out"
        )
    if arguments.training.push_to_hub:
        raise ArgumentError(
            f"{start}, so the model would be pushed without scores; train it with --cross_validate --release FOLDER, "
            "whose card has those of the folds, and push that folder"
        )


def _check_push(args: EmoFusionTrainingArguments) -> None:
    """A push that fails does so after the whole training."""
    if not args.push_to_hub:
        return
    if args.hub_model_id:
        try:
            validate_repo_id(args.hub_model_id)
        except HFValidationError as error:
            raise ArgumentError(f"--hub_model_id {args.hub_model_id}: not a name on the hub: {error}") from error
    if not args.hub_token and not get_token():
        raise ArgumentError("--push_to_hub: no login found; run `hf auth login`, or set HF_TOKEN")


def _check_output_dir(arguments: Arguments) -> None:
    """What lies in the output folder already must not be lost."""
    folder = Path(str(arguments.training.output_dir))
    begun = (folder / IDENTITY_FILE).is_file()
    if folder.exists() and not folder.is_dir():
        raise ArgumentError(f"--output_dir {folder}: that is a file; name a folder")
    if not arguments.trains:
        if begun:
            raise ArgumentError(
                f"--output_dir {folder}: a model was trained there, and its scores and card would be lost; name "
                "another folder for these"
            )
        return
    if not resumes(arguments.training) and (begun or last_complete_checkpoint(str(folder))):
        raise ArgumentError(
            f"--output_dir {folder} already holds a run, and what it left would be lost: continue it with "
            "--resume_from_checkpoint latest, name another folder, or delete this one"
        )
    others = [name for name in (METRICS_FILE, SAFE_WEIGHTS_NAME) if (folder / name).is_file() and not begun]
    if others:
        raise ArgumentError(
            f"--output_dir {folder} already holds {others[0]}, which is of no training of train_hf.py there and would "
            "be lost; name another folder"
        )


def check_start(model_args: ModelArguments) -> None:
    """The checkpoint to start from, or to score, must be one.

    Raises:
        ArgumentError: There is none of that name, or it is another kind of model.
    """
    source = model_args.model_name_or_path
    if source is None:
        return
    flag = f"--model_name_or_path {source}"
    if not Path(source).exists():
        try:
            validate_repo_id(source)
        except HFValidationError as error:
            raise ArgumentError(f"{flag}: no such folder, and not a name on the hub") from error
    try:
        content, _ = PreTrainedConfig.get_config_dict(source)
    except (OSError, ValueError) as error:
        if Path(source).exists():
            raise ArgumentError(f"{flag}: no config.json that can be read in it: not a checkpoint's folder") from error
        reason = str(error).splitlines()[0]
        raise ArgumentError(f"{flag}: no such folder, and nothing to load from the hub: {reason}") from error
    kind = content.get("model_type", "an unknown kind: no config.json is there")
    if kind != EmoFusionConfig.model_type:
        raise ArgumentError(f"{flag}: expected a model of the type {EmoFusionConfig.model_type}, found {kind}")


def check_model(arguments: Arguments, config: EmoFusionConfig) -> None:
    """Refuse flags that do not fit the model.

    Raises:
        ArgumentError: naming the flag or the checkpoint.
    """
    check_batch_size(arguments, config)
    for name in ("audio", "video"):
        rate = getattr(arguments.training, f"{name}_learning_rate")
        if rate is not None and name not in config.modalities:
            raise ArgumentError(f"--{name}_learning_rate: this model reads {' and '.join(config.modalities)} alone")
    _check_nobody_validates(arguments)
    check_start_head(arguments.model, config.fusion)
    check_backbones(arguments, config)
    _check_embedding_views(arguments.model, config)
    begins_trained = arguments.model.start_head or arguments.model.model_name_or_path is not None
    if arguments.trains_nothing and not begins_trained:
        raise ArgumentError(
            "--num_train_epochs 0: a model that begins untrained needs some; write more, or name a checkpoint with "
            "--model_name_or_path"
        )
    _check_action_units(arguments, config)
    entry = CORPORA[arguments.data.corpus]
    if entry.still and "video" not in config.modalities:
        source = arguments.model.model_name_or_path
        raise ArgumentError(
            f"{f'--model_name_or_path {source}: ' if source else ''}a model with fusion={config.fusion!r} reads sound "
            f"alone, and the still pictures of {entry.corpus.name} have none; take a model that reads pictures"
        )


def _check_nobody_validates(arguments: Arguments) -> None:
    """Refuse what needs validation actors where they train, and to let them train where nobody does."""
    args = arguments.training
    if not arguments.data.train_on_validation:
        return
    if not arguments.trains:
        raise ArgumentError("--train_on_validation with --do_predict: nothing is trained; leave one of them out")
    needs = {
        args.fits: bool(args.fits),
        "--early_stopping_patience": args.early_stopping_patience is not None,
        "--eval_on_start": args.eval_on_start,
        "--save_strategy best": args.save_strategy == "best",
        f"--lr_scheduler_type {SchedulerType(args.lr_scheduler_type).value}": args.lr_scheduler_type in GO_BY_SCORES,
    }
    for flag in (flag for flag, given in needs.items() if given):
        raise ArgumentError(f"--train_on_validation with {flag}: nobody is left to validate; leave one of them out")


def _check_embedding_views(model_args: ModelArguments, config: EmoFusionConfig) -> None:
    """The head of a fusion is trained alone only on encoders that know something."""
    if not model_args.embedding_views:
        return
    if len(config.modalities) == 1:
        check_views_of_branch(model_args, config)
        return
    for name in config.modalities:
        if model_args.model_name_or_path is None and getattr(model_args, f"{name}_encoder_weights") is None:
            raise ArgumentError(
                f"--embedding_views: the {name} encoder would stay as it is drawn; name the checkpoint that it comes "
                f"from with --{name}_encoder_weights, or train branches first (--branches_first)"
            )


def _check_action_units(arguments: Arguments, config: EmoFusionConfig) -> None:
    """A model of action units needs them, and one of frames has no use for them."""
    data, entry = arguments.data, CORPORA[arguments.data.corpus]
    if "video" not in config.modalities:
        return
    reads_units = config.video_encoder == "action_units"
    for name, wanted in (("unit_noise_augment", True), ("black_augment", False), ("erase_augment", False)):
        if getattr(data, name) and reads_units is not wanted:
            reads = "action units" if reads_units else "frames"
            raise ArgumentError(f"--{name}: this model reads {reads}, which it does not change; leave it out")
    if not reads_units:
        if data.face_tracks is not None and config.face_crop == "none":
            raise ArgumentError(
                "--face_tracks: this model reads frames, which they are to be cut by; add --face_crop haar, or "
                "--video_encoder action_units for a model that reads the action units in them"
            )
        return
    if "face_tracks" not in entry.flags:
        raise ArgumentError(
            f"--corpus {data.corpus}: this model reads action units, and {entry.corpus.name} has none; take one that "
            "reads frames, or sound alone"
        )
    if data.face_tracks is None:
        raise ArgumentError(
            "--face_tracks is missing: this model reads action units; name the folder of the official face tracks "
            "(zenodo.org/records/3255102), or a CSV with their means, one row a clip"
        )
    if config.num_frames != 1 and is_table_of_means(Path(data.face_tracks)):
        raise ArgumentError(
            f"--face_tracks {data.face_tracks}: it has one mean a clip, and this model looks at {config.num_frames} "
            "steps of each (--num_frames); name the tracks of single frames"
        )
    if config.face_crop != "none":
        raise ArgumentError(f"--face_crop {config.face_crop}: a model of action units reads no frames; leave it out")
    if config.grey:
        raise ArgumentError("--grey: a model of action units reads no frames; leave it out")
