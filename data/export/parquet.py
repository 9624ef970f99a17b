"""Publishing a decoded corpus: Parquet files that plain `datasets` loads, by any protocol, and a dataset card.

Every clip is stored once, in a file of its actor; splits and folds are lists of these files in the card.
"""

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from datasets import Dataset, Features, Value
from filelock import FileLock
from huggingface_hub import HfApi

from emofusion.data.protocols import PROTOCOLS, fold_of_present
from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.store.arrow_parts import BINARY, STORE_FEATURES
from emofusion.data.store.progress import Bar
from emofusion.data.store.settings import DecodeSettings
from emofusion.data.store.stored_frames import check_frames
from emofusion.data.whole_files import write_text

from .dataset_card import MARK, ActorFiles, make_card
from .rows import by_actor, check_rows

CARD, DATA_FILES = "README.md", "data/actor-*.parquet"
ROWS_PER_FILE = 16
"""Clips that a streaming reader fetches at once: 14 MB before compression with the default settings.

Each file is one row group. Of a file with more the reader fetches ahead, and a program that ends before that is done
often aborts (issue 7566 of huggingface/datasets, 45214 of apache/arrow): 5 of 15 times, and so 1 of 30 (pyarrow 26).
"""


def export_parquet(
    rows: Dataset,
    folder: Path,
    *,
    corpus: Corpus,
    account_summary: str,
    decode_settings: DecodeSettings,
    title: str | None = None,
    progress: bool = True,
) -> Path:
    """Write `data/actor-NN-*.parquet` and `README.md`, which together are a dataset repository.

    `datasets.load_dataset(folder)` gives the holdout split, `load_dataset(folder, "msaf6-fold1")` another fold. The
    folder appears when it is complete; an older export of that name is replaced.

    Args:
        rows (`Dataset`): All clips, as `load_dataset("ravdess", data_dir=..., split="all")` gives them.
        folder (`Path`): Where to.
        corpus (`Corpus`): Licence and notice for the card.
        account_summary (`str`): What was found and what could not be read, in one line.
        decode_settings (`DecodeSettings`): How the rows were decoded.
        title (`str`, *optional*): Heading of the card; by default made from the corpus' name.
        progress (`bool`): Whether to show a bar.

    Returns:
        The folder.

    Raises:
        ValueError: No rows, or rows that lack a column, hold a clip twice, name an actor that no protocol knows, or
            were decoded with other settings.
        FileExistsError: The folder holds something else.
    """
    check_rows(rows)
    folder = folder.expanduser().absolute()
    with _built_beside(folder) as temporary:
        (temporary / "data").mkdir()
        features = _published_features(rows)
        files = _write_actors(rows, features, temporary, decode_settings, progress)
        card = make_card(files, features, folder.name, corpus, account_summary, decode_settings, title)
        card.save(temporary / CARD)
    return folder


def push_parquet(folder: Path, repo_id: str, *, private: bool = True, token: str | None = None) -> str:
    """Upload an exported folder as a dataset repository, in one commit; its card then names the repository.

    Args:
        folder (`Path`): What `export_parquet` wrote.
        repo_id (`str`): Such as `"you/ravdess-decoded"`; it is created if it is not there.
        private (`bool`): Whether only you can see it. RAVDESS may be shared for non-commercial use alone.
        token (`str`, *optional*): Hub token; by default the one that you are logged in with.

    Returns:
        Address of the repository.

    Raises:
        ValueError: The folder is no export, or the repository is there and public though `private` was asked for.
    """
    if not _is_export(folder):
        raise ValueError(f"{folder}: not written by export_parquet; export the corpus first, then push that folder")
    api = HfApi(token=token)
    url = api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
    if private and not api.dataset_info(url.repo_id).private:
        raise ValueError(
            f"{url.repo_id}: private=True, but this repository exists and is public; "
            "make it private in its settings, or push with private=False"
        )
    _name_in_card(folder / CARD, url.repo_id)
    api.upload_folder(
        repo_id=url.repo_id,
        repo_type="dataset",
        folder_path=folder,
        allow_patterns=[CARD, DATA_FILES],
        delete_patterns=[DATA_FILES],  # actors of an earlier push that are no longer there
        commit_message="Decoded clips and dataset card",
    )
    return str(url)


