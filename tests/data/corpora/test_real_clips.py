"""The real clips as a corpus: every file decodes, or stands in the account with its reason."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch

import emofusion.data  # noqa: F401  registers the builder
from emofusion.data import ClipInputs
from emofusion.data.sources.ravdess_names import all_takes
from emofusion.modeling import EmoFusionConfig, EmoFusionProcessor

ENDINGS = {".mp4", ".mov", ".mkv", ".webm", ".flv", ".m4a", ".wav"}


@pytest.fixture(scope="module")
def clips(test_data: Path) -> list[Path]:
    return sorted(path for path in (test_data / "clips").rglob("*") if path.suffix in ENDINGS)


@pytest.fixture(scope="module")
def opened(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Path]]:
    """The builder over all of them under RAVDESS names, with faces, and the original by name."""
    folder = tmp_path_factory.mktemp("corpus")
    names: Iterator[Any] = all_takes()
    originals = {}
    for clip, name in zip(clips, names, strict=False):
        modality = "03" if clip.suffix in (".wav", ".m4a") else "01"
        link = folder / f"{modality}-{name.take}{clip.suffix}"
        link.symlink_to(clip)
        originals[link.name] = clip
    builder = datasets.load_dataset_builder(
        "ravdess", data_dir=str(folder), cache_dir=str(tmp_path_factory.mktemp("cache")), face_crop="haar"
    )
    builder.download_and_prepare()
    return builder, originals


@pytest.mark.slow
def test_every_real_clip_decodes_or_stands_in_the_account(opened: tuple[Any, dict[str, Path]], clips: list[Path]):
    builder, originals = opened
    read = {originals[source].name for source in builder.as_dataset("all")["source"]}
    unread = {originals[source].name for source in builder.account.unreadable}
    assert len(clips) >= 34
    assert read | unread == {clip.name for clip in clips}
    assert unread == set()  # what is damaged decodes in part


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("corrupted.mp4", "frames do not decode"),
        ("sad.mp4", "cut short"),
        ("contempt.mp4", "named as having sound, but there is none in it"),
        ("03-01-08-01-02-02-01.wav", None),
    ],
)
def test_oddities_of_a_real_clip_stand_in_the_account(
    opened: tuple[Any, dict[str, Path]], name: str, note: str | None
):
    builder, originals = opened
    (source,) = [source for source, clip in originals.items() if clip.name == name]
    notes = " ".join(builder.account.notes.get(source, []))
    assert (note or "") in notes
    assert bool(notes) == bool(note)


@pytest.mark.slow
def test_faces_and_stereo_of_the_real_clips_are_counted(opened: tuple[Any, dict[str, Path]]):
    builder, originals = opened
    without = {originals[source].name for source in builder.account.faces_not_found}
    assert {"no_face.mp4", "nasa_13013.mp4"} <= without
    faces = {"single_face.mp4", "01-01-08-02-01-01-19.mp4", "happy.mp4", "M030_sad_3_001.mp4", "rotated_phone.mp4"}
    assert not faces & without
    stereo = {originals[source].name for source in builder.account.stereo}
    assert {"03-01-08-01-02-02-01.wav", "M030_sad_3_001.mp4"} <= stereo
    assert "03-01-05-02-01-02-12.wav" not in stereo


def test_silent_real_clip_is_paired_with_its_sound_or_used_alone(test_data: Path, tmp_path: Path):
    picture = test_data / "clips/ravdess/01-01-08-02-01-01-19.mp4"
    sound = test_data / "clips/ravdess/03-01-08-02-01-01-19.wav"
    for name, files, has_audio in (("pair", (picture, sound), True), ("alone", (picture,), False)):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file.name).symlink_to(file)
        rows = datasets.load_dataset(
            "ravdess", data_dir=str(tmp_path / name), cache_dir=str(tmp_path / "cache"), split="all"
        )
        assert (len(rows), rows[0]["has_video"], rows[0]["has_audio"]) == (1, True, has_audio)


@pytest.mark.slow
def test_inputs_of_a_real_clip_are_those_of_its_file_cut_to_the_face_too(opened: tuple[Any, dict[str, Path]]):
    builder, originals = opened
    processor = EmoFusionProcessor.from_config(EmoFusionConfig(face_crop="haar"))
    rows = builder.as_dataset("all")
    inputs = rows.with_transform(ClipInputs(processor))
    for index, source in enumerate(rows["source"]):
        found = inputs[index]  # each look at it is worked out anew
        for name, tensor in processor(originals[source]).items():
            assert torch.equal(found[name], tensor[0]), (originals[source].name, name)
    with pytest.raises(ValueError, match="cut to the face, and the processor has face_crop='none'"):
        rows.with_transform(ClipInputs(EmoFusionProcessor.from_config(EmoFusionConfig())))[0]
    uncut = EmoFusionProcessor.from_config(EmoFusionConfig())
    face = next(source for source in rows["source"] if originals[source].name == "single_face.mp4")
    row = inputs[rows["source"][:].index(face)]
    assert not torch.equal(row["pixel_values"], uncut(originals[face])["pixel_values"][0])
