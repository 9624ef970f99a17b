"""Own clips in a folder: named by a table, or one folder for each label."""

from pathlib import PurePosixPath

from emofusion.data.sources.files import CorpusFile, CorpusFiles
from emofusion.data.sources.named_files import AUDIO_ENDINGS, CLIP_WORDS, MEDIA_ENDINGS

from .own_clips import SPLIT_NAMES, Listing, OwnClip, checked_listing, is_empty, label_names, split_name
from .table import FILE_COLUMN, SPLIT_COLUMN, Row, find_table, read_table


def list_folder(files: CorpusFiles, label_column: str, speaker_column: str) -> Listing:
    """The clips of a folder: those of the table in it, else all files in folders, which are called as their label.

    Args:
        files (`CorpusFiles`): The files, also in zip archives.
        label_column (`str`): Column of the table that holds the label.
        speaker_column (`str`): Column that holds the speaker; it may be absent.

    Raises:
        ValueError: No clip in it, or a table that does not fit the files; the message names the row.
        OSError: The table cannot be read.
    """
    table = find_table(files)
    media = [
        file for file in files if file.name.suffix.lower() in MEDIA_ENDINGS and not file.name.name.startswith(".")
    ]
    if table is not None:
        return _by_table(files, table, len(media), label_column, speaker_column)
    if not media:
        raise ValueError(
            f"{files.place}: no clip in it, expected files such as happy/1.wav or happy/1.mp4 "
            f"({CLIP_WORDS}), or metadata.csv with {FILE_COLUMN} and {label_column}"
        )
    return _by_folder(files, media)


def _by_table(files: CorpusFiles, table: CorpusFile, media: int, label_column: str, speaker_column: str) -> Listing:
    place, rows = f"{files.place}: {table}", read_table(files, table)
    if label_column not in rows[0]:
        raise ValueError(
            f"{place}: no column {label_column} among {', '.join(rows[0])}; add one with the name of each clip's "
            "class, or name it with --label_column"
        )
    found = _files_of(files, rows, place)
    bare = next((number for number, row in enumerate(rows, 1) if is_empty(row.get(label_column))), None)
    if bare is not None:
        raise ValueError(f"{place}, row {bare}: {rows[bare - 1][FILE_COLUMN]} has no {label_column}; write one")
    labels = label_names([row[label_column] for row in rows], label_column, place)
    clips = [
        _clip(
            str(file.name),
            file,
            label,
            speaker=None if is_empty(row.get(speaker_column)) else str(row[speaker_column]).strip(),
            split=split_name(row.get(SPLIT_COLUMN), f"{place}, row {number}"),
        )
        for number, (row, file, label) in enumerate(zip(rows, found, labels, strict=True), 1)
    ]
    return checked_listing(place, clips, max(media - len(clips), 0), files.unreadable)


def _files_of(files: CorpusFiles, rows: list[Row], place: str) -> list[CorpusFile]:
    """The file of each row.

    Raises:
        ValueError: It is missing, or stands in two rows.
    """
    there = {file.name: file for file in files}
    names: dict[PurePosixPath, int] = {}
    missing = []
    for number, row in enumerate(rows, 1):
        name = PurePosixPath(str(row.get(FILE_COLUMN) or "").strip().replace("\\", "/"))
        if name in names:
            raise ValueError(f"{place}: {name} stands in row {names[name]} and in row {number}; leave one of them out")
        names[name] = number
        if name not in there:
            missing.append((number, name))
    if missing:
        number, name = missing[0]
        more = f" ({len(missing)} of {len(rows)} files are missing)" if len(missing) > 1 else ""
        raise ValueError(
            f"{place}, row {number}: no file {name} below {files.place}{more}; put it there, or leave out the row"
        )
    return [there[name] for name in names]


def _by_folder(files: CorpusFiles, media: list[CorpusFile]) -> Listing:
    """A clip's label is the folder that it lies in; folders above it may be called as splits."""
    inside = [file for file in media if len(file.name.parts) > 1]
    if not inside:
        raise ValueError(
            f"{files.place}: {len(media)} clips such as {media[0]}, and no label; put them into one folder for each "
            f"label, or write metadata.csv with {FILE_COLUMN} and label"
        )
    of_splits = all(len(file.name.parts) > 2 and file.name.parts[0].lower() in SPLIT_NAMES for file in inside)
    labels = label_names([file.name.parts[-2] for file in inside], "label", str(files.place))
    clips = [
        _clip(
            str(file.name),
            file,
            label,
            split=split_name(file.name.parts[0], str(files.place)) if of_splits else None,
        )
        for file, label in zip(inside, labels, strict=True)
    ]
    return checked_listing(str(files.place), _first_of_each(clips), len(media) - len(inside), files.unreadable)


def _first_of_each(clips: list[OwnClip]) -> list[OwnClip]:
    """One clip of each name: two archives may hold the same paths."""
    return list({clip.name: clip for clip in reversed(clips)}.values())


def _clip(name: str, file: CorpusFile, label: str, speaker: str | None = None, split: str | None = None) -> OwnClip:
    sound_alone = file.name.suffix.lower() in AUDIO_ENDINGS
    pictures, sounds = ((), (file,)) if sound_alone else ((file,), ())
    return OwnClip(name, label, pictures, sounds, speaker, split)
