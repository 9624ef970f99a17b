"""Reading clips: every real odd file, drawn files whose every frame and sample is known, windows, errors."""

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.dynamic_module_utils import get_imports

from emofusion.modeling import container_emofusion as container_module
from emofusion.modeling import media_emofusion as media
from emofusion.modeling import pictures_emofusion as pictures
from emofusion.modeling.media_emofusion import MediaError, read_audio, read_clip
from emofusion.modeling.window_emofusion import WINDOWS, frame_times, window_start

# name: (height and width, None without picture; has sound; seconds of material; part of a note, "" for none)
CLIPS = {
    "decord/corrupted.mp4": ((720, 1280), False, 5.0, "picture: 1 of 50 frames do not decode"),
    "decord/flipping_a_pancake.mkv": ((240, 426), True, 10.368, ""),
    "decord/unordered.mov": ((50, 50), False, 0.125, ""),
    "decord/video_0.mov": ((320, 568), False, 0.1, ""),
    "decord/video_90.mov": ((568, 320), False, 0.1, ""),
    "decord/video_180.mov": ((320, 568), False, 0.1, ""),
    "decord/video_270.mov": ((568, 320), False, 0.1, ""),
    "derived/01-01-08-02-01-01-19.mp4": ((720, 720), True, 4.104, ""),
    "derived/02-01-08-02-01-01-19.mp4": ((720, 720), False, 4.071, ""),
    "derived/audio_only.m4a": (None, True, 4.104, ""),
    "derived/flv1_mp3.flv": ((360, 480), True, 4.153, ""),
    "derived/rotated_phone.mp4": ((360, 640), True, 4.104, ""),
    "derived/vfr.mp4": ((360, 360), True, 4.104, ""),
    "derived/vp9_opus.webm": ((360, 360), True, 4.104, ""),
    "mead/M030_sad_3_001.mp4": ((1080, 1920), True, 3.733, ""),
    "mead/contempt.mp4": ((256, 256), False, 3.12, ""),
    "mead/happy.mp4": ((256, 256), False, 5.64, ""),
    "mead/sad.mp4": (
        (256, 256),
        False,
        4.44,
        "digital silence from beginning to end file: cut short, it announces 6.28",
    ),
    "pyfeat/WolfgangLanger_Pexels.mp4": ((360, 640), False, 19.69, "sound: digital silence from beginning to end"),
    "pyfeat/face_noface.mov": ((540, 960), True, 6.402, "sound: 2.43-6.40 s"),
    "pyfeat/no_face.mp4": ((540, 960), True, 3.958, ""),
    "pyfeat/noface_face.mov": ((540, 960), True, 6.387, "sound: 0.00-3.95 s"),
    "pyfeat/single_face.mp4": ((360, 640), True, 2.419, ""),
    "ravdess/01-01-08-02-01-01-19.mp4": ((720, 720), False, 4.071, ""),
    "ravdess/03-01-05-02-01-02-12.wav": (None, True, 3.670, ""),
    "ravdess/03-01-08-01-02-02-01.wav": (None, True, 3.270, ""),
    "ravdess/03-01-08-02-01-01-19.wav": (None, True, 4.104, ""),
    "ravdess/03-02-04-01-01-01-12.wav": (None, True, 2.389, ""),
    "ravdess/variants/03-01-08-01-01-01-08.wav": (None, True, 3.704, ""),
    "ravdess/variants/03-01-08-01-01-01-09.wav": (None, True, 1.066, ""),
    "torchcodec/av1_video.mkv": ((360, 640), False, 5.0, ""),
    "torchcodec/h264_10bits.mp4": ((200, 200), False, 1.0, ""),
    "torchcodec/h265_video.mp4": ((128, 128), False, 1.0, ""),
    "torchcodec/nasa_13013.mp4": ((270, 480), True, 13.056, ""),
}
# Where decord fails, or would silently deliver other pictures.
BY_PYAV = {
    "decord/corrupted.mp4",
    "mead/sad.mp4",
    "pyfeat/no_face.mp4",
    "torchcodec/av1_video.mkv",
    "torchcodec/h265_video.mp4",
}
RATE = 16000


