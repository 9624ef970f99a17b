"""One square box around the face of a clip: found by OpenCV, or framed from 68 landmarks in the same way.

A box holds for the whole clip, so that the head moves in the cropped pictures as it moved in front of the camera.
Without a face it is the middle square. This file travels to the hub: it imports nothing of ours.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torchvision.transforms.v2.functional as tvf

try:
    import cv2
except ImportError:
    cv2 = None  # type: ignore[assignment]

FACE_CROPS = ("none", "haar", "yunet")
FACE_VERSION = 1
"""Raised whenever the same pictures would be cut differently."""

# A face below is a centre and a side as the cascade gives them: a square from above the brows to just above the chin.
# In units of that side the chin of the 24 resting RAVDESS actors lies 0.58 below the centre (0.64 at most). The box
# reaches from 0.70 above the centre to 0.80 below it, and the model's own crop of 112 pixels out of 128 leaves 0.61
# and 0.71 of that: the forehead, and the chin with room for a mouth that opens.
FACE_SCALE = 1.5
FACE_DROP = 0.05

# Measured on the same 24 frames against the cascade (mean and standard deviation over actors): its side is 3.14
# (0.10) times the root mean square distance of the 68 points from their mean, its centre lies 0.102 (0.008) sides
# below the middle of the eyes. Unlike the height of the landmarks, these hardly change when the mouth opens. The two
# boxes overlap by 0.94 on average (intersection over union), by 0.90 at least.
SIDE_OF_SPREAD = 3.14
CENTRE_BELOW_EYES = 0.10
LANDMARKS = 68
_EYES = slice(36, 48)

# YuNet's box grows downwards with an open mouth; its width and the eyes that it marks do not. Measured like the
# landmarks, and the same on a clip of a wide open mouth: 1.204 (0.049) times the width, 0.114 (0.017) sides.
SIDE_OF_YUNET_WIDTH = 1.21
CENTRE_BELOW_YUNET_EYES = 0.11
YUNET_COLUMNS = 15  # box, five points (the eyes first), score
YUNET_SCORE = 0.8  # real faces score above 0.9, pans and hands stay below 0.7

# Of OpenCV's cascades: its side scatters less over the 24 actors (3 % of that of the landmarks) than that of the
# default one (4 %), it is faster, and it had no false hit in 14 clips without a face.
CASCADE = "haarcascade_frontalface_alt2.xml"
CASCADE_STEP, CASCADE_NEIGHBOURS = 1.1, 5

SEARCH_SIZE = 240  # pixels of the shorter side of the copy in which faces are looked for
SMALLEST_FACE = 0.2  # of the shorter side; smaller ones are passers-by, and cost time
MIN_SHARE = 1 / 3  # of the frames in which a face must be found at about the same place
SAME_PLACE = 0.5  # of its side by which a face may move, and still be the same
SAME_SIZE = 1.5  # times by which it may grow or shrink


@dataclass(frozen=True)
class FaceBox:
    """A square of a picture, in pixels."""

    top: int
    left: int
    side: int


class FaceFinder:
    """Finds the one face of a clip; made by [`make_face_finder`].

    May be used from several threads, copied and pickled: each thread opens a detector of its own, when it needs it.

    Args:
        face_crop (`str`): `"haar"` or `"yunet"`.
        yunet_path (`str`, *optional*): The detector's ONNX file, for `"yunet"`.
    """

    def __init__(self, face_crop: str, yunet_path: str | None = None) -> None:
        self.face_crop = face_crop
        self.yunet_path = yunet_path
        self._opened = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return FaceFinder, (self.face_crop, self.yunet_path)

    def find(self, frames: np.ndarray) -> FaceBox | None:
        """The box of the face that is seen largest and longest; the same frames always give the same.

        Args:
            frames (`np.ndarray`): uint8 `[frames, height, width, 3]`, RGB.

        Returns:
            `FaceBox`, or None where no face is found at about one place in a third of the frames.

        Raises:
            ValueError: Another type or shape.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise ValueError(
                f"expected uint8 frames [frames, height, width, 3], found {frames.dtype} {list(frames.shape)}"
            )
        face = _steady_face([self._faces(frame) for frame in frames])
        return None if face is None else _box(face, frames.shape[1], frames.shape[2])

    def open(self) -> Any:
        """The detector of this thread.

        Raises:
            ImportError: OpenCV 4 is not installed.
            ValueError: The ONNX file cannot be used.
        """
        if not hasattr(self._opened, "detector"):
            yunet = self.face_crop == "yunet"
            self._opened.detector = _open_yunet(self.yunet_path or "") if yunet else _open_cascade()
        return self._opened.detector

    def _faces(self, frame: np.ndarray) -> np.ndarray:
        """Faces of one frame as float64 `[faces, 3]`: x and y of the centre, side; in pixels, in a fixed order."""
        detector = self.open()
        shorter = min(frame.shape[:2])
        scale = min(1.0, SEARCH_SIZE / shorter)
        width, height = (max(1, round(size * scale)) for size in (frame.shape[1], frame.shape[0]))
        small = cv2.resize(np.ascontiguousarray(frame), (width, height), interpolation=cv2.INTER_AREA)
        smallest = SMALLEST_FACE * shorter * scale
        found = _yunet_faces(detector, small) if self.face_crop == "yunet" else _haar_faces(detector, small, smallest)
        found = found[found[:, 2] >= smallest]
        faces = found * (frame.shape[1] / width, frame.shape[0] / height, 1 / scale)
        return faces[np.lexsort(faces.T)]  # the cascade's own threads may shuffle them


