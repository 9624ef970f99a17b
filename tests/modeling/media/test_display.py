"""Pictures are seen as a player shows them: display matrix, pixel aspect and container crops, by whichever reader."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageOps

from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor, read_clip
from emofusion.modeling.display_emofusion import Crop, Display, turns
from emofusion.modeling.faces_emofusion import FaceBox
from helpers.drawn_media import Drawing, set_clean_aperture, set_display_matrix, set_matroska_crop, write_drawing

pytestmark = pytest.mark.usefixtures("reader")
EIGHT = [(a, 0, 0, d) for a, d in itertools.product((1, -1), repeat=2)]
EIGHT += [(0, b, c, 0) for b, c in itertools.product((1, -1), repeat=2)]
"""The matrices of all turns and mirrors: stored (x, y) is shown at (a x + c y, b x + d y)."""


def shown_at(drawing: Drawing, matrix: Sequence[int]) -> tuple[float, float]:
    """Row and column of the mark after the display matrix, worked out from its definition."""
    (height, width), (row, column) = drawing.size, drawing.mark
    a, b, c, d = matrix
    corners = [(a * x + c * y, b * x + d * y) for x in (0, width - 1) for y in (0, height - 1)]
    left, top = (min(corner[axis] for corner in corners) for axis in (0, 1))
    return b * column + d * row - top, a * column + c * row - left


def mark_of(picture: np.ndarray) -> tuple[float, float, float]:
    """Row and column of the disc's centre, and its width by its height."""
    rows, columns = np.nonzero(picture.max(axis=-1) > 128)
    return rows.mean(), columns.mean(), (np.ptp(columns) + 1) / (np.ptp(rows) + 1)


def frame_with_mark(path: Path) -> np.ndarray:
    return read_clip(path, num_frames=4, duration=4.0, window="start").frames[2]


@pytest.mark.parametrize("matrix", EIGHT)
@pytest.mark.parametrize("kind", ["mp4", "mov"])
def test_display_matrix_is_obeyed(tmp_path, matrix, kind):
    drawing = Drawing()
    path = write_drawing(tmp_path / f"a.{kind}", drawing, sound=False)
    set_display_matrix(path, matrix)
    picture = frame_with_mark(path)
    assert picture.shape == ((64, 96, 3) if matrix[0] else (96, 64, 3))
    assert mark_of(picture)[:2] == pytest.approx(shown_at(drawing, matrix), abs=0.6)


@pytest.mark.parametrize(
    ("matrix", "nearest"),
    [((100, 3, -3, 100), (1, 0, 0, 1)), ((7, 90, -90, 7), (0, 1, -1, 0)), ((0, 0, 0, 0), (1, 0, 0, 1))],
)
def test_matrix_of_another_angle_is_taken_for_the_nearest_quarter(matrix, nearest):
    assert turns(matrix) == turns(nearest)


def test_display_that_only_turns_is_left_to_decord():
    turned = [Display(transposed=t, mirrored=m, upside_down=u) for t, m, u in itertools.product((0, 1), repeat=3)]
    assert sum(display.only_turns for display in turned) == 4
    assert not Display(crop=Crop(left=1)).only_turns
    assert not Display(pixel_aspect=Fraction(4, 3)).only_turns


@pytest.mark.parametrize("aspect", [Fraction(16, 9), Fraction(8, 9), Fraction(1, 2), Fraction(59, 54)])
@pytest.mark.parametrize("kind", ["mp4", "mkv", "ts"])
def test_pixels_that_are_not_square_are_stretched(tmp_path, aspect, kind):
    path = write_drawing(tmp_path / f"a.{kind}", Drawing(pixel_aspect=aspect), sound=False)
    clip = read_clip(path, num_frames=4, duration=4.0, window="start")
    row, column, ratio = mark_of(clip.frames[2])
    wide, high = max(aspect, 1), max(1 / aspect, 1)
    assert clip.frames.shape[1:3] == (round(64 * high), round(96 * wide))
    assert ratio == pytest.approx(aspect, rel=0.08)
    assert (row, column) == pytest.approx((20 * high, 70 * wide), abs=1.1)
    assert clip.notes == (
        f"picture: stored in pixels of {aspect.numerator}:{aspect.denominator}, shown in square ones",
    )


