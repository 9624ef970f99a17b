"""Timelines as files that other programs open, and as a picture."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from praatio import textgrid

from emofusion.evaluation.timelines import FORMATS, save_timeline, save_timeline_picture
from emofusion.evaluation.timelines.files import stretches
from emofusion.evaluation.timelines.picture import POINTS, glance, timeline_figure
from helpers.corpora.ravdess_files import make_frames, make_sound, write_media, write_sound


def window(start: float, label: str = "happy", gate: float | None = 0.25, end: float | None = None) -> dict[str, Any]:
    scores = {"happy": 0.7, 'so "so" <&>': 0.3} if label == "happy" else {'so "so" <&>': 0.6, "happy": 0.4}
    return {
        "start": start,
        "end": start + 3.0 if end is None else end,
        "label": label,
        "score": max(scores.values()),
        "scores": scores,
        "gate": gate,
        "modalities": ["audio", "video"] if gate is not None else ["audio"],
    }


TIMELINE = [window(0.0), window(1.0, 'so "so" <&>', None), window(2.0), window(2.5)]


def intervals_of(text: str) -> dict[str, list[tuple[float, float, str]]]:
    """The tiers of a TextGrid in Praat's long text format, read by its grammar; AssertionError where it is broken."""
    number, quoted = r"(\d+(?:\.\d+)?)", r'"((?:[^"]|"")*)"'
    head = re.match(
        rf'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = {number}\nxmax = {number}\n'
        r"tiers\? <exists>\nsize = (\d+)\nitem \[\]:\n",
        text,
    )
    assert head, text[:200]
    place, tiers = head.end(), {}
    for tier in range(1, int(head[3]) + 1):
        begin = re.compile(
            rf' {{4}}item \[{tier}\]:\n {{8}}class = "IntervalTier"\n {{8}}name = {quoted}\n {{8}}xmin = {number}\n'
            rf" {{8}}xmax = {number}\n {{8}}intervals: size = (\d+)\n"
        ).match(text, place)
        assert begin, text[place : place + 200]
        assert (begin[2], begin[3]) == (head[1], head[2])
        place, found = begin.end(), []
        for index in range(1, int(begin[4]) + 1):
            entry = re.compile(
                rf" {{8}}intervals \[{index}\]:\n {{12}}xmin = {number}\n {{12}}xmax = {number}\n"
                rf" {{12}}text = {quoted}\n"
            ).match(text, place)
            assert entry, text[place : place + 200]
            place = entry.end()
            found.append((float(entry[1]), float(entry[2]), entry[3].replace('""', '"')))
        edges = [float(head[1]), *(last for _, last, _ in found)]
        assert [first for first, _, _ in found] == edges[:-1], "a tier has no holes"
        assert edges == sorted(set(edges)), "an interval has a length"
        assert edges[-1] == float(head[2])
        tiers[begin[1]] = found
    assert place == len(text)
    return tiers


def test_text_grid_has_tiers_without_holes(tmp_path: Path):
    path = tmp_path / "new" / "talk.TextGrid"
    save_timeline(TIMELINE, path)
    tiers = intervals_of(path.read_text(encoding="utf-8"))
    assert tiers["label"] == [
        (0.0, 2.0, "happy"),
        (2.0, 3.0, 'so "so" <&>'),
        (3.0, 3.75, "happy"),
        (3.75, 5.5, "happy"),
    ]
    assert [text for _, _, text in tiers["gate"]] == ["0.250", "", "0.250", "0.250"]
    assert [text for _, _, text in tiers["modalities"]] == ["audio+video", "audio", "audio+video", "audio+video"]
    assert [text for _, _, text in tiers["score"]] == ["0.700", "0.600", "0.700", "0.700"]


def test_text_grid_opens_in_a_reader_that_is_not_ours(tmp_path: Path):
    path = tmp_path / "talk.TextGrid"
    save_timeline([window(0.5), window(1.5, 'wütend, "so" 怒り', None), window(9.0)], path)
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True, reportingMode="error")
    assert grid.tierNames == ("label", "score", "modalities", "gate")
    assert (grid.minTimestamp, grid.maxTimestamp) == (0.0, 12.0)
    assert [tuple(entry) for entry in grid.getTier("label").entries] == [
        (0.0, 0.5, ""),
        (0.5, 2.5, "happy"),
        (2.5, 4.5, 'wütend, "so" 怒り'),
        (4.5, 9.0, ""),
        (9.0, 12.0, "happy"),
    ]
    assert [entry.label for entry in grid.getTier("gate").entries] == ["", "0.250", "", "", "0.250"]
    assert [entry.label for entry in grid.getTier("score").entries] == ["", "0.700", "0.600", "", "0.700"]


