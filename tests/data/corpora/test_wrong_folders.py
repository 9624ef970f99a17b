"""A folder that holds another corpus, a part of one, or one in two shapes: the error says what to name instead."""

import re
import zipfile
from pathlib import Path

import datasets
import pytest

import emofusion.data  # noqa: F401  registers the builders
from emofusion.data.corpora.builders.split_builder import SplitBuilder
from emofusion.data.protocols import FoldRefusedError
from helpers.corpora.picture_files import write_affectnet, write_picture, write_tree
from helpers.corpora.ravdess_files import write_corpus

FER_TREE = ["train/angry/1.png", "test/happy/2.png"]
FER_ROW = f"0,{' '.join(['7'] * 48 * 48)},Training\n"
FER_TABLE = f"emotion,pixels,Usage\n{FER_ROW}"
ICML_TABLE = f"emotion, Usage, pixels\n0,Training,{' '.join(['9'] * 48 * 48)}\n"
FILES = {
    "ravdess": "Actor_01/03-01-06-01-02-01-01.wav",
    "crema_d": "AudioWAV/1001_DFA_ANG_XX.wav",
    "fer2013": "train/angry/1.png",
    "affectnet": "AffectNet/train_set/annotations/0_exp.npy",
}
TITLES = {"ravdess": "RAVDESS", "crema_d": "CREMA-D", "fer2013": "FER-2013", "affectnet": "AffectNet"}


def opened(name: str, place: Path) -> SplitBuilder:
    """The builder with everything read, as `load_dataset` and train_hf.py open it."""
    cache = place.parent / "cache of a test"
    builder = datasets.load_dataset_builder(name, data_dir=str(place), cache_dir=str(cache))
    builder.download_and_prepare()
    return builder


def refused(name: str, place: Path) -> str:
    with pytest.raises(ValueError) as error:
        opened(name, place)
    message = str(error.value)
    assert message.startswith(str(place)) and "\n" not in message
    return message


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("asked", FILES)
@pytest.mark.parametrize("there", FILES)
def test_another_corpus_is_called_by_its_name(tmp_path: Path, asked: str, there: str, zipped: bool):
    if asked == there:
        return
    place = tmp_path / "corpus"
    place.mkdir()
    if zipped:
        with zipfile.ZipFile(place / "all.zip", "w") as archive:
            archive.writestr(FILES[there], b"x")
    else:
        (place / FILES[there]).parent.mkdir(parents=True)
        (place / FILES[there]).touch()
    message = refused(asked, place)
    assert f"no {TITLES[asked]}" in message
    assert message.endswith(
        f'; this looks like {TITLES[there]}: --corpus {there} of train_hf.py, or load_dataset("{there}", ...)'
    )


@pytest.mark.parametrize("asked", FILES)
def test_a_folder_of_nothing_known_has_no_hint(tmp_path: Path, asked: str):
    folder = tmp_path / "test" / "corpus"  # the names above it say nothing
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "notes.txt").touch()
    message = refused(asked, folder)
    assert "looks like" not in message and "--data_dir" not in message


@pytest.mark.parametrize("asked", ["ravdess", "fer2013"])
def test_a_single_file_is_named_and_not_its_folder(tmp_path: Path, asked: str):
    with zipfile.ZipFile(tmp_path / "wrong.zip", "w") as archive:
        archive.writestr(FILES["crema_d"], b"x")
    assert "this looks like CREMA-D" in refused(asked, tmp_path / "wrong.zip")


# Too deep


@pytest.mark.parametrize("inner", ["train", "train/angry"])
def test_a_part_of_fer2013_names_the_folder_above(tmp_path: Path, inner: str):
    write_tree(tmp_path / "fer", FER_TREE)
    assert refused("fer2013", tmp_path / "fer" / inner).endswith(
        f"; name the folder above it: --data_dir {tmp_path / 'fer'}"
    )


@pytest.mark.parametrize("inner", ["train_set", "val_set/images"])
def test_a_part_of_affectnet_names_the_folder_above(tmp_path: Path, inner: str):
    write_affectnet(tmp_path / "affectnet", {"0": 0, "1": 1})
    (tmp_path / "affectnet" / "val_set" / "images").mkdir(parents=True)
    assert refused("affectnet", tmp_path / "affectnet" / inner).endswith(
        f"; name the folder above it: --data_dir {tmp_path / 'affectnet'}"
    )


