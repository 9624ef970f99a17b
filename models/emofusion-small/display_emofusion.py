"""How a player shows a stored picture: cut, stretched to square pixels, turned, mirrored. Travels to the hub."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np

from .container_emofusion import Source, open_bytes

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]
try:
    from PIL import Image
except ImportError:
    Image = None  # type: ignore[assignment]

UNSEEN_ASPECT = 0.02  # pixels that are so little from square are not worth a word
SAME_ASPECT = 0.001  # FFmpeg rounds
WIDEST_PIXEL = 8  # times as wide as high, or as high as wide: beyond is damage, as no format has such pixels


@dataclass(frozen=True)
class Crop:
    """Rows and columns of the stored picture that are not shown."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0


@dataclass(frozen=True)
class Display:
    """What is to be done to a stored picture, in this order.

    Attributes:
        crop (`Crop`): Cut off first.
        pixel_aspect (`Fraction`): Width of a pixel, divided by its height.
        transposed (`bool`): Rows become columns.
        mirrored (`bool`): Left becomes right, after transposing.
        upside_down (`bool`): Top becomes bottom, after transposing.
    """

    crop: Crop = Crop()
    pixel_aspect: Fraction = Fraction(1)
    transposed: bool = False
    mirrored: bool = False
    upside_down: bool = False

    @property
    def only_turns(self) -> bool:
        """Whether a quarter turn, a half turn or nothing is all: decord obeys these itself."""
        mirror = self.transposed ^ self.mirrored ^ self.upside_down
        return self.crop == Crop() and self.pixel_aspect == 1 and not mirror

    def show(self, picture: np.ndarray) -> np.ndarray:
        """A stored picture uint8 `[height, width, 3]` as a player shows it: uint8 `[height, width, 3]`."""
        height, width = picture.shape[:2]
        shown = picture[self.crop.top : height - self.crop.bottom, self.crop.left : width - self.crop.right]
        shown = _stretch(shown, self.pixel_aspect)
        shown = shown.swapaxes(0, 1) if self.transposed else shown
        shown = shown[:, ::-1] if self.mirrored else shown
        return shown[::-1] if self.upside_down else shown


def _stretch(picture: np.ndarray, pixel_aspect: Fraction) -> np.ndarray:
    """Bring a picture to square pixels; the longer side of a pixel decides, so that nothing is lost."""
    if pixel_aspect == 1:
        return picture
    height, width = picture.shape[:2]
    wide, high = max(pixel_aspect, Fraction(1)), max(1 / pixel_aspect, Fraction(1))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    return frame.reformat(max(1, round(width * wide)), max(1, round(height * high))).to_ndarray(format="rgb24")


def display_of(path: Source, stream: Any, frame: Any, notes: list[str]) -> Display:
    """What a video stream, and its first decoded frame, say of how they are to be shown."""
    crop = container_crop(path, stream)
    transposed, mirrored, upside_down = turns(_matrix(path, frame))
    if crop.top + crop.bottom >= frame.height or crop.left + crop.right >= frame.width:  # nothing would be left
        crop = Crop()
    aspect = _pixel_aspect(stream, notes, _aspect_of_cut(crop, frame))
    return Display(crop, aspect, transposed, mirrored, upside_down)


def _aspect_of_cut(crop: Crop, frame: Any) -> Fraction:
    """The pixel aspect that FFmpeg makes up where a track has the size of what is left and says nothing of pixels."""
    width, height = frame.width - crop.left - crop.right, frame.height - crop.top - crop.bottom
    return Fraction(width * frame.height, height * frame.width)


def _pixel_aspect(stream: Any, notes: list[str], of_cut: Fraction) -> Fraction:
    """Width of a pixel, divided by its height: what the container says, else the codec."""
    aspect = stream.sample_aspect_ratio
    if not aspect or aspect <= 0 or aspect == 1 or abs(aspect - of_cut) < SAME_ASPECT:
        return Fraction(1)
    if not Fraction(1, WIDEST_PIXEL) <= aspect <= WIDEST_PIXEL:
        notes.append(f"picture: pixels of {aspect} are taken for square ones")
        return Fraction(1)
    if not 1 / (1 + UNSEEN_ASPECT) <= aspect <= 1 + UNSEEN_ASPECT:
        notes.append(f"picture: stored in pixels of {aspect.numerator}:{aspect.denominator}, shown in square ones")
    return Fraction(aspect)


def _matrix(path: Source, frame: Any) -> tuple[int, int, int, int]:
    """a, b, c and d of the display matrix: stored (x, y) is shown at (a x + c y, b x + d y)."""
    try:
        for data in frame.side_data:
            if data.type.name == "DISPLAYMATRIX":
                a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
                return a, b, c, d
    except ValueError:  # PyAV hands out nothing of a frame with a kind of data that it does not know, such as Exif's
        return _exif_matrix(path) or _QUARTERS[round(frame.rotation / 90) % 4]
    return 1, 0, 0, 1


_QUARTERS = ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))
"""Matrices of 0, 1, 2 and 3 quarter turns against the clock."""
_ORIENTATION = 0x0112
_EXIF_MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def _exif_matrix(path: Source) -> tuple[int, int, int, int] | None:
    """The matrix by the Exif data of a photograph; None for other files."""
    try:
        with open_bytes(path) as file, Image.open(file) as picture:
            return _EXIF_MATRICES.get(picture.getexif().get(_ORIENTATION, 1))
    except (AttributeError, OSError, SyntaxError, ValueError):  # the first: without Pillow
        return None


