"""The card of a published corpus: `dataset_card.md` filled, and metadata that makes splits of the actors' files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import DatasetInfo, Features
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCard, DatasetCardData

from emofusion.data.protocols import PROTOCOLS, SPLITS, Fold, fold_of_present, numbers, usable_folds
from emofusion.data.sources.corpus_record import Corpus
from emofusion.data.store.settings import DecodeSettings

TEMPLATE = Path(__file__).with_name("dataset_card.md")
MARK = "<!-- written by emofusion.data.export.parquet -->"
"""In every card, so that an older export can be told from other people's files and replaced."""

WITHOUT_CONFIGURATION = "loso"
"""24 more configurations would bury the others; its column is enough."""


@dataclass
class ActorFiles:
    """What was written of one actor.

    Attributes:
        pattern (`str`): Its files in the exported folder.
        clips (`int`): Their rows.
        size (`int`): Bytes of the files.
        uncompressed (`int`): Bytes of the rows in memory.
    """

    pattern: str
    clips: int = 0
    size: int = 0
    uncompressed: int = 0

    def add(self, clips: int, size: int, uncompressed: int) -> None:
        """Count one more file."""
        self.clips += clips
        self.size += size
        self.uncompressed += uncompressed


def configurations(present: Sequence[int]) -> tuple[dict[str, Fold], list[str]]:
    """What `load_dataset(folder, name)` offers with these actors, and why some folds are left out.

    `default` is the holdout split, even if a part of it is empty.
    """
    found = {"default": fold_of_present("holdout", 0, present, needed=())}
    left_out: list[str] = []
    for name, folds in PROTOCOLS.items():
        usable, refused = usable_folds(name, present)
        if name != WITHOUT_CONFIGURATION:
            left_out += refused.values()
        if name not in ("holdout", WITHOUT_CONFIGURATION):
            found |= {name if len(folds) == 1 else f"{name}-fold{k}": fold for k, fold in usable.items()}
    return found, left_out


def make_card(
    files: dict[int, ActorFiles],
    features: Features,
    folder_name: str,
    corpus: Corpus,
    account_summary: str,
    settings: DecodeSettings,
    title: str | None,
) -> DatasetCard:
    """The card, its metadata and text.

    Args:
        files (`dict[int, ActorFiles]`): What was written, by actor.
        features (`Features`): Columns of the files.
        folder_name (`str`): What the code in the card loads.
        corpus (`Corpus`): Licence and notice.
        account_summary (`str`): What was found and what could not be read, in one line.
        settings (`DecodeSettings`): How the clips were decoded.
        title (`str`, *optional*): Heading; by default made from the corpus' name.
    """
    configs, left_out = configurations(list(files))
    title = title or f"{corpus.name[:1].upper()}{corpus.name[1:]}: decoded clips"
    card: DatasetCard = DatasetCard.from_template(
        _card_data(files, features, corpus, configs, title),
        template_path=str(TEMPLATE),
        title=title,
        corpus=corpus,
        notice=" ".join(corpus.notice.split()),
        load_from=folder_name,
        first_split=next(split for split in SPLITS if getattr(configs["default"], split)),
        settings=settings,
        samples=round(settings.clip_duration * settings.sampling_rate),
        labels=features["label"].names,
        features=features,
        account=account_summary,
        clips=sum(file.clips for file in files.values()),
        megabytes=sum(file.size for file in files.values()) / 1e6,
        actors=numbers(files),
        configs={name: _cells(fold, files) for name, fold in configs.items()},
        subject_folds={
            k: _cells(fold, files) for k, fold in usable_folds(WITHOUT_CONFIGURATION, list(files))[0].items()
        },
        left_out=left_out,
        folds={name: len(folds) for name, folds in PROTOCOLS.items()},
        mark=MARK,
    )
    return card


def _cells(fold: Fold, files: dict[int, ActorFiles]) -> dict[str, str]:
    """Actors and number of clips of each part."""
    parts = {split: sorted(getattr(fold, split)) for split in SPLITS}
    return {
        split: f"{numbers(part)} ({sum(files[actor].clips for actor in part)} clips)" if part else "none"
        for split, part in parts.items()
    }


def _card_data(
    files: dict[int, ActorFiles], features: Features, corpus: Corpus, configs: dict[str, Fold], title: str
) -> DatasetCardData:
    """The metadata: what the hub shows, and which files are which split."""
    data = DatasetCardData(
        license=corpus.license,
        pretty_name=title,
        task_categories=["audio-classification", "video-classification"],
        tags=["emotion-recognition", "audio-visual", "ravdess", "emofusion"] + ["synthetic"] * corpus.synthetic,
        size_categories=_size_category(sum(file.clips for file in files.values())),
        configs=[
            {
                "config_name": name,
                "data_files": [
                    {"split": split, "path": [files[actor].pattern for actor in sorted(getattr(fold, split))]}
                    for split in SPLITS
                    if getattr(fold, split)
                ],
            }
            for name, fold in configs.items()
        ],
    )
    info = DatasetInfo(
        features=features,
        splits={
            split: _split_info(split, configs["default"], files)
            for split in SPLITS
            if getattr(configs["default"], split)
        },
        download_size=sum(file.size for file in files.values()),
        dataset_size=sum(file.uncompressed for file in files.values()),
    )
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    return data


def _split_info(split: str, fold: Fold, files: dict[int, ActorFiles]) -> dict[str, Any]:
    chosen = [files[actor] for actor in getattr(fold, split)]
    return {
        "name": split,
        "num_bytes": sum(file.uncompressed for file in chosen),
        "num_examples": sum(file.clips for file in chosen),
    }


def _size_category(clips: int) -> str:
    """As the hub spells it."""
    return next(
        (name for limit, name in ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")) if clips < limit),
        "100K<n<1M",
    )
