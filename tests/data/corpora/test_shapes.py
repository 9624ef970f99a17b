"""RAVDESS in whatever shape it comes: the same rows, and no take or actor where it must not be."""

import contextlib
import random
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emofusion.data
from emofusion.data import FoldRefusedError
from helpers.corpora.ravdess_files import write_corpus, write_named

OPTIONS = {"num_frames": 2, "frame_size": 16}


def rows_of(folder: Path, cache: Path, **options: Any) -> list[dict[str, Any]]:
    """All rows, without the column that says where they come from."""
    words = {"data_dir": str(folder), "cache_dir": str(cache), "split": "all"} | OPTIONS | options
    return datasets.load_dataset("ravdess", **words).remove_columns("source").to_list()


def zip_per_actor(corpus: Path, folder: Path) -> None:
    """As the official record: one archive an actor, unextracted."""
    for actor in sorted(path for path in corpus.iterdir() if path.is_dir()):
        with zipfile.ZipFile(folder / f"Video_Speech_{actor.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(actor.iterdir()):
                archive.write(path, f"{actor.name}/{path.name}")


def zip_whole(corpus: Path, folder: Path) -> None:
    with zipfile.ZipFile(folder / "Audio_Speech_Actors_01-24.zip", "w") as archive:  # stored, not deflated
        for path in sorted(corpus.rglob("*.*")):
            archive.write(path, path.relative_to(corpus))


def shuffle(corpus: Path, folder: Path) -> None:
    """All files in folders that mean nothing."""
    draws = random.Random(3)
    for path in corpus.rglob("*.*"):
        place = folder / draws.choice(["a", "b/c", "Actor_99", "."])
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, place)


def rename(corpus: Path, folder: Path) -> None:
    for actor in corpus.iterdir():
        shutil.copytree(actor, folder / actor.name.replace("Actor_", "ACTOR"))


def copy_like_kaggle(corpus: Path, folder: Path) -> None:
    """Every file twice: at the root and nested."""
    for actor in corpus.iterdir():
        shutil.copytree(actor, folder / actor.name)
        shutil.copytree(actor, folder / "audio_speech_actors_01-24" / actor.name)


SHAPES = [zip_per_actor, zip_whole, shuffle, rename, copy_like_kaggle]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips with both modalities, video-only ones with their wav beside them, and sound alone."""
    folder = write_corpus(tmp_path_factory.mktemp("corpus"), actors=(1, 2, 13, 17), emotions=(3,))
    for actor in ("01", "17"):
        write_named(folder, f"02-01-04-01-01-01-{actor}", "silent.mp4", seed=4)
        write_named(folder, f"03-01-04-01-01-01-{actor}", "wav", seed=4)
        write_named(folder, f"03-01-05-01-01-01-{actor}", "flac", seed=5)
    return folder


@pytest.mark.parametrize("shape", SHAPES)
def test_corpus_in_another_shape_gives_the_same_rows(
    corpus: Path, tmp_path: Path, shape: Callable[[Path, Path], None]
):
    (tmp_path / "shaped").mkdir()
    shape(corpus, tmp_path / "shaped")
    expected = rows_of(corpus, tmp_path / "cache")
    assert len(expected) == 8
    assert rows_of(tmp_path / "shaped", tmp_path / "cache") == expected


def test_archive_named_instead_of_a_folder_is_the_corpus(corpus: Path, tmp_path: Path):
    zip_whole(corpus, tmp_path)
    write_named(tmp_path, "03-01-08-01-01-01-05", "wav")  # beside it, and not part of it
    expected = rows_of(corpus, tmp_path / "cache")
    assert rows_of(tmp_path / "Audio_Speech_Actors_01-24.zip", tmp_path / "cache") == expected


def test_archive_beside_the_record_of_a_synthetic_corpus_is_synthetic(corpus: Path, tmp_path: Path):
    zip_whole(corpus, tmp_path)
    (tmp_path / "PAIRED.json").write_text('{"notice": "Paired by a test."}')
    assert emofusion.data.describe_corpus(tmp_path / "Audio_Speech_Actors_01-24.zip").synthetic


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_real_voices_in_another_shape_give_the_same_rows(
    test_data: Path, tmp_path: Path, shape: Callable[[Path, Path], None]
):
    """Two actors; the five stereo clips and the identical pair are among those of actors 1, 5, 7 and 20."""
    for actor in ("Actor_01", "Actor_07"):
        shutil.copytree(test_data / "ravdess" / actor, tmp_path / "corpus" / actor)
    (tmp_path / "shaped").mkdir()
    shape(tmp_path / "corpus", tmp_path / "shaped")
    expected = rows_of(tmp_path / "corpus", tmp_path / "cache")
    assert len(expected) == 120
    assert rows_of(tmp_path / "shaped", tmp_path / "cache") == expected


# Few different codes, so that takes of one take, copies and impossible names are common.
FILES = st.builds(
    lambda folder, modality, emotion, repetition, actor: (
        f"{folder}/{modality}-01-{emotion:02d}-01-01-{repetition:02d}-{actor:02d}"
        + (".wav" if modality == "03" else ".mp4")
    ),
    st.sampled_from(["Actor_01", "ACTOR02", "x/y", "."]),
    st.sampled_from(["01", "02", "03"]),
    st.sampled_from([3, 4, 9]),
    st.integers(1, 2),
    st.sampled_from([1, 5, 9, 13, 17, 21]),
)
PROTOCOLS = st.sampled_from(
    [("holdout", 0), ("luna5", 0), ("msaf6", 4), ("emobox6", 1), ("chumachenko", 0), ("loso", 16)]
)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.lists(FILES, min_size=1, max_size=14, unique=True), PROTOCOLS)
def test_splits_of_any_tree_share_no_actor_and_hold_no_take_twice(files: list[str], protocol: tuple[str, int]):
    with tempfile.TemporaryDirectory() as temporary:
        corpus = Path(temporary, "corpus")
        for file in files:
            path = write_named(Path(temporary, "made"), Path(file).stem, Path(file).suffix[1:])
            (corpus / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, corpus / file)
        options = {"data_dir": str(corpus), "cache_dir": temporary, "protocol": protocol[0], "fold": protocol[1]}
        possible = {Path(file).stem[3:] for file in files if "-09-" not in file[-24:]}
        try:
            everything = datasets.load_dataset("ravdess", split="all", **options | OPTIONS)
        except ValueError as error:
            assert not possible, error
            return
        splits = {}
        for part in ("train", "validation", "test"):
            with contextlib.suppress(FoldRefusedError):
                splits[part] = datasets.load_dataset("ravdess", split=part, **options | OPTIONS)
        clips = [clip for rows in splits.values() for clip in rows["clip"]]
        assert Counter(clips) == dict.fromkeys(possible, 1)
        assert everything["clip"][:] == sorted(possible)
        actors = [actor for rows in splits.values() for actor in set(rows["actor"])]
        assert len(actors) == len(set(actors))
        whole = emofusion.data.fold(*protocol)
        assert "test" not in splits or set(splits["test"]["actor"]) <= whole.test