def turns(matrix: tuple[int, int, int, int]) -> tuple[bool, bool, bool]:
    """Whether to transpose, to mirror, and to turn upside down: the nearest of the eight that a picture can have.

    Source: ISO/IEC 14496-12, the track header's transformation matrix.
    """
    a, b, c, d = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, a < 0, d < 0
    return True, c < 0, b < 0


def container_crop(path: Source, stream: Any) -> Crop:
    """What the container (not the codec: its decoder obeys) says to cut off; nothing where it cannot be read."""
    read = {"mov": _crops_of_mp4, "matroska": _crops_of_matroska}.get(stream.container.format.name.split(",")[0])
    if read is None:
        return Crop()
    videos = [other.index for other in stream.container.streams if other.type == "video"]
    try:
        with open_bytes(path) as file:
            crops = read(file)
        return crops[videos.index(stream.index)] or Crop()
    except (OSError, ValueError, IndexError, struct.error, ZeroDivisionError):
        return Crop()


# --- mp4, mov: the clean aperture ('clap', ISO/IEC 14496-12) of a video track's sample entry


def _crops_of_mp4(file: BinaryIO) -> list[Crop | None]:
    """Of each video track."""
    end = file.seek(0, 2)
    crops = []
    for moov in _boxes(file, 0, end, b"moov"):
        for trak in _boxes(file, *moov, b"trak"):
            for entry in _inside(file, trak, (b"mdia", b"minf", b"stbl", b"stsd")):
                if _inside(file, trak, (b"mdia", b"minf", b"vmhd")):
                    crops.append(_clean_aperture(file, entry))
    return crops


def _boxes(file: BinaryIO, begin: int, end: int, name: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of the content of boxes of a name between two places of the file."""
    while begin + 8 <= end:
        file.seek(begin)
        size, kind = struct.unpack(">I4s", file.read(8))
        content = begin + 8
        if size == 1:
            size, content = struct.unpack(">Q", file.read(8))[0], begin + 16
        size = size or end - begin
        if size < 8:
            return
        if kind == name:
            yield content, min(begin + size, end)
        begin += size


def _inside(file: BinaryIO, box: tuple[int, int], names: tuple[bytes, ...]) -> list[tuple[int, int]]:
    """The first boxes of these names, each inside the one before; empty where one is missing."""
    for name in names:
        box = next(_boxes(file, *box, name), (0, 0))
        if box == (0, 0):
            return []
    return [box]


def _clean_aperture(file: BinaryIO, stsd: tuple[int, int]) -> Crop | None:
    """Of the first sample entry: its width and height, then boxes, of which one may be 'clap'."""
    entry = stsd[0] + 8  # after version, flags and the number of entries
    file.seek(entry)
    (size,) = struct.unpack(">I", file.read(4))
    file.seek(entry + 32)
    width, height = struct.unpack(">2H", file.read(4))
    for begin, _ in _boxes(file, entry + 86, entry + size, b"clap"):
        file.seek(begin)
        numbers = struct.unpack(">8i", file.read(32))
        clean_width, clean_height, right, down = (Fraction(*numbers[k : k + 2]) for k in (0, 2, 4, 6))
        left = round((width - clean_width) / 2 + right)
        top = round((height - clean_height) / 2 + down)
        crop = Crop(top, height - top - round(clean_height), left, width - left - round(clean_width))
        return crop if min(crop.top, crop.bottom, crop.left, crop.right) >= 0 else None
    return None


# --- Matroska, WebM: PixelCrop of a video track (RFC 9559)

_SEGMENT, _TRACKS, _ENTRY, _VIDEO, _CLUSTER = 0x18538067, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675
_CROPS = {0x54BB: "top", 0x54AA: "bottom", 0x54CC: "left", 0x54DD: "right"}


def _crops_of_matroska(file: BinaryIO) -> list[Crop | None]:
    """Of each video track."""
    end = file.seek(0, 2)
    crops: list[Crop | None] = []
    for _, segment_begin, segment_end in _elements(file, 0, end, {_SEGMENT}):
        for kind, begin, stop in _elements(file, segment_begin, segment_end, {_TRACKS, _CLUSTER}):
            if kind == _CLUSTER:  # tracks come before what they hold, and a live recording's size is unknown
                return crops
            for _, *entry in _elements(file, begin, stop, {_ENTRY}):
                for _, *video in _elements(file, entry[0], entry[1], {_VIDEO}):
                    found = {}
                    for name, first, last in _elements(file, video[0], video[1], set(_CROPS)):
                        file.seek(first)
                        found[_CROPS[name]] = int.from_bytes(file.read(last - first), "big")
                    crops.append(Crop(**found) if found else None)
    return crops


def _elements(file: BinaryIO, begin: int, end: int, wanted: set[int]) -> Iterator[tuple[int, int, int]]:
    """Kind, begin and end of the content of EBML elements between two places of the file."""
    while begin < end:
        file.seek(begin)
        kind = _ebml_number(file, keep_marker=True)
        size = _ebml_number(file, keep_marker=False)
        content = file.tell()
        stop = end if size < 0 else min(content + size, end)
        if kind in wanted:
            yield kind, content, stop
        begin = stop


def _ebml_number(file: BinaryIO, keep_marker: bool) -> int:
    """A number of 1 to 8 bytes; -1 for a size that is not known."""
    first = file.read(1)
    if not first or not first[0]:
        raise ValueError("no number here")
    length = 9 - first[0].bit_length()
    number = int.from_bytes(first + file.read(length - 1), "big")
    if keep_marker:
        return number
    value = number & ((1 << 7 * length) - 1)
    return -1 if value == (1 << 7 * length) - 1 else value
