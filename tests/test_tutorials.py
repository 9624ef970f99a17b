"""The tutorials run from top to bottom, and print what they were saved with."""

import re
import tempfile
from pathlib import Path

import pytest
import torch

from emofusion.modeling.configuration_emofusion import EMOTIONS
from helpers import REPOSITORY
from helpers.page_commands import load_script
from helpers.runs.unpainted import unpainted  # noqa: F401

NOTEBOOKS = sorted((REPOSITORY / "docs" / "tutorials").glob("*.ipynb"))
TUTORIALS = load_script(REPOSITORY / "docs" / "tutorials" / "run_notebooks.py")
every_notebook = pytest.mark.parametrize("notebook", [pytest.param(path, id=path.stem) for path in NOTEBOOKS])


@pytest.fixture(scope="session")
def tutorial_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of temporary files that all tutorials are given; they make the same corpus in it."""
    return tmp_path_factory.mktemp("tutorials")


@pytest.mark.slow
@every_notebook
def test_tutorial_prints_what_it_was_saved_with(notebook: Path, tutorial_place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tutorial_place))
    monkeypatch.chdir(tutorial_place)
    threads = torch.get_num_threads()
    printed = TUTORIALS.run(notebook)
    torch.set_num_threads(threads)
    assert list(map(comparable, printed)) == list(map(comparable, TUTORIALS.saved_outputs(notebook)))


def comparable(printed: str) -> str:
    """Without what differs between processors: digits behind the point, and what a small model takes a clip for."""
    text = re.sub("|".join(EMOTIONS), "EMOTION", re.sub(r"\d+\.\d+", "0.0", printed))
    return re.sub(r" +", " ", text)


@every_notebook
def test_tutorial_is_a_whole_notebook_without_traces_of_a_machine(notebook: Path):
    content, text = TUTORIALS.read(notebook), notebook.read_text(encoding="utf-8")
    ids = [cell["id"] for cell in content["cells"]]
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert len(set(ids)) == len(ids)
    assert content["cells"][0]["source"][0].startswith("# ")
    assert any(TUTORIALS.saved_outputs(notebook))
    assert not re.search(r"/(?:tmp|root|home|work|Users)/", text)


@every_notebook
def test_links_of_tutorials_lead_somewhere(notebook: Path):
    text = "".join("".join(cell["source"]) for cell in TUTORIALS.read(notebook)["cells"])
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        assert (notebook.parent / link.split("#")[0]).is_file(), link
