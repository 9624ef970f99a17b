"""A timeline as a file: a table (JSON, CSV, Parquet), subtitles (WebVTT) or annotations (Praat TextGrid).

Windows overlap, subtitles and intervals may not: there each window stands for the seconds around its middle, up to
half way to the next one.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from emofusion.data.whole_files import write_json, write_text, write_whole

Timeline = Sequence[Mapping[str, Any]]
"""What the pipeline returns as `timeline`: `start`, `end`, `label`, `score`, `scores`, `gate`, `modalities` each."""

SAME_S = 0.001  # shorter intervals than a millisecond are rounding


class Stretch(NamedTuple):
    """The seconds for which a window stands."""

    begin: float
    end: float
    window: Mapping[str, Any]


def save_timeline(timeline: Timeline, path: str | Path) -> None:
    """Write a timeline in the format that the ending of the path names, whole or not at all.

    Args:
        timeline (`Timeline`): As the pipeline returns it.
        path (`str` or `Path`): Ending in `.json`, `.csv`, `.parquet`, `.vtt` or `.TextGrid`.

    Raises:
        ValueError: Another ending, or a timeline without windows.
    """
    path = Path(path)
    write = FORMATS.get(path.suffix.lower())
    if write is None:
        raise ValueError(f"{path}: expected a name that ends in {', '.join(FORMATS)}, found {path.suffix or 'none'}")
    if not timeline:
        raise ValueError(f"{path}: expected a timeline with windows, found none; ask with return_timeline=True")
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, timeline)


def as_table(timeline: Timeline) -> pd.DataFrame:
    """One row a window: `start`, `end`, `label`, `score`, `gate`, `modalities` and `p_CLASS` for each class named."""
    classes = sorted({name for window in timeline for name in window["scores"]})
    rows = [
        {
            **{name: window[name] for name in ("start", "end", "label", "score", "gate")},
            "modalities": "+".join(window["modalities"]),
            **{f"p_{name}": window["scores"].get(name) for name in classes},
        }
        for window in timeline
    ]
    return pd.DataFrame(rows).astype({"gate": float})


def stretches(timeline: Timeline) -> list[Stretch]:
    """Seconds that do not overlap, one stretch a window, in order; none where the recording has nothing to read."""
    middles = [(window["start"] + window["end"]) / 2 for window in timeline]
    found: list[Stretch] = []
    for index, window in enumerate(timeline):
        begin, end = window["start"], window["end"]
        if index and timeline[index - 1]["end"] >= begin:
            begin = found[-1].end
        if index + 1 < len(timeline) and timeline[index + 1]["start"] <= end:
            end = (middles[index] + middles[index + 1]) / 2
        found.append(Stretch(begin, end, window))
    return [stretch for stretch in found if stretch.end - stretch.begin > SAME_S]


def web_vtt(timeline: Timeline) -> str:
    """Subtitles with the label, its probability, and the gate where there is one (W3C WebVTT)."""
    cues = []
    for begin, end, window in stretches(timeline):
        said = f"{window['label']} {window['score']:.2f}"
        if window["gate"] is not None:
            said += f" (sound {window['gate']:.2f})"
        escaped = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"{_clock(begin)} --> {_clock(end)}\n{escaped}\n")
    return "\n".join(["WEBVTT\n", *cues])


def _clock(seconds: float) -> str:
    """Hours, minutes, seconds and milliseconds."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}.{rest % 1000:03}"


def text_grid(timeline: Timeline) -> str:
    """Annotations with a tier each for label, score, gate and modalities (Praat's long text format).

    Source: https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html
    """
    parts = _without_gaps(stretches(timeline))
    tiers: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "label": lambda window: window["label"],
        "score": lambda window: f"{window['score']:.3f}",
        "modalities": lambda window: "+".join(window["modalities"]),
    }
    if any(window["gate"] is not None for window in timeline):
        tiers["gate"] = lambda window: "" if window["gate"] is None else f"{window['gate']:.3f}"
    end = parts[-1][1]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {end:.6f}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, text_of) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f"        name = {_quoted(name)}"]
        lines += ["        xmin = 0", f"        xmax = {end:.6f}", f"        intervals: size = {len(parts)}"]
        for place, (first, last, window) in enumerate(parts, start=1):
            text = "" if window is None else text_of(window)
            lines += [f"        intervals [{place}]:", f"            xmin = {first:.6f}"]
            lines += [f"            xmax = {last:.6f}", f"            text = {_quoted(text)}"]
    return "\n".join(lines) + "\n"


def _without_gaps(parts: list[Stretch]) -> list[tuple[float, float, Mapping[str, Any] | None]]:
    """Intervals from 0 to the end, for a tier has no holes: empty ones where nothing is said."""
    whole: list[tuple[float, float, Mapping[str, Any] | None]] = []
    at = 0.0
    for begin, end, window in parts:
        if begin - at > SAME_S:
            whole.append((at, begin, None))
            at = begin
        whole.append((at, end, window))
        at = end
    return whole


def _quoted(text: str) -> str:
    """A text in Praat's quotes, which are doubled inside."""
    return '"' + text.replace('"', '""') + '"'


FORMATS: dict[str, Callable[[Path, Timeline], None]] = {
    ".json": lambda path, timeline: write_json(path, [dict(window) for window in timeline], indent=2),
    ".csv": lambda path, timeline: write_text(path, as_table(timeline).to_csv(index=False, lineterminator="\n")),
    ".parquet": lambda path, timeline: write_whole(
        path, lambda place: as_table(timeline).to_parquet(place, index=False)
    ),
    ".vtt": lambda path, timeline: write_text(path, web_vtt(timeline)),
    ".textgrid": lambda path, timeline: write_text(path, text_grid(timeline)),
}
"""What writes a timeline, by the ending of the file's name in small letters."""
