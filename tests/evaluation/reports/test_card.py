"""The model card of every kind of run: numbers of its tables and metadata are those of metrics.json, no gap shows."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from jinja2 import UndefinedError

from emofusion.evaluation import compare
from emofusion.evaluation.reports import card
from emofusion.evaluation.reports.branch_words import verdict
from emofusion.evaluation.reports.illustrations import plots_of
from emofusion.evaluation.reports.summary import summary
from helpers.runs.run_records import EMOTIONS, beside_branches, metrics_of

SCORES = {"macro-F1": "macro_f1", "UAR": "uar", "accuracy": "accuracy", "weighted F1": "weighted_f1"}
HISTORY = [{"epoch": 1, "loss": 2.0}, {"epoch": 1, "eval_loss": 2.1, "eval_macro_f1": 0.3, "eval_uar": 0.4}]


def of_an_old_release() -> dict[str, Any]:
    """What the first release wrote."""
    later = ("leaky", "face_crop", "load_from", "robustness", "chance_weighted_f1")
    kept = ("test_macro_f1", "test_weighted_f1", "test_uar", "test_accuracy", "test_confusion_matrix")
    found = metrics_of("audio", labels=EMOTIONS[:5])
    return {
        name: value
        for name, value in found.items()
        if name not in later and (not name.startswith(("test_", "majority_")) or name in (*kept, "majority_accuracy"))
    }


BARE = ("corpus", "actors", "clips", "labels", "fusion", "parameters", "num_frames", "image_size", "test_macro_f1")


def bare() -> dict[str, Any]:
    """The fields that every release has written."""
    return {name: value for name, value in metrics_of("gated").items() if name in BARE}


RUNS: dict[str, Callable[[], dict[str, Any]]] = {
    "fused": metrics_of,
    "beside its branches": partial(beside_branches, 0.4, 0.5, 0.1),
    "unsure": partial(
        metrics_of,
        unsure_below=0.42,
        unsure_accuracy=0.6,
        validation_answered={"clips": 60, "coverage": 0.54, "accuracy": 0.61, "accuracy_interval": None, "uar": 0.6},
    ),
    "without a gate": partial(metrics_of, "concat"),
    "audio": partial(metrics_of, "audio"),
    "video": partial(metrics_of, "video", face_crop="yunet"),
    "leaky": partial(metrics_of, leaky=True, protocol="random_clips"),
    "perhaps leaky": partial(metrics_of, leaky=None, trained=False),
    "synthetic": partial(metrics_of, corpus="animated corpus (real voices, rendered faces)", corpus_synthetic=True),
    "begun elsewhere": partial(metrics_of, learnt_before={"video": ["ImageNet", "FER-2013"]}),
    "CREMA-D": partial(metrics_of, corpus="CREMA-D", actors=tuple(range(1001, 1025))),
    "one actor": partial(metrics_of, actors=(17,)),
    "pictures": partial(metrics_of, "video", actors=(), test_part="validation"),
    "fused on pictures": partial(metrics_of, actors=()),
    "scored alone": partial(
        metrics_of, trained=False, actors=(17, 18), label_set=None, epochs=None, validation_macro_f1=None
    ),
    "old": of_an_old_release,
    "bare": bare,
}
"""By name: what makes the record of a run. A test has it made, and not every process that imports this file."""
DRAWN = ("beside its branches", "pictures", "scored alone")
"""Runs whose plots are drawn, which takes most of the time."""


def written(metrics: dict[str, Any], folder: Path, license_id: str = "cc-by-nc-sa-4.0") -> ModelCard:
    """The card of a run as the hub would read it."""
    card.write_card(metrics, license_id, folder, model_name="you/model")
    return ModelCard.load(folder / "README.md")


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, ModelCard, Path]:
    """Metrics, card and folder of every kind of run."""
    folder = tmp_path_factory.mktemp("run")
    metrics = RUNS[request.param]()
    if request.param in DRAWN:
        (folder / "plots").mkdir()
        for name, draw in plots_of(metrics, HISTORY if metrics["trained"] else []).items():
            draw(folder / name)
    return metrics, written(metrics, folder), folder


def tables_of(text: str) -> list[dict[str, dict[str, str]]]:
    """Tables of a Markdown text: cells by row and column; the first column's header is the key "".

    A table that Markdown would not take for one fails.
    """
    found = []
    for block in re.split(r"\n\s*\n", text):
        lines = block.splitlines()
        if not any(line.startswith("|") for line in lines):
            continue
        assert all(line.startswith("| ") and line.endswith(" |") for line in lines), block
        header, rule, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        assert rows and set("".join(rule)) <= set("-:"), block
        assert all(len(row) == len(header) and all(row) for row in (rule, *rows)), block
        found.append(
            {"": dict.fromkeys(header[:1], "")} | {row[0]: dict(zip(header, row, strict=True)) for row in rows}
        )
    return found


def table_of(text: str, first: str) -> dict[str, dict[str, str]]:
    """The first table whose first column is called so, without its header; empty where there is none."""
    for table in tables_of(text):
        if first in table.pop(""):
            return table
    return {}


def shown(value: float | list[float] | str | None) -> str:
    """How the card prints a number."""
    if value is None:
        return "-"
    if isinstance(value, list):
        return f"{value[0]:.3f} to {value[1]:.3f}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def test_nothing_in_it_is_left_open(run: tuple[dict, ModelCard, Path]):
    _, found, folder = run
    tables_of(found.text)
    prose = re.sub(r"```.*?```", "code", found.text, flags=re.DOTALL)
    assert not re.findall(r"\{\{|\}\}|\{%|\bNone\b|\bnan\b|\bUndefined\b|\[\]|\(\)|``", prose)
    assert not re.findall(r"\n{3,}| \.|\(,|,,|\.\.|: *\.| ,|(?<=\S)  ", prose)
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", found.text)
    assert sorted(pictures) == sorted(str(path.relative_to(folder)) for path in folder.glob("plots/*"))
    headings = re.findall(r"^##+ (.*)$", found.text, flags=re.MULTILINE)
    sections = re.split(r"^##+ .*$", found.text, flags=re.MULTILINE)[1:]
    assert all(section.strip() for section in sections), headings
    assert len(set(headings)) == len(headings)


def test_scores_with_their_intervals(run: tuple[dict, ModelCard, Path]):
    metrics, found, _ = run
    rows = table_of(found.text, "score")
    intervals = metrics.get("test_intervals") or {}
    assert list(rows) == [title for title, name in SCORES.items() if f"test_{name}" in metrics]
    for title, row in rows.items():
        name = SCORES[title]
        _, subject, *_ = row
        assert metrics["corpus"] in subject
        assert row[subject] == shown(metrics[f"test_{name}"])
        assert row.get("95 % interval", "-") == shown(intervals.get(name))
        assert row.get("chance", "-") == shown(metrics.get(f"chance_{name}"))
        assert row.get("most frequent class", "-") == shown(metrics.get(f"majority_{name}"))


@pytest.mark.parametrize(
    ("first", "field", "columns"),
    [
        ("class", "test_per_class", {"precision": "precision", "recall": "recall", "F1": "f1", "clips": "clips"}),
        ("gender", "test_by_gender", {"UAR": "uar", "accuracy": "accuracy", "clips": "clips"}),
        ("actor", "test_by_actor", {"gender": "gender", "UAR": "uar", "accuracy": "accuracy", "clips": "clips"}),
    ],
)
def test_groups(run: tuple[dict, ModelCard, Path], first: str, field: str, columns: dict[str, str]):
    metrics, found, _ = run
    rows = table_of(found.text, first)
    assert list(rows) == list(metrics.get(field, {}))
    for group, row in rows.items():
        scores = metrics[field][group]
        if first == "class" and not scores["clips"]:
            scores = scores | {"precision": None}  # 0 by definition, of clips that are not there
        assert row == {first: group} | {title: shown(scores[name]) for title, name in columns.items()}


def test_damaged_input(run: tuple[dict, ModelCard, Path]):
    metrics, found, _ = run
    rows, expected = table_of(found.text, "condition"), metrics.get("robustness", [])
    assert list(rows) == [row["condition"] for row in expected]
    for row in expected:
        cells = rows[row["condition"]]
        titles = {**SCORES, "unchanged": "unchanged", "gate": "gate"}
        assert {cells[title] == shown(row[name]) for title, name in titles.items() if title in cells} == {True}
        assert ("gate" in cells) == (row["gate"] is not None)
    assert ("Derington et al. 2023" in found.text) == bool(rows)
    assert ("white noise" in found.text) == ("noise 10 dB" in rows)
    assert ("Black frames are" in found.text) == ("black frames 50 %" in rows)
    assert ("Late sound" in found.text) == ("sound late by 1 s" in rows)


def test_surest_clips(run: tuple[dict, ModelCard, Path]):
    metrics, found, _ = run
    rows, expected = table_of(found.text, "answered"), metrics.get("test_by_coverage", [])
    assert list(rows) == [f"{100 * row['coverage']:.0f} %" for row in expected]
    columns = {"probability from": "at_least", "clips": "clips", "accuracy": "accuracy", "UAR": "uar"}
    columns |= {"95 % interval": "accuracy_interval"}
    for cells, row in zip(rows.values(), expected, strict=True):
        assert {title: cells[title] for title in columns} == {t: shown(row[name]) for t, name in columns.items()}
    assert ("### Where it may be unsure" in found.text) == bool(expected)
    if expected:
        assert f"risk-coverage curve: {metrics['test_risk_coverage_area']:.3f};" in found.text
        unsure, always = "`model.answers` is unsure below 0.42: ", "`model.answers` always names a class, unless"
        assert (unsure in found.text, always in found.text) == (
            (True, False) if "unsure_accuracy" in metrics else (False, True)
        )


def test_use_stands_above_the_scores_and_below_what_must_be_known_first(run: tuple[dict, ModelCard, Path]):
    metrics, found, _ = run
    headings = re.findall(r"^##? (.*)$", found.text.replace("\n# ", "\n## "), flags=re.MULTILINE)
    assert headings[1:3] == ["Use", "Scores"]
    before = found.text.partition("\n## Use\n")[0]
    assert f"macro-F1 {metrics['test_macro_f1']:.3f}" in before
    assert ("chance" in before) == ("chance_macro_f1" in metrics)
    snippet = found.text.partition("```python\n")[2].partition("```")[0]
    compile(snippet, "card", "exec")
    assert ('# "unsure" below a probability of 0.42' in snippet) == (metrics.get("unsure_below") == 0.42)


def test_what_a_scoring_fitted_is_set_before_the_checkpoint_is_used(tmp_path: Path):
    fitted = {"calibration": {"temperature": 1.5}, "test_calibration_error_before": 0.2}
    metrics = RUNS["unsure"]() | fitted
    lines = "\nmodel.config.temperature = 1.5  # fitted for these scores, and not in its files\n"
    lines += lines.strip().replace("temperature = 1.5", "unsure_below = 0.42") + "\nprocessor = "
    assert lines in written(metrics | {"trained": False}, tmp_path / "scored").text
    assert "model.config.temperature" not in written(metrics, tmp_path / "trained").text
    assert "model.config.temperature" not in written(metrics_of(trained=False), tmp_path / "as it is").text


def test_branches(run: tuple[dict, ModelCard, Path]):
    metrics, found, _ = run
    rows = table_of(found.text, "model")
    assert list(rows) == (["sound alone", "picture alone", "gated"] if "branches" in metrics else [])
    assert ("Is the fusion better than its branches?" in found.text) == bool(rows)
    if rows:
        assert verdict(metrics) in found.text
        assert rows["sound alone"]["UAR"] == shown(metrics["branches"]["audio"]["uar"])
        assert "Over so few actors intervals are rather too narrow" in found.text


def test_calm_as_neutral(run: tuple[dict, ModelCard, Path]):
    metrics, found, _ = run
    merged = [table for table in tables_of(found.text) if "calm counted" in str(table)]
    assert len(merged) == ("test_merged_calm" in metrics)
    for table in merged:
        for title, name in SCORES.items():
            assert list(table[title].values())[1] == shown(metrics["test_merged_calm"][name])


def test_splits(run: tuple[dict, ModelCard, Path]):
    metrics, found, _ = run
    rows = table_of(found.text, "split")
    assert {name: int(row["clips"]) for name, row in rows.items()} == metrics["clips"]
    for name, actors in metrics.get("actors", {}).items():
        assert rows[name]["actors"] == ", ".join(map(str, actors))


def test_results_of_the_metadata(run: tuple[dict, ModelCard, Path]):
    metrics, found, _ = run
    results = found.data.eval_results
    assert {result.metric_type: result.metric_value for result in results} == {
        name: round(metrics[f"test_{name}"], 4) for name in SCORES.values() if f"test_{name}" in metrics
    }
    for result in results:
        assert result.dataset_name.startswith(metrics["corpus"])
        assert result.dataset_split == metrics.get("test_part", "test")
        assert ("ravdess" in result.dataset_type) == (metrics["corpus"] == "RAVDESS")
        if metrics.get("actors") and "protocol" in metrics:
            assert f"protocol {metrics['protocol']}, fold {metrics['fold']}" in result.dataset_name
    task = "audio-classification" if metrics["fusion"] == "audio" else "video-classification"
    assert found.data.pipeline_tag == results[0].task_type == task
    assert found.data.license == "cc-by-nc-sa-4.0"
    assert ("synthetic" in found.data.tags) == metrics.get("corpus_synthetic", False)
    assert ("audio-visual" in found.data.tags) == (metrics["fusion"] not in ("audio", "video"))


def test_other_numbers_and_words(run: tuple[dict, ModelCard, Path]):
    metrics, found, _ = run
    text = found.text
    if "test_calibration_error" in metrics:
        assert f"Calibration error: {metrics['test_calibration_error']:.3f} " in text
    for field in ("command", "corpus_notice"):
        assert metrics.get(field, "") in text
    assert f"On {metrics['clips']['test']} " in text
    assert ("lie detection" in text) and ("at work" in text) and ("policing" in text)
    people = re.findall("unseen actors|never seen", text.partition("\n# ")[2])  # below the warning
    assert bool(people) == bool(metrics.get("actors") and metrics.get("leaky", False) is False)


def test_card_says_what_the_encoders_had_learnt_from_before(tmp_path: Path):
    text = written(RUNS["begun elsewhere"](), tmp_path / "begun").text.partition("## Training")[2]
    assert "The encoder of the picture began with weights that had learnt from ImageNet and FER-2013." in text
    assert "whose rights were never cleared" in text  # what FER-2013 says of itself
    theirs = written(metrics_of(learnt_before={"audio": ["weights you/name"]}), tmp_path / "theirs").text
    assert "The encoder of the sound began with the weights you/name, of which no record says" in theirs
    assert "began with" not in written(RUNS["fused"](), tmp_path / "fused").text.partition("## Training")[2]


def test_first_line_of_what_must_not_be_taken_for_a_result(tmp_path: Path):
    leaky, unknown, synthetic = (
        written(RUNS[name](), tmp_path / name) for name in ("leaky", "perhaps leaky", "synthetic")
    )
    assert leaky.text.lstrip().startswith("> **Leaky split: actors of the test were seen")
    assert "leaky split" in leaky.data.eval_results[0].dataset_name
    assert unknown.text.lstrip().startswith("> **It is not known which actors this checkpoint was trained on")
    assert "perhaps a leaky split" in unknown.data.eval_results[0].dataset_name
    assert written(RUNS["fused"](), tmp_path / "none").text.lstrip().startswith("# you/model")
    assert synthetic.text.lstrip().startswith("> **These weights and all scores below are from the animated corpus")
    tables = [line for line in synthetic.text.splitlines() if line.startswith(("| score", "On 60 clips"))]
    assert len(tables) >= 2
    assert all("animated corpus" in line for line in tables)


def test_a_model_that_was_never_trained_says_so_and_not_that_actors_are_unseen(tmp_path: Path):
    metrics = metrics_of(trained=False, trained_modalities=[])
    text = written(metrics, tmp_path).text
    assert text.lstrip().startswith("> **This model was never trained: its weights are as they were drawn")
    assert "clips of actors (the model was never trained) (RAVDESS" in text
    assert "never seen" not in text
    assert "unseen" not in text + summary(metrics) + compare.where(metrics)
    assert "clips of actors (the model was NEVER TRAINED) 17-20" in summary(metrics)
    assert compare.where(metrics).startswith("never trained: RAVDESS")
    stills = metrics_of(actors=(), trained=False, trained_modalities=[])
    assert "pictures of the published test split (the model was NEVER TRAINED)" in summary(stills)


def test_pictures_that_nobody_knows_whether_they_trained_the_model(tmp_path: Path):
    metrics = metrics_of(actors=(), trained=False, leaky=None, trained_modalities=None)
    text = written(metrics, tmp_path).text
    assert text.lstrip().startswith("> **It is not known which pictures this checkpoint was trained on")
    assert "published test split (perhaps seen in training: the checkpoint does not say)" in summary(metrics)


@pytest.mark.parametrize(
    ("met", "task", "words", "note"),
    [
        ("audio", "audio-classification", "from sound with", "without pictures: it has never seen one"),
        ("video", "video-classification", "from video with", "without sound: it has never heard any"),
    ],
)
def test_a_model_of_both_that_met_one_claims_that_one_alone(
    tmp_path: Path, met: str, task: str, words: str, note: str
):
    metrics = metrics_of(trained_modalities=[met])
    found = written(metrics, tmp_path)
    assert found.data.pipeline_tag == task
    assert met in found.data.tags
    assert "audio-visual" not in found.data.tags
    assert f"Emotion recognition {words} emofusion" in found.text
    assert f"trained on clips {note}" in found.text
    assert f"trained on clips {note}" in summary(metrics)
    assert "Either the sound or the picture may be missing" not in found.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fused", "bootstrap over 4 actors: wide, because they are few"),
        ("CREMA-D", "bootstrap over 24 actors. They say"),
        ("pictures", "bootstrap over 60 clips, as if each"),
        ("one actor", "There is no interval: the test is of one actor"),
    ],
)
def test_intervals_say_what_they_are_over(tmp_path: Path, name: str, words: str):
    assert words in written(RUNS[name](), tmp_path).text


def test_gaps_between_people_are_those_of_the_tables(tmp_path: Path):
    metrics = metrics_of()
    for group, uar in (("male", 0.41234), ("female", 0.62345)):
        metrics["test_by_gender"][group]["uar"] = uar
    for actor, uar in zip(metrics["test_by_actor"], (0.2, 0.5, 0.6, 0.70004), strict=True):
        metrics["test_by_actor"][actor]["uar"] = uar
    text = written(metrics, tmp_path).text
    assert "UAR differed by 0.211 between genders and by 0.500 between the best and the worst actor" in text
    assert "was not measured" in written(RUNS["pictures"](), tmp_path / "pictures").text


@pytest.mark.parametrize(
    ("gaps", "words"),
    [
        (
            {"gender_gap": 0.0, "actor_gap": 0.0004},
            "is not known. On this test UAR did not differ between genders and ",
        ),
        (
            {"gender_gap": 0.0, "actor_gap": 0.25},
            "by 0.250 between the best and the worst actor, and not between genders;",
        ),
        (
            {"gender_gap": 0.1},
            "It does not do equally well for everyone. On this test UAR differed by 0.100 between genders;",
        ),
    ],
)
def test_a_gap_of_nothing_is_no_gap(gaps: dict[str, float], words: str):
    said = card.gaps_between_people(gaps)
    assert words in said and "0.000" not in said
    assert ("does not do equally well" in said) == any(gap >= 0.0005 for gap in gaps.values())
    assert card.gaps_between_people({}) == ""


def test_a_card_tells_no_place_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    command = (
        f"accelerate launch train_hf.py {tmp_path}/recipes/a.yaml --data_dir /home/me/ravdess --output_dir runs/a"
    )
    metrics = metrics_of(command=command, load_from=f"{tmp_path}/runs/a")
    text = written(metrics, tmp_path / "near").text
    assert "train_hf.py recipes/a.yaml --data_dir <data_dir> --output_dir runs/a\n" in text
    assert 'AutoModel.from_pretrained("runs/a", ' in text
    assert "/home/me" not in text and str(tmp_path) not in text
    far = written(metrics | {"load_from": "/home/me/runs/b"}, tmp_path / "far").text
    assert 'from_pretrained("/home/me/runs/b", ' in far  # what is to run must lead there


@pytest.mark.parametrize(
    ("license_id", "words"),
    [
        ("cc-by-nc-sa-4.0", "CC BY-NC-SA 4.0: no commercial use"),
        ("odbl", "has terms of its own (see Training)"),
        ("apache-2.0", None),
    ],
)
def test_licence_of_the_clips_goes_on(tmp_path: Path, license_id: str, words: str | None):
    found = written(metrics_of(), tmp_path, license_id)
    assert found.data.license == license_id
    assert [line for line in found.text.splitlines() if line.startswith("- The training data")] == [
        line for line in found.text.splitlines() if words and words in line
    ]


@pytest.mark.parametrize("name", ["fused", "audio", "video"])
def test_stock_pipelines_are_said_to_read_one_modality_of_a_model_of_both(tmp_path: Path, name: str):
    text = written(RUNS[name](), tmp_path).text
    assert ("from the picture alone" in text and "from the sound alone" in text) == (name == "fused")


def test_card_says_by_what_the_checkpoint_was_chosen(tmp_path: Path):
    fused = RUNS["fused"]()
    assert "with the best macro-F1 on the validation actors (0.524) was kept" in written(fused, tmp_path).text
    by_loss = fused | {"validation_macro_f1": None, "validation_loss": 1.25}
    assert "with the lowest loss on the validation actors (1.250) was kept" in written(by_loss, tmp_path).text


def test_card_says_where_the_head_alone_was_trained(tmp_path: Path):
    text = written(metrics_of(embedding_views=4), tmp_path).text
    assert "10 epochs of the head alone: the encoders stayed as they were" in text
    assert "4 augmented views of each clip; the checkpoint with the best macro-F1" in text
    assert "of the head alone" not in written(RUNS["fused"](), tmp_path).text


def test_plots_of_an_earlier_run_are_not_shown(tmp_path: Path):
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "actors.png").touch()
    assert "actors.png" in written(RUNS["fused"](), tmp_path).text
    assert "actors.png" not in written(RUNS["bare"](), tmp_path).text


def test_a_field_without_which_there_is_no_card(tmp_path: Path):
    metrics = metrics_of()
    del metrics["parameters"]
    with pytest.raises(UndefinedError, match="parameters"):
        written(metrics, tmp_path)
    assert not (tmp_path / "README.md").exists()


@pytest.mark.parametrize("text", [None, "no metadata", "---\nlicense: [\n---\n", "---\ntags: [a]\n---\n"])
def test_licence_of_a_checkpoint_whose_card_says_none_is_other(tmp_path: Path, text: str | None):
    if text is not None:
        (tmp_path / "README.md").write_text(text)
    assert card.license_of(tmp_path) == "other"


def test_licence_of_a_checkpoint_is_what_its_card_says(tmp_path: Path):
    written(RUNS["bare"](), tmp_path, "odbl")
    assert card.license_of(tmp_path) == "odbl"
    (tmp_path / "checkpoint-8").mkdir()
    assert card.license_of(tmp_path / "checkpoint-8") == "odbl"  # of the run that it belongs to
    (tmp_path / "other").mkdir()
    assert card.license_of(tmp_path / "other") == "other"
