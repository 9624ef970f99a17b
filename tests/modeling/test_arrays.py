"""Sound and pictures as libraries hand them over: taken where their meaning is plain, else refused in one line."""

import io
import logging
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor, MediaError, read_clip
from emofusion.modeling.media_emofusion import read_audio
from helpers.corpora.ravdess_files import FPS, RATE, make_frames, make_sound, write_media, write_sound

SECONDS = 4.6
FRAMES = make_frames(SECONDS)


def sound_of_16_bits(rate: int = RATE) -> np.ndarray:
    """float32 `[samples]` that a file holds exactly."""
    return (np.round(make_sound(SECONDS, rate=rate) * 32767) / 32768).astype(np.float32)


SOUND = sound_of_16_bits()
HALF = (0.5 * SOUND).astype(np.float32)


@pytest.fixture
def processor(tiny_config: EmoFusionConfig) -> EmoFusionProcessor:
    return EmoFusionProcessor.from_config(tiny_config)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    return {
        "both": write_media(folder / "both.mkv", FRAMES, SOUND, codecs=("ffv1", "pcm_s16le")),
        "wav": write_sound(folder / "voice.wav", SOUND),
        "fast": write_sound(folder / "fast.wav", sound_of_16_bits(48_000), 48_000),
    }


def assert_same(one: dict, other: dict, atol: float = 0.0) -> None:
    assert sorted(one) == sorted(other)
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=atol)


class Samples(SimpleNamespace):
    """As `torchcodec.AudioSamples`: data `[channels, samples]`, sample_rate, pts_seconds."""


class SoundDecoder:
    """As `torchcodec.decoders.AudioDecoder`, and as `datasets` hands it out, which lets it be asked by name, too."""

    def __init__(self, channels: np.ndarray, rate: int, begin: float = 0.0) -> None:
        self.samples = Samples(data=torch.from_numpy(channels), sample_rate=rate, pts_seconds=begin)

    def get_all_samples(self) -> Samples:
        return self.samples

    def __getitem__(self, key: str) -> Any:
        return {"array": self.samples.data.mean(0).numpy(), "sampling_rate": self.samples.sample_rate}[key]


class FrameDecoder:
    """As `torchcodec.decoders.VideoDecoder`: frames `[n, 3, height, width]`, each shown from one time to the next."""

    def __init__(self, frames: np.ndarray, times: np.ndarray) -> None:
        self.frames, self.times = torch.from_numpy(frames).permute(0, 3, 1, 2), times
        self.metadata = SimpleNamespace(begin_stream_seconds=times[0], end_stream_seconds=times[-1])

    def __len__(self) -> int:
        return len(self.frames)

    def get_frames_played_at(self, seconds: list[float]) -> SimpleNamespace:
        if min(seconds) < self.times[0] or max(seconds) >= self.times[-1]:
            raise IndexError("Invalid pts in seconds")
        return self.batch(np.searchsorted(self.times, seconds, side="right") - 1)

    def batch(self, positions: np.ndarray) -> SimpleNamespace:
        """As `torchcodec.FrameBatch`."""
        pts, lasts = torch.from_numpy(self.times[positions]), torch.from_numpy(np.diff(self.times)[positions])
        return SimpleNamespace(data=self.frames[positions], pts_seconds=pts, duration_seconds=lasts)


CLOCK = np.arange(len(FRAMES) + 1) / FPS


# Sound


