"""What finds the face that stored frames are cut to."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from emofusion.data.sources.face_tracks import FaceTracks
from emofusion.data.sources.files import CorpusFile
from emofusion.data.sources.takes import Take

if TYPE_CHECKING:
    from emofusion.modeling.faces_emofusion import FaceFinder

NO_FACE = "not found"


@dataclass(frozen=True)
class Faces:
    """Where the box of a face comes from: the official tracks where there are any for the take, else the detector.

    Attributes:
        face_crop (`str`): `"haar"` or `"yunet"`.
        yunet_path (`str`, *optional*): The detector's file.
        tracks (`FaceTracks`, *optional*): The official tracks.
    """

    face_crop: str
    yunet_path: str | None = None
    tracks: FaceTracks | None = None

    @cached_property
    def finder(self) -> "FaceFinder":
        """The detector; opened when a take is decoded, because those that are decoded need none."""
        from emofusion.modeling.faces_emofusion import make_face_finder

        finder = make_face_finder(self.face_crop, self.yunet_path)
        assert finder is not None
        return finder

    def track(self, take: Take) -> CorpusFile | None:
        """The file with the track of a take's face."""
        return None if self.tracks is None else self.tracks.file(take.clip)


def faces_for(face_crop: str, yunet_path: str | None = None) -> Faces | None:
    """What finds faces, if they are to be found.

    Raises:
        ValueError: The detector's file is not named.
    """
    if face_crop == "none":
        return None
    if face_crop == "yunet" and yunet_path is None:
        raise ValueError("face_crop='yunet' needs yunet_path, the detector's ONNX file")
    return Faces(face_crop, None if yunet_path is None else str(Path(yunet_path).expanduser()))


def face_model(face_crop: str, yunet_path: str | None) -> str:
    """What else decides where the box of a face lies, for `DecodeSettings`: our framing, and the user's detector.

    Raises:
        ValueError: No such file.
    """
    if face_crop == "none":
        return ""
    from emofusion.modeling.faces_emofusion import FACE_VERSION

    if face_crop != "yunet" or yunet_path is None:
        return str(FACE_VERSION)
    path = Path(yunet_path).expanduser()
    if not path.is_file():
        raise ValueError(f"yunet_path {yunet_path}: no such file")
    return f"{FACE_VERSION}-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
