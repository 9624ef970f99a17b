import dataclasses
import json
from collections import Counter

import av
import numpy as np
import pytest

from emofusion.data.demo_corpus import corpus as demo_corpus
from emofusion.data.demo_corpus.__main__ import main
from emofusion.data.demo_corpus.acting import FACE_NEIGHBOUR, HIDDEN_SHARE, NOISY_SHARE, VOICE_NEIGHBOUR, draw_acting
from emofusion.data.demo_corpus.corpus import CORPUS_NAME, make_demo_corpus, plan_takes
from emofusion.data.demo_corpus.face import draw_frames
from emofusion.data.demo_corpus.voice import SAMPLING_RATE, speak
from emofusion.data.sources.corpus_record import DEMO_RECORD
from emofusion.data.sources.ravdess_names import RavdessName
from emofusion.modeling import EMOTIONS

FPS = 10
SIZE = 64


def make(folder, **changes):
    arguments = {"clips_per_actor": 4, "actors": [3, 4], "image_size": SIZE, "fps": FPS, "seed": 7, "jobs": 1}
    return make_demo_corpus(folder, **(arguments | changes), progress=False)


def clips(folder):
    return sorted(folder.glob("Actor_*/*.mp4"))


def frames_of(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def sound_of(path):
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def assert_same_content(left, right):
    np.testing.assert_array_equal(frames_of(left), frames_of(right))
    np.testing.assert_array_equal(sound_of(left), sound_of(right))


def without_trouble(take):
    return dataclasses.replace(draw_acting(7, take, FPS), trouble="none")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make(tmp_path_factory.mktemp("demo"))


def test_clips_are_named_after_ravdess_takes(corpus):
    assert [path.name for path in sorted(corpus.glob("Actor_*"))] == ["Actor_03", "Actor_04"]
    assert len(clips(corpus)) == 8
    for path in clips(corpus):
        modality, channel, emotion, intensity, statement, repetition, actor = map(int, path.stem.split("-"))
        assert (modality, channel) == (1, 1)
        assert emotion in range(1, 9)
        assert intensity in ((1,) if emotion == 1 else (1, 2))
        assert statement in (1, 2)
        assert repetition in (1, 2)
        assert path.parent.name == f"Actor_{actor:02d}"


def test_plan_of_60_clips_is_every_ravdess_take_once():
    planned = plan_takes(5, 60)
    assert len(set(planned)) == 60
    assert Counter(take.emotion for take in planned) == {1: 4} | dict.fromkeys(range(2, 9), 8)
    assert all(take.intensity == 1 for take in planned if take.emotion == 1)


def test_plan_of_24_clips_is_balanced_and_begins_the_plan_of_60():
    planned = [take for actor in demo_corpus.ACTORS for take in plan_takes(actor, 24)]
    assert set(Counter((take.actor, take.emotion) for take in planned).values()) == {3}
    assert plan_takes(9, 24) == plan_takes(9, 60)[:24]
    for field in ("intensity", "statement", "repetition"):
        loud = [getattr(take, field) for take in planned if take.emotion > 1]
        assert 0.45 < np.mean(np.array(loud) == 2) < 0.55


def test_plan_of_few_clips_covers_all_emotions_over_the_actors():
    planned = [take.emotion for actor in demo_corpus.ACTORS for take in plan_takes(actor, 1)]
    assert set(Counter(planned).values()) == {3}


def test_clip_has_h264_and_aac_of_the_size_rate_and_length_asked_for(corpus):
    for path in clips(corpus):
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert (video.width, video.height, video.average_rate) == (SIZE, SIZE, FPS)
            assert (audio.codec_context.name, audio.rate, audio.channels) == ("aac", 48_000, 1)
            num_frames = sum(1 for _ in container.decode(video=0))
        duration = num_frames / FPS
        assert 3.0 <= duration <= 4.2
        assert len(sound_of(path)) / 48_000 == pytest.approx(duration, abs=0.05)


def test_clip_is_quiet_and_at_rest_at_both_ends():
    acting = without_trouble(RavdessName(1, 1, emotion=8, intensity=2, statement=1, repetition=1, actor=3))
    sound = speak(acting, seed=7)
    edge = SAMPLING_RATE // 2
    assert max(np.std(sound[:edge]), np.std(sound[-edge:])) < 0.1 * np.std(sound[edge:-edge])
    ends = np.array([0.0, acting.duration_s])
    assert acting.involvement(ends).tolist() == acting.mouth_opening(ends).tolist() == [0, 0]


def test_content_does_not_depend_on_jobs_or_on_what_else_is_asked_for(corpus, tmp_path):
    other = make(tmp_path / "other", clips_per_actor=5, actors=[4, 9], jobs=2)
    shared = [path for path in clips(corpus) if path.parent.name == "Actor_04"]
    assert len(shared) == 4
    for path in shared:
        assert_same_content(path, other / path.parent.name / path.name)


def test_content_depends_on_the_seed(corpus, tmp_path):
    other = make(tmp_path / "other", seed=8, actors=[3], clips_per_actor=1)
    path = clips(other)[0]
    same_name = corpus / path.parent.name / path.name
    assert frames_of(path)[0].tolist() != frames_of(same_name)[0].tolist()


def test_second_call_rewrites_nothing_and_makes_what_is_missing(tmp_path):
    folder = make(tmp_path)
    removed = clips(folder)[2]
    before = frames_of(removed)
    removed.unlink()
    kept = {path: path.stat().st_mtime_ns for path in [*clips(folder), folder / DEMO_RECORD]}
    make(folder)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    np.testing.assert_array_equal(frames_of(removed), before)


def test_interrupted_clip_leaves_no_file_under_its_final_name(tmp_path, monkeypatch):
    def draw_then_fail(acting, seed, size, fps):
        yield np.zeros((size, size, 3), np.uint8)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo_corpus, "draw_frames", draw_then_fail)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [DEMO_RECORD]
    # A process that was killed cannot tidy up: what it left is not a clip and is in nobody's way.
    left = tmp_path / "Actor_03" / ".01-01-01-01-01-01-03.mp4.1.part"
    left.write_bytes(b"half a clip")
    assert len(clips(make(tmp_path))) == 8