SAME_SOUND: dict[str, Callable[[], Any]] = {
    "list": lambda: SOUND.tolist(),
    "tuple": lambda: tuple(SOUND.tolist()),
    "float64": lambda: SOUND.astype(np.float64),
    "read-only": lambda: np.frombuffer(SOUND.tobytes(), np.float32),
    "other byte order": lambda: SOUND.astype(">f4"),
    "every second of twice as many": lambda: np.repeat(SOUND, 2)[::2],
    "tensor": lambda: torch.from_numpy(SOUND),
    "tensor with gradient": lambda: torch.from_numpy(SOUND).requires_grad_(),
    "one channel": lambda: torch.from_numpy(SOUND)[None],
    "channels, samples": lambda: np.stack([SOUND, SOUND]),
    "samples, channels": lambda: np.stack([SOUND] * 6, axis=1),
    "batch, channels, samples": lambda: np.stack([SOUND, SOUND])[None],
    "datasets": lambda: {"path": "voice.wav", "array": SOUND, "sampling_rate": RATE},
    "pipelines": lambda: {"raw": SOUND, "sampling_rate": RATE},
    "torchaudio": lambda: (torch.from_numpy(SOUND)[None], RATE),
    "soundfile": lambda: (SOUND.astype(np.float64), RATE),
    "AudioSamples": lambda: SoundDecoder(SOUND[None], RATE).get_all_samples(),
    "AudioDecoder": lambda: SoundDecoder(SOUND[None], RATE),
    "AudioDecoder of 16 channels": lambda: SoundDecoder(np.repeat(SOUND[None], 16, axis=0), RATE),
}
KNOW_THEIR_RATE = [*SAME_SOUND][list(SAME_SOUND).index("datasets") :]


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("form", SAME_SOUND)
def test_sound_in_every_form_is_the_same(processor: EmoFusionProcessor, form: str, listed: bool):
    expected = processor(audio=SOUND, sampling_rate=RATE)
    sound = SAME_SOUND[form]()
    if form == "batch, channels, samples":
        assert_same(processor(audio=list(sound) if listed else sound, sampling_rate=RATE), expected)
        return
    rate = None if form in KNOW_THEIR_RATE else RATE
    assert_same(processor(audio=[sound] if listed else sound, sampling_rate=rate), expected)
    alone = processor.feature_extractor
    if listed or form != "channels, samples":  # of an array the rows are a batch there
        assert_same(alone([sound] if listed else sound, sampling_rate=rate), alone(SOUND, sampling_rate=RATE))


@pytest.mark.parametrize("kind", [np.float16, torch.float16, torch.bfloat16])
def test_sound_of_few_bits_is_taken(processor: EmoFusionProcessor, kind: Any):
    sound = torch.from_numpy(SOUND).to(kind) if isinstance(kind, torch.dtype) else SOUND.astype(kind)
    exact = torch.as_tensor(sound).float()
    assert_same(processor(audio=sound, sampling_rate=RATE), processor(audio=exact, sampling_rate=RATE))


def test_sounds_of_several_rates_and_forms_make_one_batch(processor: EmoFusionProcessor, files: dict[str, Path]):
    fast = sound_of_16_bits(48_000)
    mixed = [{"array": fast, "sampling_rate": 48_000}, SOUND, None, files["wav"], {"path": str(files["fast"])}]
    inputs = processor(audio=mixed, videos=[None, None, FRAMES, None, None], sampling_rate=RATE)
    assert inputs["audio_mask"].tolist() == [True, True, False, True, True]
    by_file = processor([files["fast"], files["wav"], files["wav"], files["fast"]])["input_features"]
    torch.testing.assert_close(inputs["input_features"][[0, 1, 3, 4]], by_file, rtol=0, atol=0.01)


@pytest.mark.parametrize("rate", [8_000, 11_127, 44_100, 48_000])
def test_sound_of_another_rate_is_heard_as_from_a_file(processor: EmoFusionProcessor, tmp_path: Path, rate: int):
    sound = sound_of_16_bits(rate)
    path = write_sound(tmp_path / "voice.wav", sound, rate)
    arrays = processor(audio=sound, sampling_rate=rate)["input_features"]
    assert (arrays - processor(path)["input_features"]).abs().mean() < 0.01
    alone = processor.feature_extractor(sound, sampling_rate=rate)["input_features"]
    assert (arrays - alone).abs().mean() < 0.1  # the processor rounds to 16 bits, as the store does


