"""What must be said of a model before it is published, on the terminal and in its card."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from emofusion.evaluation.run_files import METRICS_FILE

from .card_head import licence_in, parts_of, says_nothing

_LIMITS = {"nc": "no commercial use", "nd": "no changes", "sa": "share alike"}
"""What parts of a licence's name forbid or demand; one that lacks them gives more away than was given."""


class Notice(NamedTuple):
    """One thing to be said.

    Attributes:
        words (`str`): What it is, without a full stop.
        known_by (`str`): Pattern of words by which a card says it already.
    """

    words: str
    known_by: str


def notices_of(card: str, metrics: Mapping[str, Any]) -> list[Notice]:
    """What is to be said of a model.

    Args:
        card (`str`): Its card.
        metrics (`Mapping`): Its metrics.json; empty where there is none.

    Raises:
        PublishError: The head of the card is no YAML.
    """
    return [*_on_scores(metrics), *_on_licence(licence_in(card), metrics)]


def with_notices(card: str, notices: list[Notice]) -> str:
    """A card that says all of it: what it lacks stands at its beginning."""
    lacking = [f"> **{notice.words}.**\n\n" for notice in notices if not re.search(notice.known_by, card)]
    head, body = parts_of(card)
    return f"{head}{'' if not lacking or not head else chr(10)}{''.join(lacking)}{body.lstrip() if lacking else body}"


def _on_scores(metrics: Mapping[str, Any]) -> Iterator[Notice]:
    if not any(name.startswith("test_") and name != "test_part" for name in metrics):
        what = f"there is no {METRICS_FILE}" if not metrics else f"{METRICS_FILE} has no score"
        yield Notice(f"Nobody knows how good it is: {what}", r"Nobody knows how good it is")
        return
    leaky = metrics.get("leaky", False)
    if leaky:
        yield Notice(
            "Leaky scores: people of the test were seen in training, so every score is inflated",
            r"Leaky s(plit|cores)|\bleaky\b",
        )
    elif leaky is None:
        yield Notice(
            "Perhaps leaky scores: nobody knows whether people of the test were seen in training",
            r"(?i)is not known which|nobody knows who|perhaps leaky",
        )
    if metrics.get("test_part") == "validation":
        yield Notice(
            "The scores are of the validation split, for no labels of the test split were published",
            r"\bvalidation split\b",
        )


def _on_licence(licence: str | None, metrics: Mapping[str, Any]) -> Iterator[Notice]:
    names = _learnt_from(metrics)
    if licence is None:
        of = f", and {' and '.join(names)}, which trained it, may ask for one" if names else ""
        yield Notice(
            f"No licence is told: without one nobody may use these weights; put `license:` into the head of the "
            f"card{of}",
            r"No licence is told",
        )
        return
    for name, terms in _terms(names).items():
        if says_nothing(terms):
            yield Notice(f"{name}, which trained these weights, has terms of its own", re.escape(name))
            continue
        kept = licence.split("-")
        lost = [limit for part, limit in _LIMITS.items() if part in terms.split("-") and part not in kept]
        if lost:
            yield Notice(
                f"Contradictory licences: the card says {licence}, and {name}, which trained these weights, is under "
                f"{terms} ({', '.join(lost)})",
                r"Contradictory licences",
            )


def _learnt_from(metrics: Mapping[str, Any]) -> list[str]:
    """Names of the corpora that the weights learned from."""
    own = [str(metrics["corpus"])] if metrics.get("trained") and metrics.get("corpus") else []
    before = [name for names in (metrics.get("learnt_before") or {}).values() for name in names]
    return list(dict.fromkeys([*own, *before]))


def _terms(names: list[str]) -> dict[str, str]:
    """Licences of the corpora among them that we know, by name."""
    from emofusion.data.corpora.registry import CORPORA  # imports datasets, which takes seconds
    from emofusion.data.sources.corpus_record import RECORDS

    known = {corpus.name: corpus.license for corpus in (*(e.corpus for e in CORPORA.values()), *RECORDS.values())}
    return {name: known[name] for name in names if name in known}
