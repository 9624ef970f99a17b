"""The face of a clip: found, framed, followed by the official tracks, cut out alike everywhere, and shown."""

import copy
import json
import logging
import os
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoProcessor

from emofusion.data.export.contact_sheets import write_contact_sheets
from emofusion.data.sources.face_tracks import FaceTracks
from emofusion.data.store.settings import DecodeSettings
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor, faces_emofusion, read_clip
from emofusion.modeling.faces_emofusion import (
    FaceBox,
    FaceFinder,
    crop_face,
    face_box_of_landmarks,
    locate,
    make_face_finder,
)
from helpers.corpora.ravdess_files import FPS, write_media

ACTORS = [f"{actor:02d}" for actor in range(1, 25)]
EYES, MOUTH, CHIN = slice(36, 48), slice(48, 68), slice(6, 11)
HEIGHT, WIDTH = 224, 398  # of the real faces
TRACK = "01-01-06-01-02-01-12"


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    found = make_face_finder("haar")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def landmarks(test_data: Path) -> dict[str, np.ndarray]:
    text = (test_data / "real_faces" / "landmarks.json").read_text()
    return {actor: np.array(points) for actor, points in json.loads(text).items()}


@pytest.fixture(scope="module")
def yunet() -> str:
    path = os.environ.get("EMOFUSION_TEST_YUNET", "")
    if not path:
        pytest.skip("name face_detection_yunet_2023mar.onnx in EMOFUSION_TEST_YUNET")
    return path


def face_of(test_data: Path, actor: str) -> np.ndarray:
    """uint8 [1, 224, 398, 3]."""
    with Image.open(test_data / "real_faces" / f"Actor_{actor}.png") as picture:
        return np.array(picture.convert("RGB"))[None]


def frames_of(path: Path) -> np.ndarray:
    frames = read_clip(path, want_audio=False).frames
    assert frames is not None
    return frames


def overlap(one: FaceBox, other: FaceBox) -> float:
    """Intersection over union."""
    high = min(one.top + one.side, other.top + other.side) - max(one.top, other.top)
    wide = min(one.left + one.side, other.left + other.side) - max(one.left, other.left)
    shared = max(high, 0) * max(wide, 0)
    return shared / (one.side**2 + other.side**2 - shared)


def holds(box: FaceBox, points: np.ndarray, margin: float = 0.0) -> bool:
    """Whether points (x, y) lie in a box, this share of its side away from its edges."""
    inside = (points - (box.left, box.top)) / box.side
    return bool((inside >= margin).all() and (inside <= 1 - margin).all())


def assert_inside(box: FaceBox, height: int, width: int) -> None:
    assert all(type(value) is int for value in (box.top, box.left, box.side))
    assert box.side >= 1 and box.top >= 0 and box.left >= 0
    assert box.top + box.side <= height and box.left + box.side <= width


# Finding


@pytest.mark.parametrize("actor", ACTORS)
def test_box_of_a_real_face_holds_the_face_and_is_that_of_its_landmarks(finder, landmarks, test_data, actor):
    box = finder.find(face_of(test_data, actor))
    assert box is not None
    assert_inside(box, HEIGHT, WIDTH)
    assert holds(box, landmarks[actor])
    margin = 1 / 16  # goes off when the model takes 112 of 128 pixels
    assert all(holds(box, landmarks[actor][part], margin) for part in (EYES, MOUTH, CHIN))
    assert box.side < HEIGHT  # or nothing is gained
    assert overlap(box, face_box_of_landmarks(landmarks[actor][None], HEIGHT, WIDTH)) > 0.85


def test_box_of_real_faces_is_on_average_close_to_that_of_their_landmarks(finder, landmarks, test_data):
    pairs = [
        (finder.find(face_of(test_data, actor)), face_box_of_landmarks(landmarks[actor][None], HEIGHT, WIDTH))
        for actor in ACTORS
    ]
    assert np.mean([overlap(*pair) for pair in pairs]) > 0.93
    assert abs(np.mean([one.side / other.side for one, other in pairs]) - 1) < 0.01
    assert abs(np.mean([(one.top - other.top) / one.side for one, other in pairs])) < 0.01