def test_stereo_is_mixed_as_that_of_a_file(processor: EmoFusionProcessor):
    mono = processor(audio=(0.75 * SOUND).astype(np.float32), sampling_rate=RATE)
    assert_same(processor(audio=np.stack([SOUND, HALF]), sampling_rate=RATE), mono, atol=0.3)
    assert_same(processor(audio=[np.stack([SOUND, HALF], axis=1)], sampling_rate=RATE), mono, atol=0.3)


def test_rows_beside_as_many_videos_are_sounds(processor: EmoFusionProcessor):
    both = {"videos": [FRAMES, FRAMES], "video_fps": FPS, "sampling_rate": RATE}
    assert_same(processor(audio=np.stack([SOUND, HALF]), **both), processor(audio=[SOUND, HALF], **both))
    stereo = processor(videos=FRAMES, audio=np.stack([SOUND, HALF]), sampling_rate=RATE)
    assert stereo["audio_mask"].tolist() == [True]


@pytest.mark.parametrize("rows", [3, 8])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_rows_that_may_be_sounds_or_channels_are_refused_with_both_spellings(
    processor: EmoFusionProcessor, rows: int, kind: Callable
):
    sounds = kind(np.stack([SOUND, HALF] + [HALF] * (rows - 2)))
    with pytest.raises(ValueError, match=rf"^audio: .*found {rows} rows .*list\(audio\) for sounds, \[audio\] for ch"):
        processor(audio=sounds, sampling_rate=RATE)
    assert processor(audio=list(sounds), sampling_rate=RATE)["audio_mask"].shape == (rows,)
    assert processor(audio=[sounds], sampling_rate=RATE)["audio_mask"].shape == (1,)
    assert processor(audio=(sounds, RATE))["audio_mask"].shape == (1,)
    assert processor(videos=FRAMES, audio=sounds, sampling_rate=RATE)["audio_mask"].shape == (1,)
    assert processor.feature_extractor(sounds, sampling_rate=RATE)["input_features"].shape[0] == rows


REFUSED_SOUND: dict[str, tuple[Any, str]] = {
    "int16": (np.zeros(RATE, np.int16), "expected float sound in -1..1, found int16; divide int16 by 32768"),
    "uint8": (torch.zeros(RATE, dtype=torch.uint8), "expected float sound in -1..1, found uint8"),
    "int16 as floats": (32767 * SOUND, r"expected float sound in -1\.\.1, found a peak of 16\d\d\d"),
    "complex": (SOUND.astype(complex), "expected an array or a tensor of numbers, found complex128"),
    "words": (["a", "b"], "expected samples, found str; files are read by|No such file"),
    "object": (object(), "expected an array or a tensor of numbers, found object"),
    "empty": (SOUND[:0], r"expected sound, found no samples \(shape \[0\]\)"),
    "no channels": (np.zeros((0, RATE), np.float32), r"expected sound, found no samples \(shape \[0, 16000\]\)"),
    "short and two axes": (np.zeros((2, 9), np.float32), r"\[channels, samples\] .*found shape \[2, 9\]; several"),
    "many channels": (np.zeros((40, RATE), np.float32), r"expected mono sound \[samples\].* shape \[40, 16000\]"),
    "four axes": (np.zeros((1, 1, 1, RATE), np.float32), r"expected mono sound \[samples\].* found shape \[1, 1, 1,"),
    "no array in it": (
        {"sampling_rate": RATE, "sound": 1},
        "expected 'bytes' or 'path', found 'sampling_rate', 'sound'",
    ),
}


