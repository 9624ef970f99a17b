"""The files of the official RAVDESS record and of the record of its face tracks: literal tables."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from tqdm.auto import tqdm

from emofusion.data.protocols import ACTORS
from emofusion.data.sources.ravdess_names import NO_SONG

PARTS = ("audio_speech", "audio_song", "video_speech", "video_song", "face_tracks")
"""What can be fetched. The face tracks are a record of their own."""


SITE = "https://zenodo.org"
_ABOUT_VIDEO = 500_000_000  # bytes; what people report, not confirmed


@dataclass(frozen=True)
class RemoteFile:
    """One file of a record.

    Attributes:
        name (`str`): Its name, there and here.
        url (`str`): Where it lies.
        md5 (`str`, *optional*): Published checksum, if known.
        size (`int`, *optional*): Bytes, if known.
    """

    name: str
    url: str
    md5: str | None = None
    size: int | None = None

    @property
    def page(self) -> str:
        """The page of its record, for people."""
        return self.url.partition("/files/")[0]


def _remote(record: int, name: str, md5: str | None = None, size: int | None = None) -> RemoteFile:
    return RemoteFile(name, f"{SITE}/records/{record}/files/{name}?download=1", md5, size)


# Files that hold all actors. The two checksums are those that other projects agree on; no others are known.
_WHOLE = {
    "audio_speech": _remote(1188976, "Audio_Speech_Actors_01-24.zip", "bc696df654c87fed845eb13823edef8a", 208_468_073),
    "audio_song": _remote(1188976, "Audio_Song_Actors_01-24.zip", "5411230427d67a21e18aa4d466e6d1b9", 225_505_317),
    "face_tracks": _remote(3255102, "FacialTracking_Actors_01-24.zip"),
}
# One file an actor.
_VIDEO = {"video_speech": "Video_Speech_Actor_{:02d}.zip", "video_song": "Video_Song_Actor_{:02d}.zip"}


def files_of(parts: Sequence[str], actors: Collection[int] | None = None) -> list[RemoteFile]:
    """The files that hold these parts of the corpus.

    Args:
        parts (`Sequence[str]`): Some of `PARTS`.
        actors (`Collection[int]`, *optional*): Actors whose videos to fetch, out of 1-24; all if not given. Sound and
            face tracks come in one file for all actors, whatever is given here. Actor 18 has no song.

    Returns:
        `list[RemoteFile]`: In the order of `parts`, then of actors.

    Raises:
        ValueError: Unknown part or actor (the message lists the choices), or nothing is left.
    """
    unknown_parts = [part for part in parts if part not in PARTS]
    if unknown_parts:
        raise ValueError(f"parts: unknown {unknown_parts[0]!r}; the choices are {', '.join(PARTS)}")
    wanted = ACTORS if actors is None else set(actors)
    if not wanted <= ACTORS:
        raise ValueError(f"actors: unknown {sorted(wanted - ACTORS)}; the choices are 1 to 24")
    files: list[RemoteFile] = []
    for part in dict.fromkeys(parts):
        with_part = sorted(wanted - {NO_SONG} if part == "video_song" else wanted)
        files += [_WHOLE[part]] if part in _WHOLE else [_remote(1188976, _VIDEO[part].format(n)) for n in with_part]
    if not files:
        raise ValueError(f"nothing to fetch for parts {list(parts)}, actors {sorted(wanted)} (actor 18 has no song)")
    return files


def describe_size(files: Sequence[RemoteFile]) -> str:
    """How much this is, in words, to be shown before the transfer."""
    known = [file.size for file in files if file.size is not None]
    videos = sum(file.size is None and file.name.startswith("Video_") for file in files)
    others = len(files) - len(known) - videos
    words = [f"{readable_size(sum(known))} in {_count(len(known))}"] if known else []
    if videos:
        words.append(f"about {readable_size(videos * _ABOUT_VIDEO)} in {_count(videos)} of video (not confirmed)")
    if others:
        words.append(f"{_count(others)} of unknown size")
    return f"{_count(len(files))}: {', '.join(words)}"


def readable_size(size: int) -> str:
    """Bytes for people, such as 208MB."""
    return tqdm.format_sizeof(size, "B")


def _count(number: int) -> str:
    return f"{number} file" if number == 1 else f"{number} files"
