"""Small media files whose every picture and sample is known, in the odd forms that real files come in."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

SOUND_RATE, FPS = 48_000, 25
ENCODER = {"libx264": {"qp": "4", "preset": "ultrafast", "threads": "1"}, "mpeg4": {"qmin": "1", "qmax": "2"}}


@dataclass(frozen=True)
class Drawing:
    """A clip in which a disc appears and a burst of noise is heard.

    Attributes:
        seconds (`float`): Of picture and of sound.
        size (`tuple[int, int]`): Stored height and width.
        mark (`tuple[float, float]`): Row and column of the disc's centre in the stored picture.
        mark_at (`float`): Seconds after the first picture at which the disc appears, for half a second.
        burst_at (`float`): Seconds after the first sample at which the burst begins, for half a second.
        channels (`Sequence[float]`): What the burst is multiplied with in each channel.
        layout (`str`): Name of the channels' layout.
        pixel_aspect (`Fraction`): Width of a stored pixel by its height.
        sound_late (`float`): Seconds by which the sound sets in after the picture.
        clock (`float`): What the clock shows at the beginning.
        pause (`tuple[float, float]`, *optional*): From which second the sound pauses, and for how many.
        speed (`float`): Seconds that pass by the stamps of the sound for a second of its samples.
    """

    seconds: float = 4.0
    size: tuple[int, int] = (64, 96)
    mark: tuple[float, float] = (20.0, 70.0)
    mark_at: float = 2.0
    burst_at: float = 2.0
    channels: Sequence[float] = (1.0,)
    layout: str = "mono"
    pixel_aspect: Fraction = Fraction(1)
    sound_late: float = 0.0
    clock: float = 0.0
    pause: tuple[float, float] | None = None
    speed: float = 1.0

    def picture(self, number: int) -> np.ndarray:
        """uint8 `[height, width, 3]`, stored."""
        there = self.mark_at <= number / FPS + 1e-6 < self.mark_at + 0.5
        return _disc(self.size, self.mark) if there else np.zeros((*self.size, 3), np.uint8)

    def sound(self) -> np.ndarray:
        """int16 `[samples, channels]`."""
        time = np.arange(round(self.seconds * SOUND_RATE)) / SOUND_RATE
        burst = np.random.default_rng(0).uniform(-0.5, 0.5, time.size)
        burst *= (time >= self.burst_at) & (time < self.burst_at + 0.5)
        return np.rint(32767 * burst[:, None] * np.asarray(self.channels)).astype(np.int16)


@cache
def _disc(size: tuple[int, int], mark: tuple[float, float]) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    disc = np.hypot(rows - mark[0], columns - mark[1]) < 7
    return np.repeat((255 * disc).astype(np.uint8)[..., None], 3, axis=2)


def write_drawing(
    path: Path,
    drawing: Drawing,
    *,
    options: dict[str, str] | None = None,
    codec: str = "libx264",
    sound_codec: str = "pcm_s16le",
    picture: bool = True,
    sound: bool = True,
    lost: tuple[float, float] = (0.0, 0.0),
) -> Path:
    """Write a drawing as a file of the kind that its name says.

    `options` are those of FFmpeg's muxer; pictures between the seconds `lost` are left out.
    """
    late = max(drawing.sound_late, 0.0), max(-drawing.sound_late, 0.0)  # sound, picture
    # Matroska numbers its tracks at random else, and now and then by bytes that look like the name of an element.
    with av.open(str(path), "w", options={"fflags": "+bitexact"} | (options or {})) as container:
        video = container.add_stream(codec, rate=FPS, options=ENCODER[codec]) if picture else None
        if video is not None:
            video.height, video.width = drawing.size
            video.pix_fmt = "yuv420p"
            video.codec_context.sample_aspect_ratio = drawing.pixel_aspect
        audio = container.add_stream(sound_codec, rate=SOUND_RATE, layout=drawing.layout) if sound else None
        packets = []
        if video is not None:
            for number in range(round(drawing.seconds * FPS)):
                frame = av.VideoFrame.from_ndarray(drawing.picture(number), "rgb24")
                frame.pts = number + round((drawing.clock + late[1]) * FPS)
                frame.time_base = Fraction(1, FPS)
                if not lost[0] <= number / FPS < lost[1]:
                    packets += video.encode(frame)
            packets += video.encode(None)
        if audio is not None:
            packets += _sound_packets(audio, drawing, drawing.clock + late[0])
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _sound_packets(audio: av.AudioStream, drawing: Drawing, begin: float) -> list[av.Packet]:
    samples, packets = drawing.sound(), []
    for first in range(0, len(samples), 960):
        time = begin + first / SOUND_RATE * drawing.speed
        if drawing.pause and first / SOUND_RATE >= drawing.pause[0]:
            time += drawing.pause[1]
        part = np.ascontiguousarray(samples[first : first + 960])
        frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), "s16", drawing.layout)
        frame.sample_rate, frame.time_base = SOUND_RATE, Fraction(1, SOUND_RATE)
        frame.pts = round(time * SOUND_RATE)
        packets += audio.encode(frame)
    return packets + audio.encode(None)


def set_display_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a, b, c and d (each -1, 0 or 1) into the header of the first track of an mp4 or mov file."""
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 4 + 40  # after version, times, id, duration, layer, group and volume
    a, b, c, d = (value << 16 for value in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def set_clean_aperture(path: Path, drawing: Drawing, top: int, bottom: int, left: int, right: int) -> None:
    """Add a 'clap' box to the first track of an mp4 or mov file whose header comes last."""
    height, width = drawing.size
    numbers = (width - left - right, 1, height - top - bottom, 1, left - right, 2, top - bottom, 2)
    box = struct.pack(">I4s8i", 40, b"clap", *numbers)
    data = bytearray(path.read_bytes())
    begin = data.index(b"avc1", data.index(b"stsd")) - 4
    end = begin + struct.unpack(">I", data[begin : begin + 4])[0]
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"):
        place = data.rindex(name, 0, end) - 4 if name == b"moov" else data.index(name, data.rindex(b"moov")) - 4
        size = struct.unpack(">I", data[place : place + 4])[0]
        data[place : place + 4] = struct.pack(">I", size + len(box))
    data[end:end] = box
    place = data.index(b"tkhd", data.rindex(b"moov")) + 4 + 76  # the track has the size of what is left
    data[place : place + 8] = struct.pack(">2I", (width - left - right) << 16, (height - top - bottom) << 16)
    path.write_bytes(data if drawing.pixel_aspect != 1 else data.replace(b"pasp", b"free"))


def set_matroska_crop(path: Path, top: int, bottom: int, left: int, right: int) -> None:
    """Add PixelCrop elements to the video track of a file whose first track it is, at the cost of the filler before.

    What follows stays in its place, so that the index still holds.
    """
    data = bytearray(path.read_bytes())
    named = ((b"\x54\xbb", top), (b"\x54\xaa", bottom), (b"\x54\xcc", left), (b"\x54\xdd", right))
    crops = b"".join(name + b"\x81" + bytes([value]) for name, value in named)
    tracks = data.index(b"\x16\x54\xae\x6b", data.index(b"\xec\x01") + 9)
    entry = data.index(b"\xae", tracks + 5)
    video = data.index(b"\xe0", entry)
    while _vint(data, video + 1)[1] not in range(8, 80):  # the byte of its name may stand elsewhere, too
        video = data.index(b"\xe0", video + 1)
    for size in (tracks + 4, entry + 1, video + 1):
        _set_vint(data, size, _vint(data, size)[1] + len(crops))
    length, _ = _vint(data, video + 1)
    data[video + 1 + length : video + 1 + length] = crops
    filler = data.index(b"\xec\x01")
    _set_vint(data, filler + 1, _vint(data, filler + 1)[1] - len(crops))
    del data[filler + 9 : filler + 9 + len(crops)]
    path.write_bytes(data)


def _vint(data: bytearray, place: int) -> tuple[int, int]:
    """Length and value of a size in EBML."""
    length = 9 - data[place].bit_length()
    return length, int.from_bytes(data[place : place + length], "big") & ((1 << 7 * length) - 1)


def _set_vint(data: bytearray, place: int, value: int) -> None:
    length, _ = _vint(data, place)
    data[place : place + length] = (value | 1 << 7 * length).to_bytes(length, "big")