@pytest.mark.parametrize("form", REFUSED_SOUND)
def test_sound_that_is_not_plain_is_refused_by_its_place(processor: EmoFusionProcessor, form: str):
    sound, message = REFUSED_SOUND[form]
    with pytest.raises(ValueError, match=rf"(clip 1: .*)?{message}"):
        processor(audio=[SOUND, *(sound if form == "words" else [sound])], sampling_rate=RATE)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_sound_with_samples_that_are_no_numbers_is_heard_without_them_and_warned_of(
    processor: EmoFusionProcessor, wrong: float, caplog: pytest.LogCaptureFixture
):
    sound, whole = SOUND.copy(), SOUND.copy()
    sound[[30_000, 40_000]], whole[[30_000, 40_000]] = wrong, 0.0
    assert_same(
        processor(audio=[whole, sound], sampling_rate=RATE), processor(audio=[whole, whole], sampling_rate=RATE)
    )
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["clip 1: sound: samples that are no numbers were set to 0"]


# Pictures


SAME_VIDEO: dict[str, Callable[[], Any]] = {
    "read-only": lambda: np.frombuffer(FRAMES.tobytes(), np.uint8).reshape(FRAMES.shape),
    "tensor": lambda: torch.from_numpy(FRAMES),
    "frames, 3, height, width": lambda: np.moveaxis(FRAMES, 3, 1),
    "tensor of that": lambda: torch.from_numpy(FRAMES).permute(0, 3, 1, 2),
    "batch of one": lambda: FRAMES[None],
    "int64": lambda: FRAMES.astype(np.int64),
    "numbers in lists": lambda: FRAMES.tolist(),
    "RGBA": lambda: np.concatenate([FRAMES, FRAMES[..., :1]], axis=3),
    "list of pictures": lambda: list(FRAMES),
    "list of tensors": lambda: list(torch.from_numpy(FRAMES).permute(0, 3, 1, 2)),
    "PIL": lambda: [Image.fromarray(frame) for frame in FRAMES],
    "PIL, one after the other": lambda: (Image.fromarray(frame) for frame in FRAMES),
    "PIL, RGBA": lambda: tuple(Image.fromarray(frame).convert("RGBA") for frame in FRAMES),
    "VideoDecoder": lambda: FrameDecoder(FRAMES, CLOCK),
    "VideoDecoder that does not begin at 0": lambda: FrameDecoder(FRAMES, CLOCK + 1.5),
    "FrameBatch": lambda: FrameDecoder(FRAMES, CLOCK).batch(np.arange(len(FRAMES))),
}


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize("form", SAME_VIDEO)
def test_video_in_every_form_is_the_same(processor: EmoFusionProcessor, form: str, listed: bool):
    expected = processor(videos=FRAMES, audio=SOUND, sampling_rate=RATE, video_fps=FPS)
    video = SAME_VIDEO[form]()
    if listed:
        video = list(video) if form == "batch of one" else [list(video) if form.endswith("the other") else video]
    assert_same(processor(videos=video, audio=[SOUND], sampling_rate=RATE, video_fps=FPS), expected)


def test_list_of_pictures_is_one_video_and_a_list_of_lists_several(processor: EmoFusionProcessor):
    pictures = [Image.fromarray(frame) for frame in FRAMES]
    assert processor(videos=pictures)["pixel_values"].shape[0] == 1
    several = processor(
        videos=[pictures, None, pictures[:3], FRAMES, pictures[0]],
        audio=[None, SOUND] + [None] * 3,
        sampling_rate=RATE,
    )
    assert several["video_mask"].tolist() == [True, False, True, True, True]
    assert torch.equal(several["pixel_values"][0], several["pixel_values"][3])


@pytest.mark.parametrize(
    "still", [FRAMES[7], Image.fromarray(FRAMES[7]), torch.from_numpy(FRAMES[7]).permute(2, 0, 1)]
)
def test_still_picture_is_a_video_of_one_frame(processor: EmoFusionProcessor, still: Any):
    assert_same(processor(videos=still), processor(videos=FRAMES[7:8]))
    assert_same(processor(videos=[still]), processor(videos=FRAMES[7:8]))


