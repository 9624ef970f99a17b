"""A page that answers in the browser of its visitor: its files beside the model, for any server of plain files.

The page (web_page/) needs onnxruntime-web, which is no part of this package: two of the files of its npm package are
taken, of one version, by its checksum.
"""

import base64
import hashlib
import importlib.util
import io
import json
import re
import shutil
import tarfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from emofusion.commands.endings import FailedError
from emofusion.data.whole_files import write_text, write_whole
from emofusion.modeling.faces_emofusion import CASCADE
from emofusion.serving.page.cards import limits_of

from .verb import ORT_VERSION

PAGE = Path(__file__).with_name("web_page")
ORT_FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
ORT_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
"""Of the package as npm gives it out, in npm's own form."""


def write_page(output: Path, name: str, about: Mapping[str, str], runtime: Mapping[str, bytes]) -> None:
    """Write what lies beside `model.onnx`.

    Args:
        output (`Path`): The folder.
        name (`str`): Folder or repository of the checkpoint; of a folder only its last part is told.
        about (`Mapping[str, str]`): The metadata of the model, each value as JSON.
        runtime (`dict`): What [`read_runtime`] took of onnxruntime-web; where it is empty, `ort/` is left as it is.

    Raises:
        FailedError: The model wants faces and OpenCV's cascade is not there.
    """
    if runtime:
        (output / "ort").mkdir(parents=True, exist_ok=True)
    for name_of_file, content in runtime.items():
        write_whole(output / "ort" / name_of_file, partial(_write, content))
    said = {key: json.loads(value) for key, value in about.items()}
    if "video" not in said["modalities"]:
        said["face_crop"] = "none"  # nobody looks at pictures
    if said["face_crop"] == "haar":
        cascade = _cascade()
        write_whole(output / CASCADE, partial(shutil.copyfile, cascade))
    for file in PAGE.iterdir():
        write_whole(output / file.name, partial(shutil.copyfile, file))
    said |= {"name": Path(name).resolve().name if Path(name).is_dir() else name, "limits": _lines(limits_of(name))}
    write_text(output / "model.json", json.dumps({**said, "ort": {"version": ORT_VERSION}}, indent=2) + "\n")


def has_runtime(output: Path) -> bool:
    """Whether onnxruntime-web lies beside a page."""
    return all((output / "ort" / file).is_file() for file in ORT_FILES)


def read_runtime(archive: Path) -> dict[str, bytes]:
    """Take what the page needs of onnxruntime-web, before anything slow is done.

    Args:
        archive (`Path`): `onnxruntime-web-VERSION.tgz`, as npm packs it.

    Returns:
        `dict`: By name: the content of a file.

    Raises:
        FailedError: It cannot be read, or is another one.
    """
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise FailedError(f"--ort {archive}: {error.strerror}; npm pack onnxruntime-web@{ORT_VERSION}") from error
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != ORT_SHA512:
        raise FailedError(
            f"--ort {archive}: expected onnxruntime-web {ORT_VERSION} as npm gives it out, found another file; "
            f"npm pack onnxruntime-web@{ORT_VERSION}"
        )
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        return {name: _member(files, f"package/dist/{name}") for name in ORT_FILES}


def _member(files: tarfile.TarFile, name: str) -> bytes:
    member = files.extractfile(name)
    assert member is not None  # by its checksum it is there
    return member.read()


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _cascade() -> Path:
    """OpenCV's file of the face cascade; its licence stands in it."""
    opencv = importlib.util.find_spec("cv2")
    places = [Path(folder, "data", CASCADE) for folder in (opencv and opencv.submodule_search_locations) or ()]
    found = [place for place in places if place.is_file()]
    if not found:
        raise FailedError(f"--to web: the model wants faces, by OpenCV's {CASCADE}: pip install 'emofusion[faces]'")
    return found[0]


def _lines(markdown: str) -> list[str]:
    """Paragraphs and items of a list as plain text."""
    items = [" ".join(item.split()) for item in re.split(r"\n(?=[*-] )|\n{2,}", markdown)]
    plain = [re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"\1 (\2)", re.sub(r"^[*-] ", "", item)) for item in items]
    return [item.replace("**", "") for item in plain if item]
