"""How answers are written."""

import csv
import io
import json

import pytest

from emofusion.commands.predict.formats import FORMATS

SCORES = {"happy": 0.2, "sad": 0.7, "angry": 0.1}
CLIP = {
    "file": "a, b.mp4",
    "label": "sad",
    "score": 0.7,
    "scores": SCORES,
    "modalities": ["audio", "video"],
    "gate": 0.25,
    "window": [1.0, 4.0],
    "duration": 19.7,
    "notes": ["answer: about 1.00-4.00 s of 19.70 s", "file: cut short", 'sound: "odd"'],
}
STILL = CLIP | {
    "file": "face.png",
    "modalities": ["video"],
    "gate": None,
    "window": [0.0, 0.0],
    "duration": None,
    "notes": [],
}
WINDOW = {name: CLIP[name] for name in ("label", "score", "scores", "gate", "modalities")}
LONG = CLIP | {"timeline": [WINDOW | {"start": s, "end": s + 3.0} for s in (0.0, 1.0)]}


def text(kind: str, answers: list[dict], top_k: int = 2) -> str:
    return "".join(FORMATS[kind](iter(answers), top_k))


def test_table_has_a_line_for_each_file_and_columns_stand_below_each_other():
    lines = text("table", [CLIP, STILL]).splitlines()
    assert lines[0].split() == ["file", "best", "2", "seconds", "of", "read", "gate", "notes"]
    assert lines[1].split("  ")[0] == "a, b.mp4"
    assert "sad 0.70, happy 0.20" in lines[1]
    assert "1.00-4.00" in lines[1] and "19.70" in lines[1] and "sound+picture" in lines[1] and "0.25" in lines[1]
    assert lines[1].endswith('0.25  file: cut short; sound: "odd"')  # that it is longer, two columns say
    assert lines[0].index("read") == lines[1].index("sound+picture") == lines[2].index("picture")
    assert lines[2].split()[-2:] == ["picture", "-"]
    assert text("table", []) == ""


def test_unsure_is_told_beside_the_likeliest():
    assert "unsure (sad 0.70)" in text("table", [CLIP | {"label": "unsure"}], top_k=1)


def test_timeline_has_a_line_for_each_window():
    lines = text("table", [LONG, STILL]).splitlines()
    assert [line.split("  ")[0] for line in lines[1:]] == ["a, b.mp4", "a, b.mp4", "face.png"]
    assert "0.00-3.00" in lines[1] and "1.00-4.00" in lines[2]
    assert lines[1].endswith('sound: "odd"') and lines[2].endswith("0.25")  # notes stand there once
    rows = list(csv.DictReader(io.StringIO(text("csv", [LONG]))))
    assert [(row["start"], row["end"]) for row in rows] == [("0.000", "3.000"), ("1.000", "4.000")]
    told = json.loads(text("jsonl", [LONG], top_k=1))
    assert [window["scores"] for window in told["timeline"]] == [{"sad": 0.7}] * 2


@pytest.mark.parametrize("answers", [[], [CLIP], [CLIP, STILL]])
def test_json_is_one_list_and_lines_are_one_object_each(answers: list[dict]):
    whole = json.loads(text("json", answers, top_k=3))
    assert whole == [json.loads(line) for line in text("jsonl", answers, top_k=3).splitlines()]
    assert whole == answers
    assert [list(answer["scores"]) for answer in whole] == [["sad", "happy", "angry"]] * len(answers)


def test_csv_has_columns_for_the_best_and_survives_commas_and_quotes():
    first, second = csv.DictReader(io.StringIO(text("csv", [CLIP, STILL])))
    assert first["file"] == "a, b.mp4"
    assert (first["label"], first["score"], first["label_2"], first["score_2"]) == ("sad", "0.7000", "happy", "0.2000")
    assert (first["start"], first["end"], first["duration"]) == ("1.000", "4.000", "19.700")
    assert (first["modalities"], first["gate"]) == ("audio video", "0.2500")
    assert first["notes"] == 'answer: about 1.00-4.00 s of 19.70 s; file: cut short; sound: "odd"'
    assert (second["start"], second["duration"], second["gate"], second["notes"]) == ("", "", "", "")
    many = next(csv.DictReader(io.StringIO(text("csv", [CLIP], top_k=5))))
    assert (many["label_3"], many["label_4"], many["start"]) == ("angry", "", "1.000")


def test_pieces_come_as_soon_as_they_are_known():
    seen: list[str] = []

    def answers():
        for answer in (CLIP, STILL):
            seen.append(answer["file"])
            yield answer

    pieces = FORMATS["jsonl"](answers(), 1)
    next(pieces)
    assert seen == ["a, b.mp4"]