def test_grey_pictures_are_the_same_in_three_colours(processor: EmoFusionProcessor):
    grey = FRAMES[..., :1]
    expected = processor(videos=np.repeat(grey, 3, axis=3))
    assert_same(processor(videos=grey), expected)
    assert_same(processor(videos=np.moveaxis(grey, 3, 1)), expected)
    assert_same(processor(videos=[Image.fromarray(frame[..., 0]) for frame in grey]), expected)


def test_picture_with_a_mark_of_rotation_is_seen_upright(processor: EmoFusionProcessor, tmp_path: Path):
    marked = Image.fromarray(np.rot90(FRAMES[0]).copy())
    marked.getexif()[0x0112] = 6  # turn it clockwise to see it
    marked.save(tmp_path / "turned.png", exif=marked.getexif())
    with Image.open(tmp_path / "turned.png") as turned:
        assert_same(processor(videos=turned), processor(videos=FRAMES[:1]))


def test_frames_of_decoders_and_their_sound_are_of_the_same_moments(processor: EmoFusionProcessor):
    """One file, of which torchcodec decodes the tracks one by one: each tells when it begins."""
    for late in (0.5, -0.5):
        picture, sound = FrameDecoder(FRAMES, CLOCK + max(-late, 0.0)), SoundDecoder(SOUND[None], RATE, max(late, 0.0))
        inputs = processor(videos=picture, audio=sound)
        frames = FRAMES if late > 0 else np.concatenate([np.repeat(FRAMES[:1], 5, axis=0), FRAMES])
        heard = np.pad(SOUND, (round(max(late, 0.0) * RATE), 0))
        assert_same(inputs, processor(videos=frames, audio=heard, sampling_rate=RATE, video_fps=FPS))


def test_decoder_with_gaps_shows_what_its_clock_says(processor: EmoFusionProcessor):
    clock = np.concatenate([CLOCK[:20], CLOCK[20:] + 1.0])  # frame 19 stands for a second
    shown = FrameDecoder(FRAMES, clock)
    even = FRAMES[np.searchsorted(clock, np.arange(56) / FPS + 0.01, side="right") - 1]
    assert_same(processor(videos=shown), processor(videos=even, video_fps=FPS))


REFUSED_VIDEO: dict[str, tuple[Any, str]] = {
    "floats in 0..1": (FRAMES / 255, r"expected uint8 frames 0..255, found float64.*\(255 \* frames\)"),
    "floats in 0..255": (torch.from_numpy(FRAMES).float(), "expected uint8 frames 0..255, found float32 in "),
    "below 0": (FRAMES.astype(np.int16) - 100, "expected uint8 frames 0..255, found int16 in -"),
    "above 255": (FRAMES.astype(np.uint16) * 257, r"expected uint8 frames 0..255, found uint16 in \d+\.\.6"),
    "bool": (FRAMES > 9, "expected uint8 frames 0..255, found bool"),
    "no colours": (FRAMES[..., 0], r"expected \[frames, height, width, 3\], found shape \[46, 48, 64\]"),
    "two colours": (FRAMES[..., :2], r"expected \[frames, height, width, 3\], found shape \[46, 48, 64, 2\]"),
    "no frames": (FRAMES[:0], r"expected \[frames, height, width, 3\], found shape \[0, 48, 64, 3\]"),
    "no width": (FRAMES[:, :, :0], r"expected \[frames, height, width, 3\], found shape \[46, 48, 0, 3\]"),
    "an empty list": ([], "expected frames, found an empty list"),
    "PIL of floats": (
        [Image.fromarray(FRAMES[0]).convert("F")],
        "expected pictures of 8 bits a colour, found PIL's mode 'F'",
    ),
    "several sizes": ([FRAMES[0], FRAMES[0, :20]], "expected frames of one size, found 64 x 20, 64 x 48"),
    "words": ("clip.mp4", "expected an array or a tensor"),
    "object": (object(), "expected an array or a tensor of numbers, found object"),
}


