"""Run the tutorials from top to bottom and save what they print.

python docs/tutorials/run_notebooks.py            # all; or name some
"""

import contextlib
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent


def run(notebook: Path) -> list[str]:
    """Run the code cells in order, with one set of names, in this process; returns what each of them printed.

    Cells print what they have to show: the value of a last line is not caught.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for number, cell in enumerate(code_cells(read(notebook)), start=1):
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream):
            exec(compile("".join(cell["source"]), f"{notebook.name}, code cell {number}", "exec"), names)
        printed.append(stream.getvalue())
    return printed


def read(notebook: Path) -> dict[str, Any]:
    """The content of a notebook."""
    return json.loads(notebook.read_text(encoding="utf-8"))


def code_cells(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Its code cells in order."""
    return [cell for cell in content["cells"] if cell["cell_type"] == "code"]


def saved_outputs(notebook: Path) -> list[str]:
    """What each code cell printed when the notebook was saved."""
    return ["".join("".join(o["text"]) for o in cell["outputs"]) for cell in code_cells(read(notebook))]


def save(notebook: Path, printed: list[str]) -> None:
    """Put what the cells printed into the notebook."""
    content = read(notebook)
    for number, (cell, text) in enumerate(zip(code_cells(content), printed, strict=True), start=1):
        lines = text.splitlines(keepends=True)
        cell["execution_count"] = number
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": lines}] if lines else []
    notebook.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(paths: list[str]) -> None:
    """Run and save; a fresh folder of temporary files makes it as it is for somebody new."""
    notebooks = [Path(path).resolve() for path in paths] or sorted(FOLDER.glob("*.ipynb"))
    with tempfile.TemporaryDirectory() as place:
        tempfile.tempdir = place
        for notebook in notebooks:
            os.chdir(place)
            printed = run(notebook)
            assert place not in "".join(printed), f"{notebook.name} prints where it ran"
            save(notebook, printed)
        os.chdir(FOLDER)


if __name__ == "__main__":
    main(sys.argv[1:])
