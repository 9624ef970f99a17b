"""An answer as HTML. All pictures and files are in it: nothing of a visitor's clip is left on the server for them."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from .seen import Seen

CALLED = {"audio": "sound", "video": "picture"}
UNSURE = "unsure"


def verdict_html(answer: Mapping[str, Any], model: str) -> str:
    """The label, what it is about, the gate, what was odd, and the whole answer to download.

    Args:
        answer (`dict`): Of the pipeline.
        model (`str`): Who says so.
    """
    label, told = str(answer["label"]), f"Probability {answer['score']:.2f}"
    if label == UNSURE:
        likeliest = escape(max(answer["scores"], key=answer["scores"].get))
        told = f"Too little to name an emotion: the likeliest, {likeliest}, has a probability of {answer['score']:.2f}"
    return "\n".join(
        [
            f'<h2 class="label">{escape(label)}</h2>',
            f"<p>{told}, by {_by(answer['modalities'])}.{_about(answer)}</p>",
            _gate(answer["gate"], answer["modalities"]),
            _notes(answer["notes"]),
            f'<p class="small">Answered by {escape(model)}. {_download({"model": model, **answer})}</p>',
        ]
    )


def _by(modalities: Sequence[str]) -> str:
    """Such as `sound and picture`."""
    there = [CALLED[name] for name in modalities]
    return " and ".join(there) + (" alone" if len(there) == 1 else "")


def _about(answer: Mapping[str, Any]) -> str:
    """Which seconds of the recording the answer is about."""
    if answer["duration"] is None:
        return ""
    start, end = answer["window"]
    return f" It is about the seconds {start:.2f} to {end:.2f} of {answer['duration']:.2f}."


def _gate(gate: float | None, modalities: Sequence[str]) -> str:
    """How much the sound counted, and how much the picture: in words and as a bar."""
    if gate is None or len(modalities) < 2:
        return ""
    sound, picture = round(100 * gate), 100 - round(100 * gate)
    return (
        f'<p class="gate-words"><span>Sound counted {sound} %</span> <span>picture {picture} %</span></p>'
        f'<div class="gate" aria-hidden="true"><div style="width: {sound}%"></div></div>'
    )


def _notes(notes: Sequence[str]) -> str:
    odd = [note for note in notes if not note.startswith("answer: ")]  # which seconds it is about is told above
    items = "".join(f"<li>{escape(note)}</li>" for note in odd)
    return f'<ul class="notes" aria-label="What was odd about the clip">{items}</ul>' if odd else ""


def _download(answer: Mapping[str, Any]) -> str:
    """A link whose file is in it."""
    content = b64encode(json.dumps(answer, indent=2, ensure_ascii=False).encode()).decode()
    address = f"data:application/json;base64,{content}"
    return f'<a class="download" download="answer.json" href="{address}">Download as JSON</a>'


def seen_html(seen: Seen, sound: bytes | None) -> str:
    """What the model took in: its frames and its sound.

    Args:
        seen (`Seen`): Of the window that the answer is about.
        sound (`bytes`, *optional*): Its sound as a PNG.
    """
    parts = ["<h2>What the model saw and heard</h2>"]
    if seen.frames is not None:
        last = len(seen.frames)
        images = "".join(
            f'<img src="{_data(_png(frame))}" alt="Frame {number} of {last}, at {second:.2f} seconds">'
            for number, (frame, second) in enumerate(zip(seen.frames, seen.seconds, strict=True), start=1)
        )
        height, width = seen.frames.shape[1:3]
        parts.append(
            f'<figure><div class="frames">{images}</div><figcaption>All of the picture that it gets: {last} frames of '
            f"{width} x {height} pixels.</figcaption></figure>"
        )
    if sound is not None:
        what = "The wave of the sound" if seen.sound is not None and seen.sound.ndim == 1 else "Log-mel spectrogram"
        alt = f"{what}, from {seen.start:.2f} to {seen.end:.2f} seconds"
        caption = "The sound as it gets it: time goes to the right, high tones are on top, loud ones bright."
        if seen.sound is not None and seen.sound.ndim == 1:
            caption = "The sound as it gets it: time goes to the right."
        parts.append(
            f'<figure><img class="wide" src="{_data(sound)}" alt="{alt}"><figcaption>{caption}</figcaption></figure>'
        )
    return "\n".join(parts)


def timeline_html(timeline: Sequence[Mapping[str, Any]], picture: bytes) -> str:
    """A timeline: its picture, and a table of its windows.

    Args:
        timeline (`Sequence[dict]`): Of the pipeline.
        picture (`bytes`): A PNG of it.
    """
    rows = "".join(
        f'<tr><th scope="row">{window["start"]:.2f} to {window["end"]:.2f}</th><td>{escape(str(window["label"]))}</td>'
        f"<td>{window['score']:.2f}</td><td>{_by(window['modalities'])}</td>"
        f"<td>{'' if window['gate'] is None else format(window['gate'], '.2f')}</td></tr>"
        for window in timeline
    )
    heads = "".join(
        f'<th scope="col">{name}</th>' for name in ("Seconds", "Emotion", "Probability", "By", "Weight of the sound")
    )
    alt = "Probabilities of the likeliest emotions over time; the same numbers are in the table below"
    return (
        "<h2>Timeline</h2>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Picture of the timeline">'
        f'<img class="timeline" src="{_data(picture)}" alt="{alt}"></div>'
        f"<details><summary>Table of {len(timeline)} windows</summary>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Table of the timeline"><table>'
        f"<caption>What the model says of each window</caption><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
        "</table></div></details>"
    )


def _png(frame: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"
