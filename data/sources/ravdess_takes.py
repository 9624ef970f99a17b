"""What lies in a RAVDESS folder: its files, grouped to takes, and an account of what was found."""

from collections import defaultdict

from .account import Account
from .files import CorpusFile, CorpusFiles
from .named_files import add_file, named_files, new_account, nothing_found
from .ravdess_names import CHANNELS, INTENSITIES, all_takes, looks_like_ravdess, parse_name
from .takes import Take

CHANNEL_CHOICES = (*CHANNELS.values(), "both")


def find_takes(files: CorpusFiles, channel: str = "both") -> tuple[list[Take], Account]:
    """All takes of a channel, in the order of their codes.

    Of a take that is there twice in one modality the first file in order is taken, and the next where it is broken.

    Args:
        files (`CorpusFiles`): The files, at any depth and in zip archives.
        channel (`str`): `"speech"`, `"song"` or `"both"`.

    Raises:
        ValueError: Another channel, no media file under a RAVDESS name, or none of the channel.
    """
    check_channel(channel)
    others = 0
    account = new_account(files)
    takes: dict[str, dict[int, list[CorpusFile]]] = defaultdict(dict)
    for name, file in named_files(files, account, looks_like_ravdess, parse_name):
        if channel in ("both", CHANNELS[name.channel]):
            add_file(takes[name.take], name.modality, file, account)
        else:
            others += 1
    if not takes and others:
        other = "song" if channel == "speech" else "speech"
        raise ValueError(
            f"{files.place}: no {channel} file in it, but {others} of the other channel; --channel {other} takes them"
        )
    if not takes:
        raise ValueError(nothing_found(files, account, "ravdess", "Actor_01/01-01-06-01-02-01-01.mp4"))
    found = [_take(fields, modalities) for fields, modalities in sorted(takes.items())]
    account.takes = len(found)
    whole = [name.take for name in all_takes() if channel in ("both", CHANNELS[name.channel])]
    account.expect(whole, list(takes))
    return found, account


def check_channel(channel: str) -> None:
    """Raises a ValueError that lists the choices for another word."""
    if channel not in CHANNEL_CHOICES:
        raise ValueError(f"channel: unknown {channel!r}; the choices are {', '.join(CHANNEL_CHOICES)}")


def _take(fields: str, files: dict[int, list[CorpusFile]]) -> Take:
    name = parse_name(f"{min(files):02d}-{fields}")
    return Take(
        clip=fields,
        # 01 and 02 of one take show the same picture, 01 and 03 hold the same sound.
        pictures=tuple(file for modality in (1, 2) for file in files.get(modality, ())),
        sounds=tuple(files.get(3, ())),
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
