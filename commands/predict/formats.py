"""How answers are written: a table for people, JSON, lines of JSON, and CSV."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

Answer = Mapping[str, Any]
"""Of one file: `file`, and what the pipeline says of it. Of a recording `timeline`, too, a list of such answers."""
Writer = Callable[[Iterable[Answer], int], Iterator[str]]
"""Takes answers, and how many classes are told of each; gives pieces of text as soon as they are known."""

MODALITIES = MappingProxyType({"audio": "sound", "video": "picture"})


def json_text(answers: Iterable[Answer], top_k: int) -> Iterator[str]:
    """One list of objects."""
    before = "[\n"
    for answer in answers:
        yield before + _object(answer, top_k)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


def json_lines(answers: Iterable[Answer], top_k: int) -> Iterator[str]:
    """An object on each line."""
    for answer in answers:
        yield f"{_object(answer, top_k)}\n"


def csv_text(answers: Iterable[Answer], top_k: int) -> Iterator[str]:
    """A line of names, and a line for each answer; of a timeline one for each window."""
    head = ["file", "label", "score"]
    ranks = range(2, top_k + 1)
    head += [name for rank in ranks for name in (f"label_{rank}", f"score_{rank}")]
    yield _csv_line([*head, "start", "end", "duration", "modalities", "gate", "notes"])
    for answer, window in _windows(answers):
        best = [cell for name, score in _best(window, top_k) for cell in (name, f"{score:.4f}")]
        best += [""] * (2 * top_k - len(best))
        read, gate = " ".join(window["modalities"]), window["gate"]
        times = ["" if value is None else f"{value:.3f}" for value in (*_span(answer, window), answer["duration"])]
        named = [window["label"], f"{window['score']:.4f}", *best[2:]]
        gates = "" if gate is None else f"{gate:.4f}"
        yield _csv_line([answer["file"], *named, *times, read, gates, "; ".join(answer["notes"])])


def table(answers: Iterable[Answer], top_k: int) -> Iterator[str]:
    """Columns for people; the last, and longest, are the notes."""
    head = ["file", f"best {top_k}" if top_k > 1 else "best", "seconds", "of", "read", "gate", "notes"]
    rows = [head, *(_cells(answer, window, top_k) for answer, window in _windows(answers))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head) - 1)]
    for row in rows if len(rows) > 1 else ():
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        yield f"{line}  {row[-1]}".rstrip() + "\n"


FORMATS: Mapping[str, Writer] = MappingProxyType(
    {"table": table, "json": json_text, "jsonl": json_lines, "csv": csv_text}
)


def _cells(answer: Answer, window: Answer, top_k: int) -> list[str]:
    best = ", ".join(f"{name} {score:.2f}" for name, score in _best(window, top_k))
    if window["label"] not in window["scores"]:  # `unsure`
        best = f"{window['label']} ({best})"
    start, end = _span(answer, window)
    duration, gate = answer["duration"], window["gate"]
    return [
        answer["file"],
        best,
        "-" if start is None else f"{start:.2f}-{end:.2f}",
        "-" if duration is None else f"{duration:.2f}",
        "+".join(MODALITIES.get(name, name) for name in window["modalities"]),
        "-" if gate is None else f"{gate:.2f}",
        _notes(answer) if window is answer or window is answer["timeline"][0] else "",  # once for all windows
    ]


def _notes(answer: Answer) -> str:
    """What is odd, without the note on which seconds the answer is about: two columns of the table say that."""
    return "; ".join(note for note in answer["notes"] if not note.startswith("answer: "))


def _windows(answers: Iterable[Answer]) -> Iterator[tuple[Answer, Answer]]:
    """Each answer with itself, or with each window of its timeline."""
    for answer in answers:
        for window in answer.get("timeline", [answer]):
            yield answer, window


def _span(answer: Answer, window: Answer) -> tuple[float | None, float | None]:
    """Which seconds an answer is about; a still picture has none."""
    if answer["duration"] is None:
        return None, None
    start, end = (window["start"], window["end"]) if "start" in window else window["window"]
    return start, end


def _best(window: Answer, top_k: int) -> list[tuple[str, float]]:
    return sorted(window["scores"].items(), key=lambda item: -item[1])[:top_k]


def _object(answer: Answer, top_k: int) -> str:
    return json.dumps(_told(answer, top_k), ensure_ascii=False)


def _told(answer: Answer, top_k: int) -> dict[str, Any]:
    """With the best classes alone, the best of them first."""
    told = {**answer, "scores": dict(_best(answer, top_k))}
    if "timeline" in answer:
        told["timeline"] = [_told(window, top_k) for window in answer["timeline"]]
    return told


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
