"""Frames and sound are of the same moments, by whatever clocks and containers; where nobody can know, refused."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor, read_clip
from emofusion.modeling.media_emofusion import MediaError, read_audio
from helpers.drawn_media import FPS, SOUND_RATE, Drawing, set_display_matrix, write_drawing

RATE, HOP_S = 16_000, 0.016
CONTAINERS = {  # name: (suffix, options of the muxer, codec of the sound)
    "mp4": ("mp4", {}, "flac"),
    "mov": ("mov", {}, "pcm_s16le"),
    "fragmented mp4, no duration": ("mp4", {"movflags": "frag_keyframe+empty_moov"}, "flac"),
    "mkv": ("mkv", {}, "pcm_s16le"),
    "live mkv, no duration": ("mkv", {"live": "1"}, "pcm_s16le"),
    "mpegts, no header": ("ts", {}, "mp2"),
}
MATRICES = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]
MATRICES += [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]
LAYOUTS = {"mono": 1, "stereo": 2, "2.1": 3, "4.0": 4, "5.1": 6, "7.1": 8}
SIDE, PIXELS = 64, 56  # of the stored frame and of what the model takes
PROCESSOR = EmoFusionProcessor.from_config(EmoFusionConfig(num_frames=3 * FPS, image_size=PIXELS))


def draw(moment: float, offset: float, pause: float, **how: Any) -> Drawing:
    """A drawing whose disc and burst come `moment` seconds after the earlier of its picture and its sound."""
    return Drawing(
        mark=(24.0, 56.0),
        mark_at=moment - max(-offset, 0.0),
        burst_at=moment - max(offset, 0.0) - pause,
        sound_late=offset,
        pause=(0.3, pause) if pause else None,
        **how,
    )


def place_in_the_model(drawing: Drawing, matrix: tuple[int, int, int, int]) -> tuple[float, float]:
    """Row and column of the disc in the pixels that the model takes, worked out from the definitions."""
    (height, width), (row, column) = drawing.size, drawing.mark
    wide, high = float(max(drawing.pixel_aspect, 1)), float(max(1 / drawing.pixel_aspect, 1))
    down, right = (row + 0.5) * high - height * high / 2, (column + 0.5) * wide - width * wide / 2  # from the middle
    a, b, c, d = matrix
    scale = SIDE / min(height * high, width * wide)
    return (b * right + d * down) * scale + PIXELS / 2 - 0.5, (a * right + c * down) * scale + PIXELS / 2 - 0.5


@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(
    container=st.sampled_from(sorted(CONTAINERS)),
    matrix=st.sampled_from(MATRICES),
    aspect=st.sampled_from([Fraction(1), Fraction(16, 9), Fraction(3, 4)]),
    layout=st.sampled_from(sorted(LAYOUTS)),
    carried=st.sampled_from(["all", "last", "opposite"]),
    offset=st.integers(-30, 30).map(lambda frames: frames / FPS),
    clock=st.sampled_from([0.0, 10.0, 3000.0]),
    moment=st.sampled_from([2.6, 3.2]),
    pause=st.sampled_from([0.0, 0.8]),
    seconds=st.sampled_from([4.0, 6.0]),
)
def test_model_sees_and_hears_what_a_player_shows(
    tmp_path_factory, container, matrix, aspect, layout, carried, offset, clock, moment, pause, seconds
):
    """A disc and a burst of one moment reach the model in one moment, the disc where a player shows it."""
    suffix, options, codec = CONTAINERS[container]
    layout = layout if codec == "pcm_s16le" or LAYOUTS[layout] <= 2 else "stereo"
    count = LAYOUTS[layout]
    channels = {"all": [1.0] * count, "last": [0.0] * (count - 1) + [1.0], "opposite": ([1.0, -1.0] * 4)[:count]}
    pause = 0.0 if suffix == "mov" else pause  # its samples have no times of their own
    drawing = draw(
        moment,
        offset,
        pause,
        seconds=seconds,
        clock=clock,
        pixel_aspect=aspect,
        channels=channels[carried],
        layout=layout,
    )
    path = tmp_path_factory.mktemp("drawn") / f"a.{suffix}"
    write_drawing(path, drawing, options=options, sound_codec=codec)
    if suffix in ("mp4", "mov"):
        set_display_matrix(path, matrix)
    else:
        matrix = (1, 0, 0, 1)
    primed = 481 / SOUND_RATE if codec == "mp2" else 0.0  # by which its encoder begins before the sound
    frame, hop = 1 / FPS + primed + 1e-3, HOP_S + 1e-3

    clip = read_clip(path, num_frames=3 * FPS)
    assert not any("cut short" in note for note in clip.notes)
    lit = clip.frames.reshape(len(clip.frames), -1).max(axis=1) > 128
    assert clip.start + lit.argmax() / FPS == pytest.approx(moment, abs=frame)
    heard = (np.abs(clip.audio) > 0.05).argmax() / RATE
    assert clip.start + heard == pytest.approx(moment, abs=hop)
    level = np.sqrt(np.square(clip.audio).sum() / (0.5 * RATE))
    assert level == pytest.approx(np.sqrt(1 / 12) * (RATE / SOUND_RATE) ** 0.5, rel=0.1)  # of the part below 8 kHz

    inputs = PROCESSOR(path)
    pixels, features = inputs["pixel_values"][0, :, 0].numpy(), inputs["input_features"][0].numpy()
    there = pixels.reshape(len(pixels), -1).max(axis=1) > 0
    rows, columns = np.nonzero(pixels[there.argmax()] > 0)
    assert (rows.mean(), columns.mean()) == pytest.approx(place_in_the_model(drawing, matrix), abs=1.5)
    loudness = features.mean(axis=0)
    burst = (loudness > (loudness.min() + loudness.max()) / 2).argmax() * HOP_S
    assert burst == pytest.approx(there.argmax() / FPS, abs=frame + 3 * hop)  # a spectrum is of 4 hops


# --- pictures that were lost, and clocks that run apart ---


@pytest.mark.parametrize("kind", ["avi", "mkv"])
def test_pictures_that_a_recorder_lost_do_not_shift_the_others(tmp_path, kind):
    drawing = Drawing(seconds=6.0, mark_at=4.0, burst_at=4.0)
    path = tmp_path / f"a.{kind}"
    write_drawing(path, drawing, codec="mpeg4", lost=(1.0, 3.0))
    clip = read_clip(path, num_frames=3 * FPS)
    lit = clip.frames.reshape(len(clip.frames), -1).max(axis=1) > 128
    assert clip.start + lit.argmax() / FPS == pytest.approx(4.0, abs=1 / FPS + 1e-3)
    assert clip.start + (np.abs(clip.audio) > 0.05).argmax() / RATE == pytest.approx(4.0, abs=HOP_S)


@pytest.mark.parametrize("speed", [0.985, 0.99, 0.9999, 1.0001, 1.01])
def test_sound_card_that_runs_at_another_speed_stays_in_time(tmp_path, speed):
    """Its stamps go by the clock of the camera, its samples by its own."""
    drawing = Drawing(seconds=24.0, mark_at=20.0, burst_at=20.0 / speed, speed=speed)
    clip = read_clip(write_drawing(tmp_path / "a.mkv", drawing), num_frames=3 * FPS)
    assert clip.start + (np.abs(clip.audio) > 0.05).argmax() / RATE == pytest.approx(20.0, abs=HOP_S + 1e-3)


@pytest.mark.parametrize(
    ("seconds", "picture", "late"),
    [
        (40.0, 5.0, 0.0),  # the burst at 30 s is heard without a picture
        (6.0, 6.0, 4.0),  # two seconds are of both
        (6.0, 6.0, -4.0),
        (6.0, 6.0, 0.2),
    ],
)
def test_window_stays_where_there_is_picture_and_sound(tmp_path, seconds, picture, late):
    drawing = Drawing(seconds=seconds, burst_at=min(30.0, seconds - 2.5), sound_late=late)
    path = write_drawing(tmp_path / "a.mkv", drawing, lost=(picture, seconds))
    clip = read_clip(path)
    begin, end = max(late, -late, 0.0), min(picture + max(-late, 0.0), seconds + max(late, 0.0))
    share = min(clip.start + 3.0, end) - max(clip.start, begin)
    assert share == pytest.approx(min(3.0, end - begin), abs=0.3)


@pytest.mark.parametrize("extra", ["sound", "picture"])
def test_longer_track_that_is_not_read_does_not_make_the_file_cut_short(tmp_path, extra):
    short = write_drawing(tmp_path / "short.mkv", Drawing(seconds=3.0))
    long = write_drawing(tmp_path / "long.mkv", Drawing(seconds=9.0))
    with av.open(str(tmp_path / "a.mkv"), "w") as target, av.open(str(short)) as one, av.open(str(long)) as other:
        chosen = [*one.streams, *(other.streams.audio if extra == "sound" else other.streams.video)]
        streams = {stream: target.add_stream_from_template(stream) for stream in chosen}
        for source in (one, other):
            for packet in source.demux([stream for stream in chosen if stream.container is source]):
                if packet.dts is not None:
                    packet.stream = streams[packet.stream]
                    target.mux(packet)
    clip = read_clip(tmp_path / "a.mkv")
    assert clip.duration == pytest.approx(3.0, abs=0.1)
    assert not clip.notes


def test_empty_track_of_pictures_is_told(tmp_path):
    path = write_drawing(tmp_path / "a.mkv", Drawing(), lost=(0.0, 4.0))
    assert "picture: there is nothing in its track" in read_clip(path).notes


# --- clocks that contradict themselves ---


def two_in_one(folder: Path, first: Drawing, second: Drawing, **kinds: bool) -> Path:
    """Two MPEG streams one after the other in one file, each with its own clock, as recorders leave them."""
    parts = [
        write_drawing(folder / f"{n}.ts", drawing, sound_codec="mp2", **kinds)
        for n, drawing in enumerate((first, second))
    ]
    path = folder / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def test_clock_that_leaps_back_is_refused(tmp_path):
    path = two_in_one(tmp_path, Drawing(clock=60.0), Drawing(clock=3.0))
    with pytest.raises(MediaError, match=r"both\.ts: expected picture and sound of the same moments, .*leaps back"):
        read_clip(path)


def test_sound_alone_whose_clock_leaps_back_is_joined(tmp_path):
    path = two_in_one(tmp_path, Drawing(clock=60.0), Drawing(clock=3.0, channels=(0.5,)), picture=False)
    audio = read_audio(path)
    assert audio.size / RATE == pytest.approx(8.0, abs=0.1)
    levels = [np.abs(part).max() for part in np.split(audio[: 8 * RATE], 2)]
    assert levels[1] / levels[0] == pytest.approx(0.5, abs=0.1)
    assert any("leaps back" in note for note in read_clip(path).notes)


def test_pictures_alone_whose_clock_leaps_back_are_counted(tmp_path):
    path = two_in_one(tmp_path, Drawing(clock=60.0, mark_at=3.0), Drawing(clock=3.0, mark_at=1.0), sound=False)
    clip = read_clip(path, num_frames=8 * FPS, duration=8.0)
    lit = np.flatnonzero(clip.frames.reshape(len(clip.frames), -1).max(axis=1) > 128) / FPS
    assert clip.duration == pytest.approx(8.0, abs=0.1)
    assert lit[0] == pytest.approx(3.0, abs=0.09)
    assert lit[-1] == pytest.approx(5.5, abs=0.09)
    assert any("leaps back" in note for note in clip.notes)


@pytest.mark.parametrize(("pause", "refused"), [(1000.0, False), (5000.0, True)])
def test_pause_without_end_is_a_broken_clock(tmp_path, pause, refused):
    """Nothing announces a length, and the picture ends long before the sound goes on."""
    drawing = Drawing(pause=(1.0, pause))
    path = write_drawing(tmp_path / "a.mkv", drawing, options={"live": "1"})
    if refused:
        with pytest.raises(MediaError, match="clock of its sound leaps from 1.00 to 5001.00 s"):
            read_clip(path)
    else:
        assert read_clip(path).duration == pytest.approx(1004, abs=0.1)


def test_sound_alone_with_a_pause_without_end_is_joined(tmp_path):
    path = write_drawing(tmp_path / "a.mkv", Drawing(pause=(1.0, 5000.0)), options={"live": "1"}, picture=False)
    clip = read_clip(path)
    assert clip.duration == pytest.approx(4.0, abs=0.05)
    assert any("leaps from 1.00 to 5001.00 s; what follows is joined" in note for note in clip.notes)


def test_long_pause_that_the_header_announces_is_kept(tmp_path):
    path = write_drawing(tmp_path / "a.mkv", Drawing(pause=(1.0, 5000.0)), picture=False)
    clip = read_clip(path)
    assert clip.duration == pytest.approx(5004.0, abs=0.1)
    assert clip.start == pytest.approx(5000.75, abs=1.0)


@pytest.mark.parametrize("late", [5000.0, -5000.0])
def test_sound_of_another_hour_is_refused(tmp_path, late):
    path = write_drawing(tmp_path / "a.mkv", Drawing(sound_late=late), options={"live": "1"})
    if late > 0:  # the picture does not reach to it
        with pytest.raises(MediaError, match="5000 s after that of its picture"):
            read_clip(path)
    else:
        with pytest.raises(MediaError, match="5000 s before that of its picture"):
            read_clip(path)
