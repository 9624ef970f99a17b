"""Everything of one run that is made before anything is trained, and all that can be wrong with it.

parse -> validate -> clips -> model -> trainer: the first steps of a run, which a trial of a search takes as well.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset
from huggingface_hub.errors import StrictDataclassError
from transformers import set_seed

from emofusion.data import EpochClock
from emofusion.data.corpora.registry import CORPORA
from emofusion.evaluation.record.learnt_before import learnt_before
from emofusion.evaluation.record.run_record import SetupFields
from emofusion.evaluation.record.setup_fields import circumstance_fields, corpus_fields, model_fields
from emofusion.modeling import EmoFusionConfig
from emofusion.training.command_line.parser import parse_arguments
from emofusion.training.command_line.training_arguments import Arguments
from emofusion.training.errors import ArgumentError, SetupError
from emofusion.training.setup.backbones import check_checkpointing
from emofusion.training.setup.batches import check_drop_last
from emofusion.training.setup.checkpoints import check_has_optimizer, checkpoint_to_resume, resumes
from emofusion.training.setup.checks import check_flags, check_model, check_start
from emofusion.training.setup.clips import Clips, augmentation_for, load_clips
from emofusion.training.setup.embeddings import EmbeddedClips, embed, embed_training
from emofusion.training.setup.encoder_weights import check_encoder_weights, start_weights
from emofusion.training.setup.identity import check_same_run, identity_of
from emofusion.training.setup.leaks import check_validation_is_new, leak_of, seen_after, seen_before
from emofusion.training.setup.model import make_config, make_model, make_processor, standardise

from .defaults import fill_in_protocol, fill_in_what_splits_need, leave_out_absent_trackers
from .progress import no_bars_of_transformers
from .tracking import check_wandb_login, folder_name, name_run
from .trainer import EmoFusionTrainer, make_trainer


@dataclass
class Run:
    """Everything of one run that is ready to train, or to score a checkpoint.

    Attributes:
        arguments (`Arguments`): What it was told, with what was left open filled in.
        config (`EmoFusionConfig`): Of its model.
        clips (`Clips`): Rows by split, and the account of the corpus.
        clock (`EpochClock`): By which the augmentation of the training split draws.
        inputs (`dict[str, Dataset]`): The same rows as model inputs.
        trainer (`EmoFusionTrainer`): With model and processor.
        leaky (`bool`, *optional*): Whether actors of the test were seen in training; None where nobody knows.
        identity (`dict`): What must not change on the way.
        checkpoint (`str`, *optional*): Where training resumes.
        name (`str`): Name of its output folder, with that of the experiment that it is one of.
    """

    arguments: Arguments
    config: EmoFusionConfig
    clips: Clips
    clock: EpochClock
    inputs: dict[str, Dataset]
    trainer: EmoFusionTrainer
    leaky: bool | None
    identity: dict[str, Any]
    checkpoint: str | None
    name: str

    @property
    def trains(self) -> bool:
        """False where a checkpoint is only scored."""
        return self.arguments.trains

    @property
    def own_clips(self) -> bool:
        """Whether its clips are the user's own."""
        return CORPORA[self.arguments.data.corpus].own

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.trainer.is_world_process_zero()

    @property
    def folder(self) -> Path:
        """Its output folder."""
        return Path(str(self.arguments.training.output_dir))

    @property
    def load_from(self) -> str:
        """What `from_pretrained` takes to load the model."""
        args = self.arguments.training
        if args.push_to_hub and args.hub_model_id:
            return args.hub_model_id
        return Path(str(args.output_dir if self.trains else self.arguments.model.model_name_or_path)).as_posix()

    @property
    def model_name(self) -> str:
        """What the card calls the model: its name on the hub, else its folder."""
        return self.trainer.hub_model_id if self.arguments.training.push_to_hub else self.name

    def record(self, command: Sequence[str]) -> SetupFields:
        """What metrics.json says of the run beside its scores; `command` are the words of its command line."""
        data, args = self.arguments.data, self.arguments.training
        corpus = corpus_fields(
            self.clips.corpus,
            self.clips.account,
            self.clips.splits,
            label_set=self.config.label_set,
            protocol=str(data.protocol),
            fold=data.fold,
            test_part=CORPORA[data.corpus].scored_part(str(data.protocol)),
            own=self.own_clips,
        )
        circumstances = circumstance_fields(
            command,
            seed=args.seed,
            trained=self.trains,
            leaky=self.leaky,
            processes=args.world_size,
            load_from=self.load_from,
        )
        before = learnt_before(start_weights(self.arguments.model, self.config), corpus["corpus"])
        if self.trains and before:
            circumstances["learnt_before"] = before
        return {**corpus, **model_fields(self.trainer.model, self.trainer.seen), **circumstances}


