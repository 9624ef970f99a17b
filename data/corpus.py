"""What a corpus folder says about itself: synthetic corpora carry a file with a notice, and every score repeats it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path


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


RAVDESS = Corpus(
    "RAVDESS",
    "cc-by-nc-sa-4.0",
    synthetic=False,
    notice="RAVDESS, Livingstone and Russo 2018, doi:10.5281/zenodo.1188976, CC BY-NC-SA 4.0.",
)
RECORDS = {
    "DEMO_CORPUS.json": Corpus("synthetic demo corpus", "apache-2.0", synthetic=True),
    "ANIMATED.json": Corpus("animated corpus (real voices, rendered faces)", "cc-by-nc-sa-4.0", synthetic=True),
    "PAIRED.json": Corpus("paired corpus (real voices, faces of other people)", "cc-by-nc-sa-4.0", synthetic=True),
}
"""File that marks a corpus which is not the original recordings; its field `notice` says what it is."""


def describe_corpus(data_dir: Path) -> Corpus:
    """Tell the corpus in a folder by the record that its maker left; without one it is RAVDESS.

    The record is found in the folder, above it or below it: part of a synthetic corpus, and a folder that holds one
    among others, are synthetic too.
    """
    root = data_dir.expanduser().resolve()
    for file_name, corpus in RECORDS.items():
        above = (folder / file_name for folder in (root, *root.parents) if (folder / file_name).is_file())
        record = next(above, None) or next(root.rglob(file_name), None)
        if record is not None:
            return replace(corpus, notice=json.loads(record.read_text(encoding="utf-8"))["notice"])
    return RAVDESS
