"""RAVDESS for `datasets.load_dataset("ravdess", data_dir=...)`; `import emofusion.data` registers it."""

from dataclasses import dataclass, replace
from pathlib import Path

from datasets import DatasetInfo

from emofusion.data import protocols
from emofusion.data.sources.account import Account
from emofusion.data.sources.action_units import ActionUnits, action_units_at
from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.sources.face_tracks import FaceTracks
from emofusion.data.sources.ravdess_takes import check_channel, find_takes
from emofusion.data.sources.takes import Take
from emofusion.data.store.faces import Faces

from .builders.clip_builder import CLIP_FLAGS, ClipBuilder, ClipConfig
from .entry import CorpusEntry

RAVDESS = Corpus(
    "RAVDESS",
    "cc-by-nc-sa-4.0",
    synthetic=False,
    notice="RAVDESS, Livingstone and Russo 2018, doi:10.5281/zenodo.1188976, CC BY-NC-SA 4.0.",
)


@dataclass
class RavdessConfig(ClipConfig):
    """Options of `load_dataset("ravdess", ...)`: those of `ClipConfig`, and what follows.

    Attributes:
        protocol (`str`): Which actors train, validate and test: `"holdout"`, `"luna5"`, `"msaf6"`, `"emobox6"`,
            `"chumachenko"`, `"loso"`, `"everyone"` (no test); or the leaky `"random_clips"`.
        channel (`str`): `"speech"`, `"song"` or `"both"`.
        face_tracks (`str`, *optional*): Folder (or archive) with the official OpenFace tracks, taken instead of
            finding faces where `face_crop` asks for that. Else rows have the action units in them as the column
            `action_units`, in place of `frames`; a CSV with their means, one row a clip, will do then, too.
    """

    channel: str = "speech"
    face_tracks: str | None = None

    def faces(self) -> Faces | None:
        """What finds faces, if they are to be found.

        Raises:
            ValueError: An option that does nothing without another, or an unknown one.
        """
        faces = super().faces()
        if self.face_tracks is None or faces is None:
            return faces
        return replace(faces, tracks=FaceTracks(Path(self.face_tracks).expanduser()))

    @property
    def takes_action_units(self) -> bool:
        """Whether rows have `action_units` in place of `frames`."""
        return self.face_tracks is not None and self.face_crop == "none"

    def action_units(self) -> ActionUnits | None:
        """The action units in the face tracks, where these are not to say where the face is.

        Raises:
            ValueError, OSError: There are none.
        """
        if self.face_tracks is None or not self.takes_action_units:
            return None
        return action_units_at(Path(self.face_tracks).expanduser())


class Ravdess(ClipBuilder):
    """The takes of one channel or both."""

    BUILDER_CONFIG_CLASS = RavdessConfig
    CORPUS = RAVDESS
    HOMEPAGE = "https://zenodo.org/records/1188976"
    PROTOCOLS = protocols.ALL_PROTOCOLS

    def _info(self) -> DatasetInfo:
        check_channel(self.config.channel)
        return super()._info()

    def _find(self) -> tuple[list[Take], Account]:
        takes, account = find_takes(self.files, self.config.channel)
        faces = self.config.faces()
        if faces is not None and faces.tracks is not None:
            account.unreadable |= faces.tracks.unreadable
        return takes, account


ENTRY = CorpusEntry(
    name="ravdess",
    builder=Ravdess,
    trains_by="holdout",
    scores_by="holdout",
    help="RAVDESS, mp4, wav or flac",
    acted="emotions acted by professional North American actors, who speak two English sentences",
    flags=("channel", "face_tracks", *CLIP_FLAGS),
)