def make_ready(arguments: Arguments, within: Path | None = None) -> Run:
    """Validate, decode and build everything; all that can be wrong with flags and corpus is found here.

    Args:
        arguments (`Arguments`): The run's; what they leave open is filled in.
        within (`Path`, *optional*): Folder of the experiment that the run is one of, for its name in trackers.

    Raises:
        ValueError, OSError: naming the flag or the file.
    """
    set_seed(arguments.training.seed)
    config = complete_and_check(arguments)
    processor = make_processor(config, arguments)
    clips = load_clips(arguments, config, processor)
    if arguments.trains:
        check_drop_last(arguments.training, len(clips.splits["train"]))
    identity = identity_of(config, arguments, clips)
    checkpoint = _checkpoint_of_same_run(arguments, identity)
    if checkpoint is not None:
        arguments.training.eval_on_start = False  # the start was before
    with no_bars_of_transformers():
        before = seen_before(arguments, checkpoint)
        seen = seen_after(before, arguments, config, clips)
        leaky = leak_of(seen, arguments, clips)
        check_validation_is_new(arguments, clips.splits.get("validation"))
        model = make_model(config, arguments.model, clips.splits["train"]["label"] if arguments.trains else None)
    check_checkpointing(model, arguments.training)
    if arguments.trains:
        standardise(model, arguments.model, clips.splits["train"])
    augmentation = augmentation_for(arguments, clips.splits.get("train"))
    name_run(arguments.training, resumes=checkpoint is not None, within=within)
    inputs = clips.inputs(processor, augmentation)
    trainer = make_trainer(arguments, model, processor, inputs, augmentation.clock, seen=(before, seen))
    name = folder_name(Path(str(arguments.training.output_dir)), within)
    return Run(arguments, config, clips, augmentation.clock, inputs, trainer, leaky, identity, checkpoint, name)


def train_on_embeddings(run: Run) -> None:
    """Where the head alone is trained, let the trainer see what the encoders make of the clips, in place of the clips.

    They are encoded now, so this is for who trains at once.
    """
    views = run.arguments.model.embedding_views
    if not views:
        return
    trainer, size = run.trainer, run.arguments.training.per_device_eval_batch_size
    model, device = trainer.accelerator.unwrap_model(trainer.model), run.arguments.training.device
    trainer.train_dataset = embed_training(model, run.inputs["train"], run.clock, views, size, device)
    if trainer.eval_dataset is not None:
        validation = embed(model, run.inputs["validation"], size, device, "embedding, validation")
        trainer.eval_dataset = EmbeddedClips([validation])


def complete_and_check(arguments: Arguments) -> EmoFusionConfig:
    """Fill in what the flags leave open, refuse what cannot work; returns the config of the model.

    Raises:
        ValueError, OSError: naming the flag or the checkpoint.
    """
    fill_in_protocol(arguments)
    check_flags(arguments)
    leave_out_absent_trackers(arguments)
    check_wandb_login(arguments.training)
    fill_in_what_splits_need(arguments)
    check_start(arguments.model)
    config = make_config(arguments)
    check_model(arguments, config)
    check_encoder_weights(arguments.model, config, arguments.trains)
    return config


def check_words(words: Sequence[str], place: str, with_folder: bool = False) -> None:
    """Find what is wrong with the flags of one run of several by themselves, before anything is read.

    Args:
        words (`Sequence[str]`): Its command line.
        place (`str`): What errors begin with.
        with_folder (`bool`): Whether its corpus and its output folder are named in it, and are to be checked, too.

    Raises:
        ArgumentError: Something is; the message begins with `place`.
    """
    try:
        arguments = parse_arguments(words)
        if with_folder:
            fill_in_protocol(arguments)
            check_flags(arguments)
        check_start(arguments.model)
        config = make_config(arguments)
        check_model(arguments, config)
        check_encoder_weights(arguments.model, config, arguments.trains)
    except (ValueError, OSError, StrictDataclassError) as error:
        raise ArgumentError(f"{place}: {error}") from error


@contextmanager
def setup_errors() -> Iterator[None]:
    """What reading flags, recipe, checkpoint and corpus raises, as one kind of error.

    Raises:
        SetupError: in its place.
    """
    try:
        yield
    except (ValueError, OSError, StrictDataclassError) as error:
        raise SetupError(str(error)) from error


def _checkpoint_of_same_run(arguments: Arguments, identity: dict[str, Any]) -> str | None:
    """Where to resume, if there is something to resume.

    Raises:
        ArgumentError: What is there was begun with other settings.
    """
    checkpoint = checkpoint_to_resume(arguments.training)
    if resumes(arguments.training):
        if checkpoint:
            check_has_optimizer(checkpoint, averaged=False)
            check_same_run(identity, Path(checkpoint).parent, must_know=True)
            check_has_optimizer(checkpoint, averaged=arguments.training.ema_decay > 0)
        check_same_run(identity, Path(str(arguments.training.output_dir)))
    return checkpoint
