"""AffectNet for `datasets.load_dataset("affectnet", data_dir=...)`; `import emofusion.data` registers it.

The official layout: `{train,val}_set/images/ID.jpg` and `{train,val}_set/annotations/ID_exp.npy`. Its other
annotations (`_val`, `_aro`, `_lnd`) are not read.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.sources.files import CorpusFiles
from emofusion.data.sources.hints import folder_above, looks_like, other_corpus
from emofusion.data.store.cores import cores
from emofusion.data.store.progress import Bar

from .builders.image_account import ImageAccount
from .builders.image_index import PICTURE_ENDINGS, Listing, Row, image_row
from .builders.still_images import PUBLISHED, StillImages
from .entry import CorpusEntry

AFFECTNET = Corpus(
    "AffectNet",
    "other",
    synthetic=False,
    notice=(
        "AffectNet, Mollahosseini, Hasani and Mahoor 2017, AffectNet: A Database for Facial Expression, Valence, and "
        "Arousal Computing in the Wild, doi:10.1109/TAFFC.2017.2740923. Licensed by its authors for research only; do "
        "not pass on pictures."
    ),
)

EMOTIONS_BY_NUMBER = ("neutral", "happy", "sad", "surprised", "fearful", "disgust", "angry", "contempt")
NO_EMOTIONS_BY_NUMBER = {8: "none", 9: "uncertain", 10: "no face"}
"""Numbers that stand for no emotion; such pictures are counted, and get no row."""

SET_FOLDERS = {"train_set": "train", "val_set": "validation"}
ANNOTATION_ENDING = "_exp.npy"
OUTSIDE = "pictures outside train_set and val_set; those in folders SPLIT/CLASS are read with --corpus fer2013"

Stamp = tuple[str, int, int]


class AffectNet(StillImages):
    """AffectNet by its own two splits; options are those of `StillImagesConfig`."""

    CORPUS = AFFECTNET
    HOMEPAGE = "http://mohammadmahoor.com/affectnet/"

    def _check_place(self) -> None:
        if self.config.data_files:
            raise ValueError("data_files: AffectNet is read from a folder; name it in data_dir")
        if not self.config.data_dir:
            raise ValueError(
                'data_dir is missing: load_dataset("affectnet", data_dir="folder with train_set and val_set")'
            )

    def _find(self) -> Listing:
        """Images and annotations, known by name.

        Raises:
            FileNotFoundError: No such folder.
            ValueError: No set in it, or the same one twice.
        """
        place = Path(self.config.data_dir).expanduser()
        sets, others = find_sets(place), sorted(_others(place))

        def rows(account: ImageAccount) -> Iterator[Row]:
            for folder in others:
                account.unreadable[f"{folder.relative_to(place)}/"] = OUTSIDE
            for one in sets:
                yield from _rows(place, one, account)

        stamps: list[Any] = [*map(str, others)]
        stamps += [
            (one.split, str(one.folder), *sorted(one.images.items()), *sorted(one.annotations.items())) for one in sets
        ]
        return Listing(place, stamps, rows)


@dataclass(frozen=True)
class ImageSet:
    """The files of one split.

    Attributes:
        split (`str`): Its name.
        folder (`Path`): `train_set` or `val_set`.
        images, annotations (`dict`): Name, size and time of change by id.
    """

    split: str
    folder: Path
    images: dict[str, Stamp]
    annotations: dict[str, Stamp]


def find_sets(place: Path) -> list[ImageSet]:
    """`train_set` and `val_set` at any depth of a folder.

    There are more than a million files, so each folder is listed once, and nothing but its names, sizes and times.

    Raises:
        FileNotFoundError: No such folder.
        ValueError: A file, or a folder with none of the two in it, or with one of them twice.
    """
    if place.is_file():
        raise ValueError(
            f"{place}: a file, expected a folder with train_set and val_set; unpack it if it is an archive"
        )
    if not place.is_dir():
        raise FileNotFoundError(f"{place}: no such folder")
    found: dict[str, Path] = {}
    for path, folders, _ in os.walk(place):
        for name in [name for name in folders if name in SET_FOLDERS]:
            folders.remove(name)
            folder = Path(path, name)
            if name in found:
                raise ValueError(
                    f"{place}: {name} is in it twice ({found[name]}, {folder}); name the folder above the one that is "
                    f"to be read: --data_dir {found[name].parent}"
                )
            found[name] = folder
    if not found:
        raise ValueError(
            f"{place}: no AffectNet in it, expected train_set/images/0.jpg, train_set/annotations/0_exp.npy, "
            f"and val_set likewise{_hint(place)}"
        )
    return [_image_set(SET_FOLDERS[name], found[name]) for name in SET_FOLDERS if name in found]


def _hint(place: Path) -> str:
    """What to name instead of a folder without AffectNet, if that can be told."""
    files = CorpusFiles(place)
    packed = next((file.path for file in files if file.member and looks_like("affectnet", file)), None)
    if packed is not None:
        return f"; unpack {packed}: AffectNet is read from folders"
    above = folder_above(place, SET_FOLDERS.__contains__, ("images", "annotations").__contains__)
    return above or other_corpus(files, "affectnet")


def _others(place: Path) -> Iterator[Path]:
    """Folders that hold pictures outside `train_set` and `val_set`, as those of other layouts do."""
    for path, folders, names in os.walk(place):
        folders[:] = [name for name in folders if name not in SET_FOLDERS]
        if any(Path(name).suffix.lower() in PICTURE_ENDINGS for name in names):
            yield Path(path)


def _image_set(split: str, folder: Path) -> ImageSet:
    images: dict[str, Stamp] = {}
    for stamp in _listed(folder / "images"):
        stem, dot, ending = stamp[0].rpartition(".")
        if (dot + ending).lower() in PICTURE_ENDINGS and not stem.startswith("."):
            images[stem] = stamp
    annotations = {
        stamp[0].removesuffix(ANNOTATION_ENDING): stamp for stamp in _listed(folder / "annotations", ANNOTATION_ENDING)
    }
    return ImageSet(split, folder, images, annotations)


def _listed(folder: Path, ending: str = "") -> Iterator[Stamp]:
    """Name, size and time of change of each file; nothing where there is no such folder."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(ending) and entry.is_file():
                stat = entry.stat()
                yield entry.name, stat.st_size, stat.st_mtime_ns


