"""The files of a corpus folder, plain and in archives."""

import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emofusion.data.sources.files import CorpusFiles
from emofusion.modeling.media_emofusion import MediaBytes


def archive(path: Path, content: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in content.items():
            file.writestr(name, data)
    return path


def test_files_lists_plain_ones_then_members_in_order(tmp_path: Path):
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "b.wav").write_bytes(b"bb")
    archive(tmp_path / "a.zip", {"y/2.wav": b"22", "1.wav": b"1", "folder/": b""})
    files = CorpusFiles(tmp_path)
    assert [str(file) for file in files] == ["z/b.wav", "a.zip/1.wav", "a.zip/y/2.wav"]
    assert [files.read(file) for file in files] == [b"bb", b"1", b"22"]
    assert [file.name.stem for file in files] == ["b", "1", "2"]


def test_files_media_of_a_member_is_held_in_memory(tmp_path: Path):
    archive(tmp_path / "a.zip", {"1.wav": b"one"})
    (tmp_path / "2.wav").write_bytes(b"two")
    plain, member = [CorpusFiles(tmp_path).media(file) for file in CorpusFiles(tmp_path)]
    assert plain == tmp_path / "2.wav"
    assert isinstance(member, MediaBytes)
    assert (str(member), member.content) == (f"{tmp_path}/a.zip/1.wav", b"one")


def test_files_stamp_changes_with_the_content_of_a_member_alone(tmp_path: Path):
    archive(tmp_path / "a.zip", {"1.wav": b"one", "2.wav": b"two"})
    before = {str(file): file.stamp for file in CorpusFiles(tmp_path)}
    archive(tmp_path / "a.zip", {"1.wav": b"one", "2.wav": b"owt", "3.wav": b"new"})
    after = {str(file): file.stamp for file in CorpusFiles(tmp_path)}
    assert after["a.zip/1.wav"] == before["a.zip/1.wav"]
    assert after["a.zip/2.wav"] != before["a.zip/2.wav"]


def test_files_damaged_member_is_an_error_that_names_it(tmp_path: Path):
    path = archive(tmp_path / "a.zip", {"1.wav": b"one" * 100}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"oneone", b"twotwo"))
    files = CorpusFiles(tmp_path)
    (file,) = files
    with pytest.raises(OSError, match=r"a.zip/1.wav: cannot be unpacked \(Bad CRC-32"):
        files.read(file)


def test_files_of_an_archive_with_the_separator_of_windows(tmp_path: Path):
    archive(tmp_path / "a.zip", {"Actor_01\\1.wav": b"one"})
    (file,) = CorpusFiles(tmp_path)
    assert (file.name.stem, file.name.suffix, CorpusFiles(tmp_path).read(file)) == ("1", ".wav", b"one")


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_files_damage_inside_a_compressed_member_is_an_error_that_names_it(tmp_path: Path, compression: int):
    path = archive(tmp_path / "a.zip", {"1.wav": bytes(range(256)) * 400}, compression)
    content = bytearray(path.read_bytes())
    content[60:90] = b"\xff" * 30
    path.write_bytes(content)
    files = CorpusFiles(tmp_path)
    with pytest.raises(OSError, match=r"a.zip/1.wav: cannot be unpacked"):
        files.read(next(iter(files)))


def test_files_what_is_no_archive_is_told(tmp_path: Path):
    (tmp_path / "a.zip").write_bytes(b"no archive")
    files = CorpusFiles(tmp_path)
    assert list(files) == []
    assert files.unreadable == {"a.zip": "not a readable zip archive (File is not a zip file)"}


def test_files_of_an_archive_are_read_by_threads_at_once(tmp_path: Path):
    content = {f"{index}.wav": bytes([index]) * 50_000 for index in range(40)}
    archive(tmp_path / "a.zip", content)
    files = CorpusFiles(tmp_path)
    ready = threading.Barrier(4)

    def read_all(_: int) -> dict[str, bytes]:
        ready.wait(timeout=30)
        return {file.member: files.read(file) for file in files}

    with ThreadPoolExecutor(4) as pool:
        assert all(found == content for found in pool.map(read_all, range(4)))


def test_files_of_a_missing_folder_is_an_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        CorpusFiles(tmp_path / "nowhere")
