"""What corpora of clips have in common: takes become rows of the decoded store, which get labels and splits.

The builder decodes nothing itself: the decoded store lies under it, and label set, protocol and fold only select rows
of it.
"""

import logging
from abc import abstractmethod
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from datasets import BuilderConfig, Dataset, DatasetInfo, Version
from datasets.utils.logging import get_logger

from emofusion.data import protocols
from emofusion.data.sources.account import Account
from emofusion.data.sources.action_units import ActionUnits
from emofusion.data.sources.corpus_record import Corpus, describe_files
from emofusion.data.sources.files import CorpusFiles
from emofusion.data.sources.hints import other_actors
from emofusion.data.sources.takes import Take
from emofusion.data.store.arrow_parts import FINDINGS, STORE_FEATURES
from emofusion.data.store.clip_store import DecodeRequest, Store, decode_missing, remove_store
from emofusion.data.store.faces import NO_FACE, Faces, face_model, faces_for
from emofusion.data.store.in_place_of_frames import UNIT_FEATURES, unmeasured_steps, with_action_units
from emofusion.data.store.settings import DecodeOptions, DecodeSettings, check_options, option_values

from .split_builder import ALL, SplitBuilder, is_anew, rows_called

logger = get_logger(__name__)

CLIP_FLAGS = ("strict", "yunet_path")
"""Flags of `train_hf.py` that only corpora of clips have a use for, beside the decode options."""


@dataclass
class ClipConfig(DecodeOptions, BuilderConfig):
    """Options of `load_dataset` that all corpora of clips have: `DecodeOptions`, and what follows.

    Attributes:
        data_dir (`str`): Folder with the files of the corpus at any depth, also in zip archives.
        label_set (`str`): `"emotions8"`, `"emotions4"`, `"emotions4_calm"`, `"groups4"`, ...; see `LABEL_SETS`.
        protocol (`str`): Which actors train, validate and test.
        fold (`int`): Fold of the protocol, from 0.
        strict (`bool`): Refuse a corpus with anything missing or unreadable.
        yunet_path (`str`, *optional*): ONNX file of the detector, for `face_crop="yunet"`.
    """

    version: Version = Version("1.0.0")
    label_set: str = "emotions8"
    protocol: str = "holdout"
    fold: int = 0
    strict: bool = False
    yunet_path: str | None = None

    @property
    def decode_settings(self) -> DecodeSettings:
        """The part of the options that the store depends on."""
        options = option_values(self) | {"clip_duration": float(self.clip_duration)}
        return DecodeSettings(**options, face_model=face_model(self.face_crop, self.yunet_path))

    def faces(self) -> Faces | None:
        """What finds faces, if they are to be found.

        Raises:
            ValueError: An option that does nothing without another, or an unknown one.
        """
        return faces_for(self.face_crop, self.yunet_path)

    @property
    def takes_action_units(self) -> bool:
        """Whether rows have `action_units` in place of `frames`."""
        return False

    def action_units(self) -> ActionUnits | None:
        """Where the action units of takes are, if rows are to have them.

        Raises:
            ValueError, OSError: There are none at the place that was named.
        """
        return None