@pytest.fixture(scope="module")
def clips(test_data: Path) -> Path:
    folder = test_data / "clips"
    if not folder.is_dir():
        pytest.skip(f"no real clips at {folder}")
    return folder


def tone(seconds: float, rate: int = 48000, at: float = 0.0, lasting: float | None = None) -> np.ndarray:
    """Silence with a 440 Hz tone of `lasting` seconds from `at` on."""
    time = np.arange(round(seconds * rate)) / rate
    there = (time >= at) & (time < at + (seconds if lasting is None else lasting))
    return (0.5 * np.sin(2 * np.pi * 440 * time) * there).astype(np.float32)


def write_clip(
    path: Path,
    frames: int = 75,
    sound: np.ndarray | None = None,
    *,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    sound_codec: str = "pcm_s16le",
    picture_late: float = 0.0,
    sound_late: float = 0.0,
    gap: tuple[float, float] | None = None,
) -> Path:
    """Write `frames` frames at 25 fps, the k-th of grey level 3 k, and sound at 48 kHz; `gap` = (from, seconds)."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options=options or {"qp": "0"}) if frames else None
        if video is not None:
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(sound_codec, rate=48000, layout="mono") if sound is not None else None
        for k in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 3 * k, np.uint8), "rgb24")
            frame.pts, frame.time_base = k + round(25 * picture_late), Fraction(1, 25)
            container.mux(video.encode(frame))
        if video is not None:
            container.mux(video.encode(None))
        for first in range(0, 0 if sound is None else len(sound), 960):
            time = first / 48000 + sound_late
            samples = (sound[first : first + 960] * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
            frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
            frame.pts = round(48000 * (time + (gap[1] if gap and time >= gap[0] else 0.0)))
            container.mux(audio.encode(frame))
        if audio is not None:
            container.mux(audio.encode(None))
    return path


def numbers(frames: np.ndarray) -> list[int]:
    """Which of the frames that `write_clip` wrote these are."""
    return [round(float(frame.mean()) / 3) for frame in frames]


def onset(audio: np.ndarray, rate: int = RATE) -> float:
    return float(np.flatnonzero(np.abs(audio) > 0.05)[0]) / rate


def rgb(frame: av.VideoFrame) -> np.ndarray:
    return frame.to_ndarray(format="rgb24", dst_colorspace="itu601")  # or PyAV 15 ignores the file's colour space


def reference(path: Path, times: np.ndarray) -> list[np.ndarray]:
    """The frames shown at `times`, by decoding everything in the plainest way."""
    with av.open(str(path)) as container:
        frames = list(container.decode(container.streams.best("video")))
        shown = np.array([frame.time for frame in frames]) - frames[0].time
        wanted = [frames[max(np.flatnonzero(shown <= time + 1e-4), default=0)] for time in times]
        return [np.rot90(rgb(frame), frame.rotation // 90) for frame in wanted]


# --- the real files ---


def test_clips_table_names_every_file(clips):
    assert {path.relative_to(clips).as_posix() for path in clips.rglob("*.*")} == set(CLIPS)


@pytest.mark.parametrize("name", CLIPS)
def test_read_clip_real_file_has_what_the_table_says(clips, name):
    size, has_sound, seconds, note = CLIPS[name]
    clip = read_clip(clips / name)
    assert clip.duration == pytest.approx(seconds, abs=2e-3)
    assert 0 <= clip.start <= max(0.0, clip.duration - 3.0)
    if size is None:
        assert clip.frames is None
    else:
        assert clip.frames.shape == (8, *size, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.frames.max() > 100
    if has_sound:
        assert clip.audio.dtype == np.float32
        assert 0 < clip.audio.size <= 48000
        assert 0.001 < np.abs(clip.audio).max() <= 1.5
        assert clip.audio.size == 48000 or seconds < 3 or note or "no_face" in name
    else:
        assert clip.audio is None
    assert note in " ".join(clip.notes)
    assert bool(clip.notes) == bool(note), clip.notes


@pytest.mark.parametrize("name", [name for name in CLIPS if CLIPS[name][0] and "M030" not in name])
def test_read_clip_frames_are_those_shown_at_their_times(clips, name, reader):
    if name == "decord/corrupted.mp4":
        pytest.skip("the plain reference stops at the damage")
    clip = read_clip(clips / name, num_frames=7, window="center")
    late = 0.025 if name.endswith("flv") else 0.0  # its picture sets in 25 ms after its sound
    wanted = reference(clips / name, frame_times(clip.start - late, 3.0, 7))
    for got, expected in zip(clip.frames, wanted, strict=True):
        if "10bits" in name:  # the two libraries spread 10-bit colours over edges differently
            assert np.abs(got.astype(int) - expected).mean() < 4
        else:
            np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("name", [name for name in CLIPS if CLIPS[name][0]])
def test_read_clip_decord_reads_what_it_can(clips, name, monkeypatch):
    called = []
    plain = pictures._by_pyav
    monkeypatch.setattr(pictures, "_by_pyav", lambda *arguments: called.append(1) or plain(*arguments))
    read_clip(clips / name)
    assert bool(called) == (name in BY_PYAV)


def test_read_clip_rotated_phone_is_upright(clips, reader):
    turned = read_clip(clips / "derived/rotated_phone.mp4", num_frames=1, window="start").frames[0]
    upright = read_clip(clips / "derived/01-01-08-02-01-01-19.mp4", num_frames=1, window="start").frames[0]
    face, expected = turned[:, 140:500].mean(-1).ravel(), upright[::2, ::2].mean(-1).ravel()
    assert np.corrcoef(face, expected)[0, 1] > 0.98


@pytest.mark.parametrize(("name", "turns"), [("video_90", 3), ("video_180", 2), ("video_270", 1)])
def test_read_clip_rotation_mark_turns_the_stored_picture(clips, name, turns, reader):
    path = clips / f"decord/{name}.mov"
    with av.open(str(path)) as container:
        stored = rgb(next(container.decode(video=0)))
    np.testing.assert_array_equal(read_clip(path, num_frames=1).frames[0], np.rot90(stored, turns))


def test_read_clip_frames_on_the_finer_grid_hold_the_coarser(clips, reader):
    fine = read_clip(clips / "derived/vfr.mp4", num_frames=16)
    coarse = read_clip(clips / "derived/vfr.mp4", num_frames=8)
    assert fine.start == coarse.start
    np.testing.assert_array_equal(fine.frames[::2], coarse.frames)


def test_read_clip_timestamps_rounded_up_do_not_delay_frames(clips, reader):
    """Matroska keeps milliseconds: frame 2 of 30 per second stands at 0.067 s, after 2/30 s."""
    path = clips / "decord/flipping_a_pancake.mkv"
    clip = read_clip(path, num_frames=30, duration=1.0, window="start")
    with av.open(str(path)) as container:
        for got, frame in zip(clip.frames, container.decode(video=0), strict=False):
            np.testing.assert_array_equal(got, rgb(frame))


def test_read_clip_window_does_not_depend_on_what_is_wanted(clips):
    path = clips / "derived/01-01-08-02-01-01-19.mp4"
    both, seen, heard = read_clip(path), read_clip(path, want_audio=False), read_clip(path, want_video=False)
    assert both.start == seen.start == heard.start > 0
    assert seen.audio is None
    assert heard.frames is None
    np.testing.assert_array_equal(both.frames, seen.frames)
    np.testing.assert_array_equal(both.audio, heard.audio)


def test_read_clip_audio_is_the_windows_part_of_the_whole(clips):
    path = clips / "ravdess/03-01-08-02-01-01-19.wav"
    whole, clip = read_audio(path), read_clip(path)
    assert clip.start == window_start(whole, RATE, clip.duration, 3.0, "voice")
    np.testing.assert_array_equal(clip.audio, whole[round(clip.start * RATE) :][:48000])


@pytest.mark.parametrize("name", [name for name in CLIPS if name.endswith("wav")])
@pytest.mark.parametrize("rate", [16000, 8000])
def test_read_audio_wav_has_its_length_and_level(clips, name, rate):
    samples, stored_rate = soundfile.read(clips / name, always_2d=True)
    audio = read_audio(clips / name, rate)
    assert abs(audio.size - len(samples) * rate / stored_rate) <= 1
    mono = samples.mean(axis=1)
    if rate == stored_rate:
        np.testing.assert_allclose(audio, mono, atol=1e-6)
    low = np.abs(np.fft.rfft(mono)[1 : int(3000 * len(mono) / stored_rate)])  # below any resampling filter
    heard = np.abs(np.fft.rfft(audio)[1 : int(3000 * len(audio) / rate)])
    level = np.sqrt((heard**2).sum()) / len(audio) / (np.sqrt((low**2).sum()) / len(mono))
    assert level == pytest.approx(1.0, abs=0.01)  # 1.41 if stereo were added up


@pytest.mark.parametrize(
    ("name", "late"),
    [("01-01-08-02-01-01-19.mp4", 0), ("audio_only.m4a", 0), ("vp9_opus.webm", 0), ("flv1_mp3.flv", 0.025)],
)
def test_read_audio_compressed_sound_is_on_time(clips, name, late):
    """AAC and Opus begin with samples to be dropped; MP3 in FLV keeps them, and its picture is 25 ms late as well."""
    original = read_audio(clips / "ravdess/03-01-08-02-01-01-19.wav")
    sound = read_audio(clips / "derived" / name)
    assert sound.size == pytest.approx(original.size, abs=2000 if late else 2)
    product = np.fft.irfft(np.fft.rfft(sound, 1 << 18) * np.conj(np.fft.rfft(original, 1 << 18)))
    lag = int(product.argmax())
    assert lag / RATE == pytest.approx(late, abs=1e-3)


# --- drawn files ---


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"qp": "0"}),
        ("a.mkv", "libx264", {"qp": "0"}),
        ("a.ts", "libx264", {"qp": "0"}),
        ("a.avi", "mpeg4", {"bf": "2", "qmin": "1", "qmax": "1"}),
        ("h264.avi", "libx264", {"crf": "1"}),
        ("a.mpg", "mpeg2video", {"bf": "2", "qmin": "1", "qmax": "1"}),
        ("plain.mpg", "mpeg2video", {"bf": "0", "qmin": "1", "qmax": "1"}),
        ("a.h264", "libx264", {"qp": "0", "bf": "0"}),
    ],
)
def test_read_clip_drawn_frames_are_the_right_ones(tmp_path, name, codec, options, reader):
    """decord numbers the pictures of AVI and MPEG wrongly and says nothing; raw H.264 carries no times at all."""
    path = write_clip(tmp_path / name, 75, codec=codec, options=options)
    clip = read_clip(path, num_frames=8, duration=2.0, window="center")
    assert clip.duration == pytest.approx(3.0, abs=0.01)
    assert clip.start == pytest.approx(0.5, abs=0.005)
    assert numbers(clip.frames) == [12, 18, 25, 31, 37, 43, 50, 56]


def test_read_clip_shorter_than_the_window_repeats_the_last_frame(tmp_path, reader):
    clip = read_clip(write_clip(tmp_path / "a.mp4", 10, tone(0.4)[:19200], sound_codec="aac"), num_frames=6)
    assert clip.start == 0
    assert numbers(clip.frames) == [0, 9, 9, 9, 9, 9]
    assert clip.audio.size == 6400  # not padded


def test_read_clip_sound_sets_in_later_is_padded(tmp_path, reader):
    path = write_clip(tmp_path / "a.mkv", 75, tone(2.0, lasting=2.0), sound_late=0.5)
    clip = read_clip(path, window="start")
    assert onset(clip.audio) == pytest.approx(0.5, abs=2e-3)
    assert clip.audio.size == pytest.approx(40000, abs=2)
    assert numbers(clip.frames) == [int(k * 9.375) for k in range(8)]
    assert "sound: 0.50-2.50 s, picture: 0.00-3.00 s" in clip.notes


def test_read_clip_picture_sets_in_later_repeats_the_first_frame(tmp_path, reader):
    path = write_clip(tmp_path / "a.mkv", 50, tone(3.0, at=1.0), picture_late=1.0)
    clip = read_clip(path, window="start", num_frames=6)
    assert onset(clip.audio) == pytest.approx(1.0, abs=2e-3)
    assert numbers(clip.frames) == [0, 0, 0, 12, 25, 37]


def test_read_clip_offset_of_milliseconds_is_ignored(tmp_path):
    clip = read_clip(write_clip(tmp_path / "a.mkv", 75, tone(3.0), sound_late=0.01), window="start")
    assert onset(clip.audio) < 0.003
    assert not clip.notes


def test_read_audio_gap_is_filled_with_silence(tmp_path):
    audio = read_audio(write_clip(tmp_path / "a.mkv", 0, tone(2.0, at=1.0), gap=(0.5, 0.4)))
    assert audio.size == pytest.approx(2.4 * RATE, abs=3)
    assert onset(audio) == pytest.approx(1.4, abs=2e-3)


def test_read_audio_change_of_format_midway_is_followed(tmp_path):
    parts = []
    for channels, rate in ((1, 48000), (2, 44100)):
        soundfile.write(tmp_path / "part.mp3", np.repeat(tone(1.0, rate)[:, None], channels, 1), rate, format="MP3")
        parts.append((tmp_path / "part.mp3").read_bytes())
    (tmp_path / "a.mp3").write_bytes(b"".join(parts))
    audio = read_audio(tmp_path / "a.mp3")
    assert audio.size == pytest.approx(2 * RATE, abs=0.1 * RATE)
    for part in (audio[2000:14000], audio[18000:30000]):
        assert np.sqrt((part**2).mean()) == pytest.approx(0.354, abs=0.02)


def test_read_audio_samples_that_are_no_numbers_become_zero(tmp_path):
    samples = tone(1.0, RATE)
    samples[100], samples[200] = np.nan, np.inf
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    assert read_audio(tmp_path / "a.wav")[[100, 200]].tolist() == [0, 0]
    clip = read_clip(tmp_path / "a.wav")
    assert np.isfinite(clip.audio).all()
    assert "no numbers" in clip.notes[0]


def test_read_clip_album_cover_is_no_picture(tmp_path):
    pixels = b"".join(b"\0" + bytes(3 * 8) for _ in range(8))
    chunks = ((b"IHDR", struct.pack(">2I5B", 8, 8, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    image = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    picture = struct.pack(">2I", 3, 9) + b"image/png" + struct.pack(">6I", 0, 8, 8, 24, 0, len(image)) + image
    soundfile.write(tmp_path / "a.flac", tone(1.0, RATE), RATE)
    flac = (tmp_path / "a.flac").read_bytes()
    block = b"\x06" + struct.pack(">I", len(picture))[1:] + picture
    (tmp_path / "a.flac").write_bytes(flac[:42] + block + flac[42:])
    with av.open(str(tmp_path / "a.flac")) as container:
        assert len(container.streams.video) == 1  # the cover is there
    clip = read_clip(tmp_path / "a.flac")
    assert clip.frames is None
    assert clip.audio.size == 16000


# --- damage ---


def damage(source: Path, target: Path, kinds: set[str]) -> Path:
    """Copy a file and overwrite the packets of the streams named in `kinds`."""
    data = bytearray(source.read_bytes())
    with av.open(str(source)) as container:
        for packet in container.demux():
            if packet.size and packet.stream.type in kinds:
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    target.write_bytes(data)
    return target


def test_read_clip_damaged_picture_leaves_the_sound(clips, tmp_path):
    source = clips / "derived/vfr.mp4"
    clip = read_clip(damage(source, tmp_path / "a.mp4", {"video"}))
    assert clip.frames is None
    np.testing.assert_array_equal(clip.audio, read_clip(source).audio)
    assert any("picture" in note for note in clip.notes)


def test_read_clip_damaged_picture_does_not_place_the_window(tmp_path):
    source = write_clip(tmp_path / "a.mp4", 85, tone(2.0), sound_codec="aac")
    assert read_clip(source, duration=1.0, window="center").start == pytest.approx(1.2)
    clip = read_clip(damage(source, tmp_path / "b.mp4", {"video"}), duration=1.0, window="center")
    assert clip.start == pytest.approx(0.5, abs=0.01)
    assert clip.duration == pytest.approx(2.0, abs=0.02)


def test_read_clip_damaged_sound_leaves_the_picture(clips, tmp_path):
    path = damage(clips / "derived/vfr.mp4", tmp_path / "a.mp4", {"audio"})
    clip = read_clip(path)
    assert clip.audio is None
    assert clip.frames.shape == (8, 360, 360, 3)
    assert any(note.startswith("sound:") for note in clip.notes)
    with pytest.raises(MediaError, match=r"^.*a\.mp4: expected sound"):
        read_audio(path)


def test_read_clip_damaged_frames_are_replaced_by_the_one_before(tmp_path):
    """Also without timestamps, where frames are counted."""
    path = write_clip(tmp_path / "a.avi", 75, codec="mjpeg", options={"strict": "unofficial"})
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for number, packet in enumerate(container.demux()):
            if number in (24, 25):
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)
    clip = read_clip(path, window="start", num_frames=6)
    assert numbers(clip.frames) == [0, 12, 23, 37, 50, 62]
    assert clip.notes == ("picture: 2 of 75 frames do not decode, those before are shown",)


def test_read_clip_unknown_format_leaves_the_sound(clips, tmp_path):
    data = (clips / "derived/01-01-08-02-01-01-19.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(b"xyz1".join(data.rsplit(b"avc1", 1)))
    clip = read_clip(tmp_path / "a.mp4")
    assert clip.frames is None
    assert clip.audio.size == 48000
    assert clip.notes == ("picture: in a format that no decoder here knows",)


def test_read_clip_everything_damaged_raises(clips, tmp_path):
    path = damage(clips / "derived/vfr.mp4", tmp_path / "a.mp4", {"audio", "video"})
    with pytest.raises(MediaError, match=r"^.*a\.mp4: expected picture or sound, found .*decode"):
        read_clip(path)


def test_read_clip_absurd_frame_count_does_not_abort(clips, tmp_path):
    """decord 0.6 reserves memory for what the header announces, and takes the whole process down."""
    data = bytearray((clips / "derived/vfr.mp4").read_bytes())
    data[data.index(b"stts") + 12] = 119  # number of frames in the first entry of the table of durations
    (tmp_path / "a.mp4").write_bytes(data)
    assert read_clip(tmp_path / "a.mp4").frames.shape == (8, 360, 360, 3)


def test_read_clip_cut_file_says_so(clips, tmp_path):
    data = (clips / "decord/flipping_a_pancake.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(data[: len(data) // 2])
    clip = read_clip(tmp_path / "a.mkv")
    assert clip.frames.shape == (8, 240, 426, 3)
    assert clip.duration < 8
    assert any("cut short, it announces 10.38 s" in note for note in clip.notes)


def test_read_clip_stream_that_the_header_does_not_name_ends_the_file(clips, tmp_path, reader):
    data = bytearray((clips / "derived/flv1_mp3.flv").read_bytes())
    data[194926:199926] = bytes(5000)  # found by trying
    (tmp_path / "a.flv").write_bytes(data)
    try:
        with av.open(str(tmp_path / "a.flv")) as container:
            list(container.demux())
        pytest.skip("this FFmpeg finds no stream in the damage")
    except IndexError:  # this one does, and PyAV stumbles over it
        pass
    clip = read_clip(tmp_path / "a.flv", duration=6.0)  # beyond the end: frames are looked for up to there
    assert clip.frames.shape == (8, 360, 480, 3)
    assert any(note.startswith("file: cannot be read to its end") for note in clip.notes)
    assert len(clip.notes) == len(set(clip.notes))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("missing.mp4", None),
        ("folder.mp4", "folder"),
        ("empty.mp4", b""),
        ("text.wav", b"This is no sound.\n" * 40),
        ("text.txt", b"This is no film.\n" * 40),
        ("noise.mp4", np.random.default_rng(0).bytes(20000)),
        ("subtitles.srt", b"1\n00:00:01,000 --> 00:00:02,000\nKids are talking by the door.\n"),
        ("http:a.mp4", None),
    ],
)
@pytest.mark.parametrize("read", [read_clip, read_audio])
def test_read_unusable_file_raises_naming_it(tmp_path, monkeypatch, name, content, read):
    monkeypatch.chdir(tmp_path)
    if content == "folder":
        Path(name).mkdir()
    elif content is not None:
        Path(name).write_bytes(content)
    with pytest.raises(MediaError) as error:
        read(name)
    message = str(error.value)
    assert message.startswith(f"{name}: expected ")
    assert "found" in message
    assert message.endswith(".")


def test_read_empty_file_and_text_say_what_they_are(tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "a.txt").write_text("This is no film.\n" * 40)
    for name, found in (("a.mp4", "an empty file"), ("a.txt", "text"), ("b.mp4", "No such file")):
        with pytest.raises(MediaError, match=f"found: {found}"):
            read_clip(tmp_path / name)


def test_read_clip_colon_in_a_name_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    soundfile.write("http:a.wav", tone(1.0, RATE), RATE)
    assert read_clip("http:a.wav").audio.size == 16000


def test_read_clip_without_what_is_wanted_raises(clips):
    with pytest.raises(MediaError, match="expected picture, found only sound"):
        read_clip(clips / "derived/audio_only.m4a", want_audio=False)
    with pytest.raises(MediaError, match="expected sound, found only picture"):
        read_clip(clips / "mead/contempt.mp4", want_video=False)
    assert read_audio(clips / "mead/contempt.mp4") is None


@pytest.mark.parametrize(
    "setting",
    [{"window": "middle"}, {"num_frames": 0}, {"duration": 0.0}, {"duration": np.nan}, {"sampling_rate": -1}],
)
def test_read_clip_impossible_setting_raises_naming_it(setting):
    (name,) = setting
    with pytest.raises(ValueError, match=f"^{name}=") as error:
        read_clip("any.mp4", **setting)
    assert not isinstance(error.value, MediaError)


def test_read_clip_without_pyav_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(container_module, "av", None)
    with pytest.raises(ImportError, match="pip install 'av"):
        read_clip("any.mp4")


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files through /proc")
def test_read_clip_closes_files(clips, tmp_path):
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(20000))

    def read_all() -> int:
        for path in (clips / "mead/sad.mp4", clips / "mead/contempt.mp4", tmp_path / "noise.mp4"):
            try:
                read_clip(path, num_frames=2)
            except MediaError:
                pass
        return sum(os.path.realpath(f"/proc/self/fd/{fd}").endswith(".mp4") for fd in os.listdir("/proc/self/fd"))

    assert [read_all() for _ in range(3)] == [0, 0, 0]


def test_module_imports_nothing_that_the_hub_refuses():
    assert set(get_imports(media.__file__)) - set(sys.stdlib_module_names) == {"numpy"}


# --- windows ---


def voice_at(begin: float, lasting: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return tone(seconds, rate, begin, lasting)


def test_frame_times_begin_on_the_window_and_leave_out_its_end():
    np.testing.assert_allclose(frame_times(0.5, 3.0, 4), [0.5, 1.25, 2.0, 2.75])
    for start in (0.0, 0.848, 1.1):
        np.testing.assert_array_equal(frame_times(start, 3.0, 16)[::2], frame_times(start, 3.0, 8))


def test_window_start_of_start_and_center():
    audio = voice_at(5.0, 1.0, 8.0)
    assert window_start(audio, RATE, 8.0, 3.0, "start") == 0
    assert window_start(audio, RATE, 8.0, 3.0, "center") == 2.5
    assert window_start(None, RATE, 8.0, 3.0, "voice") == 2.5


@pytest.mark.parametrize(("begin", "lasting"), [(0.0, 1.5), (1.0, 2.0), (4.1, 2.5), (6.5, 1.5), (5.5, 0.1)])
@pytest.mark.parametrize("noise", [0.0, 0.003])
def test_window_start_voice_is_centred_on_the_voice(begin, lasting, noise):
    audio = voice_at(begin, lasting, 8.0) + 0.2  # a constant is no sound
    audio += noise * np.random.default_rng(0).standard_normal(audio.size).astype(np.float32)
    ideal = min(max(begin + lasting / 2 - 1.5, 0.0), 5.0)
    start = window_start(audio, RATE, 8.0, 3.0, "voice")
    assert start == pytest.approx(ideal, abs=0.017 if noise == 0 else 0.05)
    assert start / 0.016 == pytest.approx(round(start / 0.016)) or start == 5.0


def test_window_start_voice_takes_the_louder_of_two():
    audio = voice_at(0.5, 1.0, 10.0) * 0.8 + voice_at(8.0, 1.0, 10.0)
    assert window_start(audio, RATE, 10.0, 3.0, "voice") == pytest.approx(7.0, abs=0.017)


def test_window_start_voice_longer_than_the_window_lies_inside():
    start = window_start(voice_at(2.0, 5.0, 10.0), RATE, 10.0, 3.0, "voice")
    assert 2.0 - 0.03 <= start <= 4.0 + 0.03


@pytest.mark.parametrize("level", [0.0, 0.3, 1e-7])
def test_window_start_silence_gives_the_centre(level):
    assert window_start(np.full(80000, level, np.float32), RATE, 5.0, 3.0, "voice") == 1.0
    assert window_start(np.zeros(0, np.float32), RATE, 5.0, 3.0, "voice") == 1.0


def test_window_start_is_not_moved_by_rounding_noise():
    audio = voice_at(3.2, 1.6, 8.0)
    starts = set()
    for seed in range(10):
        noise = np.random.default_rng(seed).uniform(-1, 1, audio.size) / 65536  # as 16-bit samples would add
        starts.add(window_start((audio + noise).astype(np.float32), RATE, 8.0, 3.0, "voice"))
    assert len(starts) == 1


def test_window_start_never_ends_one_bit_after_the_clip():
    for clip_duration, duration in ((6.80133049972478, 1.2219642554131815), (6.389456641219293, 0.5634180866932073)):
        assert (clip_duration - duration) + duration > clip_duration  # what makes these two hard
        late = np.r_[np.zeros(round(1000 * clip_duration) - 4), 1, -1, 1, -1]
        assert window_start(late, 1000, clip_duration, duration, "voice") + duration <= clip_duration


def test_window_start_absurd_clip_duration_is_quick():
    assert window_start(voice_at(1.0, 1.0, 4.0), RATE, 1e12, 3.0, "voice") == pytest.approx(0.0, abs=0.017)


@pytest.fixture(scope="module")
def unit_noise() -> Iterator[np.ndarray]:
    yield np.random.default_rng(0).uniform(0.5, 1.0, 20 * 4000).astype(np.float32) * np.tile([1, -1], 40000)


@settings(max_examples=150, deadline=None)
@given(
    seconds=st.floats(0.05, 15.0),
    duration=st.floats(0.01, 6.0),
    begin=st.floats(0.0, 1.0),
    share=st.floats(0.0, 1.0),
    longer=st.floats(0.0, 2.0),
    window=st.sampled_from(WINDOWS),
)
def test_window_start_stays_inside_and_holds_the_burst(unit_noise, seconds, duration, begin, share, longer, window):
    rate = 4000
    audio = np.zeros(round(seconds * rate), np.float32)
    length = round(min(share * duration, seconds) * rate)  # a burst that fits into the window
    first = round(begin * (audio.size - length))
    audio[first : first + length] = unit_noise[:length]
    clip_duration = audio.size / rate + longer
    start = window_start(audio, rate, clip_duration, duration, window)
    assert start == window_start(audio.copy(), rate, clip_duration, duration, window)
    assert 0 <= start
    assert start + duration <= max(clip_duration, duration)
    if window == "voice" and length and clip_duration > duration:
        # 1 % of the energy may be lost, and a window starts on whole hops
        slack = 0.016 + 0.02 * length / rate
        assert start <= first / rate + slack
        assert start + duration >= (first + length) / rate - slack