def test_text_grid_of_a_recording_with_nothing_in_between_has_an_empty_interval(tmp_path: Path):
    save_timeline([window(1.0, gate=None), window(9.0, gate=None)], tmp_path / "talk.TextGrid")
    tiers = intervals_of((tmp_path / "talk.TextGrid").read_text())
    assert [text for _, _, text in tiers["label"]] == ["", "happy", "", "happy"]
    assert "gate" not in tiers


def test_web_vtt_has_cues_that_players_read(tmp_path: Path):
    save_timeline([*TIMELINE, window(3599.9, gate=None)], tmp_path / "talk.vtt")
    head, *cues = (tmp_path / "talk.vtt").read_text(encoding="utf-8").strip().split("\n\n")
    assert head == "WEBVTT"
    assert cues[0] == "00:00:00.000 --> 00:00:02.000\nhappy 0.70 (sound 0.25)"
    assert cues[1] == '00:00:02.000 --> 00:00:03.000\nso "so" &lt;&amp;&gt; 0.60'
    assert cues[-1].startswith("00:59:59.900 --> 01:00:02.900\n")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_tables_hold_every_number(tmp_path: Path, ending: str):
    path = tmp_path / f"talk{ending}"
    save_timeline(TIMELINE, path)
    table = pd.read_csv(path) if ending == ".csv" else pd.read_parquet(path)
    assert table["start"].tolist() == [0.0, 1.0, 2.0, 2.5]
    assert table["end"].tolist() == [3.0, 4.0, 5.0, 5.5]
    assert table["p_happy"].tolist() == [0.7, 0.4, 0.7, 0.7]
    assert table["label"].tolist() == [entry["label"] for entry in TIMELINE]
    assert table["modalities"].tolist() == ["audio+video", "audio", "audio+video", "audio+video"]
    assert np.isnan(table["gate"][1])
    assert table["gate"][0] == 0.25


def test_json_is_the_timeline(tmp_path: Path):
    save_timeline(TIMELINE, tmp_path / "talk.json")
    assert json.loads((tmp_path / "talk.json").read_text()) == TIMELINE


def test_other_endings_and_empty_timelines_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"talk\.srt: expected a name that ends in \.json, .*found \.srt"):
        save_timeline(TIMELINE, tmp_path / "talk.srt")
    for ending in FORMATS:
        with pytest.raises(ValueError, match=r"expected a timeline with windows, found none"):
            save_timeline([], tmp_path / f"talk{ending}")
    with pytest.raises(ValueError, match="expected a timeline, found none"):
        save_timeline_picture({"label": "happy"}, "talk.mp4", tmp_path / "talk.png", "a talk")
    assert list(tmp_path.iterdir()) == []


def test_window_that_ends_with_another_leaves_no_empty_stretch():
    found = stretches([window(0.0), window(0.0001)])
    assert [(part.begin, part.end) for part in found] == [(0.0, 1.50005), (1.50005, 3.0001)]


def test_picture_shows_what_is_there(tmp_path: Path):
    film = write_media(tmp_path / "film.mp4", make_frames(4.0), make_sound(4.0))
    save_timeline_picture({"timeline": TIMELINE}, film, tmp_path / "film.png", "a film")
    assert (tmp_path / "film.png").stat().st_size > 10_000
    pictures, sound, seconds = glance(film)
    assert (len(pictures), sound.shape) == (10, (POINTS, 2))
    figure = timeline_figure(TIMELINE, pictures, sound, seconds, "a film")
    assert [len(axes.images) for axes in figure.axes] == [10, 0, 0, 0]
    assert figure.axes[2].lines[0].get_ydata().tolist() == [0.7, 0.4, 0.7, 0.7]
    assert figure.axes[3].lines[0].get_ydata()[0] == 0.25


def test_waveform_of_a_recording_is_that_of_its_samples(tmp_path: Path):
    sound = np.zeros(16_000 * 2, np.float32)
    sound[16_000] = 0.5
    pictures, envelope, seconds = glance(write_sound(tmp_path / "click.wav", sound))
    assert (pictures, seconds) == ([], 2.0)
    assert envelope[:, 1].argmax() == POINTS // 2
    assert envelope.max() == pytest.approx(0.5, abs=1e-3)
    figure = timeline_figure([window(0.0, gate=None)], [], envelope, seconds, "a click")
    assert len(figure.axes) == 2