@pytest.mark.parametrize(
    "name",
    [
        "ravdess/01-01-08-02-01-01-19.mp4",
        "derived/rotated_phone.mp4",
        "mead/M030_sad_3_001.mp4",
        "mead/contempt.mp4",
        "pyfeat/single_face.mp4",
    ],
)
def test_clip_with_a_face_has_a_box_and_always_the_same(finder, test_data, name):
    frames = frames_of(test_data / "clips" / name)
    box = finder.find(frames)
    assert box is not None
    assert_inside(box, *frames.shape[1:3])
    assert all(finder.find(frames) == box for _ in range(3))
    assert crop_face(frames, box).shape == (8, box.side, box.side, 3)


@pytest.mark.parametrize("name", ["pyfeat/no_face.mp4", "decord/flipping_a_pancake.mkv", "torchcodec/av1_video.mkv"])
def test_clip_without_a_face_has_no_box(finder, test_data, name):
    assert finder.find(frames_of(test_data / "clips" / name)) is None


def test_box_grows_with_the_picture(finder, test_data):
    small = face_of(test_data, "05")
    box = finder.find(small)
    large = finder.find(np.repeat(np.repeat(small, 3, axis=1), 3, axis=2))
    assert overlap(FaceBox(3 * box.top, 3 * box.left, 3 * box.side), large) > 0.95


@pytest.mark.parametrize(("seen", "found"), [(0, False), (2, False), (3, True), (8, True)])
def test_face_must_be_seen_in_a_third_of_the_frames(finder, test_data, seen, found):
    frames = np.full((8, HEIGHT, WIDTH, 3), 255, np.uint8)
    frames[8 - seen :] = face_of(test_data, "01")
    assert (finder.find(frames) is not None) == found


def test_face_that_jumps_about_is_no_face(finder, test_data):
    frames = np.full((8, HEIGHT, 4 * WIDTH, 3), 255, np.uint8)
    for index in range(4):  # two frames at each place
        frames[2 * index : 2 * index + 2, :, index * WIDTH : (index + 1) * WIDTH] = face_of(test_data, "01")
    assert finder.find(frames) is None


def test_larger_of_two_faces_is_taken_and_one_blind_frame_changes_nothing(finder, test_data):
    picture = np.full((2, HEIGHT, WIDTH + 199, 3), 255, np.uint8)
    picture[:, :, :WIDTH] = face_of(test_data, "02")
    picture[:, 112:, WIDTH:] = face_of(test_data, "01")[:, ::2, ::2]
    box = finder.find(picture)
    assert overlap(box, finder.find(face_of(test_data, "02"))) > 0.95
    assert finder.find(np.concatenate([picture, np.zeros_like(picture[:1])])) == box


def test_frames_of_another_kind_are_refused(finder):
    with pytest.raises(ValueError, match="expected uint8 frames.*found float32"):
        finder.find(np.zeros((2, 50, 50, 3), np.float32))
    with pytest.raises(ValueError, match=r"found uint8 \[50, 50, 3\]"):
        finder.find(np.zeros((50, 50, 3), np.uint8))


def test_finder_in_threads_finds_what_it_finds_alone(finder, test_data):
    pictures = [face_of(test_data, actor) for actor in ACTORS]
    alone = [finder.find(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(finder.find, pictures * 3)) == alone * 3


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda finder: pickle.loads(pickle.dumps(finder))])
def test_finder_copied_or_pickled_finds_the_same(finder, test_data, copied):
    picture = face_of(test_data, "07")
    box = finder.find(picture)  # its detector is open now, and cannot be copied
    assert copied(finder).find(picture) == box is not None


# Framing

sizes = st.integers(1, 300)
coordinates = st.floats(-400, 700)


@given(
    height=sizes, width=sizes, x=coordinates, y=coordinates, scale=st.floats(0, 400), seed=st.integers(0, 99),
    count=st.integers(1, 4),
)  # fmt: skip
def test_any_box_is_a_square_inside_the_picture(height, width, x, y, scale, seed, count):
    points = np.random.default_rng(seed).normal(0, 1, (count, 68, 2)) * scale + (x, y)
    box = face_box_of_landmarks(points, height, width)
    assert_inside(box, height, width)
    frames = np.zeros((count, height, width, 3), np.uint8)
    cropped = crop_face(frames, box)
    assert cropped.shape == (count, box.side, box.side, 3)
    assert np.shares_memory(cropped, frames)


@given(height=st.integers(1, 60), width=st.integers(1, 60), seed=st.integers(0, 9))
def test_finder_survives_pictures_of_any_size(height, width, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), np.uint8)
    box = FaceFinder("haar").find(noise)
    assert box is None or assert_inside(box, height, width) is None


