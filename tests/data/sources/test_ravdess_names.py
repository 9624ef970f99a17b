"""The grammar of RAVDESS file names."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emofusion.data.sources.ravdess_names import EMOTIONS, RavdessName, looks_like_ravdess, parse_name


@st.composite
def names(draw: st.DrawFn) -> RavdessName:
    """Every possible name: song has six emotions, neutral is never strong."""
    channel = draw(st.integers(1, 2))
    emotion = draw(st.integers(1, 8 if channel == 1 else 6))
    intensity = draw(st.integers(1, 1 if emotion == 1 else 2))
    modality, statement, repetition = draw(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2)))
    return RavdessName(modality, channel, emotion, intensity, statement, repetition, draw(st.integers(1, 24)))


@settings(deadline=None)
@given(names())
def test_parse_name_of_any_possible_name_gives_it_back(name: RavdessName):
    assert parse_name(str(name)) == name
    assert re.fullmatch(r"[0-9]{2}(-[0-9]{2}){6}", str(name))
    assert str(name)[3:] == name.take


@settings(deadline=None)
@given(st.text(max_size=30))
def test_parse_name_of_any_text_gives_itself_back_or_raises(text: str):
    try:
        assert str(parse_name(text)) == text
    except ValueError as error:
        assert text in str(error)


@settings(deadline=None)
@given(st.from_regex(r"[0-9]{2}(-[0-9]{2}){6}", fullmatch=True))
def test_parse_name_of_seven_numbers_gives_itself_back_or_raises(stem: str):
    assert looks_like_ravdess(stem)
    try:
        assert str(parse_name(stem)) == stem
    except ValueError as error:
        assert stem in str(error)


FIELDS = ("modality", "channel", "emotion", "intensity", "statement", "repetition", "actor")


@pytest.mark.parametrize("code", [0, 99])
@pytest.mark.parametrize("position", range(7))
def test_parse_name_field_out_of_range_is_named(position: int, code: int):
    codes = ["01", "01", "03", "01", "01", "01", "01"]
    codes[position] = f"{code:02d}"
    with pytest.raises(ValueError, match=rf"^{'-'.join(codes)}: {FIELDS[position]} {code:02d} is out of range 01-"):
        parse_name("-".join(codes))


@pytest.mark.parametrize("position, highest", list(enumerate([3, 2, 8, 2, 2, 2, 24])))
def test_parse_name_highest_code_passes_and_the_next_is_refused(position: int, highest: int):
    codes = [1, 1, 3, 1, 1, 1, 1]
    codes[position] = highest
    assert parse_name("-".join(f"{code:02d}" for code in codes))
    codes[position] = highest + 1
    with pytest.raises(ValueError, match=FIELDS[position]):
        parse_name("-".join(f"{code:02d}" for code in codes))


def test_parse_name_strong_neutral_is_refused_in_speech_and_song():
    for stem in ("01-01-01-02-01-01-01", "03-02-01-02-01-01-01"):
        with pytest.raises(ValueError, match=f"{stem}: intensity 02 .*neutral"):
            parse_name(stem)


@pytest.mark.parametrize("emotion, word", [("07", "disgust"), ("08", "surprised")])
def test_parse_name_emotion_that_song_lacks_is_refused(emotion: str, word: str):
    with pytest.raises(ValueError, match=rf"emotion {emotion} \({word}\) does not exist in song"):
        parse_name(f"01-02-{emotion}-01-01-01-01")
    assert parse_name(f"01-01-{emotion}-01-01-01-01").emotion_name == word


@pytest.mark.parametrize(
    "stem",
    [
        "",
        "1-01-03-01-01-01-01",
        "01-01-03-01-01-01",
        "01-01-03-01-01-01-01-01",
        "01_01_03_01_01_01_01",
        "01-01-03-01-01-01-01.mp4",
        "01-01-03-01-01-01-01\n",
        " 01-01-03-01-01-01-01",
        "٠١-٠١-٠٣-٠١-٠١-٠١-٠١",
        "-1-01-03-01-01-01-01",
    ],
)
def test_parse_name_of_another_form_is_refused_with_an_example(stem: str):
    assert not looks_like_ravdess(stem)
    with pytest.raises(ValueError, match="not a RAVDESS name, expected seven two-digit fields such as"):
        parse_name(stem)


def test_ravdess_name_properties_of_a_known_clip_are_those_of_the_documentation():
    name = parse_name("02-01-06-01-02-01-12")
    assert (name.emotion_name, name.gender, name.take) == ("fearful", "female", "01-06-01-02-01-12")
    assert (name.modality, name.channel, name.intensity, name.statement, name.repetition) == (2, 1, 1, 2, 1)
    assert parse_name("02-01-06-01-02-01-11").gender == "male"


def test_emotions_stand_in_code_order():
    words = [parse_name(f"01-01-{code:02d}-01-01-01-01").emotion_name for code in range(1, 9)]
    assert words == ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"] == list(EMOTIONS)


def test_parse_name_of_the_real_corpus_accepts_all_1200_files(test_data: Path):
    parsed = [parse_name(path.stem) for path in sorted((test_data / "ravdess").rglob("*.flac"))]
    assert len(parsed) == len(set(parsed)) == 1200
    assert {name.actor for name in parsed} == set(range(1, 21))
    assert {(name.modality, name.channel) for name in parsed} == {(3, 1)}
