"""Clips of one's own for `datasets.load_dataset("clips", data_dir=...)`; `import emofusion.data` registers it."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from datasets import Dataset, DatasetInfo, Features, Value, concatenate_datasets
from datasets.utils.logging import get_logger

from emofusion.data import protocols
from emofusion.data.label_sets import OWN, LabelSet, label_set, own_labels
from emofusion.data.sources.account import Account
from emofusion.data.sources.corpus_record import Corpus, describe_files
from emofusion.data.sources.files import CorpusFiles
from emofusion.data.sources.hints import TITLES, looks_like
from emofusion.data.sources.takes import Take
from emofusion.data.store.clip_store import Store

from .builders.clip_builder import CLIP_FLAGS, ClipBuilder, ClipConfig
from .entry import CorpusEntry
from .own.dataset_rows import DatasetFiles, list_dataset
from .own.dealing import ALL_TEST, OWN_PROTOCOLS, SPEAKERS, count_folds, deal
from .own.exported import ExportedClips, is_export, license_of_export
from .own.folder import list_folder
from .own.own_clips import Listing, OwnClip

logger = get_logger(__name__)

OWN_CLIPS = Corpus(
    "own clips",
    "other",
    synthetic=False,
    notice="Clips of the user's own; their licence, and the consent of who is in them, are the user's to know.",
)
LABEL_COLUMN, SPEAKER_COLUMN = "label", "speaker"
_SPEAKER = Features({"speaker": Value("string")})


@dataclass
class OwnClipsConfig(ClipConfig):
    """Options of `load_dataset("clips", ...)`: those of `ClipConfig`, and what follows.

    Attributes:
        data_dir (`str`): Folder with a table `metadata.csv`, `.jsonl` or `.parquet` (columns `file_name`, `label` and
            perhaps `speaker` and `split`); or with one folder for each label; or what `--export_parquet` wrote.
        source (`str`, *optional*): In place of it a data set of `datasets`, on disk or on the hub, with a column of
            type `Audio` or `Video`, or both.
        label_column, speaker_column (`str`, *optional*): By default `label` and `speaker`.
        label_set (`str`): `"own"`, by which each label is a class; or a set of emotions, whose names the labels have.
        labels (`list[str]`, *optional*): With `"own"`: the classes in the order of their ids, where that is not that
            of their names.
        protocol (`str`, *optional*): `"given"`, `"speakers"`, `"all_test"`, `"everyone"`, or the leaky
            `"random_clips"`; by default what is given, else by speaker, else clip by clip.
    """

    label_set: str = OWN
    protocol: str | None = None  # type: ignore[assignment]  # until the clips are asked
    source: str | None = None
    label_column: str | None = None
    speaker_column: str | None = None
    labels: list[str] | None = None


class OwnClips(ClipBuilder):
    """Clips with any labels, by speaker where their speakers are known."""

    BUILDER_CONFIG_CLASS = OwnClipsConfig
    CORPUS = OWN_CLIPS
    HOMEPAGE = ""
    PROTOCOLS = OWN_PROTOCOLS
    LOOKED_UP: ClassVar[tuple[str, ...]] = ("files", "corpus", "exported", "listing")

    def _check_place(self) -> None:
        if self.config.data_dir and self.config.source:
            raise ValueError("data_dir with dataset_name: the clips are in one of them; leave the other out")
        if not self.config.source:
            super()._check_place()

    def _info(self) -> DatasetInfo:
        self._check_place()
        if self.config.protocol is None:
            self.config.protocol = self.listing.natural_protocol
        return super()._info()

    def _describe(self, columns: Features) -> DatasetInfo:
        return super()._describe(Features(columns | _SPEAKER))

    @property
    def place(self) -> str:
        """What errors call the place of the clips."""
        return self.config.source or str(self.config.data_dir)

    @cached_property
    def files(self) -> CorpusFiles:
        """The files of the folder, or the cells of the data set."""
        is_folder = self.config.source is None or self.exported is not None
        return CorpusFiles(Path(self.place).expanduser()) if is_folder else DatasetFiles(self.place)

    @cached_property
    def exported(self) -> ExportedClips | None:
        """The clips as they lie decoded, where the folder is an export."""
        folder = Path(self.place).expanduser()
        return ExportedClips(folder) if is_export(folder) else None

    @cached_property
    def listing(self) -> Listing:
        """What is there; nothing is decoded for it.

        Raises:
            ValueError, OSError: No clip, or a table that does not fit them.
        """
        columns = self.config.label_column or LABEL_COLUMN, self.config.speaker_column or SPEAKER_COLUMN
        if self.exported is not None:
            return self.exported.listing(*columns)
        files = self.files
        return list_dataset(files, *columns) if isinstance(files, DatasetFiles) else list_folder(files, *columns)

    @cached_property
    def corpus(self) -> Corpus:
        """What goes with every score on it; its name is that of the folder."""
        folder = Path(self.place).expanduser()
        own = Corpus(f"own clips {folder.absolute().name}", self.CORPUS.license, False, self.CORPUS.notice)
        if self.exported is not None:
            return Corpus(own.name, license_of_export(folder), own.synthetic, own.notice)
        return own if self.config.source else describe_files(self.files, own)

    @property
    def classes(self) -> LabelSet:
        """Each label is a class, unless a label set is asked for, whose emotions are looked for among the labels."""
        if self.config.label_set != OWN:
            return label_set(self.config.label_set)
        return own_labels(self.config.labels, in_order=True) if self.config.labels else self.listing.classes

    @property
    def folds(self) -> tuple[protocols.Fold, ...]:
        """The folds of the protocol, among the clips that are there."""
        clips = self.listing.clips
        return tuple(self._fold(k) for k in range(count_folds(clips, self.config.protocol)))

    def _fold(self, k: int) -> protocols.Fold:
        clips = self.listing.clips
        dealt = list(zip(deal(self.listing, clips, self.config.protocol, k), clips, strict=True))
        parts = [frozenset(clip.number for part, clip in dealt if part == name) for name in protocols.SPLITS]
        return protocols.Fold(*parts)

    def usable_folds(self) -> tuple[dict[int, protocols.Fold], dict[int, str]]:
        """All folds, for the clips were dealt as they are."""
        return dict(enumerate(self.folds)), {}

    @property
    def fingerprint(self) -> str:
        """Depends on the content of the clips, on their labels, their speakers and their splits."""
        said = [(clip.name, clip.label, clip.speaker, clip.split) for clip in self.listing.clips]
        return hashlib.sha256(repr([super().fingerprint, said]).encode()).hexdigest()[:16]

    def _find(self) -> tuple[list[Take], Account]:
        listing = self.listing
        media = {str(file) for clip in listing.clips for file in (*clip.pictures, *clip.sounds)}
        account = Account(files=len(media), other_files=listing.other_files, unreadable=dict(listing.skipped))
        if self.exported is not None:
            account.files = len(listing.clips)
            return [], account
        for corpus in ("ravdess", "crema_d"):
            if any(looks_like(corpus, file) for clip in listing.clips for file in (*clip.pictures, *clip.sounds)):
                logger.warning(
                    "%s: clips are named as those of %s, and a checkpoint that was trained on its actors does not "
                    "know them again by other names: scores may be inflated",
                    self.place,
                    TITLES[corpus],
                )
        return [_take(clip) for clip in listing.clips], account

    def _decode(self, takes: list[Take]) -> Store:
        if self.exported is not None:
            return self.exported.store(self.listing, self.config.decode_settings, Path(self._cache_dir_root))
        return super()._decode(takes)

    def _deal(self, rows: Dataset, chosen: list[int], wanted: tuple[str, ...]) -> list[str]:
        name, listing = self.config.protocol, self.listing
        clips = [listing.by_name[clip] for clip in rows.select_columns(["clip"]).select(chosen)["clip"]]
        if name == protocols.LEAKY:
            unknown = "nobody knows who is in these clips, and a person may be"
            who = "speakers are" if listing.knows_speakers else unknown
            logger.warning("%s LEAKS: %s in training and test; its scores are inflated", name, who)
        if name != ALL_TEST:
            listing.check_labels()
        in_order = sorted(clips, key=lambda clip: clip.name)
        by_name = dict(zip((c.name for c in in_order), deal(listing, in_order, name, self.config.fold), strict=True))
        parts = [by_name[clip.name] for clip in clips]
        self._check_parts(clips, parts, wanted)
        return parts

    def _check_parts(self, clips: list[OwnClip], parts: list[str], wanted: tuple[str, ...]) -> None:
        """Refuse a wanted part without clips, and say of which labels training has none."""
        lacking = [part for part in wanted if part not in parts]
        if lacking:
            raise protocols.FoldRefusedError(
                f"{self.config.protocol} fold {self.config.fold} is refused: no clip is in its "
                f"{' and none in its '.join(lacking)} part, only in {', '.join(sorted(set(parts)))}"
            )
        trained = {clip.label for clip, part in zip(clips, parts, strict=True) if part == "train"}
        unmet = [label for label in self.classes.labels if label not in trained]
        if "train" in wanted and unmet:
            logger.warning("no training clip has the label %s: the model cannot learn it", ", ".join(unmet))

    def _with_labels(self, rows: Dataset, labels: list[int | None], unneeded: list[str]) -> Dataset:
        """The rows with `label`, and with the name of the speaker, None where nobody knows it."""
        known = self.listing.by_name
        speakers = [known[clip].speaker if clip in known else None for clip in rows.data.column("clip").to_pylist()]
        named = Dataset.from_dict({"speaker": speakers}, features=_SPEAKER)
        return concatenate_datasets([super()._with_labels(rows, labels, unneeded), named], axis=1)


def _take(clip: OwnClip) -> Take:
    unknown = dict.fromkeys(("gender", "intensity", "statement", "repetition", "channel"))
    return Take(clip.name, clip.pictures, clip.sounds, {"emotion": clip.label, "actor": clip.number, **unknown})


ENTRY = CorpusEntry(
    name="clips",
    builder=OwnClips,
    trains_by=SPEAKERS,
    scores_by=ALL_TEST,
    help="clips of your own, by a table or with a folder for each label",
    flags=("dataset_name", "label_column", "speaker_column", *CLIP_FLAGS),
    own=True,
)
