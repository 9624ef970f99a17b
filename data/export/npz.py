"""A decoded corpus as NumPy files: `Actor_NN/<clip>.npz` with frames, sound, log-mel and labels, and `index.csv`."""

import csv
import hashlib
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.store.arrow_parts import BINARY
from emofusion.data.store.progress import Bar
from emofusion.data.store.settings import DecodeSettings
from emofusion.data.store.stored_frames import view_frames
from emofusion.data.whole_files import write_text, write_whole
from emofusion.modeling import EmoFusionFeatureExtractor
from emofusion.modeling.sound_emofusion import from_int16

from .rows import by_actor, check_rows

INDEX, NOTICE = "index.csv", "NOTICE.txt"
FINGERPRINT = "fingerprint"


def export_npz(
    rows: Dataset,
    folder: Path,
    *,
    corpus: Corpus,
    decode_settings: DecodeSettings,
    feature_extractor: EmoFusionFeatureExtractor | None = None,
    progress: bool = True,
) -> Path:
    """Write one npz file a clip; `np.load(path)` reads it, without pickle.

    Keys: `frames` uint8 `[frames, size, size, 3]`, `audio` int16 `[samples]` and `log_mel` float32 `[mels, time]`
    (each absent where the clip lacks it), `sampling_rate`, `label`, `label_name`, and the other columns as scalars.

    Every file is whole or absent. A file that holds the same already is kept, so an export that was interrupted goes
    on where it was; `index.csv` is written last, so where it is, all files are.

    Args:
        rows (`Dataset`): Clips, as `load_dataset("ravdess", data_dir=..., split="all")` gives them.
        folder (`Path`): Where to.
        corpus (`Corpus`): Licence and notice, for `NOTICE.txt`.
        decode_settings (`DecodeSettings`): How the rows were decoded.
        feature_extractor (`EmoFusionFeatureExtractor`, *optional*): Makes `log_mel`; by default the package's own for
            sound of these settings.
        progress (`bool`): Whether to show a bar.

    Returns:
        `index.csv`.

    Raises:
        ValueError: An export of other clips lies in the folder. Rows that cannot be exported (see `check_rows`), or
            were decoded with other settings, or a feature extractor for another rate.
    """
    check_rows(rows)
    extractor = feature_extractor or EmoFusionFeatureExtractor(
        sampling_rate=decode_settings.sampling_rate, clip_duration=decode_settings.clip_duration
    )
    folder = folder.expanduser()
    _refuse_others(folder, rows)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INDEX).unlink(missing_ok=True)  # it would promise files that are not there yet
    write_text(folder / NOTICE, _notice(corpus))
    rows = rows.with_format(None)
    order = [index for indices in by_actor(rows).values() for index in indices]
    lines = []
    for index in Bar(order, desc="writing npz", unit="clip", disable=not progress):
        lines.append(_export_clip(rows[index], rows.features["label"].names, folder, decode_settings, extractor))
    write_whole(folder / INDEX, lambda path: _write_index(path, lines))
    return folder / INDEX


def _refuse_others(folder: Path, rows: Dataset) -> None:
    """Raises a ValueError where an export of other clips lies: whoever reads all files would mix them."""
    clips = set(rows["clip"])
    others = [path for path in sorted(folder.glob("Actor_*/*.npz")) if path.stem not in clips and _held(path)]
    if others:
        raise ValueError(
            f"{folder}: holds {len(others)} clips of another export, such as {others[0].name}; name another folder, "
            "or delete this one"
        )


def _export_clip(
    row: dict[str, Any],
    labels: list[str],
    folder: Path,
    settings: DecodeSettings,
    extractor: EmoFusionFeatureExtractor,
) -> dict[str, Any]:
    """Write a clip's file unless it is there, and return its line of the index."""
    path = folder / f"Actor_{row['actor']:02d}" / f"{row['clip']}.npz"
    scalars = {name: value for name, value in row.items() if name not in BINARY}
    scalars |= {"label_name": labels[row["label"]], "sampling_rate": settings.sampling_rate}
    fingerprint = _fingerprint(row, scalars, extractor)
    if _held(path) != fingerprint:
        arrays = _arrays(row, settings, extractor)
        # None would be stored as a pickled object: what a clip lacks has no key.
        arrays |= {name: np.array(value) for name, value in scalars.items() if value is not None}
        path.parent.mkdir(exist_ok=True)
        write_whole(path, lambda place: _save(place, {**arrays, FINGERPRINT: np.array(fingerprint)}))
    return {"file": path.relative_to(folder).as_posix(), **scalars}


def _arrays(
    row: dict[str, Any], settings: DecodeSettings, extractor: EmoFusionFeatureExtractor
) -> dict[str, np.ndarray]:
    """What the clip shows and sounds like."""
    arrays: dict[str, np.ndarray] = {}
    if row["frames"] is not None:
        arrays["frames"] = view_frames(row["frames"], settings, row["clip"])
    if row["audio"] is not None:
        audio = np.frombuffer(row["audio"], dtype=np.int16)
        features = extractor(from_int16(audio), sampling_rate=settings.sampling_rate, return_tensors="np")
        arrays |= {"audio": audio, "log_mel": features["input_features"][0]}
    return arrays


def _fingerprint(row: dict[str, Any], scalars: dict[str, Any], extractor: EmoFusionFeatureExtractor) -> str:
    """A hash of all that goes into a file; two files differ if it does."""
    digest = hashlib.sha256(json.dumps([scalars, extractor.to_dict()], sort_keys=True, default=str).encode())
    for binary in (row["frames"], row["audio"]):
        digest.update(b"none" if binary is None else len(binary).to_bytes(8) + binary)
    return digest.hexdigest()


def _held(path: Path) -> str | None:
    """The fingerprint of the file that is there; None if there is none, or a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as held:
            return str(held[FINGERPRINT])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:  # given a name, NumPy would add an ending to it
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # a dict of arrays is what it takes


def _write_index(path: Path, lines: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def _notice(corpus: Corpus) -> str:
    """What goes with the files wherever they go."""
    warning = "Not the original recordings. " if corpus.synthetic else ""
    return f"{corpus.name}. {warning}{corpus.notice}\nLicence: {corpus.license}\n"
