"""Contact sheets: all clips of an actor as small pictures, so that a person can check the crops at a glance."""

import functools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import datasets
from PIL import Image, ImageDraw, ImageFont

from emofusion.data.label_sets import ALL_EMOTIONS
from emofusion.data.store.faces import NO_FACE
from emofusion.data.store.progress import Bar
from emofusion.data.store.settings import DecodeSettings
from emofusion.data.store.stored_frames import view_frames
from emofusion.data.whole_files import write_whole

THUMBNAIL = 128  # pixels
COLUMNS = 8  # as many clips as an emotion has in RAVDESS: 2 intensities x 2 statements x 2 repetitions
GAP, BORDER, LINE, TITLE = 10, 4, 15, 40  # pixels: between cells, around missed faces, of a caption's line, on top
PAPER, INK, ALARM, EDGE = "white", "black", "red", "lightgrey"

_FACTS = ("actor", "gender", "channel", "emotion", "intensity", "statement", "repetition", "face", "has_video")


def write_contact_sheets(rows: datasets.Dataset, folder: Path, settings: DecodeSettings) -> list[Path]:
    """Write `Actor_NN.png` for each actor: the middle frame of each clip, by emotion.

    Clips in which no face was found have a red border.

    Args:
        rows (`datasets.Dataset`): Of the decoded store.
        folder (`Path`): Is made if it does not exist.
        settings (`DecodeSettings`): How the rows were decoded.

    Returns:
        `list[Path]`: The sheets, in order of the actors; one of whom there is no picture has none.

    Raises:
        ValueError: The frames were stored with other settings.
    """
    rows = rows.with_format(None)
    actors: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for index, facts in enumerate(rows.select_columns(list(_FACTS))):
        actors[facts["actor"]].append({**facts, "index": index})
    folder.mkdir(parents=True, exist_ok=True)
    pictures = rows.select_columns(["clip", "frames"])
    paths = []
    for actor in Bar(sorted(actors), desc="contact sheets", unit="actor"):
        shown = [clip for clip in actors[actor] if clip["has_video"]]
        if shown:
            sheet = _draw(_title(actors[actor]), _in_rows(shown), pictures, settings)
            paths.append(folder / f"Actor_{actor:02d}.png")
            write_whole(paths[-1], functools.partial(sheet.save, format="PNG"))
    return paths


def _in_rows(clips: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Rows of the grid, by emotion, speech before song; an emotion that fits behind the one before shares its row."""
    groups: dict[tuple[bool, int], list[dict[str, Any]]] = defaultdict(list)
    for clip in clips:
        groups[clip["channel"] == "song", ALL_EMOTIONS.index(clip["emotion"])].append(clip)
    rows: list[list[dict[str, Any]]] = [[]]
    for key in sorted(groups):
        group = sorted(groups[key], key=itemgetter("intensity", "statement", "repetition"))
        for first in range(0, len(group), COLUMNS):
            some = group[first : first + COLUMNS]
            if len(rows[-1]) + len(some) > COLUMNS:
                rows.append([])
            rows[-1] += some
    return rows


def _title(clips: Sequence[dict[str, Any]]) -> str:
    """Such as `Actor 03 (male): 60 clips, 58 faces found, 2 faces not found (red)`."""
    faces = Counter(clip["face"] for clip in clips if clip["has_video"])
    unseen = sum(not clip["has_video"] for clip in clips)
    counts = [f"{len(clips)} clips"]
    counts += [f"{faces['tracked']} faces tracked"] if faces["tracked"] else []
    counts += [f"{faces['found']} faces found"] if faces["found"] else []
    counts += [f"{faces[NO_FACE]} faces not found (red)"] if faces[NO_FACE] else []
    counts += [f"{unseen} without picture left out"] if unseen else []
    return f"Actor {clips[0]['actor']:02d} ({clips[0]['gender']}): {', '.join(counts)}"


def _caption(clip: dict[str, Any]) -> list[str]:
    """Two lines, such as `angry strong` and `statement 2, rep. 1`."""
    song = " (song)" * (clip["channel"] == "song")
    return [
        f"{clip['emotion']} {clip['intensity']}{song}",
        f"statement {clip['statement']}, rep. {clip['repetition']}",
    ]


def _draw(
    title: str, cells: list[list[dict[str, Any]]], pictures: datasets.Dataset, settings: DecodeSettings
) -> Image.Image:
    step_x, step_y = THUMBNAIL + 2 * BORDER + GAP, THUMBNAIL + 2 * BORDER + 2 * LINE + GAP
    heading = ImageFont.load_default(20)
    width = GAP + max(*(len(row) * step_x for row in cells), math.ceil(heading.getlength(title)) + GAP)
    sheet = Image.new("RGB", (width, TITLE + len(cells) * step_y + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((GAP, TITLE / 2), title, INK, heading, anchor="lm")
    font = ImageFont.load_default(13)
    for row, clips in enumerate(cells):
        for column, clip in enumerate(clips):
            left, top = GAP + column * step_x, TITLE + row * step_y
            edge, around = (BORDER, ALARM) if clip["face"] == NO_FACE else (1, EDGE)
            start, end = BORDER - edge, BORDER + THUMBNAIL + edge - 1
            draw.rectangle((left + start, top + start, left + end, top + end), around)
            picture = _middle(pictures[clip["index"]], settings)
            sheet.paste(picture, (left + BORDER, top + BORDER))
            for line, text in enumerate(_caption(clip)):
                below = top + THUMBNAIL + 2 * BORDER + line * LINE
                draw.text((left + BORDER + THUMBNAIL / 2, below), text, INK, font, anchor="ma")
    return sheet


def _middle(row: dict[str, Any], settings: DecodeSettings) -> Image.Image:
    """The middle one of a clip's stored frames."""
    frames = view_frames(row["frames"], settings, row["clip"])
    return Image.fromarray(frames[len(frames) // 2]).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