class ClipBuilder(SplitBuilder[tuple[Store, Account]]):
    """Rows of the decoded store, split by actor."""

    LOOKED_UP: ClassVar[tuple[str, ...]] = ("files", "corpus")
    """Properties that tell of the folder as it was when they were first asked for."""

    @abstractmethod
    def _find(self) -> tuple[list[Take], Account]:
        """The takes in `files`, and what was found beside them."""

    def _info(self) -> DatasetInfo:
        """Columns: those of the store and `label`. Bad options are refused here, before anything is read."""
        self._check_place()
        self._refuse_name("label_set=, protocol= and fold=")
        check_options(self.config)
        protocols.fold(self.config.protocol, self.config.fold, self.PROTOCOLS)
        return self._describe(UNIT_FEATURES if self.config.takes_action_units else STORE_FEATURES)

    def _check_place(self) -> None:
        """Raises a ValueError if the options name no place."""
        if not self.config.data_dir:
            raise ValueError(
                f'data_dir is missing: load_dataset("{self.dataset_name}", data_dir="folder of {self.CORPUS.name}")'
            )

    @property
    def place(self) -> str:
        """What errors call the place of the clips."""
        return str(self.config.data_dir)

    @cached_property
    def files(self) -> CorpusFiles:
        """The files of the corpus."""
        return CorpusFiles(Path(self.config.data_dir).expanduser())

    @cached_property
    def corpus(self) -> Corpus:
        """What the corpus says about itself."""
        return describe_files(self.files, self.CORPUS)

    def download_and_prepare(self, *args: Any, download_mode: Any = None, tell: bool = True, **kwargs: Any) -> None:
        """Decode what is not decoded yet; with `download_mode="force_redownload"` all of it.

        What was read is logged, as a warning if anything of it is odd; whoever shows the account says `tell=False`.
        """
        self._left = None  # whatever goes wrong below, nothing of before is handed out
        for name in self.LOOKED_UP:  # the folder may have changed
            self.__dict__.pop(name, None)
        if is_anew(download_mode):
            remove_store(self.files.folder, self.config.decode_settings, Path(self._cache_dir_root))
        takes, account = self._find()
        if self.corpus.synthetic:
            account.expect((), ())  # how many clips it was to have, its maker knows alone
        store = self._decode(takes)
        units = self.config.action_units()
        if units is not None:
            store = with_action_units(store, units, self.config.decode_settings)
            account.unreadable |= units.unreadable
            if not any(store.column("has_video")):
                raise ValueError(
                    f"face_tracks {self.config.face_tracks}: expected action units of the clips in "
                    f"{self.config.data_dir}, found none of these {len(takes)}; a table is called by the last six "
                    "numbers of a clip, such as 01-01-06-01-02-01-12"
                )
        self._complete_account(account, store)
        self._left = store, account
        if tell:
            level = logging.WARNING if account.missing or account.oddities() else logging.INFO
            words = self.place, self.config.label_set, account.summary()
            logger.log(level, "%s, label set %s: %s", *words)

    def _decode(self, takes: list[Take]) -> Store:
        """Decode the takes that are not decoded yet: minutes the first time, nothing afterwards."""
        config = self.config
        cache_dir = Path(self._cache_dir_root)
        return decode_missing(DecodeRequest(self.files, takes, config.decode_settings, cache_dir, config.faces()))

    def _complete_account(self, account: Account, store: Store) -> None:
        """Add what decoding found to the account, save it, and refuse gaps where the user wants none."""
        _account_for(store, account)
        account.drop(store.column("emotion"), kept=self.classes.mapping)
        account.save(store.folder.with_suffix(".account.json"))
        if self.config.strict:
            account.refuse_gaps(self.place)

    @property
    def account(self) -> Account:
        """What was read and what was not."""
        return self._opened[1]

    @property
    def fingerprint(self) -> str:
        """Depends on the content of all clips that could be read, decoded as they are here, and on nothing else."""
        return self._opened[0].fingerprint

    def usable_folds(self) -> tuple[dict[int, protocols.Fold], dict[int, str]]:
        """The folds of the protocol that the actors who are there allow, and why the others cannot be used."""
        rows, chosen = self._labelled()
        actors = rows.data.column("actor").to_pylist()
        return protocols.usable_folds(self.config.protocol, {actors[row] for row in chosen}, self.PROTOCOLS)

    def _open_all(self) -> Dataset:
        rows, chosen = self._labelled()
        return self._select(rows, ALL, chosen)

    def _open_splits(self, needed: tuple[str, ...] | None) -> dict[str, Dataset]:
        """Rows by split; what a fold lacks is said.

        Raises:
            FoldRefusedError: A needed split has no clip.
        """
        rows, chosen = self._labelled()
        wanted = protocols.SPLITS if needed is None else tuple(part for part in needed if part in protocols.SPLITS)
        parts: dict[str, list[int]] = {part: [] for part in protocols.SPLITS}
        for row, part in zip(chosen, self._deal(rows, chosen, wanted), strict=True):
            parts[part].append(row)
        return {part: self._select(rows, part, indices) for part, indices in parts.items() if indices}

    def _deal(self, rows: Dataset, chosen: list[int], wanted: tuple[str, ...]) -> list[str]:
        """The part of each chosen row: that of its actor.

        Raises:
            FoldRefusedError: A wanted part has no actor.
        """
        name, k = self.config.protocol, self.config.fold
        actors, clips = rows.data.column("actor").to_pylist(), rows.data.column("clip").to_pylist()
        present = {actors[row] for row in chosen}
        if name == protocols.LEAKY:
            logger.warning("%s LEAKS: every actor is in training and test; its scores are inflated", name)
        try:
            found = protocols.fold_of_present(name, k, present, wanted, self.PROTOCOLS)
        except protocols.FoldRefusedError as error:
            raise protocols.FoldRefusedError(f"{error}{other_actors(self.files.place)}") from error
        self._tell_missing(present, found)
        return [protocols.split_of(name, k, found, actors[row], clips[row]) for row in chosen]

    def _tell_missing(self, present: set[int], found: protocols.Fold) -> None:
        """Say which actors of the fold are not there, and who validates in their place."""
        name, k = self.config.protocol, self.config.fold
        whole = protocols.fold(name, k, self.PROTOCOLS)
        for part in protocols.SPLITS:
            missing = getattr(whole, part) - present
            if missing:
                logger.warning("%s fold %d: %s actors %s are not there", name, k, part, protocols.numbers(missing))
        if found.validation - whole.validation:
            logger.warning(
                "%s fold %d: actors %s are its validation actors", name, k, protocols.numbers(found.validation)
            )

    def _labelled(self) -> tuple[Dataset, list[int]]:
        """The rows of the store with their label, and those of them that have one.

        Raises:
            ValueError: None has.
        """
        store, account = self._opened
        classes = self.classes
        labels = classes.ids(store.rows.data.column("emotion").to_pylist())
        chosen = [row for row in store.order if labels[row] is not None]
        if not chosen:
            found = ", ".join(sorted(set(store.column("emotion"))))
            raise ValueError(
                f"{self.place}: no clip of {len(store.order)} is left in label set "
                f"{classes.name} ({', '.join(classes.mapping)}); the clips show {found}"
            )
        labelled = self._with_labels(store.rows, labels, unneeded=list(FINDINGS))
        labelled.info.description = f"{self.info.description}\n{account.summary()}"
        return labelled, chosen

    def _select(self, rows: Dataset, part: str, indices: list[int]) -> Dataset:
        config = self.config
        return rows_called(rows, indices, self.fingerprint, config.label_set, config.protocol, config.fold, part)