def test_frames_without_a_box_stay_as_they_are():
    frames = np.zeros((2, 5, 7, 3), np.uint8)
    assert crop_face(frames, None) is frames


@pytest.mark.parametrize(
    "points", [np.zeros((68, 2)), np.zeros((1, 67, 2)), np.zeros((0, 68, 2)), np.full((1, 68, 2), np.nan)]
)
def test_landmarks_of_another_shape_are_refused(points):
    with pytest.raises(ValueError, match=r"expected finite landmarks \[frames, 68, 2\]"):
        face_box_of_landmarks(points, 100, 100)


def test_box_is_looked_for_in_the_frames_of_the_model_alone(finder, test_data):
    stored = np.full((8, HEIGHT, WIDTH, 3), 255, np.uint8)
    stored[::2] = face_of(test_data, "01")
    between = np.roll(stored, 1, axis=0)
    assert locate(finder, stored, 2) == locate(finder, stored[::2]) is not None
    assert locate(finder, between, 2) is None
    assert locate(None, stored, 2) is None


# Choosing


def test_no_finder_is_needed_for_none():
    assert make_face_finder("none") is None


@pytest.mark.parametrize(
    ("face_crop", "content", "message"),
    [
        ("mtcnn", None, "face_crop='mtcnn': expected one of 'none', 'haar', 'yunet'"),
        ("yunet", None, "needs the detector's file, found no yunet_path"),
        ("yunet", "", "yunet.onnx: expected the detector's ONNX file, found no file"),
        ("yunet", "version https://git-lfs.github.com/spec/v1", "yunet.onnx: .*a file of 42 bytes that OpenCV cannot"),
    ],
)
def test_finder_that_cannot_be_made_says_why(tmp_path, face_crop, content, message):
    path = None if content is None else tmp_path / "yunet.onnx"
    if content:
        path.write_text(content)
    with pytest.raises(ValueError, match=message):
        make_face_finder(face_crop, path)