def test_marker_says_what_the_corpus_is(corpus):
    marker = json.loads((corpus / DEMO_RECORD).read_text())
    assert marker["corpus"] == CORPUS_NAME == "synthetic demo corpus"
    assert CORPUS_NAME in marker["notice"]
    assert (marker["seed"], marker["image_size"], marker["fps"]) == (7, SIZE, FPS)


@pytest.mark.parametrize(("name", "value"), [("seed", 8), ("image_size", 80), ("fps", 12), ("clips_per_actor", 2)])
def test_folder_of_other_settings_raises_and_names_folder_and_setting(corpus, name, value):
    before = (corpus / DEMO_RECORD).read_text()
    with pytest.raises(ValueError, match=name) as error:
        make(corpus, **{name: value})
    assert str(corpus) in str(error.value)
    assert (corpus / DEMO_RECORD).read_text() == before


def test_folder_of_other_version_raises(corpus, monkeypatch):
    monkeypatch.setattr(demo_corpus, "VERSION", demo_corpus.VERSION + 1)
    with pytest.raises(ValueError, match="version"):
        make(corpus)


def test_folder_can_grow(tmp_path):
    first = {path: path.stat().st_mtime_ns for path in clips(make(tmp_path, clips_per_actor=1))}
    make(tmp_path, clips_per_actor=2, actors=[3, 4, 5])
    assert len(clips(tmp_path)) == 6
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert json.loads((tmp_path / DEMO_RECORD).read_text())["actors"] == [3, 4, 5]


