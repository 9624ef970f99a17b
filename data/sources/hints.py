"""What to do about a folder in which the corpus that was asked for is not: errors end with such a hint."""

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from .crema_d_names import looks_like_crema_d
from .files import CorpusFile, CorpusFiles
from .ravdess_names import looks_like_ravdess

_AFFECTNET = re.compile(r"(^|/)(train|val)_set/(images|annotations)/")
_FER_TABLE = re.compile(r"(^|/)(fer2013\w*|icml_face_data)\.csv$", re.IGNORECASE)
_FER_PICTURE = re.compile(
    r"(^|/)(train(ing)?|val(id(ation)?)?|test|public_?test|private_?test)/"
    r"(ang(ry|er)|disgust(ed)?|fear(ful)?|happ(y|iness)|neutral|sad(ness)?|surprised?|contempt)/[^/]+$",
    re.IGNORECASE,
)
_ACTOR = re.compile(r"actor[_ ]?[0-9]+", re.IGNORECASE)


TITLES = {"ravdess": "RAVDESS", "crema_d": "CREMA-D", "affectnet": "AffectNet", "fer2013": "FER-2013"}
"""What people call the corpora, by the names that `--corpus` has for them."""

# How a file of each is told.
_SIGNS: dict[str, Callable[[CorpusFile], object]] = {
    "ravdess": lambda file: looks_like_ravdess(file.name.stem),
    "crema_d": lambda file: looks_like_crema_d(file.name.stem),
    "affectnet": lambda file: _AFFECTNET.search(str(file)),
    "fer2013": lambda file: _FER_TABLE.search(str(file)) or _FER_PICTURE.search(_placed(file)),
}


def _placed(file: CorpusFile) -> str:
    """Where a file lies; the name of an archive counts as a folder."""
    return str(PurePosixPath(file.path.with_suffix(""), file.name)) if file.member else str(file.path)


def other_corpus(files: CorpusFiles, asked: str) -> str:
    """Such as `; this looks like CREMA-D: ...`, where another corpus lies there; else empty text.

    Args:
        files (`CorpusFiles`): The files in which nothing was found.
        asked (`str`): The corpus that was looked for, by the name that `--corpus` has for it.
    """
    for name, is_of_it in _SIGNS.items():
        if name != asked and any(map(is_of_it, files)):
            return f'; this looks like {TITLES[name]}: --corpus {name} of train_hf.py, or load_dataset("{name}", ...)'
    return ""


def looks_like(corpus: str, file: CorpusFile) -> bool:
    """Whether a file has the name or the place of one of this corpus (by the name that `--corpus` has for it)."""
    return bool(_SIGNS[corpus](file))


def folder_above(place: Path, is_outer: Callable[[str], bool], is_inner: Callable[[str], bool]) -> str:
    """Such as `; name the folder above it: --data_dir corpus`, for one that was named too deep; else empty text.

    Args:
        place (`Path`): What was named.
        is_outer (`Callable`): Whether a folder of this name is a part of the corpus.
        is_inner (`Callable`): Whether one of this name is, inside such a folder.
    """
    place = place.absolute()
    if is_outer(place.name) and place.is_dir() and any(is_inner(path.name) for path in place.iterdir()):
        return f"; name the folder above it: --data_dir {place.parent}"
    if is_outer(place.parent.name) and is_inner(place.name):
        return f"; name the folder above it: --data_dir {place.parent.parent}"
    return ""


def other_actors(place: Path) -> str:
    """A hint where the folder of a single actor was named, and folders of others lie beside it; else empty text."""
    if not _ACTOR.fullmatch(place.absolute().name):
        return ""
    others = [path for path in place.absolute().parent.iterdir() if _ACTOR.fullmatch(path.name) and path.is_dir()]
    if len(others) < 2:
        return ""
    return f"; it is one of {len(others)} folders of actors, name the one above: --data_dir {place.absolute().parent}"