def test_one_actor_of_several_names_the_folder_above(tmp_path: Path):
    corpus = write_corpus(tmp_path / "corpus", actors=(1, 17), emotions=(3,))
    with pytest.raises(FoldRefusedError, match="none of its test actors") as error:
        opened("ravdess", corpus / "Actor_01").as_dataset()
    assert str(error.value).endswith(f"; it is one of 2 folders of actors, name the one above: --data_dir {corpus}")
    (corpus / "Actor_17").rename(corpus / "other")
    with pytest.raises(FoldRefusedError) as error:
        opened("ravdess", corpus / "Actor_01").as_dataset()
    assert "--data_dir" not in str(error.value)


# Twice


def test_two_tables_of_fer2013_say_which_flag_chooses(tmp_path: Path):
    folder = tmp_path / "fer"
    folder.mkdir()
    (folder / "fer2013.csv").write_text(FER_TABLE)
    (folder / "icml_face_data.csv").write_text(ICML_TABLE)
    message = refused("fer2013", folder)
    flags = re.findall(r"--data_dir (\S+)", message)
    assert flags == [str(folder / "fer2013.csv"), str(folder / "icml_face_data.csv")]
    rows = [opened("fer2013", Path(path)).as_dataset("train")[0] for path in flags]
    assert [row["image"].getpixel((0, 0)) for row in rows] == [7, 9]


def test_a_table_and_one_in_an_archive_say_which_flag_chooses(tmp_path: Path):
    folder = tmp_path / "fer"
    folder.mkdir()
    (folder / "fer2013.csv").write_text(FER_TABLE)
    with zipfile.ZipFile(folder / "challenge.zip", "w") as archive:
        archive.writestr("icml_face_data.csv", ICML_TABLE)
    flags = re.findall(r"--data_dir (\S+)", refused("fer2013", folder))
    assert flags == [str(folder / "fer2013.csv"), str(folder / "challenge.zip")]
    assert all(len(opened("fer2013", Path(path)).as_dataset("train")) == 1 for path in flags)


def test_a_table_beside_pictures_says_which_flag_reads_it(tmp_path: Path):
    folder = write_tree(tmp_path / "fer", FER_TREE)
    (folder / "fer2013.csv").write_text(FER_TABLE)
    builder = opened("fer2013", folder)
    assert builder.account.unreadable == {
        "fer2013.csv": f"a table beside pictures, which go first; --data_dir {folder}/fer2013.csv reads it"
    }
    assert len(opened("fer2013", folder / "fer2013.csv").as_dataset("train")) == 1


def test_affectnet_twice_names_a_folder_that_reads(tmp_path: Path):
    for copy in ("one", "two"):
        write_affectnet(tmp_path / "both" / copy, {"0": 0, "1": 1})
    (flag,) = re.findall(r"--data_dir (\S+)", refused("affectnet", tmp_path / "both"))
    assert len(opened("affectnet", Path(flag)).as_dataset("train")) == 2


def test_affectnet_beside_another_layout_says_what_is_not_read(tmp_path: Path):
    folder = write_affectnet(tmp_path / "affectnet", {"0": 0, "1": 1})
    write_picture(folder / "Train" / "Anger" / "7.png")
    account = opened("affectnet", folder).account
    assert list(account.unreadable) == ["Train/Anger/"]
    assert "--corpus fer2013" in account.unreadable["Train/Anger/"]


def test_affectnet_in_an_archive_is_to_be_unpacked(tmp_path: Path):
    place = tmp_path / "affectnet"
    place.mkdir()
    with zipfile.ZipFile(place / "all.zip", "w") as archive:
        archive.writestr(FILES["affectnet"], b"x")
    assert refused("affectnet", place).endswith("; unpack all.zip: AffectNet is read from folders")
    assert "unpack it" in refused("affectnet", place / "all.zip")


def test_the_other_channel_names_its_flag(tmp_path: Path):
    corpus = tmp_path / "corpus"
    (corpus / "Actor_01").mkdir(parents=True)
    (corpus / "Actor_01" / "03-02-03-01-01-01-01.wav").touch()
    assert refused("ravdess", corpus).endswith("but 1 of the other channel; --channel song takes them")
