"""Label sets, counted on the whole corpus as its authors describe it."""

from collections import Counter
from pathlib import Path

import pytest

from emofusion.data.label_sets import LABEL_SETS, label_set
from emofusion.data.sources.ravdess_names import RavdessName, parse_name


def whole_corpus() -> list[RavdessName]:
    """All 1440 names of RAVDESS speech."""
    return [
        RavdessName(1, 1, emotion, intensity, statement, repetition, actor)
        for actor in range(1, 25)
        for emotion in range(1, 9)
        for intensity in ((1,) if emotion == 1 else (1, 2))
        for statement in (1, 2)
        for repetition in (1, 2)
    ]


def count(name: str, corpus: list[RavdessName]) -> dict[str, int]:
    mapping = label_set(name).mapping
    return dict(Counter(mapping[clip.emotion_name] for clip in corpus if clip.emotion_name in mapping))


EXPECTED = {
    "emotions8": {
        "neutral": 96,
        "calm": 192,
        "happy": 192,
        "sad": 192,
        "angry": 192,
        "fearful": 192,
        "disgust": 192,
        "surprised": 192,
    },
    "emotions4": {"neutral": 96, "happy": 192, "sad": 192, "angry": 192},
    "emotions4_calm": {"neutral": 288, "happy": 192, "sad": 192, "angry": 192},
    "groups4": {"neutral": 288, "happy": 192, "negative": 768, "surprised": 192},
    "emotions7": {
        "neutral": 96,
        "happy": 192,
        "sad": 192,
        "angry": 192,
        "fearful": 192,
        "disgust": 192,
        "surprised": 192,
    },
    "emotions7_calm": {
        "neutral": 288,
        "happy": 192,
        "sad": 192,
        "angry": 192,
        "fearful": 192,
        "disgust": 192,
        "surprised": 192,
    },
    "affectnet8": {
        "neutral": 96,
        "happy": 192,
        "sad": 192,
        "angry": 192,
        "fearful": 192,
        "disgust": 192,
        "surprised": 192,
    },
}
NOT_IN_RAVDESS = {"affectnet8": ["contempt"]}
"""Classes that only other corpora have; they come last."""


@pytest.mark.parametrize("name", EXPECTED)
def test_label_set_on_the_whole_corpus_has_the_published_counts(name: str):
    corpus = whole_corpus()
    assert len(corpus) == len(set(corpus)) == 1440
    assert count(name, corpus) == EXPECTED[name]


@pytest.mark.parametrize(
    "name, total",
    [
        ("emotions8", 1440),
        ("emotions4", 672),
        ("emotions4_calm", 864),
        ("groups4", 1440),
        ("emotions7", 1248),
        ("emotions7_calm", 1440),
        ("affectnet8", 1248),
    ],
)
def test_label_set_on_the_whole_corpus_keeps_the_published_total(name: str, total: int):
    assert sum(count(name, whole_corpus()).values()) == total


@pytest.mark.parametrize("name", EXPECTED)
def test_label_set_ids_follow_ravdess_codes(name: str):
    labels = label_set(name).labels
    assert labels == list(EXPECTED[name]) + NOT_IN_RAVDESS.get(name, [])  # written above in code order
    assert label_set(name).id2label == dict(enumerate(labels))
    assert label_set(name).name == name


def test_label_set_groups4_sorts_each_emotion_where_the_issue_says():
    assert label_set("groups4").mapping == {
        "neutral": "neutral",
        "calm": "neutral",
        "happy": "happy",
        "sad": "negative",
        "angry": "negative",
        "fearful": "negative",
        "disgust": "negative",
        "surprised": "surprised",
    }


def test_label_set_affectnet8_has_contempt_and_the_others_leave_it_out():
    assert [name for name in LABEL_SETS if "contempt" in label_set(name).mapping] == ["affectnet8"]
    assert label_set("affectnet8").id2label[7] == "contempt"
    assert "calm" not in label_set("emotions7").mapping
    assert label_set("emotions7_calm").mapping["calm"] == "neutral"


def test_label_set_unknown_name_lists_the_choices():
    with pytest.raises(ValueError, match=r"^label_set: unknown 'emotions9'; the choices are emotions8, emotions4, "):
        label_set("emotions9")
    assert set(LABEL_SETS) == set(EXPECTED)


def test_label_set_emotions4_on_the_real_corpus_keeps_560_clips(test_data: Path):
    corpus = [parse_name(path.stem) for path in (test_data / "ravdess").rglob("*.flac")]
    assert len(corpus) == 1200
    assert count("emotions4", corpus) == {"neutral": 80, "happy": 160, "sad": 160, "angry": 160}  # 560
    assert sum(count("emotions4_calm", corpus).values()) == 720
    assert sum(count("groups4", corpus).values()) == sum(count("emotions8", corpus).values()) == 1200