@pytest.mark.parametrize("foreign", ["Actor_01/03-01-01-01-01-01-01.wav", DEMO_RECORD])
def test_folder_of_something_else_raises(tmp_path, foreign):
    path = tmp_path / foreign
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    with pytest.raises(ValueError, match="another folder|folder of its own"):
        make(tmp_path)
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clips_per_actor", 0),
        ("clips_per_actor", 61),
        ("actors", []),
        ("actors", [0]),
        ("actors", [25]),
        ("actors", [1, 1]),
        ("image_size", 63),
        ("image_size", 16),
        ("fps", 0),
        ("seed", -1),
        ("jobs", 0),
    ],
)
def test_bad_argument_raises_and_makes_nothing(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name}: expected .* found"):
        make(tmp_path / "out", **{name: value})
    assert not (tmp_path / "out").exists()


def test_command_line_makes_the_corpus_and_reports_bad_arguments(tmp_path, capsys):
    out = tmp_path / "out"
    size = ["--image_size", str(SIZE), "--jobs", "1", "--no_progress"]
    main([str(out), "--clips_per_actor", "1", "--actors", "2", *size])
    assert len(clips(out)) == 1
    with pytest.raises(SystemExit):
        main([str(out), "--clips_per_actor", "99", *size])
    assert capsys.readouterr().err.startswith("error: --clips_per_actor: expected 1..60")


def test_angry_and_calm_differ_in_both_modalities():
    pictures, levels = [], []
    for emotion in (2, 5):
        acting = without_trouble(RavdessName(1, 1, emotion, intensity=1, statement=1, repetition=1, actor=3))
        frames = list(draw_frames(acting, seed=7, size=SIZE, fps=FPS))
        pictures.append(frames[round(sum(acting.speech_s) / 2 * FPS)].astype(float))
        levels.append(np.std(speak(acting, seed=7)))
    assert np.abs(pictures[0] - pictures[1]).mean() > 2
    assert levels[1] > 2 * levels[0]


def test_trouble_hides_the_face_or_drowns_the_voice_and_leaves_the_other_alone():
    clear = without_trouble(RavdessName(1, 1, emotion=3, intensity=2, statement=1, repetition=1, actor=3))
    face, voice = list(draw_frames(clear, 7, SIZE, FPS))[12].astype(float), speak(clear, 7)
    for trouble in ("hand", "sheet", "turned"):
        acting = dataclasses.replace(clear, trouble=trouble)
        assert np.abs(list(draw_frames(acting, 7, SIZE, FPS))[12] - face).mean() > 10
        np.testing.assert_array_equal(speak(acting, 7), voice)
    drowned = dataclasses.replace(clear, trouble="noise")
    assert np.std(speak(drowned, 7) - voice) > np.std(voice)
    np.testing.assert_array_equal(list(draw_frames(drowned, 7, SIZE, FPS))[12], face)


def test_no_two_emotions_are_neighbours_in_both_modalities():
    face = {frozenset(pair) for pair in FACE_NEIGHBOUR.items()}
    voice = {frozenset(pair) for pair in VOICE_NEIGHBOUR.items()}
    assert not face & voice
    assert set().union(*voice) == set(EMOTIONS)


def test_trouble_hits_a_known_share_of_the_clips_and_one_modality_at_most():
    planned = [take for actor in demo_corpus.ACTORS for take in plan_takes(actor, 60)]
    found = Counter(draw_acting(42, take, FPS).trouble for take in planned)
    hidden = sum(found[kind] for kind in ("hand", "sheet", "turned"))
    assert hidden / len(planned) == pytest.approx(HIDDEN_SHARE, abs=0.03)
    assert found["noise"] / len(planned) == pytest.approx(NOISY_SHARE, abs=0.03)
    assert min(found.values()) > 20


def test_durations_are_whole_frames_between_3_and_4_2_seconds():
    for take in plan_takes(1, 60):
        for fps in (10, 25, 30):
            acting = draw_acting(1, take, fps)
            assert acting.duration_s * fps == pytest.approx(round(acting.duration_s * fps))
            assert 3.0 - 0.5 / fps <= acting.duration_s <= 4.2 + 0.5 / fps
            assert acting.speech_s[0] >= 0.5
            assert acting.duration_s - acting.speech_s[1] >= 0.5
