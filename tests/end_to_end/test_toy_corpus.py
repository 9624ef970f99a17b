"""A corpus of one's own is one file: its builder and its entry, registered; everything else knows it then."""

import importlib
import json
from dataclasses import replace
from pathlib import Path

import datasets
import pytest
from huggingface_hub import ModelCard

from emofusion.data import register
from emofusion.data.corpora.builders.split_builder import SplitBuilder
from emofusion.data.corpora.registry import CORPORA
from helpers.runs.demo_runs import tiny_recipe
from helpers.runs.forked import train_hf
from helpers.runs.unpainted import unpainted  # noqa: F401


@pytest.fixture(scope="module")
def toy_corpus(tmp_path_factory: pytest.TempPathFactory):
    """Its folder; it is known for as long as this module's tests run."""
    toy = importlib.import_module("helpers.corpora.toy_corpus")
    register(toy.ENTRY)
    yield toy.write_toy_corpus(tmp_path_factory.mktemp("toy"))
    CORPORA.pop("toy")


def test_corpus_of_a_name_that_is_taken_is_refused():
    with pytest.raises(ValueError, match="ravdess: a corpus of that name is there already"):
        register(CORPORA["ravdess"])


def test_corpus_whose_builder_cannot_be_imported_is_refused_and_not_half_registered():
    builder = type("Mine", (SplitBuilder,), {"__module__": "__main__"})
    with pytest.raises(ValueError, match="mine: define its builder in a module"):
        register(replace(CORPORA["ravdess"], name="mine", builder=builder))
    assert "mine" not in CORPORA


def test_toy_corpus_is_loaded_by_its_name(toy_corpus: Path, tmp_path: Path):
    splits = datasets.load_dataset("toy", data_dir=str(toy_corpus), cache_dir=str(tmp_path), num_frames=2)
    assert {name: sorted(set(rows["actor"])) for name, rows in splits.items()} == {
        "train": [1, 2],
        "validation": [3],
        "test": [4],
    }
    assert splits["test"].features["label"].int2str(splits["test"][0]["label"]) == splits["test"][0]["emotion"]


def test_toy_corpus_is_trained_on_and_stands_in_scores_and_card(toy_corpus: Path, tmp_path: Path):
    out = tmp_path / "out"
    places = [f"--data_dir={toy_corpus}", f"--cache_dir={tmp_path / 'cache'}", f"--output_dir={out}"]
    train_hf().main([str(tiny_recipe(tmp_path)), "--corpus", "toy", *places, "--use_cpu", "--num_train_epochs=1"])
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert (metrics["corpus"], metrics["protocol"]) == ("Toy Corpus", "holdout")
    assert metrics["clips"] == {"train": 12, "validation": 6, "test": 6}
    assert metrics["actors"] == {"train": [1, 2], "validation": [3], "test": [4]}
    card = ModelCard.load(out / "README.md")
    assert "Toy Corpus" in card.text
    assert "emotions acted by four toys" in card.text
    assert card.data.license == "cc0-1.0"
