"""Files are whole or not there."""

from pathlib import Path

import pytest

from emofusion.data.whole_files import write_json, write_whole


def test_interrupted_writing_leaves_what_was_there(tmp_path: Path):
    def half(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    target = tmp_path / "metrics.json"
    target.write_text("before")
    with pytest.raises(KeyboardInterrupt):
        write_whole(target, half)
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_json_keeps_letters_as_they_are_and_ends_with_a_line(tmp_path: Path):
    write_json(tmp_path / "found.json", {"corpus": "Łódź"}, indent=1)
    assert (tmp_path / "found.json").read_text(encoding="utf-8") == '{\n "corpus": "Łódź"\n}\n'
