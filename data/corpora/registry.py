"""The list of corpora: all that the house knows of each, for builders, flags, help, checks, tables and cards.

A corpus is one file here, which ends in its entry, and one line below.
"""

from pathlib import Path

from emofusion.data.sources.corpus_record import Corpus, describe_files
from emofusion.data.sources.files import CorpusFiles

from . import affectnet, clips, crema_d, fer2013, ravdess
from .entry import CorpusEntry

CORPORA: dict[str, CorpusEntry] = {
    entry.name: entry
    for entry in (
        ravdess.ENTRY,
        crema_d.ENTRY,
        fer2013.ENTRY,
        affectnet.ENTRY,
        clips.ENTRY,
    )
}
"""By the name that `--corpus` and `datasets.load_dataset` know them by."""


def describe_corpus(data_dir: Path) -> Corpus:
    """What a folder of clips under RAVDESS names is: what the record in it says, and without one RAVDESS."""
    return describe_files(CorpusFiles(data_dir.expanduser()), ravdess.RAVDESS)


def entry_called(name: str) -> CorpusEntry | None:
    """The entry of the corpus that tables call so (`"CREMA-D"`); None for any other, such as a synthetic one."""
    return next((entry for entry in CORPORA.values() if entry.corpus.name == name), None)


def flags_of_some() -> list[str]:
    """Flags that not every corpus has a use for."""
    flags = [flag for entry in CORPORA.values() for flag in entry.flags]
    return [flag for flag in dict.fromkeys(flags) if not all(flag in entry.flags for entry in CORPORA.values())]
