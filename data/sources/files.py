"""The files of a corpus folder: plain ones at any depth, and members of zip archives, read where they lie."""

import lzma
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emofusion.modeling.media_emofusion import MediaBytes

ZIP_ENDINGS = {".zip"}
# What zipfile and the decompressors below it raise for damaged, encrypted and exotic archives.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, order=True)
class CorpusFile:
    """One file of a corpus.

    Attributes:
        path (`PurePosixPath`): Where it lies below the corpus folder; for a member of an archive, the archive.
        member (`str`): Its name inside the archive; empty for a plain file.
        stamp (`tuple[int, int]`): Changes when its content does: size and time of change of a plain file, size and
            checksum of a member.
    """

    path: PurePosixPath
    member: str
    stamp: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def name(self) -> PurePosixPath:
        """Its own path, inside the archive if it is in one: for name, stem and ending."""
        # Some programs write the separator of Windows into archives.
        return PurePosixPath(self.member.replace("\\", "/")) if self.member else self.path


class CorpusFiles:
    """The files below a folder, in order of their paths; plain files go before members of archives.

    Links to folders are followed. Archives are read in place, and may be used from several threads at once.

    Args:
        folder (`Path`): The corpus folder; or a single file, such as an archive, instead of all in its folder.

    Attributes:
        unreadable (`dict[str, str]`): Reason by archive or link that cannot be read.

    Raises:
        FileNotFoundError: No such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.exists():
            raise FileNotFoundError(f"{folder}: no such folder or file")
        self._only = folder if folder.is_file() else None
        self.folder = folder.parent if folder.is_file() else folder
        self.unreadable: dict[str, str] = {}
        self._open_archives = threading.local()
        plain = sorted(self._plain_files() if self._only is None else self._file(self._only))
        members = [
            member for file in plain if file.path.suffix.lower() in ZIP_ENDINGS for member in self._members(file)
        ]
        self._files = [file for file in plain if file.path.suffix.lower() not in ZIP_ENDINGS] + members

    def __iter__(self) -> Iterator[CorpusFile]:
        return iter(self._files)

    @property
    def place(self) -> Path:
        """What was named: the folder, or the single file."""
        return self._only or self.folder

    def media(self, file: CorpusFile) -> "Path | MediaBytes":
        """What `read_clip` takes for this file."""
        from emofusion.modeling.media_emofusion import MediaBytes

        return MediaBytes(f"{self.folder}/{file}", self.read(file)) if file.member else self.folder / file.path

    def read(self, file: CorpusFile) -> bytes:
        """Its whole content.

        Raises:
            OSError: It cannot be read, or a member of an archive is damaged.
        """
        if not file.member:
            return (self.folder / file.path).read_bytes()
        try:
            return self._archive(file.path).read(file.member)
        except (*_DAMAGE, OSError) as error:
            raise OSError(f"{self.folder}/{file}: cannot be unpacked ({error or type(error).__name__})") from error

    def _plain_files(self) -> Iterator[CorpusFile]:
        """Files, also in folders that are links, as parts of a corpus may be; no link is taken back to where it is."""
        visited = set()
        for path, folders, names in os.walk(self.folder, followlinks=True, onerror=self._note):
            visited.add(os.path.realpath(path))
            folders[:] = [name for name in folders if os.path.realpath(os.path.join(path, name)) not in visited]
            for name in names:
                yield from self._file(Path(path, name))

    def _file(self, place: Path) -> Iterator[CorpusFile]:
        relative = PurePosixPath(place.relative_to(self.folder).as_posix())
        try:
            stat = place.stat()
        except OSError as error:
            self.unreadable[str(relative)] = "a link to no file" if place.is_symlink() else str(error.strerror)
            return
        yield CorpusFile(relative, "", (stat.st_size, stat.st_mtime_ns))

    def _note(self, error: OSError) -> None:
        """A folder that cannot be listed."""
        place = Path(error.filename).relative_to(self.folder).as_posix()
        self.unreadable[place] = f"a folder that cannot be listed ({error.strerror})"

    def _members(self, archive: CorpusFile) -> Iterator[CorpusFile]:
        try:
            infos = self._archive(archive.path).infolist()
        except (*_DAMAGE, OSError) as error:
            self.unreadable[str(archive)] = f"not a readable zip archive ({error})"
            return
        for info in sorted(infos, key=lambda info: info.filename):
            if not info.is_dir():
                yield CorpusFile(archive.path, info.filename, (info.file_size, info.CRC))

    def _archive(self, path: PurePosixPath) -> zipfile.ZipFile:
        """Opened once in each thread: one handle would make the threads wait for each other."""
        archives = self._open_archives.__dict__
        if str(path) not in archives:
            archives[str(path)] = zipfile.ZipFile(self.folder / path)
        return archives[str(path)]
