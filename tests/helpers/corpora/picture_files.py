"""Pictures in the folders of FER-2013 and AffectNet."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def write_picture(path: Path, level: int = 100, size: tuple[int, int] = (48, 48), mode: str = "L") -> Path:
    """A picture that is brighter to the right, so that a flip shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.clip(np.arange(size[0]) + level, 0, 255).astype(np.uint8)
    Image.fromarray(np.tile(ramp, (size[1], 1))).convert(mode).save(path, lossless=True)
    return path


def write_tree(folder: Path, names: list[str]) -> Path:
    for level, name in enumerate(names):
        write_picture(folder / name, 10 * level, mode="RGB" if name.endswith("webp") else "L")
    return folder


def zip_tree(folder: Path, archive: Path) -> Path:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as stored:
        for path in sorted(folder.rglob("*.*")):
            stored.write(path, path.relative_to(folder))
    return archive


def write_affectnet(folder: Path, numbers: dict[str, Any], split: str = "train_set") -> Path:
    """A picture and an annotation for each id."""
    for name, number in numbers.items():
        write_picture(folder / split / "images" / f"{name}.jpg", 5 * int(name), size=(60, 40), mode="RGB")
        (folder / split / "annotations").mkdir(exist_ok=True)
        np.save(folder / split / "annotations" / f"{name}_exp.npy", np.array(number))
        np.save(folder / split / "annotations" / f"{name}_val.npy", np.array("0.5"))
    return folder
