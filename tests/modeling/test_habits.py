"""What people who know transformers try first: Auto classes, stock pipelines, `processing_class` of Trainer."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from transformers import Trainer, TrainingArguments, pipeline

from emofusion.data import ClipCollator
from emofusion.modeling import EmoFusionModel, EmoFusionPipeline, EmoFusionProcessor
from emofusion.modeling.sound_emofusion import from_int16, to_int16
from helpers.corpora.ravdess_files import RATE, make_frames, make_sound, write_media, write_sound
from helpers.runs.demo_runs import run_without_package
from helpers.tiny_models import batch_of, new_model

PARTS = ["feature_extractor", "video_processor"]
AUTO_CLASSES = ["AutoFeatureExtractor", "AutoImageProcessor", "AutoProcessor", "AutoVideoProcessor"]


def save(folder: Path, fusion: str, **changes: object) -> tuple[EmoFusionModel, EmoFusionProcessor]:
    model = new_model(fusion, **changes)
    processor = EmoFusionProcessor.from_config(model.config)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return model, processor


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose settings are not those that its parts would have by themselves."""
    folder = tmp_path_factory.mktemp("saved")
    save(folder, "gated", window="center", clip_duration=2.0)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_media(tmp_path_factory.mktemp("clips") / "clip.mp4", make_frames(7.0), make_sound(7.0))


def auto_classes(folder: Path) -> list[str]:
    """Every Auto class that a checkpoint names, and those that people try on it."""
    return sorted({*AUTO_CLASSES, *json.loads((folder / "config.json").read_text())["auto_map"]})


# Auto classes


def test_every_auto_class_loads_ours(saved: Path):
    found = {name: getattr(transformers, name).from_pretrained(saved) for name in auto_classes(saved)}
    assert {name: type(loaded).__name__ for name, loaded in found.items()} == {
        "AutoConfig": "EmoFusionConfig",
        "AutoFeatureExtractor": "EmoFusionFeatureExtractor",
        "AutoImageProcessor": "EmoFusionImageProcessor",
        "AutoModel": "EmoFusionModel",
        "AutoModelForAudioClassification": "EmoFusionModel",
        "AutoModelForVideoClassification": "EmoFusionModel",
        "AutoProcessor": "EmoFusionProcessor",
        "AutoVideoProcessor": "EmoFusionVideoProcessor",
    }
    assert all(type(loaded).__module__.startswith("emofusion.") for loaded in found.values())


def test_parts_that_are_loaded_alone_choose_the_seconds_that_the_processor_chooses(saved: Path, clip: Path):
    processor = transformers.AutoProcessor.from_pretrained(saved)
    whole = processor(clip)
    frames = transformers.AutoVideoProcessor.from_pretrained(saved)(str(clip), return_tensors="pt")["pixel_values"]
    assert torch.equal(frames, whole["pixel_values"])
    listed = transformers.AutoVideoProcessor.from_pretrained(saved)([clip, clip], return_tensors="pt")["pixel_values"]
    assert torch.equal(listed, whole["pixel_values"].repeat(2, 1, 1, 1, 1))
    sound = from_int16(to_int16(make_sound(7.0)))  # as the processor rounds it
    heard = transformers.AutoFeatureExtractor.from_pretrained(saved)(sound, sampling_rate=RATE)["input_features"]
    expected = processor(audio=sound, sampling_rate=RATE)["input_features"]
    assert torch.equal(heard, expected)
    assert heard.shape == (1, 32, 126)


def test_settings_changed_later_hold_for_the_parts_and_are_saved(saved: Path, clip: Path, tmp_path: Path):
    processor = transformers.AutoProcessor.from_pretrained(saved)
    processor.window, processor.num_frames = "start", 3
    processor.save_pretrained(tmp_path)
    again = transformers.AutoProcessor.from_pretrained(tmp_path)
    assert (again.window, again.num_frames, again.feature_extractor.window) == ("start", 3, "start")
    alone = transformers.AutoVideoProcessor.from_pretrained(tmp_path)
    pixels = alone(str(clip), return_tensors="pt")["pixel_values"]
    assert torch.equal(pixels, processor(clip)["pixel_values"])
    assert pixels.shape[1] == 3