def test_without_opencv_the_advice_is_to_install_it(monkeypatch):
    monkeypatch.setattr(faces_emofusion, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install 'emofusion\[faces\]'"):
        make_face_finder("haar")


def test_yunet_finds_the_faces_that_the_cascade_finds(yunet, finder, landmarks, test_data):
    other = make_face_finder("yunet", yunet)
    overlaps = []
    for actor in ACTORS:
        box = other.find(face_of(test_data, actor))
        assert holds(box, landmarks[actor])
        overlaps.append(overlap(box, finder.find(face_of(test_data, actor))))
    assert np.mean(overlaps) > 0.9
    assert other.find(frames_of(test_data / "clips/pyfeat/no_face.mp4")) is None
    assert copy.deepcopy(other).find(face_of(test_data, "01")) is not None


# Processor


@pytest.fixture
def config() -> EmoFusionConfig:
    return EmoFusionConfig(num_frames=4, image_size=32, num_mel_bins=16, clip_duration=2.0, face_crop="haar")


@pytest.fixture(scope="module")
def face_clip(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Silent and lossless: every half second a face at the right, in all other frames another at the left."""
    picture = np.full((4 * FPS, HEIGHT, 600, 3), 255, np.uint8)
    picture[:, :, :WIDTH] = face_of(test_data, "05")
    picture[::5] = 255
    picture[::5, :, 202:] = face_of(test_data, "03")
    return write_media(tmp_path_factory.mktemp("faces") / "face.mkv", picture, codecs=("ffv1", "flac"))


def test_processor_cuts_files_and_arrays_to_the_same_face(config, face_clip):
    processor = EmoFusionProcessor.from_config(config)
    frames = read_clip(face_clip, num_frames=4 * FPS, duration=4.0, window="start").frames
    from_file = processor(face_clip)["pixel_values"]
    assert (from_file == processor(videos=frames, video_fps=FPS)["pixel_values"]).all()
    plain = EmoFusionProcessor.from_config(EmoFusionConfig(**{**config_fields(config), "face_crop": "none"}))
    assert not (from_file == plain(face_clip)["pixel_values"]).all()


def config_fields(config: EmoFusionConfig) -> dict:
    return {name: getattr(config, name) for name in ("num_frames", "image_size", "num_mel_bins", "clip_duration")}


def test_processor_reads_more_frames_in_the_box_of_those_of_the_model(config, face_clip):
    processor = EmoFusionProcessor.from_config(config)
    one, three = processor.read(face_clip), processor.read(face_clip, frames_per_step=3)
    assert three.frames.shape == (12, *one.frames.shape[1:])
    assert one.frames.shape[1] == one.frames.shape[2] < HEIGHT
    assert (three.frames[::3] == one.frames).all()


def test_processor_of_a_clip_without_a_face_warns_once_and_takes_the_middle(config, test_data, caplog):
    clip = test_data / "clips/pyfeat/no_face.mp4"
    with caplog.at_level(logging.WARNING):
        inputs = EmoFusionProcessor.from_config(config)(clip)
    (record,) = [record for record in caplog.records if "no face" in record.getMessage()]
    assert "no_face.mp4" in record.getMessage()
    plain = EmoFusionProcessor.from_config(EmoFusionConfig(**config_fields(config)))
    assert (inputs["pixel_values"] == plain(clip)["pixel_values"]).all()


def test_processor_float_frames_are_refused_by_name(config):
    with pytest.raises(ValueError, match="video 0: expected uint8 frames"):
        EmoFusionProcessor.from_config(config)(videos=np.zeros((4, 40, 40, 3), np.float32))


def test_processor_of_a_model_of_sound_alone_needs_no_detector(face_clip):
    config = EmoFusionConfig(fusion="audio", face_crop="yunet")
    sound = np.zeros(16_000, np.float32)
    processor = EmoFusionProcessor.from_config(config)
    assert "input_features" in processor(
        audio=[sound], videos=[np.zeros((2, 9, 9, 3), np.uint8)], sampling_rate=16_000
    )


def test_processor_of_an_unknown_crop_is_refused(config):
    with pytest.raises(ValueError, match="face_crop='mtcnn'"):
        parts = EmoFusionProcessor.from_config(config)
        EmoFusionProcessor(parts.feature_extractor, parts.video_processor, face_crop="mtcnn")


def test_processor_saved_keeps_the_crop_and_no_place_of_this_machine(tmp_path):
    processor = EmoFusionProcessor.from_config(EmoFusionConfig(face_crop="yunet"))
    processor.yunet_path = Path("/secret/yunet.onnx")
    processor.save_pretrained(tmp_path / "one")
    assert "yunet_path" not in processor.to_dict()
    again = AutoProcessor.from_pretrained(tmp_path / "one")
    assert (again.face_crop, again.yunet_path) == ("yunet", None)
    named = AutoProcessor.from_pretrained(tmp_path / "one", yunet_path="/secret/yunet.onnx")
    assert named.yunet_path == "/secret/yunet.onnx"
    named.save_pretrained(tmp_path / "two")
    assert (tmp_path / "two" / "faces_emofusion.py").is_file()  # travels with the processor
    assert all("secret" not in path.read_text() for path in tmp_path.glob("*/*.json"))
    with pytest.raises(ValueError, match="yunet_path=/secret/yunet.onnx: .*found no file"):
        named(videos=np.zeros((4, 40, 40, 3), np.uint8))


def test_processor_of_an_older_checkpoint_crops_nothing(tmp_path):
    EmoFusionProcessor.from_config(EmoFusionConfig()).save_pretrained(tmp_path)
    path = tmp_path / "processor_config.json"
    saved = json.loads(path.read_text())
    assert saved.pop("face_crop") == "none"
    path.write_text(json.dumps(saved))
    assert AutoProcessor.from_pretrained(tmp_path).face_crop == "none"


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_processor_copied_after_use_crops_the_same(config, face_clip, way):
    processor = EmoFusionProcessor.from_config(config)
    inputs = processor(face_clip)["pixel_values"]
    again = pickle.loads(pickle.dumps(processor)) if way == "pickle" else copy.deepcopy(processor)
    assert (again(face_clip)["pixel_values"] == inputs).all()


# Official tracks

UP = 1280 / WIDTH  # the tracks are in pixels of the original videos


def track(points: np.ndarray, lost: tuple[int, ...] = (), fps: float = 30.0) -> str:
    """A table as OpenFace 2.1 writes it: blanks after commas, more columns than are needed; frames counted from 1."""
    names = ["frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "eye_lmk_x_0"]
    names += [f"x_{index}" for index in range(68)] + [f"y_{index}" for index in range(68)] + ["X_0", "AU01_r"]
    lines = [", ".join(names)]
    for index, frame in enumerate(points):
        head = f"{index + 1}, 0, {index / fps:.3f}, 0.98, {int(index not in lost)}, 0.1, 7.0"
        flat = ", ".join(f"{value:.1f}" for value in frame.T.ravel() * UP)
        lines.append(f"{head}, {flat}, -3.0, 0.42")
    return "\n".join(lines) + "\n"


def write_track(folder: Path, text: str, stem: str = TRACK) -> FaceTracks:
    (folder / "Actor_12").mkdir(parents=True, exist_ok=True)
    (folder / "Actor_12" / f"{stem}.csv").write_text(text)
    return FaceTracks(folder)


def test_box_of_a_track_is_the_box_of_the_seconds_in_which_the_face_was_seen(tmp_path, landmarks):
    points = np.repeat(landmarks["12"][None], 60, axis=0)
    points[:20] += (100, 0)  # before the window
    points[30:33] = 0  # lost
    tracks = write_track(tmp_path, track(points, lost=(30, 31, 32)))
    file = tracks.file(TRACK)
    assert file is not None and file.stamp[0] > 0 and len(tracks) == 1
    expected = face_box_of_landmarks(landmarks["12"][None], HEIGHT, WIDTH)
    found = tracks.box(file, 20 / 30, 1.0, HEIGHT, WIDTH)
    assert max(abs(found.left - expected.left), abs(found.top - expected.top), abs(found.side - expected.side)) <= 1
    shifted = tracks.box(file, 0.0, 0.6, HEIGHT, WIDTH)
    assert (shifted.left, shifted.top) == (found.left + 100, found.top)
    assert tracks.box(file, 1.0, 2 / 30, HEIGHT, WIDTH) is None
    assert tracks.box(file, 9.0, 1.0, HEIGHT, WIDTH) is None


@pytest.mark.parametrize("name", [TRACK, TRACK[3:], f"02{TRACK[2:]}", f"03{TRACK[2:]}"])
@pytest.mark.parametrize("modality", ["01", "02"])
def test_track_belongs_to_every_file_of_the_take(tmp_path, name, modality):
    tracks = write_track(tmp_path, "", f"{modality}{TRACK[2:]}")
    assert tracks.file(name).name.stem == f"{modality}{TRACK[2:]}"
    assert tracks.file(f"{name[:-2]}13") is None


def test_tracks_of_an_archive_are_those_of_its_files(tmp_path, landmarks):
    text = track(landmarks["12"][None])
    plain = write_track(tmp_path / "plain", text)
    (tmp_path / "zipped").mkdir()
    with zipfile.ZipFile(
        tmp_path / "zipped" / "FacialTracking_Actors_01-24.zip", "w", zipfile.ZIP_DEFLATED
    ) as archive:
        archive.writestr(f"Actor_12/{TRACK}.csv", text)
        archive.writestr(f"__MACOSX/Actor_12/._{TRACK}.csv", b"\0\5")
    zipped = FaceTracks(tmp_path / "zipped")
    boxes = [tracks.box(tracks.file(TRACK), 0.0, 3.0, HEIGHT, WIDTH) for tracks in (plain, zipped)]
    assert boxes[0] == boxes[1] is not None and len(zipped) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("frame, timestamp, x_0\n1, 0.0, 3\n", "columns timestamp.*found none named success, x_1, x_2 ..."),
        ("", "expected a table of OpenFace as CSV, found: No columns"),
        ("timestamp, success\n0.0, yes\n", "expected a table of OpenFace as CSV, found"),
    ],
)
def test_track_that_is_no_such_table_is_named(tmp_path, text, message):
    tracks = write_track(tmp_path, text)
    with pytest.raises(ValueError, match=f"{TRACK}.csv: .*{message}"):
        tracks.box(tracks.file(TRACK), 0.0, 3.0, HEIGHT, WIDTH)


def test_track_is_scaled_to_the_size_of_the_video(tmp_path, landmarks):
    tracks = write_track(tmp_path, track(landmarks["12"][None]))
    small, original = (tracks.box(tracks.file(TRACK), 0.0, 3.0, *size) for size in ((HEIGHT, WIDTH), (720, 1280)))
    assert abs(original.side - small.side * UP) < 4
    assert abs(original.left - small.left * UP) < 4


def test_track_of_a_video_of_another_shape_is_named(tmp_path, landmarks):
    tracks = write_track(tmp_path, track(landmarks["12"][None]))
    with pytest.raises(
        ValueError, match=rf"{TRACK}.csv: its pixels are those of 1280 x 720 pictures, found 720 x 720"
    ):
        tracks.box(tracks.file(TRACK), 0.0, 3.0, 720, 720)


def test_folder_without_tracks_is_named(tmp_path):
    (tmp_path / "notes.csv").write_text("a")
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    with pytest.raises(ValueError, match="expected face tracks such as .*found none; broken.zip: not a readable zip"):
        FaceTracks(tmp_path)
    with pytest.raises(FileNotFoundError):
        FaceTracks(tmp_path / "nowhere")


# Contact sheets

SIZE = 24
SETTINGS = DecodeSettings(num_frames=3, frames_per_step=1, frame_size=SIZE)


def row(actor: int, grey: int, **facts) -> dict:
    """A clip whose middle frame has this grey, and its other frames have another."""
    frames = np.full((3, SIZE, SIZE, 3), 255 - grey, np.uint8)
    frames[1] = grey
    facts = {
        "gender": "male",
        "emotion": "happy",
        "intensity": "strong",
        "statement": 1,
        "repetition": 2,
        "channel": "speech",
        **facts,
    }
    return {"clip": str(grey), "actor": actor, "frames": frames.tobytes(), "has_video": True, "face": "found", **facts}


def colours(path: Path) -> dict[tuple[int, ...], int]:
    """Pixels of each colour."""
    with Image.open(path) as sheet:
        assert sheet.format == "PNG"
        return {colour: count for count, colour in sheet.convert("RGB").getcolors(1 << 24)}


def test_sheet_of_each_actor_shows_the_middle_frame_of_its_clips_alone(tmp_path):
    rows = datasets.Dataset.from_list([row(3, 10), row(12, 20), row(3, 30)])
    paths = write_contact_sheets(rows, tmp_path / "sheets", SETTINGS)
    assert [path.name for path in paths] == ["Actor_03.png", "Actor_12.png"]
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["Actor_03.png", "Actor_12.png"]
    shown = [[grey for grey in (10, 20, 30) if colours(path).get((grey,) * 3, 0) >= 128 * 128] for path in paths]
    assert shown == [[10, 30], [20]]


@pytest.mark.parametrize(("face", "red"), [("not found", True), ("found", False), ("tracked", False), ("", False)])
def test_sheet_has_a_red_border_where_no_face_was_found(tmp_path, face, red):
    (path,) = write_contact_sheets(datasets.Dataset.from_list([row(1, 9, face=face)]), tmp_path, SETTINGS)
    assert colours(path).get((255, 0, 0), 0) == (136**2 - 128**2 if red else 0)


def test_sheet_leaves_out_clips_without_picture_and_fills_its_rows_with_whole_emotions(tmp_path):
    unseen = row(1, 9, has_video=False) | {"frames": None}
    sheets = {
        "one": [row(1, 9)],
        "unseen": [row(1, 9), unseen],
        "two": [row(1, 9), row(1, 9, emotion="sad")],
        "song": [row(1, 9), row(1, 9, channel="song")],
        "long": [row(1, 9)] * 9,
        "whole": [row(1, 9)] * 6 + [row(1, 9, emotion="sad")] * 3,
    }
    heights, widths = {}, {}
    for name, clips in sheets.items():
        (path,) = write_contact_sheets(datasets.Dataset.from_list(clips), tmp_path / name, SETTINGS)
        with Image.open(path) as sheet:
            heights[name], widths[name] = sheet.height, sheet.width
    assert heights["one"] == heights["unseen"] == heights["two"] == heights["song"] < heights["long"]
    assert heights["long"] == heights["whole"]
    step = (widths["long"] - widths["whole"]) / 2  # 8 clips in the longest row, and 6
    assert step == pytest.approx(128, abs=30) and widths["long"] == pytest.approx(8 * step, abs=20)
    assert widths["two"] < widths["long"] / 2  # as wide as its clips, or its title
    assert (tmp_path / "one/Actor_01.png").read_bytes() != (tmp_path / "unseen/Actor_01.png").read_bytes()  # title
    assert write_contact_sheets(datasets.Dataset.from_list([unseen]), tmp_path / "none", SETTINGS) == []


def test_sheet_of_frames_of_another_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match="clip 9: expected 16 stored frames of 128 x 128 pixels"):
        write_contact_sheets(datasets.Dataset.from_list([row(1, 9)]), tmp_path, DecodeSettings())
    assert list(tmp_path.iterdir()) == []