@pytest.mark.parametrize("form", REFUSED_VIDEO)
def test_video_that_is_not_plain_is_refused_by_its_place(processor: EmoFusionProcessor, form: str):
    video, message = REFUSED_VIDEO[form]
    with pytest.raises(ValueError, match=f"^video 1: {message}"):
        processor(videos=[FRAMES, video], video_fps=0.4)


@pytest.mark.parametrize("wrong", [-5, 0, np.nan, np.inf, [25], "25", True])
def test_video_fps_that_is_no_number_above_0_is_refused(processor: EmoFusionProcessor, wrong: Any):
    expected = f"video_fps: expected frames per second, such as 25, found {wrong!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        processor(videos=FRAMES, video_fps=wrong)


@pytest.mark.parametrize("fps", [Fraction(FPS), np.float32(FPS), torch.tensor(float(FPS))])
def test_video_fps_in_every_form_is_the_same(processor: EmoFusionProcessor, fps: Any):
    assert_same(processor(videos=FRAMES, video_fps=fps), processor(videos=FRAMES, video_fps=FPS))


@pytest.mark.parametrize("video", ["clip.mp4", Path("clip.mp4"), b"clip", {"path": "clip.mp4", "bytes": None}, 3])
def test_files_in_place_of_frames_are_said_to_be_clips(processor: EmoFusionProcessor, video: Any):
    with pytest.raises(ValueError, match="^videos: expected frames, found .*; files are given as clips$"):
        processor(videos=video)


# Files


SAME_FILE: dict[str, Callable[[Path], Any]] = {
    "str": str,
    "bytes": Path.read_bytes,
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "open file": lambda path: path.open("rb"),
    "unbuffered file": lambda path: path.open("rb", buffering=0),
    "in memory": lambda path: io.BytesIO(path.read_bytes()),
    "datasets, bytes": lambda path: {"bytes": path.read_bytes(), "path": None},
    "datasets, both": lambda path: {"bytes": path.read_bytes(), "path": path.name},
    "datasets, path": lambda path: {"bytes": None, "path": str(path)},
}


@pytest.mark.parametrize("form", SAME_FILE)
def test_file_in_every_form_is_the_same(processor: EmoFusionProcessor, files: dict[str, Path], form: str):
    expected = processor(files["both"])
    assert_same(processor(SAME_FILE[form](files["both"])), expected)
    read = SAME_FILE[form](files["both"])
    if hasattr(read, "read"):
        read.read(100)  # somebody has looked into it
    assert_same(processor([read]), expected)
    heard = processor(audio=SAME_FILE[form](files["wav"]))
    assert_same(heard, processor(audio=SOUND, sampling_rate=RATE))


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ({"array": SOUND, "sampling_rate": RATE}, {"audio": SOUND}),
        (SoundDecoder(SOUND[None], RATE), {"audio": SOUND}),
        (FrameDecoder(FRAMES, CLOCK), {"videos": FRAMES}),
    ],
)
def test_clip_that_knows_what_it_is_need_not_be_named(
    processor: EmoFusionProcessor, clip: Any, expected: dict[str, np.ndarray]
):
    arrays = processor(**expected, sampling_rate=RATE, video_fps=FPS)
    assert_same(processor(clip), arrays)
    assert_same(processor([clip]), arrays)


@pytest.mark.parametrize("clip", [None, 3, FRAMES, torch.from_numpy(SOUND), [FRAMES], 2.5])
def test_clip_that_is_no_file_is_said_what_to_pass(processor: EmoFusionProcessor, files: dict[str, Path], clip: Any):
    with pytest.raises(ValueError, match=r"^clip 1: expected a media file .*arrays are given as videos= and audio="):
        processor([files["wav"], clip])


