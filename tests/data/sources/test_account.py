"""The account of what was read, as people see it."""

from emofusion.data.sources.account import Account


def test_every_kind_of_note_has_a_line_and_its_files_are_counted():
    tracks = {f"Actor_01/{number}.mp4": [f"sound: track {number} left out"] for number in range(12)}
    odd = {"Actor_02/a.mp4 + Actor_02/a.wav": ["Actor_02/a.wav: cut short", "picture: damaged", "picture: damaged"]}
    lines = Account(notes=tracks | odd).table().splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("odd but usable"))
    assert lines[start].split(maxsplit=4)[3:] == ["13", "12 files, such as Actor_01/0.mp4: sound: track 0 left out"]
    others = [line.strip() for line in lines[start + 1 : -1]]
    assert others == [f"Actor_02/a.mp4 + Actor_02/a.wav: {note}" for note in ("cut short", "picture: damaged")]
    assert len({line.index("Actor") for line in lines[start + 1 : -1]}) == 1
    assert lines[-1].split() == ["unreadable", "0"]


def test_copies_of_a_whole_archive_are_one_line():
    files = [f"Actor_01/03-01-01-01-01-01-{actor:02d}.wav" for actor in range(1, 25)]
    account = Account(duplicates={f"speech.zip/{name}": f"same name and size as {name}" for name in files})
    (line,) = (line for line in account.table().splitlines() if line.startswith("duplicate files"))
    assert "  24  such as speech.zip/Actor_01/03-01-01-01-01-01-01.wav: same name and size as Actor_01/" in line


def test_what_there_is_none_of_has_no_line():
    names = [line.split("  ")[0] for line in Account(takes=2, files=2, with_sound=2).table().splitlines()]
    assert names == ["media files", "takes", "with picture", "with sound", "unreadable"]


def test_one_is_not_several():
    account = Account(takes=1, files=1, duplicates={"a": "b"}, stereo=["c"])
    assert account.summary() == "1 take in 1 file; 1 duplicate file left out; 1 stereo clip mixed to mono"
    assert Account(takes=3, files=4, expected=9).summary() == "3 of 9 takes in 4 files"
