"""What a corpus folder says about itself: synthetic corpora carry a file with a notice, and every score repeats it."""

import json
from dataclasses import dataclass, replace

from .files import CorpusFiles


@dataclass(frozen=True)
class Corpus:
    """What goes with every score on a corpus.

    Attributes:
        name (`str`): What tables call it.
        license (`str`): Licence of the clips as the hub spells it; weights trained on them carry it on.
        synthetic (`bool`): Whether the clips are anything but the original recordings.
        notice (`str`): Where it comes from, and what is not real about it.
    """

    name: str
    license: str
    synthetic: bool
    notice: str = ""


DEMO_RECORD = "DEMO_CORPUS.json"
DEMO_CORPUS = Corpus("synthetic demo corpus", "apache-2.0", synthetic=True)
RECORDS = {
    DEMO_RECORD: DEMO_CORPUS,
    "ANIMATED.json": Corpus("animated corpus (real voices, rendered faces)", "cc-by-nc-sa-4.0", synthetic=True),
    "PAIRED.json": Corpus("paired corpus (real voices, faces of other people)", "cc-by-nc-sa-4.0", synthetic=True),
}
"""File that marks a corpus which is not the original recordings; its field `notice` says what it is."""


def describe_files(files: CorpusFiles, original: Corpus) -> Corpus:
    """Tell the corpus in a folder by the record that its maker left; without one it is `original`.

    The record is found in the folder, above it or below it, and in zip archives: part of a synthetic corpus, and a
    folder that holds one among others, are synthetic too.
    """
    place = files.folder.resolve()
    for folder in (place, *place.parents):
        for name in RECORDS:
            if (folder / name).is_file():
                return _described(name, (folder / name).read_bytes())
    for file in files:
        if file.name.name in RECORDS:
            return _described(file.name.name, files.read(file))
    return original


def _described(name: str, record: bytes) -> Corpus:
    try:
        return replace(RECORDS[name], notice=str(json.loads(record)["notice"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f'{name}: expected the record of a synthetic corpus, with a field "notice"; found another file'
        ) from error