def test_file_that_is_open_as_text_or_empty_is_named(processor: EmoFusionProcessor, tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("")
    with path.open() as file, pytest.raises(ValueError, match=r"notes\.txt: expected a file that is open in binary"):
        processor(file)
    for nothing, name in ((b"", "clip 0"), (io.BytesIO(), "clip 0"), ({"bytes": b"", "path": "a.wav"}, "a.wav")):
        with pytest.raises(MediaError, match=f"^{name}: expected a media file .*empty"):
            processor(nothing)
    with pytest.raises(ValueError, match="^clip 0: expected 'bytes' or 'path', found 'bytes', 'path'"):
        processor({"bytes": None, "path": None})


# What is odd about a file


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return found


def test_odd_file_is_one_warning_and_not_said_again(
    tiny_config: EmoFusionConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    odd = [write_media(tmp_path / f"{k}.mkv", FRAMES, 0 * SOUND, codecs=("ffv1", "pcm_s16le")) for k in range(2)]
    notes = read_clip(odd[0]).notes
    assert notes
    said = [f"{path}: {'; '.join(notes)}" for path in odd]
    processor = EmoFusionProcessor.from_config(tiny_config)
    processor([*odd, odd[0]])
    assert warnings_of(caplog) == said
    processor(odd[1])
    assert warnings_of(caplog) == []
    EmoFusionProcessor.from_config(tiny_config)(odd[1])
    assert warnings_of(caplog) == said[1:]
    processor.video_processor(str(odd[1]))
    assert warnings_of(caplog) == []
    alone = EmoFusionProcessor.from_config(tiny_config).video_processor
    for expected in (said[1:], []):
        alone(str(odd[1]))
        assert warnings_of(caplog) == expected
    assert "_told" not in alone.to_dict()
    for _ in range(2):  # content has no name by which it could be known again
        processor([odd[0].read_bytes()])
        assert warnings_of(caplog) == [said[0].replace(str(odd[0]), "clip 0")]


def test_odd_file_without_a_face_is_one_warning_of_all(
    tiny_config: EmoFusionConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    tiny_config.face_crop = "haar"
    odd = write_media(tmp_path / "odd.mkv", FRAMES, 0 * SOUND, codecs=("ffv1", "pcm_s16le"))
    EmoFusionProcessor.from_config(tiny_config)(odd)
    no_face = "no face found in it, so the middle square of its picture is taken"
    assert warnings_of(caplog) == [f"{odd}: {'; '.join((*read_clip(odd).notes, no_face))}"]


def test_ordinary_files_are_no_warnings(
    processor: EmoFusionProcessor, files: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    mp4 = write_media(tmp_path / "clip.mp4", make_frames(3.0), make_sound(3.0))
    processor([*files.values(), mp4, write_media(tmp_path / "silent.mp4", make_frames(3.0))])
    assert warnings_of(caplog) == []


def test_sound_of_a_file_is_that_of_its_array(processor: EmoFusionProcessor, files: dict[str, Path]):
    sound = read_audio(files["wav"], RATE)
    assert sound is not None
    assert_same(processor(files["wav"]), processor(audio=sound, sampling_rate=RATE))


def test_sound_given_as_a_file_has_its_oddities_told(processor: EmoFusionProcessor, tmp_path: Path, caplog):
    path = write_sound(tmp_path / "silent.wav", 0 * SOUND)
    processor(audio=path)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: sound: digital silence from beginning to end"
    ]


def test_sound_of_a_file_beside_frames_has_its_oddities_told(processor: EmoFusionProcessor, tmp_path: Path, caplog):
    path = write_sound(tmp_path / "silent.wav", 0 * SOUND)
    for expected in ([f"{path}: sound: digital silence from beginning to end"], []):
        processor(videos=FRAMES, audio=path)
        assert warnings_of(caplog) == expected


@pytest.mark.parametrize("kind", ["both", "wav"])
def test_file_that_is_open_as_text_says_how_to_open_it(
    processor: EmoFusionProcessor, files: dict[str, Path], kind: str
):
    with files[kind].open() as text, pytest.raises(ValueError, match=r"expected a file that is open in binary mode"):
        processor(text)
