"""Sound of any number of channels, in any sample format, in the first track that decodes, and of any length."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from emofusion.modeling import read_clip, sound_emofusion
from emofusion.modeling.media_emofusion import MediaError, read_audio
from emofusion.modeling.mono_emofusion import mix_to_mono, mono_weights
from emofusion.modeling.sound_emofusion import to_int16
from emofusion.modeling.window_emofusion import HopEnergy, window_start
from helpers.drawn_media import Drawing, write_drawing

RATE = 16_000
VOICE = (0.4 * np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE)).astype(np.float32)
VOICE[: 2 * RATE] = 0
OTHER = np.random.default_rng(0).normal(0, 0.2, VOICE.size).astype(np.float32)


def level(sound: np.ndarray) -> float:
    return float(np.sqrt(np.square(sound, dtype=np.float64).mean()))


def read_channels(path: Path, channels: list[np.ndarray], subtype: str = "FLOAT") -> tuple[np.ndarray, tuple]:
    soundfile.write(path, np.stack(channels, axis=1), RATE, subtype=subtype)
    clip = read_clip(path, duration=4.0)
    assert clip.channels == len(channels)
    return clip.audio, clip.notes


# --- channels ---


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 24, 32, 64])
def test_equal_channels_have_the_level_of_one(tmp_path, count):
    """FFmpeg's own mixing knows layouts up to eight channels, and is 3 dB too loud for two."""
    sound, notes = read_channels(tmp_path / "a.wav", [VOICE] * count)
    np.testing.assert_allclose(sound, VOICE, atol=1e-6)
    assert not notes


@pytest.mark.parametrize(("count", "which"), [(2, 0), (2, 1), (3, 2), (6, 2), (8, 7), (64, 40)])
@pytest.mark.parametrize("dead", [0.0, 0.7, 0.003])
def test_one_channel_among_dead_ones_keeps_its_level(tmp_path, count, which, dead):
    """Dead: zeros, a constant, or faint noise."""
    quiet = dead * OTHER if dead < 0.1 else np.full_like(VOICE, dead)
    channels = [VOICE if number == which else quiet for number in range(count)]
    sound, notes = read_channels(tmp_path / "a.wav", channels)
    np.testing.assert_allclose(sound, VOICE, atol=1e-6)
    assert any(f"of its {count} channels number {which + 1} is heard" in note for note in notes)


@pytest.mark.parametrize(
    "factors", [(1, -1), (1, -0.98), (1, -0.5), (1, -1, 0), (1, -1, 1, -1), (0.5, -1), (1, 1, -1, -1, 0, 0)]
)
def test_channels_that_cancel_leave_the_loudest(tmp_path, factors):
    sound, notes = read_channels(tmp_path / "a.wav", [factor * VOICE for factor in factors])
    assert level(sound) == pytest.approx(level(VOICE), rel=1e-3)
    assert len(notes) == 1
    assert "silence" not in notes[0]


def test_two_voices_in_two_channels_are_both_heard():
    mixed = mix_to_mono(np.stack([VOICE, OTHER]))
    assert np.corrcoef(mixed, VOICE + OTHER)[0, 1] == pytest.approx(1)
    assert level(mixed) == pytest.approx(max(level(VOICE), level(OTHER)), rel=1e-3)


@pytest.mark.parametrize("decibel", [-25, -20.1, -19.9, -16.5, -10, -5, 0])
@pytest.mark.parametrize("second", ["noise", "voice"])
def test_quieter_second_channel_does_not_turn_down_the_voice(decibel, second):
    other = OTHER * level(VOICE) / level(OTHER) if second == "noise" else VOICE
    mixed = mix_to_mono(np.stack([VOICE, 10 ** (decibel / 20) * other]))
    assert level(mixed) == pytest.approx(level(VOICE), rel=0.03)


@pytest.mark.parametrize("count", [8, 64])
def test_many_different_channels_are_as_loud_as_one(tmp_path, count):
    channels = list(np.random.default_rng(1).normal(0, 0.1, (count, VOICE.size)).astype(np.float32))
    sound, _ = read_channels(tmp_path / "a.wav", channels)
    assert level(sound) == pytest.approx(0.1, rel=0.02)


def test_weights_sum_to_one_and_silence_is_the_mean():
    assert mono_weights(np.zeros((3, 3))).tolist() == pytest.approx([1 / 3] * 3)
    assert mono_weights(np.diag([1.0, 0.5, 0.001])).tolist() == pytest.approx([0.8165, 0.8165, 0], abs=1e-4)


