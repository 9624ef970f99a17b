"""What a card must say before it is published: it is added, unless the card says so in the words of a training."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from emofusion.data.corpora.fer2013 import FER2013
from emofusion.evaluation.reports.card import write_card
from emofusion.training.errors import PublishError
from emofusion.training.publish.card_head import licence_in
from emofusion.training.publish.notices import notices_of, with_notices
from helpers.runs.run_records import metrics_of

PICTURES: dict[str, Any] = {"fusion": "video", "actors": (), "corpus": "AffectNet", "test_part": "validation"}


def card_with(body: str, licence: str = "license: cc-by-nc-sa-4.0") -> str:
    return f"---\n{licence}\ndatasets:\n- FER-2013\n---\n\n# a model\n\n{body}\n"


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"leaky": True, "protocol": "random_clips"}, "Leaky scores: "),
        ({"leaky": True, "actors": (), "own_clips": True}, "Leaky scores: "),
        ({"leaky": None}, "Perhaps leaky scores: "),
        ({"leaky": None, "trained": False}, "Perhaps leaky scores: "),
        ({"leaky": None, "actors": (), "own_clips": True}, "Perhaps leaky scores: "),
        ({"leaky": None, **PICTURES}, "Perhaps leaky scores: "),
        (PICTURES, "The scores are of the validation split"),
        ({"corpus": "FER-2013", "corpus_notice": FER2013.notice}, "FER-2013, which trained these weights"),
        ({"learnt_before": {"video": ["ImageNet", "FER-2013"]}}, "FER-2013, which trained these weights"),
    ],
)
def test_card_of_a_training_says_it_already(tmp_path: Path, fields: dict[str, Any], said: str):
    metrics = metrics_of(**fields)
    write_card(metrics, "cc-by-nc-sa-4.0", tmp_path, "you/model")
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    (notice,) = [notice for notice in notices_of(card, metrics) if notice.words.startswith(said)]
    assert with_notices(card, [notice]) == card
    honest = metrics_of(**fields | {"leaky": False, "test_part": "test", "corpus": "RAVDESS", "learnt_before": {}})
    write_card(honest | {"corpus_notice": ""}, "cc-by-nc-sa-4.0", tmp_path, "you/model")
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert with_notices(card, [notice]) != card, "a card that has nothing of it"


@pytest.mark.parametrize(
    "metrics, body, said",
    [
        ({"leaky": True}, "Layers are leaky ReLU. Leaky split: none.", "Leaky scores: people of the test were seen"),
        (
            {"leaky": None},
            "It is not known which lens was used, and nobody knows who is in front of it. Perhaps leaky, the roof.",
            "Perhaps leaky scores: nobody knows whether",
        ),
        (
            {"test_part": "validation"},
            "Chosen by the validation split.",
            "The scores are of the validation split, for",
        ),
        (
            {"learnt_before": {"video": ["FER-2013"]}},
            "It is better than others on FER-2013.",
            "FER-2013, which trained",
        ),
        ({"corpus": "AffectNet"}, "AffectNet: 3999 pictures.", "AffectNet, which trained these weights, has terms"),
        (
            {"corpus": "RAVDESS", "learnt_before": {"audio": ["CREMA-D"]}},
            "> **Contradictory licences: the card says odbl, and RAVDESS, which trained these weights, is under "
            "cc-by-nc-sa-4.0 (no commercial use, share alike).**",
            "Contradictory licences: the card says mit, and RAVDESS",
        ),
    ],
)
def test_ordinary_words_of_a_card_do_not_say_it(metrics: dict[str, Any], body: str, said: str):
    licence = "license: mit" if said.startswith("Contradictory") else "license: cc-by-nc-sa-4.0"
    card = card_with(body, licence)
    (notice,) = notices_of(card, {"trained": True, "test_uar": 0.5} | metrics)
    told = with_notices(card, [notice])
    assert told.split("\n---\n")[1].startswith(f"\n> **{said}") and told.endswith(f"# a model\n\n{body}\n")
    assert with_notices(told, [notice]) == told
    broken = card_with(textwrap.fill(f"Note. {notice.words}.", 40), licence)
    assert with_notices(broken, [notice]) == broken


def test_no_score_is_said_where_none_is():
    card = card_with("Nobody knows how good it is in the dark.")
    (notice,) = notices_of(card, {"seed": 1})
    assert "> **Nobody knows how good it is: metrics.json has no score.**" in with_notices(card, [notice])


def test_no_licence_is_said_where_none_is():
    card = card_with("No licence is told of the clips.", "license: other")
    (notice,) = notices_of(card, {"test_uar": 0.5})
    told = with_notices(card, [notice])
    assert "> **No licence is told: without one nobody may use these weights; put" in told
    assert with_notices(told, [notice]) == told


@pytest.mark.parametrize(
    "head, licence",
    [
        ("license: mit", "mit"),
        ("license: other\nlicense_name: mine-1\nlicense_link: LICENSE", "mine-1"),
        ("license: other\nlicense_link: https://a.org/mine", "https://a.org/mine"),
        ("license: other\nlicense_name: 1.0", "1.0"),
        ("license_name: mine-1", "mine-1"),
        ("license: other", None),
        ("license: unknown", None),
        ("license:", None),
        ("tags: [mit]", None),
    ],
)
def test_licence_is_what_the_head_of_a_card_names(head: str, licence: str | None):
    assert licence_in(card_with("license: mit", head)) == licence
    assert licence_in(head) is None, "no head"


def test_head_that_cannot_be_read_is_told():
    with pytest.raises(PublishError, match="README.md: its head, between the lines ---, is no YAML"):
        licence_in(card_with("", "license: ["))
