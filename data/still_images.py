"""What corpora of still pictures have in common: rows, the index that keeps them, and the builder over it.

A still picture is a clip of one frame. No picture is decoded here: the index is an Arrow file, written once, that
holds the place of every picture (of those in archives and tables: the picture itself, encoded) and is memory-mapped
from then on. Label sets only select its rows.
"""

import hashlib
import json
import os
import shutil
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
from datasets import (
    BuilderConfig,
    ClassLabel,
    Dataset,
    DatasetInfo,
    DownloadMode,
    Features,
    Image,
    Value,
    Version,
    concatenate_datasets,
)
from datasets.arrow_writer import ArrowWriter
from datasets.utils.logging import get_logger
from filelock import FileLock

from .corpus import Corpus
from .label_sets import label_set
from .protocols import Fold, Protocols
from .split_builder import SplitBuilder
from .whole_files import write_whole

logger = get_logger(__name__)

INDEX_VERSION = 1
"""Raised whenever the same files would be indexed to something else."""

PICTURE_ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
SPLITS = ("train", "validation", "test", "private_test")
INDEX, ACCOUNT = "images.arrow", "account.json"
ROWS_AT_ONCE = 1000
MOST_REASONS = 5

PUBLISHED = "published splits"
"""Protocol of still pictures: the splits that their authors published. Nobody knows who is on them."""
NO_ACTORS: Protocols = {PUBLISHED: (Fold(frozenset(), frozenset(), frozenset()),)}

Row = dict[str, Any]


class StillImage(Image):
    """`datasets.Image` whose errors name the picture; equal to it, and written to files as it."""

    def decode_example(self, value: Any, token_per_repo_id: Any = None) -> Any:
        """The picture, upright.

        Raises:
            ValueError: It cannot be read; the message names it.
        """
        try:
            return super().decode_example(value, token_per_repo_id)
        except Exception as error:  # whatever Pillow's decoders stumble over: SyntaxError, struct.error and more
            # The place of a buffer in memory, which Pillow puts here, tells nobody anything.
            reason = "not a picture, or a damaged one" if "BytesIO" in str(error) else str(error)
            name = value.get("path") if isinstance(value, dict) else None
            raise ValueError(f"{name or 'picture'}: cannot be read ({reason}); leave it out or replace it") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Image) and (self.mode, self.decode) == (other.mode, other.decode)

    def __hash__(self) -> int:
        return hash((self.mode, self.decode))


# As RAVDESS has them, where they make sense for a picture of somebody.
IMAGE_FEATURES = Features(
    {
        "clip": Value("string"),
        "image": Image(),
        "has_video": Value("bool"),
        "has_audio": Value("bool"),
        "emotion": Value("string"),
        "actor": Value("int32"),
        "gender": Value("string"),
        "source": Value("string"),
    }
)
_INDEX_FEATURES = Features(IMAGE_FEATURES | {"split": Value("string")})


def image_row(split: str, emotion: str, clip: str, source: str, path: str | None, content: bytes | None = None) -> Row:
    """One row of the index; `path` is where the picture lies, or what errors call one that comes as `content`."""
    return {
        "clip": clip,
        "image": {"bytes": content, "path": path},
        "has_video": True,
        "has_audio": False,
        "emotion": emotion,
        "actor": None,
        "gender": None,
        "source": source,
        "split": split,
    }


