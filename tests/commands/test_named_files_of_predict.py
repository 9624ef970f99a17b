"""Which files `emofusion predict` looks at."""

from pathlib import Path

from emofusion.commands.predict.inputs import find_inputs


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_folders_are_searched_for_media_in_order_of_names_and_the_rest_is_counted(tmp_path: Path):
    make(tmp_path, "b.mp4", "a/z.WAV", "a/picture.png", "a/notes.json", "README.md", "LICENSE", "c/more.json")
    make(tmp_path, ".hidden.mp4", ".trash/x.mp4", "a/._b.mp4")
    found = find_inputs([str(tmp_path)])
    assert [Path(file).relative_to(tmp_path).as_posix() for file in found.files] == [
        "a/picture.png",
        "a/z.WAV",
        "b.mp4",
    ]
    assert found.failed == {}
    assert found.passed_over == {".json": 2, ".md": 1, "without ending": 1}
    assert found.passed_over_words().startswith("4 files that are no media: passed over (2 .json, ")


def test_what_is_named_is_taken_whatever_it_is_called_and_once(tmp_path: Path):
    make(tmp_path, "clip.dat", "folder/b.mp4")
    (tmp_path / "link.mp4").symlink_to(tmp_path / "clip.dat")
    address = "https://example.org/clip.mp4"
    named = [tmp_path / "clip.dat", tmp_path / "folder" / "b.mp4", tmp_path, tmp_path / "link.mp4"]
    found = find_inputs([*map(str, named), address, address])
    assert found.files == [str(tmp_path / "clip.dat"), str(tmp_path / "folder" / "b.mp4"), address]


def test_links_to_folders_are_followed_and_never_back(tmp_path: Path):
    make(tmp_path, "there/a.mp4", "here/b.mp4")
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "there")
    (tmp_path / "here" / "round").symlink_to(tmp_path / "here")
    found = find_inputs([str(tmp_path / "here")])
    assert [Path(file).name for file in found.files] == ["b.mp4", "a.mp4"]


def test_what_is_not_there_is_named(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.mp4").symlink_to(tmp_path / "gone.mp4")
    found = find_inputs([str(tmp_path / name) for name in ("no.mp4", "empty", "broken.mp4")])
    assert found.files == []
    assert {Path(name).name: reason for name, reason in found.failed.items()} == {
        "no.mp4": "no such file or folder",
        "empty": "a folder without any media file",
        "broken.mp4": "a link to no file",
    }
