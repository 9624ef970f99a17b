"""Which files of a folder are its model: these are published, and nothing else that lies there."""

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from transformers.dynamic_module_utils import get_relative_import_files
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME

from emofusion.evaluation.run_files import (
    ACTORS_PLOT,
    BRANCHES_PLOT,
    CARD_FILE,
    CONFUSION_PLOT,
    COVERAGE_PLOT,
    CURVES_PLOT,
    GATE_PLOT,
    METRICS_FILE,
    ROBUSTNESS_PLOT,
)
from emofusion.training.errors import PublishError

from .for_others import card_for_others, json_for_others

CONFIG_FILE, PROCESSOR_FILE = "config.json", "processor_config.json"
SHARDS = "model-*-of-*.safetensors"
ONNX_FOLDER = "onnx"
"""Where exports lie in a repository, as those of others do."""
PLOTS = (CONFUSION_PLOT, ACTORS_PLOT, COVERAGE_PLOT, ROBUSTNESS_PLOT, CURVES_PLOT, GATE_PLOT, BRANCHES_PLOT)
LICENCE_FILES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE")
OURS = (
    CONFIG_FILE,
    SAFE_WEIGHTS_NAME,
    SAFE_WEIGHTS_INDEX_NAME,
    SHARDS,
    PROCESSOR_FILE,
    "*_emofusion.py",
    CARD_FILE,
    METRICS_FILE,
    *PLOTS,
    *LICENCE_FILES,
    f"{ONNX_FOLDER}/model.onnx",
    f"{ONNX_FOLDER}/run_onnx.py",
)
"""What an earlier push may have left in a repository; where the new model has no such file, it goes."""
HARMLESS = (".gitattributes", ".gitignore", CARD_FILE, *LICENCE_FILES)
"""What a repository may hold and still be called empty."""


class Part(NamedTuple):
    """One file of a model: its name in the repository, and where its bytes are, or the bytes themselves."""

    name: str
    source: Path | bytes

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size


def is_ours(name: str) -> bool:
    """Whether a file of a repository is one that a push writes."""
    return any(fnmatchcase(name, pattern) for pattern in OURS)


def read_config(folder: Path) -> dict[str, Any]:
    """Content of config.json.

    Raises:
        PublishError: There is none, or it is of another kind of model.
    """
    config = _read_json(folder / CONFIG_FILE, "name the folder of a checkpoint")
    kind = config.get("model_type")
    if kind != "emofusion":
        raise PublishError(f"{folder}: expected a model of emofusion, found model_type {kind!r} in {CONFIG_FILE}")
    return config


def contents_of(folder: Path, repo: str) -> list[Part]:
    """The files of a model, with texts as they are told to others: places.py says which places are found.

    Args:
        folder (`Path`): Of the model.
        repo (`str`): Name of the repository, which stands in the card and in metrics.json in place of the folder.

    Raises:
        PublishError: A file is missing or damaged without which nobody could load the model; it names the file.
    """
    config = read_config(folder)
    processor = _read_json(
        folder / PROCESSOR_FILE,
        "nobody could load the processor without it; EmoFusionProcessor's save_pretrained writes it",
    )
    if not (folder / CARD_FILE).is_file():
        raise PublishError(
            f"{folder}/{CARD_FILE}: not there, and nobody should get a model without its limits and licence; "
            "train_hf.py writes such a card, or write one yourself, with `license:` in its head"
        )
    texts = {CONFIG_FILE: config, PROCESSOR_FILE: processor}
    metrics: dict[str, Any] = {}
    if (folder / METRICS_FILE).is_file():
        metrics = texts[METRICS_FILE] = _read_json(folder / METRICS_FILE)
    parts = [_json_part(folder / name, content, repo) for name, content in texts.items()]
    card = (folder / CARD_FILE).read_text(encoding="utf-8")
    parts.append(Part(CARD_FILE, card_for_others(card, metrics, folder, repo).encode()))
    names = [*_weights(folder), *_code(folder, config, processor)]
    names += [name for name in (*PLOTS, *LICENCE_FILES) if (folder / name).is_file()]
    return sorted([*parts, *(Part(name, folder / name) for name in names)])


def left_behind(folder: Path, parts: list[Part]) -> list[str]:
    """What else lies in the folder, and stays: by its name at the top, folders with a slash."""
    going = {part.name for part in parts}
    tops = {name.split("/")[0] for name in going}
    stays = [entry for entry in sorted(folder.iterdir()) if entry.name not in tops]
    stays += [path for path in sorted(folder.glob("*/*")) if path.parent.name in tops]
    names = [path.relative_to(folder).as_posix() + "/" * path.is_dir() for path in stays]
    return [name for name in names if name not in going]


def _json_part(path: Path, content: Mapping[str, Any], repo: str) -> Part:
    told = json_for_others(content, repo)
    if told == content:
        return Part(path.name, path)  # byte for byte as it is
    return Part(path.name, (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode())


def _weights(folder: Path) -> list[str]:
    """Names of the files of weights, each looked into."""
    names = [SAFE_WEIGHTS_NAME]
    if not (folder / SAFE_WEIGHTS_NAME).is_file() and (folder / SAFE_WEIGHTS_INDEX_NAME).is_file():
        index = _read_json(folder / SAFE_WEIGHTS_INDEX_NAME)
        names = sorted(set(index.get("weight_map", {}).values()))
    for name in names:
        try:
            with safe_open(folder / name, "numpy") as file:
                file.keys()
        except (OSError, SafetensorError) as error:
            raise PublishError(
                f"{folder}/{name}: expected the weights of the model, found no file that can be read ({error}); save "
                "or train the model again"
            ) from error
    return names if names == [SAFE_WEIGHTS_NAME] else [*names, SAFE_WEIGHTS_INDEX_NAME]


def _code(folder: Path, *configs: Mapping[str, Any]) -> list[str]:
    """Names of the modules that `trust_remote_code=True` runs: those of the configs, and what these import."""
    named = [place for config in configs for place in (config.get("auto_map") or {}).values()]
    named += [pipe["impl"] for config in configs for pipe in (config.get("custom_pipelines") or {}).values()]
    modules = sorted({place.split(".")[0] for place in named if place})
    if not modules:
        raise PublishError(
            f"{folder}/{CONFIG_FILE}: no auto_map in it, so nobody could load the model without this package; "
            "EmoFusionModel.from_pretrained(...).save_pretrained(...) writes one, with the code"
        )
    found: set[str] = set()
    try:
        for module in modules:
            needed = get_relative_import_files(folder / f"{module}.py")
            found |= {f"{module}.py", *(Path(file).name for file in needed)}
    except OSError as error:
        raise PublishError(
            f"{error.filename}: not there, and the code of the model needs it; load the model by "
            "EmoFusionModel.from_pretrained and its processor by EmoFusionProcessor.from_pretrained, and save both "
            "into a new folder, with the card"
        ) from error
    return sorted(found)


def _read_json(path: Path, todo: str = "write it again") -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PublishError(f"{path}: not there; {todo}") from error
    except (OSError, ValueError) as error:
        raise PublishError(f"{path}: cannot be read ({error}); {todo}") from error
    if not isinstance(found, dict):
        raise PublishError(f"{path}: expected a JSON object, found {type(found).__name__}; {todo}")
    return found