def test_video_processor_cuts_files_to_the_face_and_saves_no_place_of_this_machine(tmp_path: Path, clip: Path):
    _, processor = save(tmp_path, "gated", face_crop="yunet")
    alone = transformers.AutoVideoProcessor.from_pretrained(tmp_path, yunet_path="/secret/yunet.onnx")
    with pytest.raises(ValueError, match=r"yunet_path=/secret/yunet\.onnx: .*found no file"):
        alone(str(clip))
    alone.save_pretrained(tmp_path / "video")
    processor.yunet_path = "/secret/yunet.onnx"
    processor.save_pretrained(tmp_path / "all")
    assert all("secret" not in path.read_text() for path in tmp_path.glob("*/*.json"))


def test_image_processor_makes_each_picture_a_clip_of_one_frame(saved: Path):
    image_processor = transformers.AutoImageProcessor.from_pretrained(saved)
    processor = transformers.AutoProcessor.from_pretrained(saved)
    frames = make_frames(0.3)
    expected = processor(videos=[frame[None] for frame in frames])["pixel_values"][:, :1]
    for images in ([Image.fromarray(frame) for frame in frames], frames, list(frames)):
        pixels = image_processor(images, return_tensors="pt")["pixel_values"]
        assert torch.equal(pixels, expected)
    assert torch.equal(image_processor(Image.fromarray(frames[0]), return_tensors="pt")["pixel_values"], expected[:1])
    with torch.no_grad():
        assert EmoFusionModel.from_pretrained(saved)(pixel_values=expected).logits.shape == (3, 8)


# Pipelines


@pytest.mark.parametrize("fusion", ["gated", "audio"])
def test_pipeline_audio_classification_hears_sound_of_any_length_and_rate(tmp_path: Path, fusion: str):
    model, processor = save(tmp_path, fusion)
    ear = pipeline("audio-classification", model=str(tmp_path))
    for seconds in (0.1, 2.0, 20.0):
        sound = make_sound(seconds)
        (best,) = ear(sound, top_k=1)
        with torch.no_grad():
            logits = model(**processor.feature_extractor(sound, sampling_rate=RATE)).logits[0]
        assert best["label"] == model.config.id2label[int(logits.argmax())]
        assert best["score"] == pytest.approx(float(logits.softmax(-1).max()), abs=1e-5)
    batch = ear([make_sound(1.0), make_sound(9.0)], batch_size=2, top_k=1)
    assert len(batch) == 2
    faster = ear({"array": make_sound(4.0, rate=48_000), "sampling_rate": 48_000}, top_k=1)
    assert faster[0]["score"] == pytest.approx(ear(make_sound(4.0), top_k=1)[0]["score"], abs=0.01)


@pytest.mark.parametrize("fusion", ["gated", "video"])
def test_pipeline_video_classification_sees_files_of_any_length(tmp_path: Path, clip: Path, fusion: str):
    """Without torchcodec, in which transformers would read them."""
    model, processor = save(tmp_path, fusion)
    eye = pipeline("video-classification", model=str(tmp_path))
    short = write_media(tmp_path / "short.mp4", make_frames(0.3))
    for path in (clip, short):
        (best,) = eye(str(path), top_k=1)
        with torch.no_grad():
            logits = model(pixel_values=processor(path)["pixel_values"]).logits[0]
        assert best["label"] == model.config.id2label[int(logits.argmax())]
        assert best["score"] == pytest.approx(float(logits.softmax(-1).max()), abs=1e-5)
    assert len(eye([str(clip), str(short)], top_k=1)) == 2
    with pytest.raises(ValueError, match=r"voice\.wav: expected picture, found"):
        eye(str(write_sound(tmp_path / "voice.wav", make_sound(1.0))))