def test_only_silence_is_called_silence(tmp_path):
    _, notes = read_channels(tmp_path / "a.wav", [0 * VOICE] * 2)
    assert notes == ("sound: digital silence from beginning to end",)
    one = 0 * VOICE
    one[100] = 1e-4
    _, notes = read_channels(tmp_path / "b.wav", [one, -one])
    assert not any("silence" in note for note in notes)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_every_sample_format_has_its_level(tmp_path, subtype):
    sound, _ = read_channels(tmp_path / "a.wav", [VOICE, VOICE], subtype)
    np.testing.assert_allclose(sound, VOICE, atol=0.009 if subtype == "PCM_U8" else 4e-5)


def test_sound_beyond_full_scale_is_not_cut_off(tmp_path):
    loud, notes = read_channels(tmp_path / "a.wav", [8 * VOICE])
    stored = to_int16(loud).astype(np.float64)
    assert np.corrcoef(stored, VOICE)[0, 1] > 0.99999
    assert np.abs(stored).max() == 32767
    assert notes == ("sound: 3.2 times as loud as fits, it is turned down",)


# --- tracks ---


def write_tracks(path: Path, levels: list[float], codec: str = "pcm_s16le") -> Path:
    """One track of sound for each level, all marked as defaults, over four pictures a second."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=4)
        video.width, video.height, video.pix_fmt = 32, 32, "yuv420p"
        tracks = [container.add_stream(codec, rate=RATE, layout="mono") for _ in levels]
        for _ in range(16):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        container.mux(video.encode(None))
        for track, factor in zip(tracks, levels, strict=True):
            track.disposition = av.stream.Disposition.default
            samples = np.rint(factor * 32767 * VOICE).astype(np.int16)
            for first in range(0, samples.size, 1000):
                frame = av.AudioFrame.from_ndarray(samples[None, first : first + 1000], "s16", "mono")
                frame.sample_rate, frame.pts = RATE, first
                container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path


def hide_decoder(path: Path, track: int) -> None:
    """Give the sound track of this number, from 0, the name of a format that nobody decodes."""
    data, place = bytearray(path.read_bytes()), 0
    for _ in range(track + 1):
        place = data.index(b"mp4a", data.index(b"stsd", place) + 1)
    data[place : place + 4] = b"apac"
    for box in (b"wave", b"esds", b"chan"):
        found = data.find(box, place, place + 200)
        if found > 0:
            data[found : found + 4] = b"free"
    path.write_bytes(data)


def damage_track(path: Path, index: int) -> None:
    """Overwrite every packet of a track."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams[index]):
            if packet.size:
                data[packet.pos : packet.pos + packet.size] = b"\xff" * packet.size
    path.write_bytes(data)


@pytest.mark.parametrize("broken", [0, 1])
@pytest.mark.parametrize("make", [hide_decoder, "damage"])
def test_the_track_that_decodes_is_heard(tmp_path, broken, make: Callable | str):
    path = write_tracks(tmp_path / "a.mov", [1.0, 0.5], codec="aac")
    if make == "damage":
        damage_track(path, broken + 1)
    else:
        hide_decoder(path, broken)
    clip = read_clip(path, duration=4.0)
    assert level(clip.audio) == pytest.approx(level(VOICE) * (0.5 if broken == 0 else 1.0), rel=0.05)
    assert clip.frames is not None
    if make == "damage" and broken == 1:
        assert not clip.notes  # it was never looked at
    else:
        assert any("sound:" in note and ("no decoder" in note or "do not decode" in note) for note in clip.notes)


def test_file_of_tracks_that_none_decodes_says_so(tmp_path):
    path = write_tracks(tmp_path / "a.mov", [1.0, 0.5], codec="aac")
    hide_decoder(path, 1)
    damage_track(path, 1)
    clip = read_clip(path)
    assert clip.audio is None
    assert {"sound: track 3 is in a format that no decoder here knows"} <= set(clip.notes)
    with pytest.raises(MediaError, match="expected sound"):
        read_audio(path)


