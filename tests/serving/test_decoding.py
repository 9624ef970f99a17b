"""Clips are decoded by processes that may die: answers are those of the pipeline, a bad file costs itself alone."""

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from emofusion.serving import decoding
from emofusion.serving.answers import Answerer
from emofusion.serving.arrivals import arrived
from emofusion.serving.decoding import GONE, Decoders
from emofusion.serving.decoding_process import without
from emofusion.serving.limits import Limits
from emofusion.serving.refused import Refused
from helpers import REPOSITORY
from helpers.corpora.ravdess_files import make_frames, make_sound, write_media, write_sound
from helpers.servers import bad_decoders

MODEL = str(REPOSITORY / "models" / "emofusion-small")
LIMITS = Limits(max_seconds=12, decode_seconds=60, decode_memory=2**28, max_windows=40)
SECONDS = 4.6


@pytest.fixture(scope="module")
def answerer() -> Iterator[Answerer]:
    with Answerer(MODEL, LIMITS) as answerer:
        yield answerer


@pytest.fixture
def hasty() -> Iterator[Decoders]:
    """Two processes that have little time."""
    with Decoders(MODEL, Limits(decode_seconds=2), processes=2) as decoders:
        yield decoders


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_media(tmp_path_factory.mktemp("film") / "film.mp4", make_frames(SECONDS), make_sound(SECONDS))


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A file that never comes to its beginning: whoever reads it waits for ever."""
    os.mkfifo(tmp_path / "endless")
    return tmp_path / "endless"


def pid_of(decoders: Decoders) -> int:
    """Of the process whose turn it is."""
    return int(decoders._idle.queue[0]._process.pid)


def refusal(work: Callable[..., Any], *given: Any, **named: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        work(*given, **named)
    return caught.value


def assert_same(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    """Equal, but for what a batch of another size does to the last bits."""
    timelines = [found.pop("timeline", []) for found in (answer, expected)]
    for one, other in zip([answer, *timelines[0]], [expected, *timelines[1]], strict=True):
        assert one.pop("scores") == pytest.approx(other.pop("scores"), abs=1e-5)
        assert [one.pop(name) for name in ("score", "gate")] == pytest.approx(
            [other.pop(name) for name in ("score", "gate")], abs=1e-5
        )
        assert one == other


@pytest.mark.parametrize("hop", [None, 0.7])
def test_answer_is_that_of_the_pipeline(answerer: Answerer, film: Path, hop: float | None):
    timeline, told = {} if hop is None else {"hop": hop}, []
    found = answerer.answer(film, timeline=hop is not None, progress=lambda *now: told.append(now), **timeline)
    expected = answerer.pipe(str(film), return_timeline=hop is not None, **timeline)
    windows = 1 + len(expected.get("timeline", []))
    assert told == [(count, windows) for count in range(1, windows + 1)]
    assert list(found) == list(expected)
    assert_same(found, expected)


def test_answers_about_real_clips_are_those_of_the_pipeline(answerer: Answerer, test_data: Path):
    clips = [*sorted((test_data / "clips" / "ravdess").glob("*.mp4"))[:1], test_data / "clips" / "mead" / "sad.mp4"]
    clips += sorted((test_data / "clips" / "ravdess").glob("*.wav"))[:1]
    decoded = [answerer.decoders.decode(clip) for clip in clips]
    for clip, found in zip(clips, answerer.forward(decoded), strict=True):
        assert_same(found, answerer.pipe(str(clip)))


def test_files_are_answered_together(answerer: Answerer, film: Path, tmp_path: Path):
    voice = write_sound(tmp_path / "voice.wav", make_sound(SECONDS, seed=2))
    (tmp_path / "still").write_bytes(b"")
    Image.fromarray(make_frames(0.1)[0]).save(tmp_path / "still", "png")
    decode = answerer.decoders.decode
    decoded = [decode(film, timeline=True, hop=1.5), decode(voice), decode(tmp_path / "still")]
    answers = answerer.forward(decoded)
    assert [answer["modalities"] for answer in answers] == [["audio", "video"], ["audio"], ["video"]]
    assert_same(answers[0], answerer.answer(film, timeline=True, hop=1.5))
    assert_same(answers[1], answerer.answer(voice))


def test_upload_is_answered_and_nothing_is_left(
    answerer: Answerer, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    broken = film.read_bytes()[: film.stat().st_size // 2]
    with arrived(film.read_bytes(), LIMITS) as path:
        assert answerer.answer(path)["duration"] == pytest.approx(SECONDS, abs=0.1)
    with pytest.raises(Refused), arrived(broken, LIMITS) as path:
        answerer.answer(path)
    assert list(tmp_path.iterdir()) == []


BAD = {
    "text": (b"Once upon a time\n" * 500, 415, "expected a recording such as mp4"),
    "noise": (bytes(range(256)) * 50, 415, "expected a recording such as mp4"),
    "a playlist": (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", 415, "a list of other files"),
    "a script of FFmpeg": (b"ffconcat version 1.0\nfile film.mp4\n", 415, "a list of other files"),
    "a session": (
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        415,
        "expec",
    ),
    "subtitles": (b"1\n00:00:01,000 --> 00:00:02,000\nHello\n", 415, "expected a recording such as mp4"),
}


@pytest.mark.parametrize("kind", BAD)
def test_kind_is_told_by_content(answerer: Answerer, film: Path, tmp_path: Path, kind: str):
    """Whatever it is called, and also where a film lies beside it that it could name."""
    content, status, words = BAD[kind]
    (tmp_path / "film.mp4").write_bytes(film.read_bytes())
    (tmp_path / "clip.mp4").write_bytes(content)
    found = refusal(answerer.answer, tmp_path / "clip.mp4")
    assert found.status == status
    assert words in found.message
    assert str(tmp_path) not in found.message


def test_film_is_a_film_by_any_name(answerer: Answerer, film: Path, tmp_path: Path):
    (tmp_path / "notes.txt").write_bytes(film.read_bytes())
    assert_same(answerer.answer(tmp_path / "notes.txt"), answerer.answer(film))


def test_recording_that_is_too_long_is_refused(answerer: Answerer, film: Path, tmp_path: Path):
    long = write_sound(tmp_path / "long.wav", make_sound(LIMITS.max_seconds + 1))
    found = refusal(answerer.answer, long)
    assert (found.status, "it lasts 13 s, and at most 12 s are taken" in found.message) == (413, True)
    # One whose head says nothing of its length.
    raw = tmp_path / "long.flac"
    raw.write_bytes(write_flac(make_sound(LIMITS.max_seconds + 1)))
    assert refusal(answerer.answer, raw).status == 413


def write_flac(sound: Any) -> bytes:
    """A stream whose head does not say how many samples come."""
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, sound, 16_000, format="FLAC")
    content = bytearray(file.getvalue())
    content[21] &= 0xF0  # 36 bits from here on count the samples
    content[22:26] = bytes(4)
    return bytes(content)


@pytest.mark.parametrize(("hop", "status"), [(0.01, 422), (0.0, 400), (-1.0, 400), (float("nan"), 400)])
def test_hop_that_makes_too_much_work_is_refused(answerer: Answerer, film: Path, hop: float, status: int):
    found = refusal(answerer.answer, film, timeline=True, hop=hop)
    assert found.status == status
    assert found.message.startswith("hop")


def test_messages_and_notes_hold_no_path(answerer: Answerer, film: Path, tmp_path: Path):
    """What FFmpeg says of a damaged file names it."""
    content = bytearray(film.read_bytes())
    clip = tmp_path / "clip"
    for place in range(0, len(content), len(content) // 12):
        clip.write_bytes(content[:place] + bytes(400) + content[place + 400 :])
        try:
            said = str(answerer.answer(clip)["notes"])
        except Refused as refused:
            said = refused.message
        assert str(tmp_path) not in said
        assert "Traceback" not in said
    error = f"cannot be read to its end ([Errno 5] Input/output error: '{clip}')"  # as FFmpeg's errors are told
    assert without(clip, error) == "cannot be read to its end ([Errno 5] Input/output error: 'the file')"


def test_model_that_cannot_read_it_says_so(answerer: Answerer, tmp_path: Path):
    empty = tmp_path / "clip"
    empty.write_bytes(b"")
    assert refusal(answerer.answer, empty).status == 415
    assert refusal(answerer.answer, tmp_path / "nowhere").status == 422


def test_picture_that_needs_too_much_memory_is_refused(answerer: Answerer, film: Path, tmp_path: Path):
    """A file of a few KB may be a picture of many MB."""
    Image.new("RGB", (2400, 2400)).save(tmp_path / "large", "png")
    with Decoders(MODEL, Limits(decode_memory=2**25)) as narrow:
        assert refusal(narrow.decode, tmp_path / "large").status in (413, 422)
        assert len(narrow.decode(film).windows) == 1
    assert answerer.answer(tmp_path / "large")["modalities"] == ["video"]


def test_process_that_hangs_is_ended_and_replaced(hasty: Decoders, film: Path, endless: Path):
    before = pid_of(hasty)
    found = refusal(hasty.decode, endless)
    assert (found.status, "too long" in found.message) == (408, True)
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert [len(hasty.decode(film).windows) for _ in range(3)] == [1, 1, 1]


def test_process_that_stops_in_the_midst_of_a_message_is_ended(film: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding, "decode_for", bad_decoders.stalls)
    with Decoders(MODEL, Limits(decode_seconds=1)) as decoders:
        found = refusal(decoders.decode, film)
    assert (found.status, "too long" in found.message) == (408, True)


def test_process_that_does_not_start_again_is_forgotten_and_tried_once_more(
    film: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(decoding, "AGAIN_SECONDS", 0.05)
    begun = list[object]()
    with Decoders(MODEL, LIMITS) as decoders, monkeypatch.context() as broken:
        broken.setattr(decoding, "decode_for", bad_decoders.dies)
        begin = decoders._begin
        broken.setattr(decoders, "_begin", lambda: begun.append(begin()) or begun[-1])
        decoders.limits = Limits(decode_seconds=0.1)
        os.kill(pid_of(decoders), signal.SIGKILL)
        assert refusal(decoders.decode, film).status in (422, 503)  # by when it is seen that it is dead
        wait_for(lambda: len(begun) > 4)
        assert len(decoders._all) <= 1
        broken.undo()
        decoders.limits = LIMITS
        assert len(decoders.decode(film).windows) == 1


def test_timelines_that_wait_share_the_memory_that_there_is(film: Path):
    with Decoders(MODEL, LIMITS) as usual:
        size = sum(map(decoding.bytes_of, usual.decode(film, timeline=True).windows))
        wait_for(lambda: usual.room.taken == 0)
    assert size > 500_000
    with Decoders(MODEL, Limits(held_memory=int(1.5 * size))) as decoders:
        held = decoders.decode(film, timeline=True)
        assert decoders.room.taken == size
        assert refusal(decoders.decode, film, timeline=True).status == 503
        assert decoders.room.taken == size
        del held
        found = refusal(decoders.decode, film, timeline=True, hop=0.1)  # too much even when it is alone
        assert (found.status, found.message[-18:]) == (413, "Name a longer hop.")
        assert decoders.decode(film, timeline=True).windows


def test_process_that_is_killed_costs_its_own_clip_alone(film: Path, endless: Path):
    """As by the kernel, when memory is short; meanwhile others are answered by the other process."""
    with Decoders(MODEL, LIMITS, processes=2) as decoders:
        victim, refusals = pid_of(decoders), list[Refused]()
        thread = threading.Thread(target=lambda: refusals.append(refusal(decoders.decode, endless)))
        thread.start()
        wait_for(lambda: decoders._idle.qsize() == 1)
        assert len(decoders.decode(film).windows) == 1
        os.kill(victim, signal.SIGKILL)
        thread.join(20)
        assert [(refused.status, refused.message) for refused in refusals] == [(422, GONE)]
        wait_for(lambda: decoders._idle.qsize() == 2)
        assert victim not in [process._process.pid for process in decoders._all]
        assert [len(decoders.decode(film).windows) for _ in range(2)] == [1, 1]


def test_process_that_dies_when_it_has_nothing_to_do_costs_no_clip(hasty: Decoders, film: Path):
    victim = pid_of(hasty)
    os.kill(victim, signal.SIGKILL)
    process = hasty._idle.queue[0]
    wait_for(lambda: not process.lives)
    assert len(hasty.decode(film).windows) == 1


def test_work_that_nobody_wants_any_more_is_ended(answerer: Answerer, film: Path):
    before = pid_of(answerer.decoders)

    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answerer.answer(film, timeline=True, hop=0.05, progress=stop)
    assert answerer.answer(film)
    assert pid_of(answerer.decoders) != before


def test_nobody_waits_for_ever(film: Path, endless: Path):
    with Decoders(MODEL, Limits(decode_seconds=3)) as decoders:
        thread = threading.Thread(target=lambda: refusal(decoders.decode, endless))
        thread.start()
        wait_for(lambda: not decoders._idle.qsize())
        decoders.limits = Limits(decode_seconds=0.1)
        assert refusal(decoders.decode, film).status == 503
        thread.join()
    assert refusal(decoders.decode, film).status == 503  # closed


def test_model_that_is_not_there_is_an_error_at_once(tmp_path: Path):
    with pytest.raises(RuntimeError, match="does not start"):
        Decoders(str(tmp_path), LIMITS)


def wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not done():
        assert time.monotonic() < until
        time.sleep(0.02)
