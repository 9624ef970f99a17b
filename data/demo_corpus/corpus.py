"""Makes the demo corpus: clips named like RAVDESS, drawn and spoken by oscillators, no person in any of them.

    python -m emofusion.data.demo_corpus runs/demo_corpus --clips_per_actor 24

It lets anyone try the whole road from mp4 files to a model card without the 25 GB of RAVDESS. A score on it says
nothing about people; the file `DEMO_CORPUS.json` beside the clips says so, and whoever reports a score repeats it.
The clips are real media files (H.264 and AAC) under RAVDESS names: `Actor_07/01-01-06-01-02-01-07.mp4`.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np

from emofusion.data.label_sets import EMOTIONS
from emofusion.data.sources.corpus_record import DEMO_CORPUS, DEMO_RECORD
from emofusion.data.sources.ravdess_names import RavdessName
from emofusion.data.store.cores import cores
from emofusion.data.store.progress import Bar
from emofusion.data.whole_files import write_json, write_whole

from .acting import ACTORS, draw_acting
from .face import draw_frames
from .voice import SAMPLING_RATE, speak

CORPUS_NAME = DEMO_CORPUS.name
VERSION = 2  # to be raised whenever the same settings give other clips
# One thread, because the pool already fills the cores. Without cpu-independent x264 takes shortcuts that make another
# file of the same pictures now and then, and on other processors.
_X264 = {"preset": "veryfast", "crf": "20", "threads": "1", "x264-params": "cpu-independent=1"}
NOTICE = (
    f"This is a {CORPUS_NAME}: drawn faces and oscillator voices, no person was filmed or recorded. "
    "Scores on it say nothing about people."
)
MAX_CLIPS_PER_ACTOR = 60
SOUND_RATE = 48_000  # as in RAVDESS

# Intensity, statement, repetition of the eight takes of an emotion, in an order in which the two intensities
# take turns. Neutral has the four of normal intensity.
_TAKES = ((1, 1, 1), (2, 2, 1), (1, 2, 2), (2, 1, 2), (1, 2, 1), (2, 1, 1), (1, 1, 2), (2, 2, 2))


def plan_takes(actor: int, clips: int) -> list[RavdessName]:
    """Choose the takes of one actor, spread evenly over the emotions.

    Args:
        actor (`int`): 1..24.
        clips (`int`): 1..60.

    Returns:
        `list[RavdessName]`: `clips` of them; a smaller number gives the beginning of the list of a larger one.
    """
    rounds: list[list[RavdessName]] = [[] for _ in _TAKES]
    for place in range(len(EMOTIONS)):
        # Who acts which emotion first differs, so that few clips of many actors are balanced as well.
        emotion = (actor + place) % len(EMOTIONS) + 1
        takes = [take for take in _TAKES if emotion > 1 or take[0] == 1]
        first = (actor // 2 + emotion) % len(takes)
        for number, take in enumerate(takes[first:] + takes[:first]):
            rounds[number].append(RavdessName(1, 1, emotion, *take, actor))
    return [name for names in rounds for name in names][:clips]


def make_demo_corpus(
    out: Path | str,
    *,
    clips_per_actor: int = 24,
    actors: Sequence[int] = ACTORS,
    image_size: int = 112,
    fps: int = 10,
    seed: int = 42,
    jobs: int | None = None,
    progress: bool = True,
) -> Path:
    """Make the demo corpus, or what is missing of it.

    A clip gets its name only when it is complete, so an interrupted call is simply repeated. A folder may grow (more
    actors, more clips of each), but everything in it comes from one seed, size and frame rate.

    Args:
        out (`Path` or `str`): Folder for the clips; made if it does not exist.
        clips_per_actor (`int`): 1..60, spread evenly over the eight emotions.
        actors (`Sequence[int]`): Actors to make, out of 1..24; odd ones are male, even ones female.
        image_size (`int`): Side of the square picture in pixels, an even number in 32..512.
        fps (`int`): Frames per second, 5..60.
        seed (`int`): >= 0; same seed, same clips, whatever else is asked for.
        jobs (`int`, *optional*): Processes; one per available core if not given.
        progress (`bool`): Show a progress bar.

    Returns:
        `Path`: The folder `out`.

    Raises:
        ValueError: If an argument is out of range, or the folder holds something else than this corpus.

    Example:
        >>> make_demo_corpus("runs/demo_corpus", clips_per_actor=8, actors=[1, 2])  # 16 clips
    """
    wanted = sorted(actors)
    _check_arguments(clips_per_actor, wanted, image_size, fps, seed, jobs)
    folder = Path(out)
    _mark(folder, {"seed": seed, "image_size": image_size, "fps": fps}, wanted, clips_per_actor)
    for actor in wanted:
        _actor_folder(folder, actor).mkdir(exist_ok=True)
    planned = [take for actor in wanted for take in plan_takes(actor, clips_per_actor)]
    missing = [take for take in planned if not _clip_path(folder, take).exists()]
    make = functools.partial(_make_clip, folder, image_size, fps, seed)
    done = len(planned) - len(missing)
    with Bar(desc=CORPUS_NAME, unit="clip", total=len(planned), initial=done, disable=not progress) as bar:
        for _ in _run(make, missing, jobs or cores()):
            bar.update()
    return folder


def _check_arguments(
    clips_per_actor: int, actors: list[int], image_size: int, fps: int, seed: int, jobs: int | None
) -> None:
    """Raise a `ValueError` that names the first argument out of range."""
    if not 1 <= clips_per_actor <= MAX_CLIPS_PER_ACTOR:
        raise ValueError(f"clips_per_actor: expected 1..{MAX_CLIPS_PER_ACTOR}, found {clips_per_actor}.")
    if not actors or len(set(actors)) < len(actors) or not set(actors) <= set(ACTORS):
        raise ValueError(f"actors: expected one or more different numbers out of 1..24, found {actors}.")
    if not 32 <= image_size <= 512 or image_size % 2:
        raise ValueError(
            f"image_size: expected an even number in 32..512 (H.264 halves the colours), found {image_size}."
        )
    if not 5 <= fps <= 60:
        raise ValueError(f"fps: expected 5..60, found {fps}.")
    if seed < 0:
        raise ValueError(f"seed: expected 0 or more, found {seed}.")
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs: expected 1 or more processes, or None for one per core, found {jobs}.")


def _mark(folder: Path, settings: dict[str, int], actors: list[int], clips_per_actor: int) -> None:
    """Write the marker, before any clip: even a half-made corpus must say what it is.

    Raises:
        ValueError: If the folder holds something that these settings would not give.
    """
    marker = folder / DEMO_RECORD
    if marker.exists():
        _check_marker(marker, settings, actors, clips_per_actor)
    elif any(folder.glob("Actor_*")):
        raise ValueError(
            f"{folder}: holds Actor_* folders but no {DEMO_RECORD}; choose a folder of its own for the demo."
        )
    content = {
        "corpus": CORPUS_NAME,
        "notice": NOTICE,
        "version": VERSION,
        **settings,
        "actors": actors,
        "clips_per_actor": clips_per_actor,
    }
    if not marker.exists() or json.loads(marker.read_text(encoding="utf-8")) != content:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(marker, content, indent=2)


def _check_marker(marker: Path, settings: dict[str, int], actors: list[int], clips_per_actor: int) -> None:
    """Raise a `ValueError` if the folder of an existing marker cannot be continued with these settings."""
    found: Any = json.loads(marker.read_text(encoding="utf-8"))
    if not isinstance(found, dict) or found.get("corpus") != CORPUS_NAME:
        raise ValueError(f'{marker}: expected "corpus": "{CORPUS_NAME}", found another file. Choose another folder.')
    for name, value in {"version": VERSION, **settings}.items():
        if found.get(name) != value:
            raise ValueError(
                f"{marker.parent}: was made with {name}={found.get(name)}, this call asks for {name}={value}. "
                "Repeat the old setting or choose another folder."
            )
    if found["clips_per_actor"] > clips_per_actor or not set(found["actors"]) <= set(actors):
        raise ValueError(
            f"{marker.parent}: was made with clips_per_actor={found['clips_per_actor']} and actors={found['actors']}; "
            f"this call asks for clips_per_actor={clips_per_actor} and actors={actors}. "
            "A folder can grow but not shrink: choose another one for fewer clips."
        )


def _actor_folder(folder: Path, actor: int) -> Path:
    """Return the folder of an actor."""
    return folder / f"Actor_{actor:02d}"


def _clip_path(folder: Path, take: RavdessName) -> Path:
    """Return the final path of a clip."""
    return _actor_folder(folder, take.actor) / f"{take}.mp4"


def _run(make: Callable[[RavdessName], None], takes: list[RavdessName], jobs: int) -> Iterator[None]:
    """Make the clips in `jobs` processes (none but this one if `jobs` is 1), in the order given."""
    if jobs == 1 or len(takes) < 2:
        yield from map(make, takes)
        return
    with ProcessPoolExecutor(min(jobs, len(takes))) as pool:
        yield from pool.map(make, takes, chunksize=4)


def _make_clip(folder: Path, image_size: int, fps: int, seed: int, take: RavdessName) -> None:
    """Draw, speak and write one clip; under its final name only once it is complete."""
    acting = draw_acting(seed, take, fps)
    path = _clip_path(folder, take)
    frames, sound = draw_frames(acting, seed, image_size, fps), speak(acting, seed)
    write_whole(path, lambda place: write_clip(place, frames, sound, image_size, fps))


def write_clip(path: Path, frames: Iterable[np.ndarray], sound: np.ndarray, image_size: int, fps: int) -> None:
    """Write an mp4 file of H.264 (yuv420p) and mono AAC (48 kHz).

    Args:
        path (`Path`): File to write, whatever its suffix.
        frames (`Iterable[np.ndarray]`): Pictures, each uint8 [image_size, image_size, 3], RGB.
        sound (`np.ndarray`): float32 [samples] at 16 kHz, -1..1.
        image_size (`int`): Side of the picture in pixels.
        fps (`int`): Frames per second.
    """
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=fps, options=_X264)
        video.width = video.height = image_size
        video.pix_fmt = "yuv420p"
        # The default search for the best coding takes four times as long as all the rest of the sound.
        audio = container.add_stream("aac", rate=SOUND_RATE, layout="mono", options={"aac_coder": "fast"})
        audio.bit_rate = 96_000
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode())
        wave = av.AudioFrame.from_ndarray(sound[None, :], format="fltp", layout="mono")
        wave.sample_rate, wave.pts = SAMPLING_RATE, 0
        container.mux(audio.encode(wave))
        container.mux(audio.encode())