def test_the_picture_track_that_decodes_is_seen(tmp_path):
    """Two tracks of pictures; the one that players prefer, the larger one, is damaged."""
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        tracks = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for track, size in zip(tracks, (64, 32), strict=True):
            track.width, track.height, track.pix_fmt = size, size, "yuv420p"
        for track, size, grey in zip(tracks, (64, 32), (50, 200), strict=True):
            for _ in range(50):
                frame = av.VideoFrame.from_ndarray(np.full((size, size, 3), grey, np.uint8), "rgb24")
                container.mux(track.encode(frame))
            container.mux(track.encode(None))
    assert read_clip(path).frames.mean() == pytest.approx(50, abs=4)
    damage_track(path, 0)
    clip = read_clip(path)
    assert clip.frames.shape[1:3] == (32, 32)
    assert clip.frames.mean() == pytest.approx(200, abs=4)
    assert any("do not decode" in note for note in clip.notes)


# --- length ---


def test_long_sound_is_read_as_a_short_one(tmp_path, monkeypatch):
    """What is decoded again, because it was too long to keep, gives the very same window."""
    path = write_drawing(tmp_path / "a.mkv", Drawing(seconds=30.0, burst_at=20.0, channels=(1, 0.5), layout="stereo"))
    kept, whole = read_clip(path), read_audio(path)
    monkeypatch.setattr(sound_emofusion, "KEEP_BYTES", 100_000)
    again = read_clip(path)
    assert again.start == kept.start
    np.testing.assert_array_equal(again.audio, kept.audio)
    np.testing.assert_array_equal(read_audio(path), whole)


@pytest.mark.parametrize("keep", [100_000, 64 * 2**20])
def test_margins_are_the_sound_beside_the_window(tmp_path, monkeypatch, keep):
    path = write_drawing(tmp_path / "a.wav", Drawing(seconds=6.0, burst_at=2.9), picture=False)
    whole, plain = read_audio(path), read_clip(path)
    monkeypatch.setattr(sound_emofusion, "KEEP_BYTES", keep)
    first, count, margin = round(plain.start * RATE), 3 * RATE, RATE // 4
    clip = read_clip(path, margin=0.25)
    np.testing.assert_array_equal(clip.audio, plain.audio)
    np.testing.assert_array_equal(clip.audio_before, whole[first - margin : first])
    np.testing.assert_array_equal(clip.audio_after, whole[first + count : first + count + margin])
    assert plain.audio_before.size == plain.audio_after.size == 0


@pytest.mark.parametrize(
    "seconds, window, sizes", [(2.0, "start", (0, 0)), (3.1, "start", (0, 0.1)), (3.2, "center", (0.1, 0.1))]
)
def test_margins_end_with_the_file(tmp_path, seconds, window, sizes):
    path = write_drawing(tmp_path / "a.wav", Drawing(seconds=seconds, burst_at=1.0), picture=False)
    clip = read_clip(path, window=window, margin=0.25)
    assert (clip.audio_before.size, clip.audio_after.size) == tuple(round(size * RATE) for size in sizes)


def test_margins_are_turned_down_with_their_window_and_louder_ones_cut_off():
    stored = to_int16(np.float32([0.5, -2.0, 8.0]), like=np.float32([0.1, 2.0]))
    assert stored.tolist() == [round(0.25 * 32767), -32767, 32767]
    assert to_int16(np.float32([0.5]), like=np.float32([0.1])).tolist() == [16384]


def test_long_sound_is_not_held(tmp_path, monkeypatch):
    """Neither by the track nor by a view of what passed by: the peak is below a third of the mono sound alone."""
    drawing = Drawing(seconds=120.0, burst_at=100.0)
    path = write_drawing(tmp_path / "a.mkv", drawing, picture=False)
    monkeypatch.setattr(sound_emofusion, "KEEP_BYTES", 100_000)
    tracemalloc.start()
    try:
        clip = read_clip(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 98 < clip.start < 100
    assert peak < 120 * RATE * 4 / 3


@pytest.mark.parametrize("sizes", [(64_000,), (1, 63_999), (1000,) * 64, (255, 257, 63_488)])
def test_energy_does_not_depend_on_how_the_sound_passes_by(sizes):
    sound = VOICE + 0.3
    energy = HopEnergy(RATE)
    for part in np.split(sound, np.cumsum(sizes)[:-1]):
        energy.add(part)
    power = np.square(sound.astype(np.float64) - sound.mean(dtype=np.float64))
    np.testing.assert_allclose(energy.of_hops(), np.add.reduceat(power, np.arange(0, power.size, 256)), atol=1e-9)
    assert window_start(sound, RATE, 4.0, 1.0, "voice") >= 2.0
