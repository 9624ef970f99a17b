"""Every wrong input of train_hf.py ends in one clear line that names it."""

from pathlib import Path

import pytest

from emofusion.data import describe_corpus
from emofusion.data.demo_corpus.corpus import make_demo_corpus
from emofusion.modeling import EmoFusionConfig, EmoFusionModel, EmoFusionProcessor
from emofusion.modeling.seen_emofusion import Seen
from helpers.corpora.ravdess_files import write_corpus
from helpers.runs.demo_runs import tiny_recipe
from helpers.runs.forked import train_hf


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo_corpus(
        tmp_path_factory.mktemp("demo") / "corpus", actors=[1, 13, 17], clips_per_actor=8, image_size=32, jobs=1
    )


def message_of(*words: object) -> str:
    with pytest.raises(SystemExit) as error:
        train_hf().main([str(word) for word in words])
    return str(error.value)


def test_train_without_data_dir_says_so(tmp_path: Path):
    message = message_of("--output_dir", tmp_path / "out")
    assert message.startswith("error: --data_dir is missing")


def test_train_missing_folder_is_named(tmp_path: Path):
    message = message_of("--data_dir", tmp_path / "nowhere", "--output_dir", tmp_path / "out")
    assert "nowhere" in message
    assert "no such folder" in message


def test_train_empty_folder_is_named(tmp_path: Path):
    (tmp_path / "corpus").mkdir()
    message = message_of("--data_dir", tmp_path / "corpus", "--output_dir", tmp_path / "out")
    assert "no RAVDESS file" in message


