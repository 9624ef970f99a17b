"""What lies in a corpus folder: grouped to performances, and accounted for."""

import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofusion.data.performances import Account, Performance, find_performances, select_channel
from emofusion.data.ravdess_names import parse_name


def touch(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def test_find_performances_at_any_depth_finds_all_in_code_order(tmp_path: Path):
    touch(
        tmp_path,
        "z/y/x/Actor_02/01-01-01-01-01-01-02.mp4",
        "03-01-08-01-01-01-01.WAV",
        "Actor_01/03-01-03-01-01-01-01.flac",
    )
    found, account = find_performances(tmp_path)
    assert [take.name.performance for take in found] == ["01-01-01-01-01-02", "01-03-01-01-01-01", "01-08-01-01-01-01"]
    assert (account.files, account.performances, account.duplicates, account.unreadable) == (3, 3, [], {})


def test_find_performances_three_modalities_of_one_take_are_one_performance(tmp_path: Path):
    touch(tmp_path, *(f"A/{modality}-01-03-01-01-01-07.{end}" for modality, end in (("03", "wav"), ("02", "mp4"))))
    (one,), account = find_performances(tmp_path)
    assert one.files == (Path("A/02-01-03-01-01-01-07.mp4"), Path("A/03-01-03-01-01-01-07.wav"))
    touch(tmp_path, "A/01-01-03-01-01-01-07.mp4")
    (one,), account = find_performances(tmp_path)
    assert one.picture == Path("A/01-01-03-01-01-01-07.mp4")  # 01 goes before 02
    assert one.sound == Path("A/03-01-03-01-01-01-07.wav")
    assert (account.files, account.performances, account.duplicates) == (3, 1, [])


@pytest.mark.parametrize("first, second", [("a", "b"), ("b", "a")])
def test_find_performances_name_does_not_depend_on_folder_names(tmp_path: Path, first: str, second: str):
    touch(tmp_path, f"{first}/01-01-03-01-01-01-07.mp4", f"{second}/03-01-03-01-01-01-07.wav")
    (one,), _ = find_performances(tmp_path)
    assert one.name == parse_name("01-01-03-01-01-01-07")


@pytest.mark.parametrize("stem, parts", [("01", "picture"), ("02", "picture"), ("03", "sound")])
def test_find_performances_single_file_is_its_only_part(tmp_path: Path, stem: str, parts: str):
    path = f"{stem}-01-03-01-01-01-07.mp4"
    touch(tmp_path, path)
    (one,), _ = find_performances(tmp_path)
    assert getattr(one, parts) == Path(path)
    assert one.files == (Path(path),)


def test_find_performances_nested_copy_is_counted_as_duplicates(tmp_path: Path):
    names = [f"03-01-0{emotion}-01-01-01-01.wav" for emotion in range(1, 5)]
    touch(tmp_path, *(f"Actor_01/{name}" for name in names), *(f"audio_speech/Actor_01/{name}" for name in names))
    found, account = find_performances(tmp_path)
    assert [take.sound for take in found] == [Path("Actor_01", name) for name in names]
    assert account.duplicates == [f"audio_speech/Actor_01/{name}" for name in names]
    assert account.summary() == "4 performances in 8 files; 4 duplicate files left out"


def test_find_performances_same_take_as_wav_and_flac_is_a_duplicate(tmp_path: Path):
    touch(tmp_path, "03-01-03-01-01-01-01.wav", "03-01-03-01-01-01-01.flac")
    (one,), account = find_performances(tmp_path)
    assert one.sound == Path("03-01-03-01-01-01-01.flac")
    assert account.duplicates == ["03-01-03-01-01-01-01.wav"]


def test_find_performances_impossible_name_is_counted_with_the_reason(tmp_path: Path):
    touch(tmp_path, "Actor_01/03-01-09-01-01-01-01.wav", "Actor_01/03-01-03-01-01-01-01.wav")
    found, account = find_performances(tmp_path)
    assert len(found) == 1
    assert account.files == 2
    assert account.unreadable == {
        "Actor_01/03-01-09-01-01-01-01.wav": "03-01-09-01-01-01-01: emotion 09 is out of range 01-08"
    }
    assert "1 unreadable, such as Actor_01/03-01-09" in account.summary()


def test_find_performances_other_files_are_ignored(tmp_path: Path):
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
    found, account = find_performances(tmp_path)
    assert (len(found), account) == (1, Account(files=1, performances=1))


def test_find_performances_in_linked_folders_finds_them_and_returns(tmp_path: Path):
    corpus = touch(tmp_path / "corpus", "Actor_01/03-01-03-01-01-01-01.wav", "Actor_02/03-01-03-01-01-01-02.wav")
    subset = touch(tmp_path / "subset", "Actor_03/03-01-03-01-01-01-03.wav")
    (subset / "Actor_02").symlink_to(corpus / "Actor_02")
    (subset / "Actor_03" / "back").symlink_to(subset)  # a circle
    found, account = find_performances(subset)
    assert [take.name.actor for take in found] == [2, 3]
    assert (account.files, account.duplicates) == (2, [])


def test_find_performances_broken_link_is_counted_as_unreadable(tmp_path: Path):
    touch(tmp_path, "03-01-03-01-01-01-01.wav")
    (tmp_path / "03-01-04-01-01-01-01.wav").symlink_to(tmp_path / "gone.wav")
    found, account = find_performances(tmp_path)
    assert (len(found), account.files) == (1, 2)
    assert account.unreadable == {"03-01-04-01-01-01-01.wav": "a link to no file"}


def test_find_performances_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        find_performances(tmp_path / "nowhere")


def test_find_performances_folder_without_ravdess_files_says_what_it_expects(tmp_path: Path):
    touch(tmp_path, "README.md", "holiday.mp4")
    with pytest.raises(ValueError, match="no RAVDESS file in it, expected names such as Actor_01/01-01-06"):
        find_performances(tmp_path)


def test_select_channel_keeps_what_it_says_and_refuses_other_words(tmp_path: Path):
    touch(tmp_path, "03-01-03-01-01-01-01.wav", "03-02-03-01-01-01-01.wav", "03-02-04-01-01-01-01.wav")
    found, _ = find_performances(tmp_path)
    counts = {channel: len(select_channel(found, channel)) for channel in ("speech", "song", "both")}
    assert counts == {"speech": 1, "song": 2, "both": 3}
    assert all(take.name.channel == 2 for take in select_channel(found, "song"))
    with pytest.raises(ValueError, match="^channel: unknown 'singing'; the choices are speech, song, both"):
        select_channel(found, "singing")


def test_find_performances_of_the_real_corpus_makes_1200(test_data: Path):
    found, account = find_performances(test_data / "ravdess")
    assert (len(found), account) == (1200, Account(files=1200, performances=1200))
    assert Counter(take.name.actor for take in found) == dict.fromkeys(range(1, 21), 60)


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
def test_find_performances_of_any_tree_accounts_for_every_file_once(paths: list[str]):
    with tempfile.TemporaryDirectory() as folder:
        touch(Path(folder), *paths)
        media = [Path(path) for path in paths if not path.endswith(".txt")]
        if not media:
            with pytest.raises(ValueError, match="no RAVDESS file"):
                find_performances(Path(folder))
            return
        found, account = find_performances(Path(folder))
    check_account(found, account, media)


def check_account(found: list[Performance], account: Account, media: list[Path]) -> None:
    """Each file is the one of its take and modality, a duplicate or unreadable; takes are unique and in order."""
    takes = [take.name.performance for take in found]
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
        pictures = [
            firsts[f"{m}-{take.name.performance}"] for m in ("01", "02") if f"{m}-{take.name.performance}" in firsts
        ]
        assert take.picture == (pictures[0] if pictures else None)
        assert take.sound == firsts.get(f"03-{take.name.performance}")
    assert account.files == len(media) == len(firsts) + len(account.duplicates) + len(account.unreadable)
    assert account.performances == len(found)
