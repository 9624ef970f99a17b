"""transformers' own common tests at the installed version: downloaded once into `hftests/`, never committed.

The wheel leaves them out; the source distribution has `tests/test_*.py`, but not the folders that these import from,
so the few names that they need are made up here.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

from helpers import REPOSITORY

FOLDER = REPOSITORY / "hftests"
PACKAGE = "transformers_tests"

# What the downloaded files import besides each other, relative to the folder of the version.
STUBS = {
    f"{PACKAGE}/__init__.py": "",
    f"{PACKAGE}/generation/__init__.py": "",
    f"{PACKAGE}/generation/test_utils.py": "class GenerationTesterMixin:\n    pass\n",
    f"{PACKAGE}/exporters/__init__.py": "",
    f"{PACKAGE}/exporters/test_export.py": "class ExportTesterMixin:\n    pass\n",
    f"{PACKAGE}/utils/__init__.py": "",
    # Every field that all configs share, with another value than its default.
    f"{PACKAGE}/utils/test_configuration_utils.py": """config_common_kwargs = {
    "return_dict": False,
    "output_hidden_states": True,
    "output_attentions": True,
    "dtype": "float16",
    "chunk_size_feed_forward": 5,
    "architectures": ["BertModel"],
    "id2label": {0: "label"},
    "label2id": {"label": 0},
    "problem_type": "regression",
}
""",
    "utils/fetch_hub_objects_for_ci.py": "def url_to_local_path(url):\n    return url\n",
}


class SourcesUnavailableError(Exception):
    """The package index did not give the source distribution."""


def sources() -> Path:
    """The folder to put on `sys.path`, in which `transformers_tests` is a package; made on first use.

    Raises:
        SourcesUnavailableError: The index does not answer, or has no source distribution of this version.
    """
    release = version("transformers")
    folder = FOLDER / f"transformers-{release}"
    if folder.is_dir():
        return folder
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix="making-") as scratch:
        made = unpack(download(release, Path(scratch)), Path(scratch))
        try:
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    return folder


def download(release: str, folder: Path) -> Path:
    """The source distribution, by pip (and so from whatever index pip is set to)."""
    command = f"-m pip download --quiet --retries 1 --timeout 20 --no-deps --no-build-isolation --dest {folder}"
    done = subprocess.run(
        [sys.executable, *command.split(), "--no-binary", "transformers", f"transformers=={release}"],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    archives = list(folder.glob("transformers-*.tar.gz"))
    if done.returncode or not archives:
        last = (done.stderr.strip().splitlines() or ["no archive"])[-1]
        raise SourcesUnavailableError(f"pip could not download the sources of transformers {release}: {last}")
    return archives[0]


def unpack(archive: Path, folder: Path) -> Path:
    """A folder with the tests of the archive as a package, and the stubs."""
    with tarfile.open(archive) as tar:
        members = [member for member in tar if Path(member.name).match("*/tests/test_*.py")]
        tar.extractall(folder, members, filter="data")
    made = folder / "made"
    made.mkdir()
    shutil.move(next(folder.glob("transformers-*/tests")), made / PACKAGE)
    for name, text in STUBS.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return made
