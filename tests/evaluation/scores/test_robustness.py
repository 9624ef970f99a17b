"""The robustness table from a real Trainer over real clips; its Markdown; and gaps between people."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import datasets
import numpy as np
import pytest
import torch
from transformers.trainer_utils import PredictionOutput

import emofusion.data  # noqa: F401  registers the builder
from emofusion.data import ClipCollator, ClipInputs
from emofusion.data.inputs.degradation import CONDITIONS, Degraded
from emofusion.evaluation.reports.card_tables import robustness_markdown
from emofusion.evaluation.scores.metrics import fairness, scores
from emofusion.evaluation.scores.robustness import robustness_table
from emofusion.evaluation.scores.trainer_output import logits_of
from emofusion.modeling import EmoFusionModel, EmoFusionProcessor
from emofusion.training.command_line.training_arguments import EmoFusionTrainingArguments
from emofusion.training.run.trainer import EmoFusionTrainer
from helpers.corpora.ravdess_files import write_corpus, write_named
from helpers.tiny_models import new_model, one_thread, trained_model  # noqa: F401

NAMED = {condition.name: condition for condition in CONDITIONS}
FIELDS = ["condition", "clips", "macro_f1", "uar", "accuracy", "unchanged", "gate", "gate_by_actor"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"), actors=(1, 2), emotions=(1, 3, 4, 5))


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("silent"), actors=(1,), emotions=(3, 4), kind="silent.mp4")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def rows_of(folder: Path, cache: Path, processor: EmoFusionProcessor) -> datasets.Dataset:
    return datasets.load_dataset(
        "ravdess",
        data_dir=str(folder),
        cache_dir=str(cache),
        split="train",
        num_frames=processor.num_frames,
        frame_size=processor.video_processor.size["height"],
    )


def trainer_of(model: EmoFusionModel, folder: Path) -> EmoFusionTrainer:
    args = EmoFusionTrainingArguments(
        output_dir=str(folder), eval_strategy="no", use_cpu=True, per_device_eval_batch_size=3, disable_tqdm=True
    )
    processor = EmoFusionProcessor.from_config(model.config)
    return EmoFusionTrainer(model=model, args=args, processing_class=processor, data_collator=ClipCollator())


def counted(
    predict: Callable[[datasets.Dataset], PredictionOutput],
) -> tuple[Callable[..., Any], list[PredictionOutput]]:
    """The same function, and a list of what it has given."""
    given: list[PredictionOutput] = []

    def wrapped(rows: datasets.Dataset) -> PredictionOutput:
        given.append(predict(rows))
        return given[-1]

    return wrapped, given


@pytest.mark.parametrize(("fusion", "conditions"), [("gated", 10), ("concat", 10), ("audio", 4), ("video", 3)])
def test_table_of_a_real_trainer_has_a_row_for_each_condition(
    corpus: Path, cache: Path, tmp_path: Path, fusion: str, conditions: int
):
    trainer = trainer_of(trained_model(fusion), tmp_path)
    rows = rows_of(corpus, cache, trainer.processing_class)
    if fusion == "audio":
        rows = rows.remove_columns("frames")  # as training does
    predict, given = counted(trainer.predict)
    table = robustness_table(predict, rows, trainer.processing_class, trainer.model.config.modalities)
    assert len(table) == len(given) == conditions
    assert table[0]["condition"] == ("audio and video" if fusion in ("gated", "concat") else "undisturbed")
    assert [row["condition"] for row in table[1:]] == [
        name for name in NAMED if name in {r["condition"] for r in table[1:]}
    ]
    before = logits_of(given[0].predictions).argmax(-1)
    for row, prediction in zip(table, given, strict=True):
        predicted = logits_of(prediction.predictions).argmax(-1)
        expected = scores(np.array(rows["label"]), predicted)
        assert list(row) == FIELDS
        assert {name: row[name] for name in FIELDS[2:5]} == {name: expected[name] for name in FIELDS[2:5]}
        assert row["clips"] == len(rows)
        assert row["unchanged"] == np.mean(predicted == before)
        assert (row["gate"] is None) == (fusion != "gated")
    assert table[0]["unchanged"] == 1
    assert json.loads(json.dumps(table)) == table


def test_table_means_the_gate_which_is_one_for_sound_alone_and_zero_for_pictures(
    corpus: Path, cache: Path, tmp_path: Path
):
    trainer = trainer_of(trained_model(), tmp_path)
    rows = rows_of(corpus, cache, trainer.processing_class)
    predict, given = counted(trainer.predict)
    table = robustness_table(predict, rows, trainer.processing_class, ("audio", "video"))
    gates = {row["condition"]: row["gate"] for row in table}
    assert gates["audio and video"] == pytest.approx(given[0].predictions[1].mean(), abs=1e-6)
    assert 0 < gates["audio and video"] < 1
    assert gates["audio only"] == 1
    assert gates["video only"] == 0
    of_clip, actors = given[0].predictions[1], np.array(rows["actor"])
    by_actor = {str(actor): pytest.approx(of_clip[actors == actor].mean(), abs=1e-6) for actor in set(actors)}
    assert table[0]["gate_by_actor"] == by_actor


def test_every_condition_reaches_the_model(corpus: Path, cache: Path, tmp_path: Path):
    trainer = trainer_of(trained_model("concat"), tmp_path)
    rows = rows_of(corpus, cache, trainer.processing_class)
    predict, given = counted(trainer.predict)
    robustness_table(predict, rows, trainer.processing_class, ("audio", "video"))
    logits = [logits_of(prediction.predictions) for prediction in given]
    for first in range(len(logits)):
        for second in range(first):
            assert np.abs(logits[first] - logits[second]).max() > 1e-4, (first, second)


def test_table_takes_the_undisturbed_prediction_that_is_known(corpus: Path, cache: Path, tmp_path: Path):
    trainer = trainer_of(trained_model(), tmp_path)
    rows = rows_of(corpus, cache, trainer.processing_class)
    known = trainer.predict(rows.with_transform(ClipInputs(trainer.processing_class)))
    predict, given = counted(trainer.predict)
    modalities = trainer.model.config.modalities
    table = robustness_table(predict, rows, trainer.processing_class, modalities, undisturbed=known)
    assert len(given) == len(table) - 1
    assert table == robustness_table(trainer.predict, rows, trainer.processing_class, modalities)


def test_table_refuses_a_known_prediction_of_other_rows(corpus: Path, cache: Path, tmp_path: Path):
    trainer = trainer_of(trained_model(), tmp_path)
    rows = rows_of(corpus, cache, trainer.processing_class)
    known = trainer.predict(rows.select(range(3)).with_transform(ClipInputs(trainer.processing_class)))
    with pytest.raises(ValueError, match=r"^undisturbed: expected a prediction of the 8 rows given, found one of 3$"):
        robustness_table(trainer.predict, rows, trainer.processing_class, ("audio", "video"), undisturbed=known)


def test_table_of_a_corpus_without_sound_says_nothing_of_sound(silent: Path, cache: Path, tmp_path: Path):
    trainer = trainer_of(trained_model(), tmp_path)
    rows = rows_of(silent, cache, trainer.processing_class)
    table = robustness_table(trainer.predict, rows, trainer.processing_class, trainer.model.config.modalities)
    assert [row["condition"] for row in table] == ["undisturbed", "black frames 50 %", "black frames 100 %"]


def test_table_of_clips_some_of_which_lack_a_modality(corpus: Path, cache: Path, tmp_path: Path):
    folder = write_corpus(tmp_path / "mixed", actors=(1,), emotions=(3,))
    for emotion, kind in (("04", "silent.mp4"), ("05", "wav")):
        write_named(folder, f"{'03' if kind == 'wav' else '01'}-01-{emotion}-01-01-01-02", kind)
    trainer = trainer_of(trained_model(), tmp_path / "out")
    rows = rows_of(folder, cache, trainer.processing_class)
    predict, given = counted(trainer.predict)
    table = robustness_table(predict, rows, trainer.processing_class, ("audio", "video"))
    clips = {row["condition"]: row["clips"] for row in table}
    assert list(clips) == ["undisturbed", *(name for name in list(NAMED)[1:] if "action units" not in name)]
    both = len(rows) - 2  # one clip is silent, one has no picture
    assert (clips["undisturbed"], clips["audio only"], clips["video only"]) == (len(rows), both, both)
    assert (clips["noise 10 dB"], clips["black frames 50 %"], clips["sound late by 1 s"]) == (both + 1, both + 1, both)
    assert set(given[1].predictions[1]) == {1}  # audio only
    assert set(given[2].predictions[1]) == {0}  # video only
    assert "| clips |" in robustness_markdown(table)


def without_stream(path: Path, kind: str, target: Path) -> Path:
    """A copy of a media file that lacks its `"video"` or `"audio"`; the other is copied undecoded."""
    with av.open(str(path)) as source, av.open(str(target), "w") as copy:
        stream = next(stream for stream in source.streams if stream.type != kind)
        into = copy.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = into
                copy.mux(packet)
    return target


@pytest.mark.parametrize("fusion", ["gated", "late", "concat", "xattn"])
@pytest.mark.parametrize(("condition", "gone"), [("audio only", "video"), ("video only", "audio")])
def test_missing_modality_equals_the_clip_file_without_it(
    corpus: Path, cache: Path, tmp_path: Path, fusion: str, condition: str, gone: str
):
    model = trained_model(fusion, window="start")  # where the voice lies cannot be known without the sound
    trainer = trainer_of(model, tmp_path)
    rows = datasets.load_dataset(
        "ravdess",
        data_dir=str(corpus),
        cache_dir=str(cache),
        split="train",
        num_frames=4,
        frame_size=37,
        window="start",
    )
    predicted = trainer.predict(rows.with_transform(Degraded(ClipInputs(trainer.processing_class), NAMED[condition])))
    files = [without_stream(corpus / source, gone, tmp_path / Path(source).name) for source in rows["source"]]
    inputs = trainer.processing_class(files)
    assert f"{gone}_mask" not in inputs
    with torch.no_grad():
        expected = model(**inputs).logits.numpy()
    np.testing.assert_allclose(logits_of(predicted.predictions), expected, atol=1e-5)
    plain = logits_of(trainer.predict(rows.with_transform(ClipInputs(trainer.processing_class))).predictions)
    assert np.abs(plain - expected).max() > 1e-3


def test_table_of_data_loading_workers_is_that_of_one_process(corpus: Path, cache: Path, tmp_path: Path):
    trainer = trainer_of(new_model(), tmp_path)
    rows = rows_of(corpus, cache, trainer.processing_class)
    noisy = rows.with_transform(Degraded(ClipInputs(trainer.processing_class), NAMED["noise 0 dB"]))
    alone = logits_of(trainer.predict(noisy).predictions)
    trainer.args.dataloader_num_workers = 2
    assert np.array_equal(logits_of(trainer.predict(noisy).predictions), alone)


# Markdown


def row_of(name: str, gate: float | None, score: float = 0.5) -> dict[str, Any]:
    return {"condition": name, "macro_f1": score, "uar": 0.6, "accuracy": 0.7, "unchanged": 1.0, "gate": gate}


def test_markdown_has_the_gate_where_there_is_one():
    text = robustness_markdown([row_of("audio and video", 0.26894, 0.12345), row_of("audio only", None)])
    assert text.splitlines() == [
        "| condition | macro-F1 | UAR | accuracy | unchanged | gate |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| audio and video | 0.123 | 0.600 | 0.700 | 1.000 | 0.269 |",
        "| audio only | 0.500 | 0.600 | 0.700 | 1.000 | - |",
    ]


def test_markdown_of_a_model_without_gate_does_not_speak_of_it():
    text = robustness_markdown([row_of("undisturbed", None)])
    assert "gate" not in text
    assert {len(re.findall(r"\|", line)) for line in text.splitlines()} == {6}
    assert "gate" in robustness_markdown([row_of("video only", 0.0)])  # a gate of 0 is one


# Fairness


def uar(**groups: float | None) -> dict[str, Any]:
    return {name.lstrip("a"): {"clips": 2, "uar": value, "accuracy": 0.5} for name, value in groups.items()}


def test_fairness_is_the_largest_difference():
    found = fairness(
        {"test_by_gender": uar(female=0.75, male=0.5), "test_by_actor": uar(a17=0.5, a18=0.9, a9=0.4, a20=0.6)}
    )
    assert found == {"gender_gap": 0.25, "actor_gap": 0.5}
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"test_by_gender": None, "test_by_actor": {}},
        {"test_by_gender": uar(female=0.5), "test_by_actor": uar(a17=0.5)},  # nobody to compare with
        {"test_by_gender": uar(female=0.5, male=None), "test_by_actor": uar(a17=0.5, a18=float("nan"))},
    ],
)
def test_fairness_of_nothing_to_compare_is_empty(metrics: dict[str, Any]):
    assert fairness(metrics) == {}


def test_fairness_of_one_actor_of_each_gender_has_both_gaps():
    found = fairness({"test_by_gender": uar(female=1.0, male=0.0), "test_by_actor": uar(a17=0.0, a18=1.0)})
    assert found == {"gender_gap": 1.0, "actor_gap": 1.0}