def make_face_finder(face_crop: str, yunet_path: str | os.PathLike[str] | None = None) -> FaceFinder | None:
    """The finder that a config's `face_crop` asks for.

    Args:
        face_crop (`str`): `"none"`, `"haar"` (OpenCV's own frontal-face cascade) or `"yunet"`.
        yunet_path (`str` or `os.PathLike`, *optional*): Place of `face_detection_yunet_2023mar.onnx` on this machine.

    Returns:
        `FaceFinder`, or None for `"none"`.

    Raises:
        ValueError: An unknown `face_crop`, or `"yunet"` without a file that OpenCV can use.
        ImportError: OpenCV 4 is not installed.
    """
    check_face_crop(face_crop)
    if face_crop == "none":
        return None
    finder = FaceFinder(face_crop, None if yunet_path is None else os.fspath(yunet_path))
    finder.open()  # what is missing is said now, not in the middle of a corpus
    return finder


def check_face_crop(face_crop: str) -> None:
    """Refuse what is not among `FACE_CROPS`."""
    if face_crop not in FACE_CROPS:
        raise ValueError(f"face_crop={face_crop!r}: expected one of {', '.join(map(repr, FACE_CROPS))}")


def locate(finder: FaceFinder | None, frames: np.ndarray, frames_per_step: int = 1) -> FaceBox | None:
    """The box of a clip of which every `frames_per_step`-th frame is one that the model takes.

    Only these are looked at, so that a dataset that stores more frames is cropped as the processor crops a file.
    """
    return None if finder is None else finder.find(frames[::frames_per_step])