def test_train_no_class_left_is_said(tmp_path: Path, corpus: Path):
    only_disgust = tmp_path / "corpus" / "Actor_01"
    only_disgust.mkdir(parents=True)
    for path in corpus.rglob("01-01-07-*-01.mp4"):
        (only_disgust / path.name).write_bytes(path.read_bytes())
    words = ["--data_dir", only_disgust.parent, "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    for several in ([], ["--cross_validate"]):
        message = message_of(*words, "--label_set", "emotions4", *several)
        assert "no clip" in message
        assert "emotions4" in message
        assert "disgust" in message


def test_train_silent_clip_for_an_audio_model_is_named(tmp_path: Path, test_data: Path):
    folder = tmp_path / "corpus" / "Actor_19"
    folder.mkdir(parents=True)
    silent = test_data / "clips/ravdess/01-01-08-02-01-01-19.mp4"
    (folder / silent.name).write_bytes(silent.read_bytes())
    write_corpus(folder.parent, actors=(1, 13), emotions=(3,), kind="wav")
    words = ["--data_dir", folder.parent, "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    message = message_of(*words, "--fusion", "audio")
    assert "01-01-08-02-01-01-19.mp4" in message
    assert "no sound" in message


def test_train_file_that_is_no_media_is_named(tmp_path: Path):
    folder = tmp_path / "corpus" / "Actor_01"
    folder.mkdir(parents=True)
    (folder / "03-01-05-01-01-01-01.wav").write_text("this is a text\n" * 100)
    words = ["--data_dir", folder.parent, "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    message = message_of(*words)
    assert "03-01-05-01-01-01-01.wav" in message


def test_train_without_validation_actors_says_so(tmp_path: Path, corpus: Path):
    words = ["--data_dir", corpus / "Actor_01", "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    message = message_of(tiny_recipe(tmp_path), *words)
    assert "validation" in message


def test_train_into_a_folder_with_checkpoints_is_refused(tmp_path: Path, corpus: Path):
    checkpoint = tmp_path / "out" / "checkpoint-3"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text("{}")
    message = message_of("--data_dir", corpus, "--output_dir", tmp_path / "out")
    assert "--resume_from_checkpoint latest" in message


@pytest.mark.parametrize("left", ["run.json", "metrics.json", "model.safetensors"])
def test_train_over_what_a_folder_holds_is_refused(tmp_path: Path, corpus: Path, left: str):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / left).write_text("{}")
    message = message_of("--data_dir", corpus, "--output_dir", tmp_path / "out")
    assert f"--output_dir {tmp_path / 'out'} already holds" in message
    assert [path.name for path in (tmp_path / "out").iterdir()] == [left]


def test_train_into_a_file_is_refused(tmp_path: Path, corpus: Path):
    (tmp_path / "out").write_text("mine")
    assert "that is a file" in message_of("--data_dir", corpus, "--output_dir", tmp_path / "out")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("./nowhere", "no such folder, and not a name on the hub"),
        ("runs/nowhere", "no such folder, and nothing to load from the hub: "),
        ("empty", "expected a model of the type emofusion, found an unknown kind: no config.json is there"),
        ("broken", "no config.json that can be read in it"),
        ("bert", "expected a model of the type emofusion, found bert"),
    ],
)
def test_checkpoint_that_is_none_is_named(
    tmp_path: Path, corpus: Path, source: str, said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name, content in (("empty", None), ("broken", "{"), ("bert", '{"model_type": "bert"}')):
        (tmp_path / name).mkdir()
        if content is not None:
            (tmp_path / name / "config.json").write_text(content)
    source = str(tmp_path / source) if (tmp_path / source).exists() else source
    message = message_of("--model_name_or_path", source, "--data_dir", corpus, "--output_dir", tmp_path / "out")
    assert message.startswith(f"error: --model_name_or_path {source}: {said}")
    assert "\n" not in message


def test_push_without_a_login_or_to_no_name_is_refused(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("emofusion.training.setup.checks.get_token", lambda: None)
    words = ["--data_dir", corpus, "--output_dir", tmp_path / "out", "--push_to_hub"]
    assert message_of(*words).startswith("error: --push_to_hub: no login found")
    assert message_of(*words, "--hub_model_id", "a/b/c").startswith("error: --hub_model_id a/b/c: not a name")


def test_resume_from_weights_alone_is_refused(tmp_path: Path, corpus: Path):
    checkpoint = tmp_path / "out" / "checkpoint-3"
    checkpoint.mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text("{}")
    places = ["--data_dir", corpus, "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    message = message_of(tiny_recipe(tmp_path), *places, "--resume_from_checkpoint", "latest")
    assert "has no optimizer.pt, because --save_only_model left it out" in message


def test_predict_without_a_checkpoint_is_refused(tmp_path: Path, corpus: Path):
    message = message_of("--data_dir", corpus, "--output_dir", tmp_path / "out", "--do_predict")
    assert "--model_name_or_path" in message


def test_strict_refuses_a_corpus_that_is_not_whole(tmp_path: Path):
    corpus = write_corpus(tmp_path / "corpus", actors=(1, 13, 17), emotions=(3, 4), kind="wav")
    places = ["--data_dir", corpus, "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    message = message_of(*places, "--fusion", "audio", "--strict")
    assert "missing: actors 2-12" in message


def test_predict_without_a_processor_says_where_to_save_it(tmp_path: Path, corpus: Path, tiny_config: EmoFusionConfig):
    EmoFusionModel(tiny_config).save_pretrained(tmp_path / "model")
    words = ["--model_name_or_path", tmp_path / "model", "--do_predict", "--label_set", "emotions8"]
    message = message_of(*words, "--data_dir", corpus, "--output_dir", tmp_path / "out")
    assert f"--model_name_or_path {tmp_path / 'model'}: its processor is not beside the model" in message


def test_predict_other_classes_is_refused(tmp_path: Path, corpus: Path, tiny_config: EmoFusionConfig):
    tiny_config.label_set = "emotions8"
    EmoFusionModel(tiny_config).save_pretrained(tmp_path / "model")
    EmoFusionProcessor.from_config(tiny_config).save_pretrained(tmp_path / "model")
    words = ["--model_name_or_path", tmp_path / "model", "--do_predict", "--label_set", "emotions4"]
    message = message_of(*words, "--data_dir", corpus, "--output_dir", tmp_path / "out")
    assert "emotions4" in message


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--fusion", "gatd"], "gatd"),
        (["--fusio", "gated"], "did you mean 'fusion'"),
        (["--protocol", "leaky"], "leaky"),
        (["--label_set", "emotions5"], "emotions5"),
        (["--protocol", "random_clips", "--push_to_hub"], "--allow_leaky_split"),
        (["--face_tracks", "."], "face_crop"),
        (["--face_crop", "yunet"], "yunet_path"),
        (["--fold", "7"], "fold"),
        (["--encoder_width", "-8"], "encoder_width"),
    ],
)
def test_train_wrong_flag_is_named(tmp_path: Path, corpus: Path, flags: list, named: str):
    message = message_of("--data_dir", corpus, "--output_dir", tmp_path / "out", *flags)
    assert message.startswith("error:")
    assert named in message


def checkpoint_of(config: EmoFusionConfig, folder: Path, actors: tuple[int, ...] = ()) -> Path:
    config.label_set = "emotions8"
    model = EmoFusionModel(config)
    model.seal_seen(Seen(frozenset(actors), frozenset(config.modalities)))
    model.save_pretrained(folder)
    EmoFusionProcessor.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("misfit", [["--fusion", "xattn"], ["--encoder_width", "16"]])
def test_predict_with_flags_that_do_not_fit_is_refused(
    tmp_path: Path, tiny_config: EmoFusionConfig, misfit: list[str]
):
    corpus = make_demo_corpus(tmp_path / "corpus", actors=[17], clips_per_actor=8, image_size=32, jobs=1)
    places = ["--data_dir", corpus, "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    checkpoint = checkpoint_of(tiny_config, tmp_path / "model")
    message = message_of("--model_name_or_path", checkpoint, "--do_predict", *places, *misfit)
    assert "weights do not fit" in message


def test_predict_without_test_actors_says_so(tmp_path: Path, corpus: Path, tiny_config: EmoFusionConfig):
    checkpoint = checkpoint_of(tiny_config, tmp_path / "model")
    folder = corpus / "Actor_13"
    places = ["--data_dir", folder, "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    message = message_of("--model_name_or_path", checkpoint, "--do_predict", *places)
    assert "holdout fold 0 is refused: none of its test actors (17-20) is there, only actors 13" in message


def test_push_of_a_checkpoint_that_was_trained_on_the_test_actors_is_refused(
    tmp_path: Path, corpus: Path, tiny_config: EmoFusionConfig, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_any")
    checkpoint = checkpoint_of(tiny_config, tmp_path / "model", actors=(16, 17))
    places = ["--data_dir", corpus, "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    words = ["--model_name_or_path", checkpoint, "--do_predict", *places, "--push_to_hub"]
    message = message_of(*words)
    assert "the test actors 17 were seen in training" in message
    assert "--allow_leaky_split" in message


def test_resume_with_another_setting_names_it(tmp_path: Path, corpus: Path):
    checkpoint = tmp_path / "out" / "checkpoint-3"
    checkpoint.mkdir(parents=True)
    for name in ("trainer_state.json", "optimizer.pt"):
        (checkpoint / name).write_text("{}")
    (tmp_path / "out" / "run.json").write_text('{"fusion": "audio"}')
    places = ["--data_dir", corpus, "--output_dir", tmp_path / "out", "--cache_dir", tmp_path / "cache"]
    message = message_of(tiny_recipe(tmp_path), *places, "--resume_from_checkpoint", "latest")
    assert "fusion audio, now it is gated" in message


def test_train_rate_of_a_branch_that_is_not_there_is_refused(tmp_path: Path, corpus: Path):
    places = ["--data_dir", corpus, "--output_dir", tmp_path / "out"]
    message = message_of(*places, "--fusion", "audio", "--video_learning_rate", "1e-4")
    assert "--video_learning_rate" in message


def test_train_recipe_behind_the_flags_is_refused(tmp_path: Path, corpus: Path):
    message = message_of("--data_dir", corpus, "--output_dir", tmp_path, tiny_recipe(tmp_path))
    assert "must be the first argument" in message


def test_describe_corpus_part_of_a_synthetic_one_is_synthetic(corpus: Path):
    for folder in (corpus, corpus / "Actor_01", corpus.parent):
        assert describe_corpus(folder).name == "synthetic demo corpus", folder