def _account_for(store: Store, account: Account) -> None:
    """Add what decoding found to what the names told."""
    clips, sources = store.column("clip"), store.column("source")
    account.unreadable |= store.unreadable
    account.takes = len(clips)
    for source, notes in zip(sources, store.column("notes"), strict=True):
        if notes:
            account.notes.setdefault(source, []).extend(notes)
    account.stereo = [source for source, count in zip(sources, store.column("channels"), strict=True) if count > 1]
    if "action_units" in store.rows.column_names:
        account.picture = "action units"
        account.unmeasured_steps, account.steps = unmeasured_steps(store)
    account.with_picture, account.without_picture = _having(clips, store.column("has_video"))
    account.with_sound, account.without_sound = _having(clips, store.column("has_audio"))
    for name, column in (("sound", "audio_digest"), ("picture", "frames_digest")):
        groups = _equal(clips, store.column(column))
        if groups:
            account.identical[name] = groups
    words = store.column("face")
    account.faces = {word: count for word, count in Counter(words).items() if word}
    account.faces_not_found = [source for source, word in zip(sources, words, strict=True) if word == NO_FACE]


def _having(clips: list[str], there: list[bool]) -> tuple[int, list[str]]:
    """How many clips have something, and the others; none are named where no clip has it."""
    return sum(there), [clip for clip, has in zip(clips, there, strict=True) if not has] if any(there) else []


def _equal(clips: list[str], digests: list[str]) -> list[list[str]]:
    """Clips of equal content, in groups of two or more."""
    groups: dict[str, list[str]] = {}
    for clip, content in zip(clips, digests, strict=True):
        if content:
            groups.setdefault(content, []).append(clip)
    return [group for group in groups.values() if len(group) > 1]