def face_box_of_landmarks(points: np.ndarray, height: int, width: int) -> FaceBox:
    """The box that [`FaceFinder`] would give, from landmarks of a clip.

    Args:
        points (`np.ndarray`): `[frames, 68, 2]`, x and y in pixels, in the usual order of dlib and OpenFace.
        height (`int`): Of the picture.
        width (`int`): Of the picture.

    Raises:
        ValueError: Another shape, or points that are no numbers.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 3 or points.shape[1:] != (LANDMARKS, 2) or not len(points) or not np.isfinite(points).all():
        raise ValueError(f"expected finite landmarks [frames, {LANDMARKS}, 2], found shape {list(points.shape)}")
    spread = np.sqrt(((points - points.mean(axis=1, keepdims=True)) ** 2).sum(axis=2).mean(axis=1))
    sides = SIDE_OF_SPREAD * spread
    x, y = points[:, _EYES].mean(axis=1).T
    return _box(np.median([x, y + CENTRE_BELOW_EYES * sides, sides], axis=1), height, width)


def crop_face(frames: np.ndarray, box: FaceBox | None) -> np.ndarray:
    """The box of frames `[frames, height, width, 3]`, not copied; without a box the frames as they are."""
    if box is None:
        return frames
    return frames[:, box.top : box.top + box.side, box.left : box.left + box.side]


def _box(face: np.ndarray, height: int, width: int) -> FaceBox:
    """The square around a face (x and y of its centre, its side) with a margin, moved into the picture."""
    x, y, side = face
    whole = int(min(max(round(FACE_SCALE * side), 1), height, width))
    top = round(y + FACE_DROP * side - whole / 2)
    left = round(x - whole / 2)
    return FaceBox(int(min(max(top, 0), height - whole)), int(min(max(left, 0), width - whole)), whole)


def _steady_face(found: Sequence[np.ndarray]) -> np.ndarray | None:
    """Of the faces of each frame `[faces, 3]`, the one with the greatest sum of sides over frames: its median."""
    best: list[np.ndarray] = []
    for anchor in (face for faces in found for face in faces):
        seen = [face for face in (_same_face(anchor, faces) for faces in found) if face is not None]
        if len(seen) >= MIN_SHARE * len(found) and sum(face[2] for face in seen) > sum(face[2] for face in best):
            best = seen
    return np.median(best, axis=0) if best else None


def _same_face(anchor: np.ndarray, faces: np.ndarray) -> np.ndarray | None:
    """The face of another frame that is nearest to this one, if it can be the same."""
    distance = np.abs(faces[:, :2] - anchor[:2]).max(axis=1)
    ratio = np.maximum(faces[:, 2], anchor[2]) / np.minimum(faces[:, 2], anchor[2])
    same = np.flatnonzero((distance <= SAME_PLACE * anchor[2]) & (ratio <= SAME_SIZE))
    return faces[same[distance[same].argmin()]] if same.size else None


def _haar_faces(detector: Any, picture: np.ndarray, smallest: float) -> np.ndarray:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    size = max(1, round(smallest))
    squares = detector.detectMultiScale(grey, CASCADE_STEP, CASCADE_NEIGHBOURS, minSize=(size, size))
    left, top, width, height = np.asarray(squares, np.float64).reshape(-1, 4).T
    return np.stack([left + width / 2, top + height / 2, width], axis=1)


def _yunet_faces(detector: Any, picture: np.ndarray) -> np.ndarray:
    detector.setInputSize((picture.shape[1], picture.shape[0]))
    rows = detector.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    marks = np.asarray([] if rows is None else rows, np.float64).reshape(-1, YUNET_COLUMNS)
    eyes = (marks[:, 4:6] + marks[:, 6:8]) / 2
    sides = SIDE_OF_YUNET_WIDTH * marks[:, 2]
    return np.stack([eyes[:, 0], eyes[:, 1] + CENTRE_BELOW_YUNET_EYES * sides, sides], axis=1)


def _open_cascade() -> Any:
    _need_opencv()
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")  # some systems' own OpenCV comes without it
    cascade = cv2.CascadeClassifier(os.path.join(folder, CASCADE))
    if cascade.empty():
        raise ImportError(f"This OpenCV comes without {CASCADE}: pip install 'emofusion[faces]'")
    return cascade


def _open_yunet(path: str) -> Any:
    todo = "Download face_detection_yunet_2023mar.onnx (OpenCV Zoo) and name its place in yunet_path"
    if not path:
        raise ValueError(f"face_crop='yunet' needs the detector's file, found no yunet_path. {todo}.")
    if not os.path.isfile(path):
        raise ValueError(f"yunet_path={path}: expected the detector's ONNX file, found no file. {todo}.")
    _need_opencv()
    try:
        return cv2.FaceDetectorYN.create(path, "", (SEARCH_SIZE, SEARCH_SIZE), YUNET_SCORE)
    except cv2.error as error:
        raise ValueError(
            f"yunet_path={path}: expected YuNet as ONNX, found a file of {os.path.getsize(path)} bytes "
            f"that OpenCV cannot read. {todo}."
        ) from error


def _need_opencv() -> None:
    if cv2 is None or not hasattr(cv2, "CascadeClassifier"):  # OpenCV 5 has moved it
        raise ImportError("OpenCV 4 is needed to find faces and is not installed: pip install 'emofusion[faces]'")


__all__ = [
    "FACE_CROPS",
    "FaceBox",
    "FaceFinder",
    "check_face_crop",
    "crop_face",
    "face_box_of_landmarks",
    "locate",
    "make_face_finder",
]


def square_resize(frames: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The middle square of pictures `[..., height, width]`, resized with antialiasing."""
    side = min(frames.shape[-2:])
    return tvf.resize(tvf.center_crop(frames, [side, side]), [height, width], antialias=True)


def to_grey(frames: torch.Tensor) -> torch.Tensor:
    """uint8 `[..., 3, height, width]` with the luma of ITU-R BT.601 for each colour; what is grey stays as it is."""
    red, green, blue = frames.to(torch.int32).unbind(-3)
    luma = (299 * red + 587 * green + 114 * blue + 500) // 1000
    return luma.to(torch.uint8).unsqueeze(-3).expand(frames.shape)


def stored_size(image_size: int) -> int:
    """Side in pixels to which frames are resized before the crop to `image_size`: 128 for 112, as 256 for 224."""
    return round(image_size * 8 / 7)
