"""What lies in a RAVDESS folder: its files, grouped to performances, and an account of what was found."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import PurePath

from .account import Account
from .files import ZIP_ENDINGS, CorpusFile, CorpusFiles
from .ravdess_names import CHANNELS, INTENSITIES, RavdessName, all_performances, looks_like_ravdess, parse_name
from .takes import Take

VIDEO_ENDINGS = {".mp4", ".mov", ".mkv", ".webm", ".flv", ".avi"}
AUDIO_ENDINGS = {".wav", ".flac", ".m4a", ".mp3", ".ogg"}
MEDIA_ENDINGS = VIDEO_ENDINGS | AUDIO_ENDINGS
CHANNEL_CHOICES = (*CHANNELS.values(), "both")


def find_performances(files: CorpusFiles, channel: str = "both") -> tuple[list[Take], Account]:
    """All performances of a channel, in the order of their codes.

    Of a take that is there twice in one modality the first file in order is taken.

    Args:
        files (`CorpusFiles`): The files, at any depth and in zip archives.
        channel (`str`): `"speech"`, `"song"` or `"both"`.

    Raises:
        ValueError: Another channel, no media file under a RAVDESS name, or none of the channel.
    """
    check_channel(channel)
    others = 0
    account = Account(unreadable={name: why for name, why in files.unreadable.items() if _is_wanted(PurePath(name))})
    takes: dict[str, dict[int, tuple[RavdessName, CorpusFile]]] = defaultdict(dict)
    for name, file in _named(files, account):
        if channel not in ("both", CHANNELS[name.channel]):
            others += 1
            continue
        account.files += 1
        known = takes[name.performance]
        if name.modality in known:
            first = known[name.modality][1]
            size = "and size as" if first.stamp[0] == file.stamp[0] else "but another size than"
            account.duplicates[str(file)] = f"same name {size} {first}"
        else:
            known[name.modality] = (name, file)
    if not takes:
        raise ValueError(_nothing_found(files, account, channel, others))
    found = [_take(modalities) for _, modalities in sorted(takes.items())]
    account.performances = len(found)
    whole = [name.performance for name in all_performances() if channel in ("both", CHANNELS[name.channel])]
    account.expect(whole, list(takes))
    return found, account


def check_channel(channel: str) -> None:
    """Raises a ValueError that lists the choices for another word."""
    if channel not in CHANNEL_CHOICES:
        raise ValueError(f"channel: unknown {channel!r}; the choices are {', '.join(CHANNEL_CHOICES)}")


def _named(files: CorpusFiles, account: Account) -> Iterator[tuple[RavdessName, CorpusFile]]:
    """Media files with possible names; the others join the account."""
    for file in files:
        path = file.name
        if not _is_wanted(path):
            continue
        if not looks_like_ravdess(path.stem):
            account.other_files += 1
            continue
        try:
            yield parse_name(path.stem), file
        except ValueError as error:
            account.files += 1
            account.unreadable[str(file)] = str(error)


def _is_wanted(path: PurePath) -> bool:
    """Media files, and archives of them; names that begin with a dot are what macOS leaves beside a file."""
    return path.suffix.lower() in MEDIA_ENDINGS | ZIP_ENDINGS and not path.name.startswith(".")


def _take(files: dict[int, tuple[RavdessName, CorpusFile]]) -> Take:
    name = files[min(files)][0]
    return Take(
        clip=name.performance,
        # 01 and 02 of one take show the same picture, 01 and 03 hold the same sound.
        pictures=tuple(files[modality][1] for modality in (1, 2) if modality in files),
        sounds=tuple(files[modality][1] for modality in (3,) if modality in files),
        facts={
            "emotion": name.emotion_name,
            "actor": name.actor,
            "gender": name.gender,
            "intensity": INTENSITIES[name.intensity],
            "statement": name.statement,
            "repetition": name.repetition,
            "channel": CHANNELS[name.channel],
        },
        silent_by_name=set(files) == {2},
    )


def _nothing_found(files: CorpusFiles, account: Account, channel: str, others: int) -> str:
    if others:
        return f"{files.folder}: no {channel} file in it, but {others} of the other channel"
    bad = [f"; {file}: {reason}" for file, reason in account.unreadable.items()][:1]
    return (
        f"{files.folder}: no RAVDESS file in it, expected names such as Actor_01/01-01-06-01-02-01-01.mp4 "
        f"({', '.join(sorted(MEDIA_ENDINGS))}), or zip archives of them{''.join(bad)}"
    )
