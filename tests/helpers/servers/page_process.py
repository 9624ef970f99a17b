"""The page, shown by a process of its own, as visitors meet it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from helpers import REPOSITORY


@contextmanager
def shown_page(models: Sequence[str], temporary: Path, proxy: str) -> Iterator[str]:
    """A page with these models.

    Args:
        models (`Sequence[str]`): Folders.
        temporary (`Path`): Where the process puts what is temporary. In the end there must be nothing.
        proxy (`str`): Address of what it takes for the way out to the internet.

    Yields:
        `str`: Its address.
    """
    ways_out = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), proxy)
    environment = os.environ | ways_out | {"no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}
    environment |= {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    environment["TORCHINDUCTOR_CACHE_DIR"] = str(temporary.with_name("inductor"))  # torch makes one, used or not
    environment["GRADIO_NUM_WORKERS"] = "1"  # they would listen elsewhere, behind no door of ours
    words = [sys.executable, "app.py", "--model", *models, "--port", "0"]
    process = subprocess.Popen(
        words, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            break
    else:
        pytest.fail("".join(said))
    yield found[0]
    process.terminate()
    rest, _ = process.communicate(timeout=60)
    assert "Traceback" not in "".join(said) + rest
    assert list(temporary.iterdir()) == []  # nothing is left behind
