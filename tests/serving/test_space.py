"""What a Space of the page needs: its header, its requirements, and the script that it starts."""

import yaml

from helpers import REPOSITORY
from helpers.page_commands import pyproject

SPACE = REPOSITORY / "space"


def header() -> dict:
    return yaml.safe_load((SPACE / "README.md").read_text(encoding="utf-8").split("---\n")[1])


def test_header_starts_the_page_with_the_tested_gradio():
    found = header()
    assert found["sdk"] == "gradio"
    assert (REPOSITORY / found["app_file"]).is_file()
    constraints = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"gradio=={found['sdk_version']}" in constraints
    assert found["python_version"] == pyproject()["project"]["requires-python"].removeprefix(">=")
    assert len(found["short_description"]) <= 60  # the hub refuses longer ones


def test_requirements_are_those_of_the_package_with_faces():
    lines = (SPACE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = pyproject()["project"]
    listed = [line for line in lines if line and not line.startswith(("#", "--"))]
    assert listed == [*wanted["dependencies"], *wanted["optional-dependencies"]["faces"]]
