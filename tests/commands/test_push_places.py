"""Texts that go to the hub: whole paths are told by their last name, and nothing else that has slashes is touched."""

from pathlib import Path

import pytest

from emofusion.training.publish.for_others import card_for_others, json_for_others
from emofusion.training.publish.places import told
from helpers import REPOSITORY


@pytest.mark.parametrize(
    "path, name",
    [
        ("/home/me/runs/demo", "<demo>"),
        ("/home/me/runs/demo/", "<demo>"),
        ("/Users/Jane Doe/my runs/demo", "<demo>"),
        ("~/runs/demo", "<demo>"),
        (r"C:\Users\me\runs\demo", "<demo>"),
        (r"C:\Users\Jane Doe\my runs", "<my runs>"),
        (r"C:\\Users\\me\\demo", "<demo>"),
        ("C:/Users/me/demo", "<demo>"),
        (r"\\?\C:\Users\me\demo", "<demo>"),
        (r"\\nas\share\RAVDESS", "<RAVDESS>"),
        (r"\\nas.lan\c$\RAVDESS", "<RAVDESS>"),
        (r"\\\\nas\\share\\RAVDESS", "<RAVDESS>"),
        ("file:///home/me/demo", "<demo>"),
        ("file:///home/me/my%20runs", "<my runs>"),
        ("file:///C:/Users/me/demo", "<demo>"),
        ("file://nas/share/demo", "<demo>"),
        ("sqlite:////home/me/runs.db", "<runs.db>"),
        ("/home/me/a:/home/me/b", "<a>:<b>"),
        ("/home/me/a,/home/me/b", "<a>,<b>"),
        (r"C:\me\aa;D:\me\bb", "<aa>;<bb>"),
        ("C:/me/aa;D:/me/bb", "<aa>;<bb>"),
    ],
)
def test_path_is_told_by_its_last_name_wherever_it_stands(path: str, name: str):
    assert told(path) == name
    assert told(f'"{path}"') == f'"{name}"'
    assert json_for_others({"at": [path], path: 1}, "you/x") == {"at": [name], name: 1}
    if " " not in path:
        for before, after in (" ,", " .", "=;", ":\n", "()", "[]", "``", "||", "><"):
            assert told(f"in{before}{path}{after} and so on") == f"in{before}{name}{after} and so on"


@pytest.mark.parametrize(
    "text, others",
    [
        ('load("/home/Jane Doe/my runs/demo", "a b")', 'load("<demo>", "a b")'),
        ("`/home/Jane Doe/demo` or '/home/Jane Doe/it'", "`<demo>` or '<it>'"),
        (r"{\"at\": \"/home/Jane Doe/my runs\"}", r"{\"at\": \"<my runs>\"}"),
        ('PATH="/home/Jane Doe/my runs:/home/me/c"', 'PATH="<my runs>:<c>"'),
        ("'/home/Jane Doe/a, /home/me/b c'", "'<a>, <b c>'"),
        (r"in C:\Users\Jane Doe\my runs\demo and there", "in <demo> and there"),
        (r"in /home/me/my\ runs/demo and there", "in <demo> and there"),
        ("`/usr/bin/python train.py --x /home/me/y`", "`<python> train.py --x <y>`"),
        ('--data_dir /data/RAVDESS --x \'{"w": "/home/me/a"}\'', '--data_dir <RAVDESS> --x \'{"w": "<a>"}\''),
        ("cc -I/usr/include/x >/home/me/log </home/me/in", "cc -I<x> ><log> <<in>"),
        ("<code>/home/me/x</code><br>/home/me/y", "<code><x></code><br><y>"),
        ("**/home/me/x** on me@host:/home/me/y", "**<x>** on me@host:<y>"),
        ("https://a.org/b/c and file:///home/me/x", "https://a.org/b/c and <x>"),
    ],
)
def test_paths_in_a_text_are_told_by_their_last_names(text: str, others: str):
    assert told(text) == others
    assert told(others) == others


@pytest.mark.parametrize(
    "text",
    [
        "see https://zenodo.org/records/1188976, or http://127.0.0.1:7860/a/b?next=/c/d#/e/f",
        "hf://datasets/you/x/y, s3://bucket/a/b, git+https://github.com/a/b/c, git@github.com:you/x.git",
        "//cdn.org/a/b",
        "https://web.archive.org/web/2020/https://a.org/b/c",
        "openai/whisper-small, runs/demo/audio, ./a/b, ../shared/data, a*/b/c, runs/*/x/y",
        "1/2/3, 30/11/2026, 2026/11/30, 0.5/1, doi:10.1109/TAFFC.2017.2740923",
        "and/or, w/o, km/h, I/O, 24/7, happy/sad/angry, this / that / those, /speech/ and /song/, /tmp, /tmp is a/b",
        "ratio 3:/4, a: b; c: d/e, the drive C: is full",
        "$HOME/runs/x ${HOME}/runs/x $(pwd)/a/b %TEMP%/a/b <data_dir>/Actor_01/x.mp4 (a+b)/c/d x[0]/a/b",
        "</b></i><br/><img src='a/b/c'/>",
        r"""print("x:\n"), "\\d+\\w+", a & b \\ \hline, \alpha\beta, x // y""",
        "data:image/png;base64,AAA/bbb/ccc",
    ],
)
def test_what_only_looks_like_a_path_stays(text: str):
    assert told(text) == text
    assert told(f'"{text}"') == f'"{text}"'


@pytest.mark.parametrize("card", ["models/emofusion-small/README.md", "model_card.md", "README.md", "CHANGELOG.md"])
def test_texts_without_a_path_stay(card: str):
    text = (REPOSITORY / card).read_text(encoding="utf-8")
    assert told(text) == text


def test_card_loads_from_the_repository(tmp_path: Path):
    card = 'AutoModel.from_pretrained("runs/demo")\npipeline(model="/home/me/runs/demo")\nfrom_pretrained("a/base")'
    found = card_for_others(card, {"load_from": "/home/me/runs/demo"}, tmp_path / "demo", "you/x")
    assert found == 'AutoModel.from_pretrained("you/x")\npipeline(model="you/x")\nfrom_pretrained("a/base")'
