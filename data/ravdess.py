"""RAVDESS for `datasets.load_dataset("ravdess", data_dir=...)`; `import emofusion.data` registers it.

The builder decodes nothing itself: the decoded store (store.py) lies under it, and label set, protocol and fold only
select rows of it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import (
    BuilderConfig,
    ClassLabel,
    Dataset,
    DatasetBuilder,
    DatasetDict,
    DatasetInfo,
    Features,
    IterableDatasetDict,
    ReadInstruction,
    Version,
    concatenate_datasets,
)
from datasets.utils.logging import get_logger

from . import protocols
from .corpus import describe_corpus
from .label_sets import label_set
from .performances import Account, find_performances, select_channel
from .store import STORE_FEATURES, DecodeSettings, open_store

logger = get_logger(__name__)


@dataclass
class RavdessConfig(BuilderConfig):
    """Options of `load_dataset("ravdess", ...)`.

    Attributes:
        data_dir (`str`): Folder with RAVDESS files at any depth: mp4, wav or flac, any of them alone or together.
        label_set (`str`): `"emotions8"`, `"emotions4"`, `"emotions4_calm"` or `"groups4"`.
        protocol (`str`): Which actors train, validate and test; `"holdout"`.
        fold (`int`): Fold of the protocol, from 0.
        channel (`str`): `"speech"`, `"song"` or `"both"`.
        num_frames, frames_per_step, frame_size, clip_duration, sampling_rate, window: See `DecodeSettings`.
    """

    version: Version = Version("1.0.0")
    label_set: str = "emotions8"
    protocol: str = "holdout"
    fold: int = 0
    channel: str = "speech"
    num_frames: int = DecodeSettings.num_frames
    frames_per_step: int = DecodeSettings.frames_per_step
    frame_size: int = DecodeSettings.frame_size
    clip_duration: float = DecodeSettings.clip_duration
    sampling_rate: int = DecodeSettings.sampling_rate
    window: str = DecodeSettings.window

    @property
    def decode_settings(self) -> DecodeSettings:
        """The part of the options that the store depends on."""
        return DecodeSettings(
            num_frames=self.num_frames,
            frames_per_step=self.frames_per_step,
            frame_size=self.frame_size,
            clip_duration=float(self.clip_duration),
            sampling_rate=self.sampling_rate,
            window=self.window,
        )


class Ravdess(DatasetBuilder):
    """Rows of the decoded store, split by actor."""

    BUILDER_CONFIG_CLASS = RavdessConfig

    def _info(self) -> DatasetInfo:
        """Columns: those of the store and `label`. Bad options are refused here, before anything is read."""
        if not self.config.data_dir:
            raise ValueError('data_dir is missing: load_dataset("ravdess", data_dir="folder with Actor_01, ...")')
        labels = label_set(self.config.label_set).labels
        protocols.fold(self.config.protocol, self.config.fold)
        select_channel([], self.config.channel)
        return DatasetInfo(
            description=describe_corpus(Path(self.config.data_dir).expanduser()).notice,
            features=Features(STORE_FEATURES | {"label": ClassLabel(names=labels)}),
            homepage="https://zenodo.org/records/1188976",
            license="CC BY-NC-SA 4.0",
        )

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Decode what is not decoded yet."""
        self._open()

    def as_dataset(self, split: Any = None, *args: Any, **kwargs: Any) -> Dataset | DatasetDict:
        """The rows of one split (such as `"train"` or `"test[:10]"`), or of all splits that have any."""
        splits = self._splits()
        if split is None:
            return DatasetDict(splits)
        if isinstance(split, (list, tuple)):
            return [self._one(splits, item) for item in split]
        return self._one(splits, split)

    def as_streaming_dataset(self, split: str | None = None, *args: Any, **kwargs: Any) -> Any:
        """The same rows as an iterable dataset."""
        rows = self.as_dataset(split)
        if isinstance(rows, DatasetDict):
            return IterableDatasetDict({name: part.to_iterable_dataset() for name, part in rows.items()})
        return rows.to_iterable_dataset()

    def _one(self, splits: dict[str, Dataset], split: Any) -> Dataset:
        spec = "+".join(splits) if str(split) == "all" else split
        instruction = spec if isinstance(spec, ReadInstruction) else ReadInstruction.from_spec(str(spec))
        parts = instruction.to_absolute({name: len(rows) for name, rows in splits.items()})
        return concatenate_datasets([splits[part.splitname].select(range(part.from_, part.to)) for part in parts])

    def _open(self) -> tuple[Dataset, Account]:
        data_dir = Path(self.config.data_dir).expanduser()
        performances, account = find_performances(data_dir)
        performances = select_channel(performances, self.config.channel)
        if not performances:
            raise ValueError(f"{data_dir}: no {self.config.channel} clip in it ({account.summary()})")
        return open_store(data_dir, performances, account, self.config.decode_settings, Path(self._cache_dir_root))

    def _splits(self) -> dict[str, Dataset]:
        """Rows by split; a split without clips is left out, and said so."""
        store, account = self._open()
        classes = label_set(self.config.label_set)
        ids = {name: index for index, name in enumerate(classes.labels)}
        labels = [ids.get(classes.mapping.get(emotion, "")) for emotion in store["emotion"]]
        fold = protocols.fold(self.config.protocol, self.config.fold)
        chosen: dict[str, list[int]] = {name: [] for name in protocols.SPLITS}
        for row, (actor, label) in enumerate(zip(store["actor"], labels, strict=True)):
            if label is not None:
                chosen[fold.part_of(actor)].append(row)
        if not any(chosen.values()):
            found = ", ".join(sorted(set(store["emotion"])))
            raise ValueError(
                f"{self.config.data_dir}: no clip of {len(store)} is left in label set "
                f"{classes.name} ({', '.join(classes.mapping)}); the clips show {found}"
            )
        logger.warning(
            "%s: %s; %d clips of channel %s, %d of them in label set %s",
            self.config.data_dir,
            account.summary(),
            len(store),
            self.config.channel,
            sum(len(rows) for rows in chosen.values()),
            classes.name,
        )
        empty = [name for name, rows in chosen.items() if not rows]
        if empty:
            logger.warning(
                "%s: no clip for %s under protocol %s; left out",
                self.config.data_dir,
                " and ".join(f"{name} (actors {_numbers(getattr(fold, name))})" for name in empty),
                self.config.protocol,
            )
        feature = Features({"label": self.info.features["label"]})
        labelled = concatenate_datasets([store, Dataset.from_dict({"label": labels}, features=feature)], axis=1)
        labelled.info.description = f"{self.info.description}\n{account.summary()}"
        return {name: labelled.select(rows) for name, rows in chosen.items() if rows}


def _numbers(actors: frozenset[int]) -> str:
    return ", ".join(str(actor) for actor in sorted(actors))
