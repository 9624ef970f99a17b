"""Own clips that lie decoded already, in a folder that `emofusion.data.export` wrote."""

import hashlib
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, concatenate_datasets
from huggingface_hub import DatasetCard

from emofusion.data.store.arrow_parts import FINDINGS, STORE_FEATURES
from emofusion.data.store.clip_store import Store
from emofusion.data.store.settings import DecodeSettings
from emofusion.data.store.stored_frames import check_frames

from .own_clips import Listing, OwnClip, checked_listing

EXPORTED_FILES = "data/actor-*.parquet"


def is_export(folder: Path) -> bool:
    """Whether decoded clips lie in a folder."""
    return folder.is_dir() and any(folder.glob(EXPORTED_FILES))


def license_of_export(folder: Path) -> str:
    """Licence of the clips, as the card beside them says; `"other"` where it does not."""
    card = folder / "README.md"
    return str(DatasetCard.load(card).data.license or "other") if card.is_file() else "other"


class ExportedClips:
    """The rows of an export.

    Args:
        folder (`Path`): The folder.

    Raises:
        ValueError: Its files lack a column of decoded clips.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = [str(path) for path in sorted(folder.glob(EXPORTED_FILES))]
        self.rows: Dataset = Dataset.from_parquet(paths)
        lacking = [name for name in (*STORE_FEATURES, "label") if name not in self.rows.column_names]
        if lacking:
            raise ValueError(
                f"{folder}: expected decoded clips as --export_parquet writes them, found no column {lacking[0]}; "
                "export them again"
            )

    def listing(self, label_column: str, speaker_column: str) -> Listing:
        """The clips; a speaker is the actor of the export, with the number that checkpoints know.

        Raises:
            ValueError: No such column.
        """
        speaker_column = speaker_column if speaker_column in self.rows.column_names else "actor"
        for column in (label_column, speaker_column):
            if column not in self.rows.column_names:
                raise ValueError(f"{self.folder}: no column {column} among {', '.join(self.rows.column_names)}")
        labels: list[Any] = list(self.rows[label_column])
        feature = self.rows.features[label_column]
        names = [feature.int2str(label) if isinstance(feature, ClassLabel) else str(label) for label in labels]
        clips = [
            OwnClip(clip, label, (), (), None if speaker is None else str(speaker), actor=actor)
            for clip, label, speaker, actor in zip(
                self.rows["clip"], names, self.rows[speaker_column], self.rows["actor"], strict=True
            )
        ]
        return checked_listing(str(self.folder), clips)

    def store(self, listing: Listing, settings: DecodeSettings, cache_dir: Path) -> Store:
        """The rows as the decoded store has them, in the order of the files; nothing is copied.

        Raises:
            ValueError: They were decoded with other settings.
        """
        frames = self.rows.select_columns(["frames"]).with_format("arrow")[:]["frames"]
        for clip, size in zip(self.rows["clip"], pc.binary_length(frames).to_pylist(), strict=True):
            if size is not None:
                check_frames(size, settings, clip)
        clips, count = list(self.rows["clip"]), len(self.rows)
        found = {
            "emotion": [listing.by_name[clip].label for clip in clips],
            **{name: [None] * count for name in FINDINGS},
            "notes": [[]] * count,
            "channels": [1] * count,
            "key": clips,
        }
        kept = self.rows.select_columns([name for name in STORE_FEATURES if name != "emotion"])
        features = Features({"emotion": STORE_FEATURES["emotion"]} | FINDINGS)
        rows = concatenate_datasets([kept, Dataset.from_dict(found, features=features)], axis=1)
        identity = hashlib.sha256(f"{self.rows._fingerprint} {settings}".encode()).hexdigest()[:16]
        return Store(cache_dir / f"exported-{identity}", rows, list(range(count)), {}, identity)
