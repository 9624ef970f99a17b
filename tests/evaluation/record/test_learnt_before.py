"""What the encoders of a run had learnt from before: it goes from checkpoint to checkpoint."""

import json
from pathlib import Path

from emofusion.evaluation.record.learnt_before import learnt_before
from emofusion.evaluation.run_files import METRICS_FILE


def saved(folder: Path, **fields: object) -> str:
    folder.mkdir()
    (folder / METRICS_FILE).write_text(json.dumps({"trained": True, **fields}))
    return str(folder)


def test_corpora_of_a_chain_of_checkpoints_come_in_the_order_of_training(tmp_path: Path):
    faces = saved(tmp_path / "faces", corpus="FER-2013", learnt_before={"video": ["ImageNet"], "audio": ["CREMA-D"]})
    films = saved(tmp_path / "films", corpus="RAVDESS", learnt_before=learnt_before({"video": faces}, "RAVDESS"))
    assert learnt_before({"video": films, "audio": None}, "CREMA-D") == {"video": ["ImageNet", "FER-2013", "RAVDESS"]}


def test_branches_of_the_same_corpus_and_scored_weights_of_nobody_add_nothing(tmp_path: Path):
    branch = saved(tmp_path / "audio", corpus="RAVDESS")
    drawn = saved(tmp_path / "drawn", corpus="RAVDESS", trained=False)
    assert learnt_before({"audio": branch}, "RAVDESS") == {}
    assert learnt_before({"audio": drawn}, "FER-2013") == {}


def test_weights_without_a_record_are_called_by_their_name(tmp_path: Path):
    (tmp_path / "theirs.pth").touch()
    assert learnt_before({"video": "imagenet", "audio": "you/name"}, "RAVDESS") == {
        "video": ["ImageNet"],
        "audio": ["weights you/name"],
    }
    assert learnt_before({"video": str(tmp_path / "theirs.pth")}, "RAVDESS") == {"video": ["weights theirs.pth"]}


def test_checkpoint_of_a_training_has_the_record_of_its_run(tmp_path: Path):
    run = saved(tmp_path / "faces", corpus="FER-2013")
    assert learnt_before({"video": f"{run}/checkpoint-100"}, "RAVDESS") == {"video": ["FER-2013"]}
    assert learnt_before({"video": f"{run}/audio"}, "RAVDESS") == {"video": [f"weights {run}/audio"]}