@dataclass
class ImageAccount:
    """What was found and what became of it; nothing is dropped silently.

    Attributes:
        found (`dict[str, dict[str, int]]`): By split and class, under our names of emotions where there is one.
        dropped (`dict[str, int]`): By class: pictures that the label set has no place for.
        unreadable (`dict[str, str]`): By file: why it is not used.
        duplicates (`dict[str, str]`): Files left out because another one holds the same picture, and which.
        copies (`dict[str, dict[str, int]]`): By split: pictures that also stand, byte by byte, in an earlier split.
    """

    found: dict[str, dict[str, int]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    duplicates: dict[str, str] = field(default_factory=dict)
    copies: dict[str, dict[str, int]] = field(default_factory=dict)

    def count(self, split: str, word: str) -> None:
        """One more picture of a class."""
        classes = self.found.setdefault(split, {})
        classes[word] = classes.get(word, 0) + 1

    def drop(self, kept: Iterable[str]) -> None:
        """Drop all classes but these."""
        totals: Counter[str] = Counter()
        for classes in self.found.values():
            totals.update(classes)
        self.dropped = {word: count for word, count in totals.items() if word not in set(kept)}

    def summary(self) -> str:
        """One line for people."""
        parts = [f"{sum(sum(classes.values()) for classes in self.found.values())} pictures"]
        parts += [f"{split} {sum(classes.values())} ({_counts(classes)})" for split, classes in self.found.items()]
        if self.dropped:
            parts.append(f"not in the label set: {_counts(self.dropped)}")
        for split, others in self.copies.items():
            parts += [f"{count} pictures of {split} are also in {other}" for other, count in others.items()]
        if self.duplicates:
            parts.append(f"{len(self.duplicates)} duplicate files left out")
        reasons = Counter(self.unreadable.values()).most_common()
        for reason, count in reasons[:MOST_REASONS]:
            first = next(name for name, why in self.unreadable.items() if why == reason)
            parts.append(f"{count} not used, such as {first}: {reason}")
        if len(reasons) > MOST_REASONS:
            parts.append(f"{sum(count for _, count in reasons[MOST_REASONS:])} not used for other reasons")
        return "; ".join(parts)

    def table(self) -> str:
        """All of it as text lines for people."""
        rows = [(split, sum(classes.values()), _counts(classes)) for split, classes in self.found.items()]
        rows.append(("not in the label set", sum(self.dropped.values()), _counts(self.dropped)))
        for split, others in self.copies.items():
            rows += [(f"{split}, copies", count, f"stand in {other}, too") for other, count in others.items()]
        rows.append(("duplicate files", len(self.duplicates), _example(self.duplicates)))
        rows.append(("not used", len(self.unreadable), _example(self.unreadable)))
        wide = max(len(name) for name, _, _ in rows)
        return "\n".join(f"{name:<{wide}}  {count:>6}  {what}".rstrip() for name, count, what in rows)

    def save(self, path: Path) -> None:
        """Write all of it as JSON, whole or not at all."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"
        write_whole(path, lambda place: place.write_text(text, encoding="utf-8"))

    @classmethod
    def load(cls, path: Path) -> "ImageAccount":
        """What `save` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def _counts(classes: dict[str, int]) -> str:
    return ", ".join(f"{word} {count}" for word, count in sorted(classes.items()))


def _example(reasons: dict[str, str]) -> str:
    return next((f"such as {name}: {reason}" for name, reason in reasons.items()), "")


@dataclass(frozen=True)
class Listing:
    """What lies somewhere, known from names, sizes and times alone.

    Attributes:
        place (`Path`): Folder or file; errors name it.
        stamps (`list[Any]`): Changes when any row of the index would.
        rows (`Callable`): Reads the files: makes the rows, and adds to the account what was found.
    """

    place: Path
    stamps: list[Any]
    rows: Callable[[ImageAccount], Iterator[Row]]

    def key(self, corpus: str) -> str:
        """A hash of all that the index depends on."""
        identity = hashlib.sha256(repr((INDEX_VERSION, corpus, str(self.place.resolve()))).encode())
        for stamp in self.stamps:
            identity.update(repr(stamp).encode())
        return identity.hexdigest()[:20]


def open_index(
    listing: Listing, corpus: str, cache_dir: Path, anew: bool = False
) -> tuple[Dataset, ImageAccount, str]:
    """The index of these files, made first if that was not done before.

    Args:
        listing (`Listing`): What lies there.
        corpus (`str`): Name of the corpus.
        cache_dir (`Path`): Where indices lie.
        anew (`bool`): Make it again even if it is there.

    Returns:
        The rows, memory-mapped and with the column `split`, the account, and the key.

    Raises:
        ValueError: Not one picture can be used; the message says why.
    """
    key = listing.key(corpus)
    folder = cache_dir / f"images-{key}"
    cache_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if anew:
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.is_dir():
            _build(folder, listing)
    return Dataset.from_file(str(folder / INDEX)), ImageAccount.load(folder / ACCOUNT), key


def _build(folder: Path, listing: Listing) -> None:
    """Write to a temporary folder, which takes its final name only when complete."""
    temporary = folder.with_suffix(".incomplete")
    shutil.rmtree(temporary, ignore_errors=True)  # the lock is ours: whoever left it is gone
    temporary.mkdir()
    account = ImageAccount()
    try:
        if not _write(temporary / INDEX, listing.rows(account)):
            raise ValueError(f"{listing.place}: no picture in it can be used ({account.summary()})")
        account.found = {split: account.found[split] for split in SPLITS if split in account.found}
        account.save(temporary / ACCOUNT)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(path: Path, rows: Iterator[Row]) -> int:
    """Write rows as they come; returns how many."""
    written = 0
    with ArrowWriter(path=str(path), features=_INDEX_FEATURES) as writer:
        while some := list(islice(rows, ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(some, schema=_INDEX_FEATURES.arrow_schema))
            written += len(some)
        if written:
            writer.finalize()
    return written


@dataclass
class StillImagesConfig(BuilderConfig):
    """Options of `load_dataset("fer2013", ...)` and `load_dataset("affectnet", ...)`.

    Attributes:
        data_dir (`str`): Folder of the corpus.
        label_set (`str`): `"emotions8"`, `"emotions7"`, `"affectnet8"`, ...; see `LABEL_SETS`. Emotions that are not
            in it are dropped, and counted.
    """

    version: Version = Version("1.0.0")
    label_set: str = "emotions8"


class StillImages(SplitBuilder):
    """Rows of the index, by the splits that the corpus itself has."""

    BUILDER_CONFIG_CLASS = StillImagesConfig
    CORPUS: Corpus
    HOMEPAGE: str
    PROTOCOLS: ClassVar[Protocols] = NO_ACTORS

    @abstractmethod
    def _find(self) -> Listing:
        """List the corpus; `_info` has checked nothing but the label set."""

    @abstractmethod
    def _check_place(self) -> None:
        """Raises a ValueError if the options name no place."""

    def _info(self) -> DatasetInfo:
        """Columns: those of the index and `label`. Bad options are refused here, before anything is read."""
        self._check_place()
        self._refuse_name("label_set=")
        labels = label_set(self.config.label_set).labels
        return DatasetInfo(
            description=self.CORPUS.notice,
            features=Features(IMAGE_FEATURES | {"label": ClassLabel(names=labels)}),
            homepage=self.HOMEPAGE,
            license=self.CORPUS.license,
        )

    @property
    def corpus(self) -> Corpus:
        """What goes with every score on it."""
        return self.CORPUS

    def usable_folds(self) -> tuple[dict[int, Fold], dict[int, str]]:
        """The one fold that the published splits are, without actors, and no fold that cannot be used."""
        return dict(enumerate(self.PROTOCOLS[PUBLISHED])), {}

    @property
    def fingerprint(self) -> str:
        """Depends on the pictures that are there."""
        return self._opened[2]

    @property
    def account(self) -> ImageAccount:
        """What was found and what became of it."""
        return self._opened[1]

    def download_and_prepare(self, *args: Any, download_mode: Any = None, **kwargs: Any) -> None:
        """Index what is not indexed yet; with `download_mode="force_redownload"` anew."""
        self.__dict__.pop("_opened", None)  # the files may have changed since
        self._anew = download_mode is not None and DownloadMode(download_mode) is DownloadMode.FORCE_REDOWNLOAD
        logger.warning("%s, label set %s: %s", self.CORPUS.name, self.config.label_set, self.account.summary())

    _anew = False

    @cached_property
    def _opened(self) -> tuple[Dataset, ImageAccount, str]:
        rows, account, key = open_index(self._find(), self.CORPUS.name, Path(self._cache_dir_root), self._anew)
        account.drop(kept=label_set(self.config.label_set).mapping)
        return rows, account, key

    def _open_all(self) -> Dataset:
        rows, chosen = self._labelled()
        return self._select(rows, "all", sorted(row for part in chosen.values() for row in part))

    def _open_splits(self, needed: tuple[str, ...] | None) -> dict[str, Dataset]:
        """Rows by split; a split without pictures is left out."""
        rows, chosen = self._labelled()
        return {split: self._select(rows, split, chosen[split]) for split in SPLITS if chosen[split]}

    def _labelled(self) -> tuple[Dataset, dict[str, list[int]]]:
        """The rows of the index with their label, and by split those of them that have one.

        Raises:
            ValueError: None has.
        """
        index, account, _ = self._opened
        classes = label_set(self.config.label_set)
        ids = {name: number for number, name in enumerate(classes.labels)}
        labels = [ids.get(classes.mapping.get(emotion, "")) for emotion in index.data.column("emotion").to_pylist()]
        chosen: dict[str, list[int]] = {split: [] for split in SPLITS}
        for row, (split, label) in enumerate(zip(index.data.column("split").to_pylist(), labels, strict=True)):
            if label is not None:
                chosen[split].append(row)
        if not any(chosen.values()):
            raise ValueError(
                f"{self.CORPUS.name}: no picture of {len(index)} is left in label set {classes.name} "
                f"({', '.join(classes.mapping)}); {account.summary()}"
            )
        column = Dataset.from_dict({"label": labels}, features=Features({"label": self.info.features["label"]}))
        labelled = concatenate_datasets([index.remove_columns("split"), column], axis=1)
        labelled = labelled.cast_column("image", StillImage())
        labelled.info.description = f"{self.info.description}\n{account.summary()}"
        labelled.info.homepage, labelled.info.license = self.info.homepage, self.info.license
        return labelled, chosen

    def _select(self, rows: Dataset, part: str, indices: list[int]) -> Dataset:
        """Rows whose fingerprint tells their content, so that what is computed from them is found again."""
        identity = repr((self._opened[2], self.config.label_set, part))
        return rows.select(indices, new_fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:16])