@contextmanager
def _built_beside(folder: Path) -> Iterator[Path]:
    """A temporary folder beside the one that it becomes where nothing fails; one process at a time."""
    _check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = (folder.with_name(f".{folder.name}.{state}") for state in ("incomplete", "old"))
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        shutil.rmtree(temporary, ignore_errors=True)  # the lock is ours: whoever left it is gone
        temporary.mkdir()
        try:
            yield temporary
            _check_replaceable(folder)  # others had time to write there
            shutil.rmtree(old, ignore_errors=True)
            if folder.exists():
                os.replace(folder, old)
            os.replace(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(folder: Path) -> None:
    """Only an empty folder or an older export may make way, and only if nobody put anything into it."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder}: a file, expected a folder or nothing; name another folder")
    found = {path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()}
    ours = (
        {Path(CARD), *(path.relative_to(folder) for path in folder.glob(DATA_FILES))} if _is_export(folder) else set()
    )
    if found - ours:
        raise FileExistsError(
            f"{folder}: holds {min(found - ours)}, which this export did not write; name another folder, or empty it"
        )


def _is_export(folder: Path) -> bool:
    card = folder / CARD
    return card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")


def _protocol_columns() -> dict[str, Value]:
    """Features of the columns that tell every protocol."""
    return {
        f"{name}_split" if len(folds) == 1 else f"{name}_fold": Value("string" if len(folds) == 1 else "int32")
        for name, folds in PROTOCOLS.items()
    }


def _protocol_values(actor: int, present: Sequence[int]) -> dict[str, Any]:
    """For each protocol the fold that tests this actor; where there is one fold alone, the actor's part."""
    values: dict[str, Any] = {}
    for name, folds in PROTOCOLS.items():
        if len(folds) == 1:
            values[f"{name}_split"] = fold_of_present(name, 0, present, needed=()).part_of(actor)
        else:
            values[f"{name}_fold"] = next((k for k, fold in enumerate(folds) if actor in fold.test), None)
    return values


def _published_features(rows: Dataset) -> Features:
    """Columns of the rows in the store's order, then any others, then those of the protocols."""
    added = _protocol_columns()
    first = ["clip", *BINARY, "label"]
    names = first + [name for name in (*STORE_FEATURES, *rows.column_names) if name not in (*first, *added)]
    return Features({name: rows.features[name] for name in dict.fromkeys(names)} | added)


def _write_actors(
    rows: Dataset, features: Features, folder: Path, settings: DecodeSettings, progress: bool
) -> dict[int, ActorFiles]:
    """Parquet files of each actor."""
    actors = by_actor(rows)
    rows = rows.with_format("arrow")
    written = {}
    with Bar(total=len(rows), desc="writing parquet", unit="clip", disable=not progress) as bar:
        for actor, indices in actors.items():
            written[actor] = found = ActorFiles(pattern=f"data/actor-{actor:02d}-*.parquet")
            added = _protocol_values(actor, list(actors))
            for number, start in enumerate(range(0, len(indices), ROWS_PER_FILE)):
                table = _table(rows[indices[start : start + ROWS_PER_FILE]], features, added, settings)
                path = folder / found.pattern.replace("*", f"{number:02d}")
                _write_file(table, path)
                found.add(clips=len(table), size=path.stat().st_size, uncompressed=table.nbytes)
                bar.update(len(table))
    return written


def _table(table: pa.Table, features: Features, added: dict[str, Any], settings: DecodeSettings) -> pa.Table:
    """Some rows of one actor with the protocol columns. The schema carries the features, so class names survive."""
    sizes = pc.binary_length(table["frames"]).to_pylist()
    for clip, size in zip(table["clip"].to_pylist(), sizes, strict=True):
        if size is not None:
            check_frames(size, settings, clip)
    schema = features.arrow_schema
    columns = [
        pa.array([added[field.name]] * len(table), field.type)
        if field.name in added
        else table[field.name].cast(field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _write_file(table: pa.Table, path: Path) -> None:
    """One row group; no statistics and dictionaries of pixels and samples."""
    small = [name for name in table.column_names if name not in BINARY]
    pq.write_table(
        table, path, compression="zstd", use_dictionary=small, write_statistics=small, write_page_index=True
    )


def _name_in_card(card: Path, repo_id: str) -> None:
    """Let the card's code load from the repository."""
    text = card.read_text(encoding="utf-8")
    named = re.sub(r'load_dataset\("[^"]*"', f'load_dataset("{repo_id}"', text)
    write_text(card, named)