def test_pixels_that_cannot_be_are_taken_for_square_ones(tmp_path):
    path = write_drawing(tmp_path / "a.mp4", Drawing(pixel_aspect=Fraction(20)), sound=False)
    clip = read_clip(path)
    assert clip.frames.shape[1:3] == (64, 96)
    assert "picture: pixels of 20 are taken for square ones" in clip.notes


@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv"])
def test_container_crop_is_cut_off(tmp_path, kind):
    drawing = Drawing()
    path = write_drawing(tmp_path / f"a.{kind}", drawing, sound=False)
    if kind == "mkv":
        set_matroska_crop(path, top=6, bottom=10, left=30, right=4)
    else:
        set_clean_aperture(path, drawing, top=6, bottom=10, left=30, right=4)
    picture = frame_with_mark(path)
    assert picture.shape == (64 - 16, 96 - 34, 3)
    assert mark_of(picture)[:2] == pytest.approx((20 - 6, 70 - 30), abs=0.6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photograph_is_turned_by_its_exif_data(tmp_path, orientation):
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    )
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95)
    with Image.open(tmp_path / "a.jpg") as saved:
        shown = np.asarray(ImageOps.exif_transpose(saved).convert("RGB"))
    frame = read_clip(tmp_path / "a.jpg", num_frames=1).frames[0]
    assert frame.shape == shown.shape
    assert np.corrcoef(frame.mean(-1).ravel(), shown.mean(-1).ravel())[0, 1] > 0.95


def test_crop_stretch_and_turn_come_in_this_order(tmp_path):
    drawing = Drawing(pixel_aspect=Fraction(2), mark=(30.0, 50.0))
    path = write_drawing(tmp_path / "a.mp4", drawing, sound=False)
    set_clean_aperture(path, drawing, top=0, bottom=4, left=16, right=0)
    set_display_matrix(path, (0, 1, -1, 0))  # a quarter turn clockwise
    picture = frame_with_mark(path)
    assert picture.shape == (160, 60, 3)
    assert mark_of(picture)[:2] == pytest.approx((2 * (50 - 16), 59 - 30), abs=1.1)


def test_damaged_boxes_leave_the_picture_whole(tmp_path):
    """Whatever stands in the header, the reader of crops says nothing is cut rather than failing."""
    drawing = Drawing(pixel_aspect=Fraction(2))
    path = write_drawing(tmp_path / "a.mp4", drawing, sound=False)
    set_clean_aperture(path, drawing, top=6, bottom=10, left=30, right=4)
    data = bytearray(path.read_bytes())
    place = data.index(b"clap") + 4
    data[place + 4 : place + 8] = bytes(4)  # a width of something by nothing
    path.write_bytes(data)
    assert read_clip(path).frames.shape[1:3] == (64, 192)


def test_faces_are_looked_for_in_what_is_shown(tmp_path, monkeypatch):
    """Processor and store hand the finder the same upright, stretched picture that the model sees."""
    drawing = Drawing(pixel_aspect=Fraction(2))
    path = write_drawing(tmp_path / "a.mp4", drawing, sound=False)
    set_display_matrix(path, (-1, 0, 0, 1))
    processor = EmoFusionProcessor.from_config(EmoFusionConfig(face_crop="haar", fusion="video"))
    seen: list[np.ndarray] = []
    finder = processor.video_processor.face_finder()
    monkeypatch.setattr(finder, "find", lambda frames: seen.append(frames) or FaceBox(0, 0, 60))
    processor(str(path))
    assert seen[0].shape[1:] == (64, 192, 3)
    lit = [frame for frame in seen[0] if frame.max() > 128]
    assert mark_of(lit[0])[:2] == pytest.approx((20, 191 - 140), abs=1.1)


def test_writer_writes_what_it_says(tmp_path):
    """The files of this test are what their names say: FFmpeg sees the aspect, and hands the matrix on."""
    path = write_drawing(tmp_path / "a.mp4", Drawing(pixel_aspect=Fraction(16, 9)), sound=False)
    set_display_matrix(path, (0, 1, -1, 0))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.sample_aspect_ratio == Fraction(16, 9)
        assert next(container.decode(stream)).rotation == -90
