"""The files of a corpus that are told by their names, whatever the grammar of the names is."""

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import TypeVar

from .account import Account
from .files import ZIP_ENDINGS, CorpusFile, CorpusFiles
from .hints import TITLES, other_corpus

VIDEO_ENDINGS = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split(),
)
AUDIO_ENDINGS = frozenset(".aac .aif .aiff .flac .m4a .mka .mp3 .oga .ogg .opus .wav .wma".split())
STILL_ENDINGS = frozenset(".bmp .gif .jpeg .jpg .png .tif .tiff .webp".split())
MEDIA_ENDINGS = VIDEO_ENDINGS | AUDIO_ENDINGS
"""Of what clips can be: films and sounds."""
CLIP_WORDS = "films and sounds such as .mp4, .mov, .webm, .wav, .flac and .m4a"
"""These in an error, which has no room for all of them."""

_POINTER = b"version https://git-lfs.github.com/spec/"
_LONGEST_POINTER = 1024  # bytes, by the specification of Git LFS

Name = TypeVar("Name")
Kind = TypeVar("Kind")


def new_account(files: CorpusFiles) -> Account:
    """An account that knows of the archives, folders and links that cannot be read."""
    broken = {
        name: why for name, why in files.unreadable.items() if _is_wanted(PurePath(name)) or not PurePath(name).suffix
    }
    return Account(unreadable=broken)


def named_files(
    files: CorpusFiles, account: Account, looks_right: Callable[[str], bool], parse_name: Callable[[str], Name]
) -> Iterator[tuple[Name, CorpusFile]]:
    """Media files with possible names; the others join the account, and so do pointers left by Git LFS.

    Args:
        files (`CorpusFiles`): The files.
        account (`Account`): What becomes of them.
        looks_right (`Callable`): Whether a name without its ending has the form that names of the corpus have.
        parse_name (`Callable`): Reads such a name, or raises a ValueError.
    """
    for file in files:
        path = file.name
        if not _is_wanted(path):
            continue
        if path.suffix.lower() in ZIP_ENDINGS:
            account.unreadable[str(file)] = "an archive inside an archive: unpack the outer one"
            continue
        if not looks_right(path.stem):
            account.other_files += 1
            continue
        try:
            name = parse_name(path.stem)
            _refuse_pointer(files, file)
        except ValueError as error:
            account.files += 1
            account.unreadable[str(file)] = str(error)
            continue
        yield name, file


def add_file(known: dict[Kind, list[CorpusFile]], kind: Kind, file: CorpusFile, account: Account) -> None:
    """Add a file to those of its take; behind another of the same kind it is a duplicate, for when that is broken."""
    account.files += 1
    known.setdefault(kind, []).append(file)
    first = known[kind][0]
    if first is not file:
        size = "and size as" if first.stamp[0] == file.stamp[0] else "but another size than"
        account.duplicates[str(file)] = f"same name {size} {first}"


def nothing_found(files: CorpusFiles, account: Account, corpus: str, example: str) -> str:
    """The message for a folder without a file that can be used; an example of those that cannot is named.

    Args:
        files (`CorpusFiles`): The files.
        account (`Account`): Why those that have the right names cannot be used.
        corpus (`str`): What `--corpus` calls the corpus.
        example (`str`): A file of it.
    """
    bad = [f"; {file}: {reason}" for file, reason in account.unreadable.items()][:1]
    return (
        f"{files.place}: no {TITLES[corpus]} file in it, expected names such as {example} "
        f"({CLIP_WORDS}), or zip archives of them{''.join(bad)}{other_corpus(files, corpus)}"
    )


def _is_wanted(path: PurePath) -> bool:
    """Media files, and archives of them; names that begin with a dot are what macOS leaves beside a file."""
    return path.suffix.lower() in MEDIA_ENDINGS | ZIP_ENDINGS and not path.name.startswith(".")


def _refuse_pointer(files: CorpusFiles, file: CorpusFile) -> None:
    """Raises a ValueError for the text that Git LFS keeps in place of a file, as in zip downloads from GitHub."""
    if file.stamp[0] >= _LONGEST_POINTER:
        return
    try:
        content = files.read(file)
    except OSError:  # whoever decodes it will say why
        return
    if content.startswith(_POINTER):
        raise ValueError("a Git LFS pointer, not the file itself: fetch it with git lfs pull")