def _rows(place: Path, one: ImageSet, account: ImageAccount) -> Iterator[Row]:
    """Rows of one split, in the order of their ids."""
    where, resolved = one.folder.relative_to(place).as_posix(), place.resolve()  # the index outlives links
    for name in sorted(one.annotations.keys() - one.images.keys()):
        account.unreadable[f"{where}/annotations/{name}{ANNOTATION_ENDING}"] = "annotation without image"
    ids = sorted(one.images, key=lambda name: (len(name), name))
    # Threads, because the disk is what takes the time.
    with ThreadPoolExecutor(cores()) as pool:
        words = pool.map(lambda name: _emotion_or_reason(one, name), ids)
        bar = Bar(zip(ids, words, strict=True), total=len(ids), desc=f"indexing AffectNet {one.split}", unit="picture")
        for name, (word, reason) in bar:
            source = f"{where}/images/{one.images[name][0]}"
            if word is None:
                account.unreadable[source] = reason
                continue
            account.count(one.split, word)
            if word in EMOTIONS_BY_NUMBER:
                yield image_row(one.split, word, f"{one.split}/{name}", source, f"{resolved}/{source}")


def _emotion_or_reason(one: ImageSet, name: str) -> tuple[str | None, str]:
    """What the annotation says, or None and why it says nothing."""
    if name not in one.annotations:
        return None, "image without annotation"
    try:
        number = read_number(one.folder / "annotations" / one.annotations[name][0])
    except OSError as error:
        return None, f"annotation cannot be read ({error.strerror})"
    except ValueError:
        return None, "annotation is no number in an npy file"
    if number in NO_EMOTIONS_BY_NUMBER:
        return NO_EMOTIONS_BY_NUMBER[number], ""
    if number not in range(len(EMOTIONS_BY_NUMBER)):
        return None, f"annotation {number} is out of range 0-{max(NO_EMOTIONS_BY_NUMBER)}"
    return EMOTIONS_BY_NUMBER[number], ""


def read_number(path: Path) -> int:
    """The number in an annotation file, where it stands as text or as a number.

    Raises:
        OSError: It cannot be read.
        ValueError: It holds something else.
    """
    with path.open("rb") as file:
        try:
            value = float(np.lib.format.read_array(file, allow_pickle=False).item())
        except (EOFError, TypeError, OverflowError) as error:
            raise ValueError(str(error)) from error
    if not value.is_integer():
        raise ValueError(f"{value} is not whole")
    return int(value)


ENTRY = CorpusEntry(
    name="affectnet",
    builder=AffectNet,
    trains_by=PUBLISHED,
    scores_by=PUBLISHED,
    help="AffectNet, still pictures",
    still=True,
    test_part="validation",  # its authors never published the test labels: this is what is reported on it
)
