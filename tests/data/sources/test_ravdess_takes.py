"""What lies in a corpus folder: grouped to takes, and accounted for."""

import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofusion.data.sources.account import Account
from emofusion.data.sources.files import CorpusFile, CorpusFiles
from emofusion.data.sources.ravdess_names import parse_name
from emofusion.data.sources.ravdess_takes import find_takes
from emofusion.data.sources.takes import Take

SPEECH, BOTH = 1440, 1440 + 1012


def find(folder: Path, channel: str = "both") -> tuple[list[Take], Account]:
    return find_takes(CorpusFiles(folder), channel)


def paths(files: Sequence[CorpusFile]) -> list[str]:
    return [str(file) for file in files]


def touch(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def test_find_takes_at_any_depth_finds_all_in_code_order(tmp_path: Path):
    touch(
        tmp_path,
        "z/y/x/Actor_02/01-01-01-01-01-01-02.mp4",
        "03-01-08-01-01-01-01.WAV",
        "Actor_01/03-01-03-01-01-01-01.flac",
    )
    found, account = find(tmp_path)
    assert [take.clip for take in found] == ["01-01-01-01-01-02", "01-03-01-01-01-01", "01-08-01-01-01-01"]
    assert (account.files, account.takes, account.duplicates, account.unreadable) == (3, 3, {}, {})


def test_find_takes_three_modalities_are_one_take(tmp_path: Path):
    touch(tmp_path, *(f"A/{modality}-01-03-01-01-01-07.{end}" for modality, end in (("03", "wav"), ("02", "mp4"))))
    (one,), account = find(tmp_path)
    assert paths(one.files) == ["A/02-01-03-01-01-01-07.mp4", "A/03-01-03-01-01-01-07.wav"]
    touch(tmp_path, "A/01-01-03-01-01-01-07.mp4")
    (one,), account = find(tmp_path)
    # 01 goes before 02, which stands in where 01 is broken.
    assert paths(one.pictures) == ["A/01-01-03-01-01-01-07.mp4", "A/02-01-03-01-01-01-07.mp4"]
    assert paths(one.sounds) == ["A/03-01-03-01-01-01-07.wav"]
    assert (account.files, account.takes, account.duplicates) == (3, 1, {})


@pytest.mark.parametrize("stem, parts", [("01", "pictures"), ("02", "pictures"), ("03", "sounds")])
def test_find_takes_single_file_is_its_only_part(tmp_path: Path, stem: str, parts: str):
    path = f"{stem}-01-03-01-01-01-07.mp4"
    touch(tmp_path, path)
    (one,), _ = find(tmp_path)
    assert paths(getattr(one, parts)) == paths(one.files) == [path]
    assert one.silent_by_name == (stem == "02")


def test_find_takes_nested_copy_is_counted_as_duplicates(tmp_path: Path):
    names = [f"03-01-0{emotion}-01-01-01-01.wav" for emotion in range(1, 5)]
    touch(tmp_path, *(f"Actor_01/{name}" for name in names), *(f"audio_speech/Actor_01/{name}" for name in names))
    found, account = find(tmp_path)
    # The copies stand in where the first is broken.
    assert [paths(take.sounds) for take in found] == [
        [f"Actor_01/{name}", f"audio_speech/Actor_01/{name}"] for name in names
    ]
    assert account.duplicates == {
        f"audio_speech/Actor_01/{name}": f"same name and size as Actor_01/{name}" for name in names
    }
    assert account.summary() == "4 of 2452 takes in 8 files; 4 duplicate files left out"


def test_find_takes_same_take_as_wav_and_flac_is_a_duplicate(tmp_path: Path):
    touch(tmp_path, "03-01-03-01-01-01-01.wav", "03-01-03-01-01-01-01.flac")
    (one,), account = find(tmp_path)
    assert paths(one.sounds)[0] == "03-01-03-01-01-01-01.flac"
    assert list(account.duplicates) == ["03-01-03-01-01-01-01.wav"]


def test_find_takes_copy_of_another_size_is_said_to_be_one(tmp_path: Path):
    touch(tmp_path, "a/03-01-03-01-01-01-01.wav", "b/03-01-03-01-01-01-01.wav")
    (tmp_path / "b/03-01-03-01-01-01-01.wav").write_text("longer")
    _, account = find(tmp_path)
    assert account.duplicates == {
        "b/03-01-03-01-01-01-01.wav": "same name but another size than a/03-01-03-01-01-01-01.wav"
    }


def test_find_takes_impossible_name_is_counted_with_the_reason(tmp_path: Path):
    touch(tmp_path, "Actor_01/03-01-09-01-01-01-01.wav", "Actor_01/03-01-03-01-01-01-01.wav")
    found, account = find(tmp_path)
    assert len(found) == 1
    assert account.files == 2
    assert account.unreadable == {
        "Actor_01/03-01-09-01-01-01-01.wav": "03-01-09-01-01-01-01: emotion 09 is out of range 01-08"
    }
    assert "1 unreadable, such as Actor_01/03-01-09" in account.summary()


def test_find_takes_other_files_are_ignored(tmp_path: Path):
    touch(
        tmp_path,
        "03-01-03-01-01-01-01.wav",
        "README.md",
        "holiday.mp4",
        "03-01-04-01-01-01-01.txt",
        "._03-01-04-01-01-01-01.wav",
        "03-01-04-01-01-01-01.wav.part",
    )
    (tmp_path / "03-01-05-01-01-01-01.wav").mkdir()
    found, account = find(tmp_path)
    assert (len(found), account.files, account.takes, account.unreadable) == (1, 1, 1, {})
    assert account.other_files == 1  # holiday.mp4


def test_find_takes_in_linked_folders_finds_them_and_returns(tmp_path: Path):
    corpus = touch(tmp_path / "corpus", "Actor_01/03-01-03-01-01-01-01.wav", "Actor_02/03-01-03-01-01-01-02.wav")
    subset = touch(tmp_path / "subset", "Actor_03/03-01-03-01-01-01-03.wav")
    (subset / "Actor_02").symlink_to(corpus / "Actor_02")
    (subset / "Actor_03" / "back").symlink_to(subset)  # a circle
    found, account = find(subset)
    assert [take.facts["actor"] for take in found] == [2, 3]
    assert (account.files, account.duplicates) == (2, {})


def test_find_takes_broken_link_is_counted_as_unreadable(tmp_path: Path):
    touch(tmp_path, "03-01-03-01-01-01-01.wav")
    (tmp_path / "03-01-04-01-01-01-01.wav").symlink_to(tmp_path / "gone.wav")
    found, account = find(tmp_path)
    assert (len(found), account.files) == (1, 1)
    assert account.unreadable == {"03-01-04-01-01-01-01.wav": "a link to no file"}


def zipped(folder: Path, archive: Path, inside: str = "") -> Path:
    """The files of a folder as a zip archive, below `inside` in it."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, Path(inside, path.relative_to(folder)))
    return archive


def test_find_takes_in_an_archive_are_those_of_the_folder(tmp_path: Path):
    corpus = touch(tmp_path / "corpus", "Actor_01/01-01-03-01-01-01-01.mp4", "Actor_01/03-01-03-01-01-01-01.wav")
    (tmp_path / "zips").mkdir()
    zipped(corpus, tmp_path / "zips" / "Video_Speech_Actor_01.zip")
    (one,), account = find(tmp_path / "zips")
    assert paths(one.files) == [
        "Video_Speech_Actor_01.zip/Actor_01/01-01-03-01-01-01-01.mp4",
        "Video_Speech_Actor_01.zip/Actor_01/03-01-03-01-01-01-01.wav",
    ]
    assert (account.files, account.takes) == (2, 1)


def test_find_takes_beside_their_archive_are_taken_from_the_folder(tmp_path: Path):
    touch(tmp_path, "z/Actor_01/03-01-03-01-01-01-01.wav")
    zipped(tmp_path / "z", tmp_path / "Audio.zip")
    (one,), account = find(tmp_path)
    assert paths(one.files)[0] == "z/Actor_01/03-01-03-01-01-01-01.wav"
    assert list(account.duplicates) == ["Audio.zip/Actor_01/03-01-03-01-01-01-01.wav"]


def test_find_takes_broken_archive_is_counted_with_the_reason(tmp_path: Path):
    touch(tmp_path, "03-01-03-01-01-01-01.wav", "Video.zip")
    found, account = find(tmp_path)
    assert len(found) == 1
    assert account.unreadable["Video.zip"].startswith("not a readable zip archive")


def test_find_takes_tells_what_is_missing_by_actor(tmp_path: Path):
    touch(tmp_path, "03-01-03-01-01-01-01.wav", "03-01-03-01-01-01-02.wav", "03-02-03-01-01-01-01.wav")
    _, account = find(tmp_path, "speech")
    assert (account.expected, len(account.missing)) == (SPEECH, SPEECH - 2)
    assert "01-03-01-01-01-01" not in account.missing
    assert "missing         1438  actors 3-24 (60 each); actors 1-2 (59 each)" in account.table()
    assert account.gaps() == ["1438 of 1440 takes missing: actors 3-24 (60 each); actors 1-2 (59 each)"]
    assert find(tmp_path)[1].expected == BOTH


def test_find_takes_archive_in_an_archive_is_told(tmp_path: Path):
    inner = touch(tmp_path / "inner", "Actor_01/03-01-03-01-01-01-01.wav")
    zipped(inner, tmp_path / "inner" / "x.zip")
    (tmp_path / "outer").mkdir()
    zipped(inner, tmp_path / "outer" / "y.zip")
    _, account = find(tmp_path / "outer")
    assert account.unreadable == {"y.zip/x.zip": "an archive inside an archive: unpack the outer one"}


def test_find_takes_broken_link_to_a_folder_is_told(tmp_path: Path):
    touch(tmp_path, "03-01-03-01-01-01-01.wav")
    (tmp_path / "Actor_05").symlink_to(tmp_path / "gone")
    (tmp_path / "notes.txt").symlink_to(tmp_path / "gone")
    assert find(tmp_path)[1].unreadable == {"Actor_05": "a link to no file"}


def test_find_takes_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        find(tmp_path / "nowhere")


def test_find_takes_folder_without_ravdess_files_says_what_it_expects(tmp_path: Path):
    touch(tmp_path, "README.md", "holiday.mp4")
    with pytest.raises(ValueError, match="no RAVDESS file in it, expected names such as Actor_01/01-01-06"):
        find(tmp_path)


def test_find_takes_channel_keeps_what_it_says_and_refuses_other_words(tmp_path: Path):
    touch(tmp_path, "03-01-03-01-01-01-01.wav", "03-02-03-01-01-01-01.wav", "03-02-04-01-01-01-01.wav")
    counts = {channel: len(find(tmp_path, channel)[0]) for channel in ("speech", "song", "both")}
    assert counts == {"speech": 1, "song": 2, "both": 3}
    assert all(take.facts["channel"] == "song" for take in find(tmp_path, "song")[0])
    with pytest.raises(ValueError, match="^channel: unknown 'singing'; the choices are speech, song, both"):
        find(tmp_path, "singing")


def test_find_takes_of_the_real_corpus_makes_1200(test_data: Path):
    found, account = find(test_data / "ravdess", "speech")
    assert (len(found), account.files, account.takes, account.duplicates) == (1200, 1200, 1200, {})
    assert Counter(clip[-2:] for clip in account.missing) == {"21": 60, "22": 60, "23": 60, "24": 60}
    assert Counter(take.facts["actor"] for take in found) == dict.fromkeys(range(1, 21), 60)


# Few different codes, so that copies, impossible names and several modalities of one take are common.
PATHS = st.builds(
    lambda folders, modality, emotion, intensity, actor, ending: "/".join(
        [*folders, f"{modality:02d}-01-{emotion:02d}-{intensity:02d}-01-01-{actor:02d}{ending}"]
    ),
    st.lists(st.sampled_from(["a", "B", "Actor_01"]), max_size=3),
    st.integers(1, 4),
    st.sampled_from([1, 3, 9]),
    st.integers(1, 2),
    st.integers(1, 2),
    st.sampled_from([".mp4", ".wav", ".txt"]),
)


def parses(stem: str) -> bool:
    try:
        parse_name(stem)
    except ValueError:
        return False
    return True


@settings(deadline=None, max_examples=60)
@given(st.lists(PATHS, max_size=12, unique_by=str.lower))
def test_find_takes_of_any_tree_accounts_for_every_file_once(tree: list[str]):
    with tempfile.TemporaryDirectory() as folder:
        touch(Path(folder), *tree)
        media = [Path(path) for path in tree if not path.endswith(".txt")]
        if not any(parses(path.stem) for path in media):
            with pytest.raises(ValueError, match="no RAVDESS file"):
                find(Path(folder))
            return
        found, account = find(Path(folder))
    check_account(found, account, media)


def check_account(found: list[Take], account: Account, media: list[Path]) -> None:
    """Each file is the one of its take and modality, a duplicate or unreadable; takes are unique and in order."""
    takes = [take.clip for take in found]
    assert takes == sorted(set(takes))
    possible = [path for path in media if parses(path.stem)]
    assert set(takes) == {path.stem[3:] for path in possible}
    assert set(account.unreadable) == {path.as_posix() for path in media if not parses(path.stem)}
    copies: dict[str, list[Path]] = defaultdict(list)
    for path in possible:
        copies[path.stem].append(path)
    firsts = {stem: min(same) for stem, same in copies.items()}
    assert sorted(account.duplicates) == sorted(p.as_posix() for p in possible if firsts[p.stem] != p)
    for take in found:
        stems = [f"{modality}-{take.clip}" for modality in ("01", "02", "03")]
        assert paths(take.files) == [path.as_posix() for stem in stems for path in sorted(copies.get(stem, []))]
        assert {path[-24:-22] for path in paths(take.sounds)} <= {"03"}
    assert account.files == len(media) == len(firsts) + len(account.duplicates) + len(account.unreadable)
    assert account.takes == len(found)
