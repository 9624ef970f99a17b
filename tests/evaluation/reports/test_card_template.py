"""The text of the card is where `card_template` looks, in a checkout and in a wheel."""

import shutil
import zipfile
from pathlib import Path

import pytest

from emofusion.evaluation.reports.card_template import card_template
from helpers import REPOSITORY
from helpers.builds import build, copy_sources


def test_checkout_has_it_at_the_top():
    assert card_template() == (REPOSITORY / "model_card.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_wheel_of_a_source_distribution_has_it_beside_its_reader(tmp_path: Path):
    packed = build("sdist", copy_sources(tmp_path / "tree"), tmp_path / "sdist")
    shutil.unpack_archive(packed, tmp_path / "unpacked", filter="data")
    wheel = build("wheel", next((tmp_path / "unpacked").iterdir()), tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as content:
        inside = content.read("emofusion/evaluation/reports/model_card.md").decode("utf-8")
    assert inside == card_template()