ELSEWHERE = """
import json
import numpy as np
import transformers
folder, clip, names = sys.argv[1:]
for name in names.split(","):
    loaded = getattr(transformers, name).from_pretrained(folder, trust_remote_code=True)
    assert "transformers_modules" in type(loaded).__module__, name
sound = np.sin(np.arange(16000 * 4) / 20).astype("float32")
ear = transformers.pipeline("audio-classification", model=folder, trust_remote_code=True)
eye = transformers.pipeline("video-classification", model=folder, trust_remote_code=True)
task = "audio-visual-emotion-classification"
both = [transformers.pipeline(task, model=folder, trust_remote_code=True)]
both += [transformers.pipeline(model=folder, trust_remote_code=True, device="cpu", dtype="float32")]
repr(both[1].model.config)
both[1].save_pretrained("again")
both += [transformers.pipeline(model="again", trust_remote_code=True)]
assert all("transformers_modules" in type(pipe).__module__ for pipe in both)
timelines = [pipe(clip, return_timeline=True, batch_size=2) for pipe in both]
print(json.dumps([ear(sound, top_k=8), eye(clip, top_k=8), timelines]))
"""


@pytest.mark.slow
def test_auto_classes_and_pipelines_work_without_the_package(saved: Path, clip: Path, tmp_path: Path):
    empty = tmp_path / "empty"
    empty.mkdir()
    names = ",".join(auto_classes(saved))
    printed = run_without_package(ELSEWHERE, saved, clip, names, cwd=empty, env={"HF_HOME": str(tmp_path / "home")})
    sound = np.sin(np.arange(16000 * 4) / 20).astype(np.float32)
    here = [
        pipeline("audio-classification", model=str(saved))(sound, top_k=8),
        pipeline("video-classification", model=str(saved))(str(clip), top_k=8),
    ]
    *stock, timelines = json.loads(printed.splitlines()[-1])
    parts = {"model": EmoFusionModel.from_pretrained(saved), "processor": EmoFusionProcessor.from_pretrained(saved)}
    expected = EmoFusionPipeline(**parts)(clip, return_timeline=True)
    for answer in timelines:
        assert answer["scores"] == pytest.approx(expected["scores"], abs=1e-5)
        assert [entry["scores"] for entry in answer["timeline"]] == [
            pytest.approx(entry["scores"], abs=1e-5) for entry in expected["timeline"]
        ]
    for found, expected in zip(stock, here, strict=True):
        assert {entry["label"]: pytest.approx(entry["score"], abs=1e-5) for entry in expected} == {
            entry["label"]: entry["score"] for entry in found
        }


# Trainer


@pytest.mark.parametrize("collator", [ClipCollator(), None])
@pytest.mark.parametrize("part", ["", *PARTS])
def test_trainer_takes_the_processor_or_a_part_of_it(tmp_path: Path, part: str, collator: ClipCollator | None):
    model = new_model()
    processor = EmoFusionProcessor.from_config(model.config)
    batch = batch_of(4, labels=True)
    rows = [{name: values[index] for name, values in batch.items()} for index in range(4)]
    trainer = Trainer(
        model=model,
        args=TrainingArguments(str(tmp_path), max_steps=1, save_steps=1, use_cpu=True, report_to="none"),
        train_dataset=rows,
        data_collator=collator,
        processing_class=getattr(processor, part, processor),
    )
    trainer.train()
    assert trainer.predict(rows).label_ids.tolist() == batch["labels"].tolist()
    trainer.save_model(str(tmp_path / "last"))
    loaders = {
        "feature_extractor": transformers.AutoFeatureExtractor,
        "video_processor": transformers.AutoVideoProcessor,
    }
    for folder in (tmp_path / "last", tmp_path / "checkpoint-1"):
        for name in [part] if part else PARTS:
            loaded, given = loaders[name].from_pretrained(folder).to_dict(), getattr(processor, name).to_dict()
            assert all(loaded[key] == value for key, value in given.items() if key != "auto_map")
        assert part or transformers.AutoProcessor.from_pretrained(folder).num_frames == 4
