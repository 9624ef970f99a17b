"""What an export takes: a whole table of decoded clips, and nothing else."""

from collections import defaultdict

from datasets import ClassLabel, Dataset

from emofusion.data.protocols import ACTORS, numbers
from emofusion.data.store.arrow_parts import STORE_FEATURES


def check_rows(rows: Dataset) -> None:
    """Refuse what is not a whole table of decoded clips.

    Raises:
        ValueError: with the column, clip or actor that is wrong.
    """
    if not isinstance(rows, Dataset):
        raise ValueError(f'rows: expected one Dataset, found {type(rows).__name__}; load it with split="all"')
    lacking = [name for name in (*STORE_FEATURES, "label") if name not in rows.column_names]
    if lacking:
        raise ValueError(
            f"rows: no column {', '.join(lacking)} (found {', '.join(rows.column_names) or 'none'}); "
            'load them with load_dataset("ravdess", data_dir=..., split="all")'
        )
    if not isinstance(rows.features["label"], ClassLabel):
        raise ValueError(f"rows: column label must be a ClassLabel, found {rows.features['label']}")
    if not len(rows):
        raise ValueError("rows: no clip in them, nothing to export")
    unknown = sorted(set(rows["actor"]) - ACTORS, key=str)
    if unknown:
        raise ValueError(
            f"rows: column actor holds {unknown[0]}, but the protocols know actors {numbers(ACTORS)} only"
        )
    seen: set[str] = set()
    for clip in rows["clip"]:
        if clip in seen:
            raise ValueError(f"rows: clip {clip} is there twice; every clip is exported once")
        seen.add(clip)


def by_actor(rows: Dataset) -> dict[int, list[int]]:
    """Row numbers of each actor, in order of the clips' names."""
    found: dict[int, list[int]] = defaultdict(list)
    for _, actor, index in sorted(zip(rows["clip"], rows["actor"], range(len(rows)), strict=True)):
        found[actor].append(index)
    return dict(sorted(found.items()))
